"""Vote weights: how much each voter of an ensemble counts, learned by gradient descent on what was right.

A linear pool of the voters' shares, its weights the softmax of free numbers, so that they are shares themselves; the
loss is the mean log loss of the right labels. Steps have momentum (Polyak, 1964), and weight decay pulls the numbers to
0, where all voters count alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from argotune.stats.calibration import Numbers, probabilities

STEPS = 200

NEXT_TO_NOTHING = 1e-9


@dataclass(frozen=True)
class Descent:
    """How the steps are made."""

    learning_rate: float
    momentum: float
    weight_decay: float


def learned_weights(shares: Numbers, weights: Numbers, by: Descent) -> Numbers:
    """The weight of each voter, which sum to 1. `shares` has a row for each example, a column for each voter: what it
    gave to the right label. `weights` are those of the examples."""
    numbers, velocity = np.zeros(shares.shape[1]), np.zeros(shares.shape[1])
    importance = weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1 / max(len(weights), 1))
    for _ in range(STEPS):
        velocity = by.momentum * velocity - by.learning_rate * _gradient(numbers, shares, importance, by.weight_decay)
        numbers = np.clip(numbers + velocity, -20.0, 20.0)
    return probabilities(numbers)


def _gradient(numbers: Numbers, shares: Numbers, importance: Numbers, decay: float) -> Numbers:
    mixed = probabilities(numbers)
    pulls: Numbers = -(importance / np.maximum(shares @ mixed, NEXT_TO_NOTHING)) @ shares
    found: Numbers = mixed * (pulls - pulls @ mixed) + decay * numbers
    return found
