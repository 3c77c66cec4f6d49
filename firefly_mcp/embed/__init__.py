"""Embedders: what turns free texts into vectors, behind one small protocol; and the recording's store of vectors."""

from firefly_mcp.embed.named import local_embedder
from firefly_mcp.embed.protocol import Embedder, Vectors

__all__ = ["Embedder", "Vectors", "local_embedder"]
