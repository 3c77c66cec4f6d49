"""Scores over repeated attempts, and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np


def pass_at_k(passed: int, attempts: int, k: int) -> float:
    """The chance that at least one of ``k`` attempts passes (unbiased; Chen et al. 2021, arXiv 2107.03374)."""
    return 1.0 - comb(attempts - passed, k) / comb(attempts, k)


def pass_hat_k(passed: int, attempts: int, k: int) -> float:
    """The chance that all of ``k`` attempts pass (unbiased; Yao et al. 2024, tau-bench, arXiv 2406.12045)."""
    return comb(passed, k) / comb(attempts, k)


def bootstrap_interval(scores: Sequence[float], *, level: float = 0.95, draws: int = 2000, seed: int = 0) -> list[float]:
    """The percentile interval of the mean, by resampling tasks; the same seed gives the same interval."""
    if not scores:
        return [0.0, 0.0]
    values = np.asarray(scores, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(values), size=(draws, len(values)))
    means = values[picks].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]
