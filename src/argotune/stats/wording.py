"""Wording: numbers as people are told them, in sentences and tables, so that one number looks the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping

from argotune.stats.interval import Interval


def counted(n: int, one: str, many: str = "") -> str:
    """How many of something, e.g. `1 label`, `2,400 labels`; `many` where its plural takes more than an s."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def each_counted(counts: Mapping[str, int]) -> str:
    """How many of each, by name, e.g. `2 cut off, 1 empty`."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def percent(share: float) -> str:
    """A share in 0..1, e.g. `71.0 %`."""
    return f"{100 * share:.1f} %"


def percent_between(interval: Interval) -> str:
    """An interval of shares, e.g. `89.1 % to 97.9 %`."""
    return f"{percent(interval.low)} to {percent(interval.high)}"


def points(difference: float, digits: int = 1) -> str:
    """A difference of shares or scores in points of a hundred, with its sign, e.g. `+7.5`."""
    return f"{100 * difference:+.{digits}f}"


def chance(p: float) -> str:
    """A p-value or a level: two significant digits, without an exponent as long as people can count the zeros."""
    rounded = float(f"{p:.1e}")
    if rounded >= 1 or rounded < 1e-6:
        return f"{rounded:g}"
    return f"{rounded:.{1 - math.floor(math.log10(rounded))}f}"


def confidence(level: float) -> str:
    """The confidence of what is judged at a level, from the level in two digits: 99.9997 % is not told as 100 %."""
    return f"{100 - float(f'{100 * level:.2g}'):.12g} %"
