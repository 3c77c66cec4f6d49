"""Embedders of libraries that a user may have installed: fastembed and sentence-transformers, by the name of a model."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from firefly_mcp.embed.protocol import Vectors, unit
from firefly_mcp.errors import ModelError, UsageError

LIBRARIES = {"fastembed": "fastembed", "sentence-transformers": "sentence_transformers"}


class InstalledEmbedder:
    """A model of fastembed or sentence-transformers; the library finds (or fetches) it by its own rules."""

    threshold = 0.35

    def __init__(self, library: str, model: str) -> None:
        """Load the model.

        Args:
            library: a key of :data:`LIBRARIES`.
            model: the library's name of a model.

        Raises:
            UsageError: the library is not installed.
            ModelError: the library cannot load the model.
        """
        if find_spec(LIBRARIES[library]) is None:
            raise UsageError(f"--embedder {library}:{model}: {library} is not installed")
        try:
            self._model: Any = _load(library, model)
        except Exception as error:  # network, cache and model errors, all of the library's own types
            raise ModelError(f"--embedder {library}:{model}: {library} cannot load it ({error})") from error
        self._library = library
        self.name = f"{library}:{model}"
        self.dimensions = int(self.embed(["a"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, float32 ``[n, dimensions]``."""
        found = list(self._model.embed(list(texts))) if self._library == "fastembed" else self._model.encode(list(texts))
        return unit(np.asarray(found, dtype=np.float32))


def _load(library: str, model: str) -> Any:
    if library == "fastembed":
        from fastembed import TextEmbedding

        return TextEmbedding(model)
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(model)
