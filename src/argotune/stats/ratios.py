"""Ratios: does one thing take more than a limit times what another takes? Paired amounts, nothing of their law known.

The claim that is bet against: the first takes, in the mean, at most `limit` times what the second does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from argotune.errors import ConfigInvalid
from argotune.stats.betting import log_wealth

WARM_UP = 20
"""Pairs that only tell what is usual. They hold cold starts, too."""

SPARED = 2
"""Of these so many may be slow by chance."""

USUAL_TIMES = 2.0


@dataclass(frozen=True)
class Ratio:
    """The means of what was taken, over `n` pairs that a bet was laid on, and the logarithm of what it won."""

    n: int
    first: float
    second: float
    log_wealth: float


def beyond(first: Sequence[float], second: Sequence[float], limit: float) -> Ratio | None:
    """The bet against "the first takes at most `limit` times what the second does", in the order of the pairs. None
    before there are more than WARM_UP of them.

    Amounts have no bound, and without one no mean can be tested (Bahadur and Savage, "The nonexistence of certain
    statistical procedures in nonparametric problems", Ann. Math. Stat. 27 (1956)). So each is counted up to a cap B
    that the first pairs set, as they are not bet on: B is twice what the second took at most in them, two apart. The
    difference d = min(x / limit, B) / B - min(y, B) / B lies in -1..1.

    Where x is at most limit * B and y at most B, E[d] <= 0 is the claim itself. Beyond that E[d] <= 0 holds wherever x
    is stochastically at most limit * y, as where it has the law of c y with c <= limit, whatever law that is. Then no
    stake on d gains on average (stats/betting.py), and the chance that the wealth ever reaches 1/a is at most a.

    Raises ConfigInvalid for a limit that is not above 0, amounts below 0, or lists of different lengths.
    """
    _check(first, second, limit)
    cap = _cap(second[:WARM_UP])
    x, y = first[WARM_UP:], second[WARM_UP:]
    if not x or not cap:
        return None
    differences = [(min(a / limit, cap) - min(b, cap)) / cap for a, b in zip(x, y, strict=True)]
    return Ratio(len(x), math.fsum(x) / len(x), math.fsum(y) / len(y), log_wealth(differences))


def _cap(usual: Sequence[float]) -> float:
    return USUAL_TIMES * sorted(usual)[-1 - SPARED] if len(usual) == WARM_UP else 0.0


def _check(first: Sequence[float], second: Sequence[float], limit: float) -> None:
    if limit <= 0 or len(first) != len(second):
        raise ConfigInvalid(f"ratio: limit {limit:g}, {len(first)} and {len(second)} amounts: cannot be")
    if any(not 0 <= amount < math.inf for amount in (*first, *second)):
        raise ConfigInvalid("ratio: an amount is below 0 or not finite")
