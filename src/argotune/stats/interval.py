"""Interval: the values that a statement holds for, both ends included."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A confidence interval, both ends included."""

    low: float
    high: float

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high
