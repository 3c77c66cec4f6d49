"""What an embedder is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors; the same text gives the same vector for ever under one ``name``."""

    @property
    def name(self) -> str:
        """What the recording keeps its vectors under: another name is another embedder, and the texts are embedded anew."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def threshold(self) -> float:
        """The cosine distance up to which a text may answer for another, where no rule of the tool says otherwise."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, one row per text: float32 ``[n, dimensions]``.

        Raises:
            ModelError: the embedder cannot be asked now.
        """


def unit(vectors: Vectors) -> Vectors:
    """The rows scaled to length 1; a row of zeros becomes the first axis, for a direction is needed."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    made = np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)
    made[lengths[:, 0] == 0, 0] = 1.0
    return made
