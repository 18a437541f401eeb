"""Significance: how that of a tenant's year is spent over its contests (online multiple testing).

The error is to promote a challenger that is no better. Its chance, over all contests that a tenant opens within a year
together, stays at most the significance, however many contests there are, whichever of them are true gains, and
whenever each is ended (docs/decisions/0006-contests.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from argotune.errors import ConfigInvalid

_RESERVE = 3.0
"""How much of the significance is kept against later contests: the first may take a quarter, with which a true +5
(2 wins to 1 loss) needs at most 135 labels in 80 % of orders. Chosen by benchmarks/significance.py."""


def next_level(significance: float, spent: Sequence[float]) -> float:
    """The level of a contest that opens when earlier ones of the same year have spent so much: what `spent_by` says of
    those that ended, the whole level of those that run.

    p^2 / (p + 3 a), where a is the significance and p what is left of it. Where nothing comes back this is
    3 a / ((k + 2) (k + 3)) for contest k, which sums to a. That the sum of what is out never exceeds a is all that the
    error needs: with E_i the wealth of contest i, what is left plus the sum of level_i E_i over contests without a gain
    is a nonnegative supermartingale that starts at a and reaches 1 when one of them is promoted (Ville's inequality).
    A graphical procedure with e-values: Bretz et al., "A graphical approach to sequentially rejective multiple test
    procedures", Stat. Med. 28 (2009); Tian and Ramdas, "Online control of the familywise error rate", Stat. Methods
    Med. Res. 30 (2021); Hartog and Lei, "Family-wise error rate control with e-values" (2025).

    0 when nothing is left, as after the significance was lowered. Raises ConfigInvalid for a significance outside 0..1
    or something spent that is negative or no number.
    """
    if not 0 < significance < 1 or not all(part >= 0 for part in spent):
        raise ConfigInvalid(f"significance {significance:g}, spent {list(spent)}: cannot be")
    left = max(significance - math.fsum(spent), 0.0)
    return left**2 / (left + _RESERVE * significance)


def spent_by(level: float, log_wealth: float, *, is_promoted: bool) -> float:
    """What a contest of this level has spent when it has ended with this wealth: level * (1 - min(1, wealth)).

    A promotion gives its level back: if it was false the error has happened, and if it was true its level was not
    needed (Tian and Ramdas 2021). Another end gives back what its bet still held, at most the level, as whoever walks
    away from a game keeps their wealth: a contest that ends before anything was bet has spent nothing.
    """
    return 0.0 if is_promoted else level * (1 - math.exp(min(log_wealth, 0.0)))


def level_in_series(significance: float, number: int) -> float:
    """The share of `significance` that look or test 1, 2, ... may spend where nothing comes back:
    significance * 6 / (pi k)^2.

    The shares sum to `significance` (Euler's sum of 1 / k^2), so by Bonferroni's inequality the chance of any false
    positive stays below it however many there are. Alpha spending after Lan and DeMets, Biometrika 70 (1983). Raises
    ConfigInvalid for a number below 1 or a significance outside 0..1.
    """
    if number < 1 or not 0 < significance < 1:
        raise ConfigInvalid(f"number {number} at significance {significance:g}: must be 1 or more, and within 0..1")
    return significance * 6 / (math.pi * number) ** 2
