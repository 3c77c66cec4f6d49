"""Embedders by name, those behind an OpenAI-compatible endpoint among them."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

import numpy as np

from firefly_mcp.embed import Embedder, Vectors, local_embedder
from firefly_mcp.embed.protocol import unit
from firefly_mcp.errors import ModelError, UsageError
from firefly_mcp.jsonio import loads

_PREFIX = "openai:"
_SECONDS = 30
_BATCH = 128


def embedder_named(name: str, variables: Mapping[str, str] = os.environ) -> Embedder:
    """The embedder that ``--embedder`` names: ``openai:MODEL``, or one of :func:`firefly_mcp.embed.local_embedder`.

    Raises:
        UsageError: no such embedder, or what it needs is not installed or not set.
        ModelError: the endpoint, or a library's model, does not answer.
    """
    if not name.startswith(_PREFIX):
        return local_embedder(name)
    base, key = variables.get("OPENAI_BASE_URL", ""), variables.get("OPENAI_API_KEY", "")
    if not base.startswith(("http://", "https://")):
        raise UsageError(f"--embedder {name}: set OPENAI_BASE_URL to an OpenAI-compatible endpoint (https://HOST/v1)")
    return EndpointEmbedder(name.removeprefix(_PREFIX), base, key)


class EndpointEmbedder:
    """A model behind ``POST {base}/embeddings``; plain and blocking, asked once for each text that was not seen before."""

    threshold = 0.35

    def __init__(self, model: str, base: str, key: str) -> None:
        """Ask for one vector, to learn their length.

        Raises:
            ModelError: the endpoint does not answer.
        """
        self._model, self._url, self._key = model, f"{base.rstrip('/')}/embeddings", key
        self.name = f"{_PREFIX}{model}"
        self.dimensions = int(self.embed(["a"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, float32 ``[n, dimensions]``.

        Raises:
            ModelError: the endpoint does not answer, or not with vectors.
        """
        made = [self._ask(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return unit(np.concatenate(made)) if made else np.zeros((0, self.dimensions), dtype=np.float32)

    def _ask(self, texts: Sequence[str]) -> Vectors:
        body = json.dumps({"model": self._model, "input": list(texts), "encoding_format": "float"}).encode()
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {self._key}"} if self._key else {})
        try:
            request = urllib.request.Request(self._url, body, headers)
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                rows = sorted(loads(answer.read())["data"], key=lambda row: row["index"])
                found = np.array([row["embedding"] for row in rows], dtype=np.float32)
        except (OSError, urllib.error.URLError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{self._url}: model {self._model!r} gave no embedding ({error}); see OPENAI_BASE_URL") from error
        if found.ndim != 2 or len(found) != len(texts):
            raise ModelError(f"{self._url}: model {self._model!r} gave {len(found)} vectors for {len(texts)} texts")
        return found
