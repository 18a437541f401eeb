"""Wealth paths: a bet after each difference, for many simulated sequences at once; tests hold it to the bet itself."""

from __future__ import annotations

import math

import numpy as np

from argotune.stats.betting import DIFFERENCES, STAKES
from argotune.stats.interval import Interval


def log_wealth_path(differences: np.ndarray, mean: float = 0.0, within: Interval = DIFFERENCES) -> np.ndarray:
    """`argotune.stats.betting.log_wealth` after each difference along the last axis, the other axes being sequences of
    their own."""
    gains = (np.asarray(differences, dtype=float) - mean) / (mean - within.low)
    path = np.full(gains.shape, -np.inf)
    for stake, share in STAKES.items():
        path = np.logaddexp(path, np.cumsum(np.log1p(stake * gains), axis=-1) + math.log(share))
    return path
