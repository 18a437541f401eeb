"""Power: how many examples a comparison needs to show a gain, and at which level the gate's next attempt is judged."""

from __future__ import annotations

import math
from bisect import bisect_left
from statistics import NormalDist

from argotune.errors import ConfigInvalid


def level_of_attempt(significance: float, attempt: int) -> float:
    """The share of `significance` that attempt k = 1, 2, ... may spend: significance * 6 / (pi^2 k^2).

    The shares sum to `significance` over all attempts (Euler's sum of 1 / k^2), so by Bonferroni's inequality the
    chance of any false positive stays below it however many attempts there are. Same idea as the alpha spending of
    Lan and DeMets, Biometrika 70 (1983). Raises ConfigInvalid for an attempt below 1 or a significance outside 0..1.
    """
    if attempt < 1 or not 0 < significance < 1:
        raise ConfigInvalid(f"attempt {attempt} at significance {significance:g}: must be 1 or more, and within 0..1")
    return significance * 6 / (math.pi * attempt) ** 2


def examples_needed(gain: float, disagreement: float, level: float, power: float) -> int:
    """Paired examples with which a two-sided test at `level` finds a true `gain` with probability `power`.

    `gain` is the difference of two hit rates, `disagreement` the share of examples on which only one of the two is
    right; it cannot be below the gain. Connor, "Sample size for testing differences in proportions for the
    paired-sample design", Biometrics 43 (1987), equation 1. Raises ConfigInvalid for numbers outside 0..1.
    """
    if not 0 < gain <= 1 or not 0 <= disagreement <= 1 or not 0 < level < 1 or not 0 < power < 1:
        raise ConfigInvalid(
            f"gain {gain:g}, disagreement {disagreement:g}, level {level:g}, power {power:g}: not in 0..1"
        )
    differing = max(disagreement, gain)
    normal = NormalDist()
    by_chance = normal.inv_cdf(1 - level / 2) * math.sqrt(differing)
    by_gain = normal.inv_cdf(power) * math.sqrt(differing - gain**2)
    return math.ceil((by_chance + by_gain) ** 2 / gain**2)


def gain_detected(examples: int, disagreement: float, level: float, power: float) -> float | None:
    """The smallest gain that so many paired examples can show, in steps of a thousandth; None when there is none."""
    step = bisect_left(range(1, 1001), -examples, key=lambda s: -examples_needed(s / 1000, disagreement, level, power))
    return (step + 1) / 1000 if step < 1000 else None
