"""Platt scaling: how sure one may be of an answer, learned by steps from how sure one was of others and what they were.

John Platt, "Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood Methods", 1999;
steps by Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, with its constants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

PASSES = 20
"""How often each learning looks at all that is known."""

_NEAR_CERTAIN = 1e-3
_FIRST_MOMENT, _SECOND_MOMENT, _TINY = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Platt:
    """The probability of a hit is sigmoid(slope * logit(confidence) + offset); untaught, it is the confidence."""

    slope: float = 1.0
    offset: float = 0.0

    def probability(self, confidence: float) -> float:
        """Of a hit, in 0..1, of one who is so sure in 0..1. Who is surer is never less likely to be right."""
        return _sigmoid(self.slope * _logit(confidence) + self.offset)

    def taught(
        self, pairs: Sequence[tuple[float, bool]], learning_rate: float, batch_size: int, chance: Random
    ) -> Platt:
        """After PASSES over pairs of (confidence, hit) in batches drawn without replacement, a step of about
        `learning_rate` for each. Hits count as Platt's targets, so that few of them make nobody certain."""
        hits = sum(hit for _, hit in pairs)
        high, low = (hits + 1) / (hits + 2), 1 / (len(pairs) - hits + 2)
        known = [(_logit(confidence), high if hit else low) for confidence, hit in pairs]
        steps = _Steps([self.slope, self.offset], learning_rate)
        for _ in range(PASSES):
            chance.shuffle(known)
            for start in range(0, len(known), batch_size):
                steps.go(_gradient(steps.at, known[start : start + batch_size]))
                steps.at[0] = max(steps.at[0], 0.0)
        return Platt(*steps.at)


class _Steps:
    """Adam's, from a point on."""

    def __init__(self, at: list[float], learning_rate: float) -> None:
        self.at, self._rate, self._count = at, learning_rate, 0
        self._first, self._second = [0.0] * len(at), [0.0] * len(at)

    def go(self, gradient: Sequence[float]) -> None:
        self._count += 1
        for n, slope in enumerate(gradient):
            self._first[n] = _FIRST_MOMENT * self._first[n] + (1 - _FIRST_MOMENT) * slope
            self._second[n] = _SECOND_MOMENT * self._second[n] + (1 - _SECOND_MOMENT) * slope**2
            first = self._first[n] / (1 - _FIRST_MOMENT**self._count)
            second = self._second[n] / (1 - _SECOND_MOMENT**self._count)
            self.at[n] -= self._rate * first / (math.sqrt(second) + _TINY)


def _gradient(at: Sequence[float], batch: Sequence[tuple[float, float]]) -> list[float]:
    """Of the mean log loss, by slope and offset."""
    errors = [(_sigmoid(at[0] * logit + at[1]) - target, logit) for logit, target in batch]
    return [sum(e * logit for e, logit in errors) / len(batch), sum(e for e, _ in errors) / len(batch)]


def _logit(confidence: float) -> float:
    near = min(max(confidence, _NEAR_CERTAIN), 1 - _NEAR_CERTAIN)
    return math.log(near / (1 - near))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
