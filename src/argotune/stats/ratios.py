"""Ratios: does one thing take more than a limit times what another takes, or at most that? Paired amounts, nothing of
their law known.

The claim that is bet against: the first takes, in the mean, at most `limit` times what the second does; of `saving`
that it takes that much or more.
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
    """The means of what was taken, over `n` pairs that a bet was laid on, and the logarithm of what it won. `times` is
    the first mean in the second's, little counted as the least."""

    n: int
    first: float
    second: float
    log_wealth: float
    times: float


def beyond(first: Sequence[float], second: Sequence[float], limit: float, least: float) -> Ratio | None:
    """The bet against "the first takes at most `limit` times what the second does", in the order of the pairs, where
    less than `least` counts as that much. None before there are more than WARM_UP of them.

    Amounts have no bound, and without one no mean can be tested (Bahadur and Savage, "The nonexistence of certain
    statistical procedures in nonparametric problems", Ann. Math. Stat. 27 (1956)). So each is counted up to a cap B
    that the first pairs set, as they are not bet on: B is twice what the second took at most in them, two apart. The
    difference d = min(x / limit, B) / B - min(y, B) / B lies in -1..1.

    Where x is at most limit * B and y at most B, E[d] <= 0 is the claim itself. Beyond that E[d] <= 0 holds wherever x
    is stochastically at most limit * y, as where it has the law of c y with c <= limit, whatever law that is. Then no
    stake on d gains on average (stats/betting.py), and the chance that the wealth ever reaches 1/a is at most a.

    What is little is raised before anything else is done: x becomes max(x, least), y max(y, least). That is a function
    of the pair alone, so B is known before the first bet as before, and the claim is about the raised amounts. Who
    keeps the limit keeps it raised, too: where x is stochastically at most limit * y and the limit is 1 or more,
    max(x, least) is at most max(limit * y, least), and so at most limit * max(y, least). And B is never 0: of a second
    that takes nothing the bet can be laid.

    Raises ConfigInvalid for a limit below 1, a least that is not above 0, amounts below 0, or lists of different
    lengths.
    """
    if limit < 1 or not 0 < least < math.inf:
        raise ConfigInvalid(f"ratio: limit {limit:g}, least {least:g}: cannot be")
    _check(first, second)
    if len(first) <= WARM_UP:
        return None
    x, y = _raised(first[WARM_UP:], least), _raised(second[WARM_UP:], least)
    cap = USUAL_TIMES * sorted(_raised(second[:WARM_UP], least))[-1 - SPARED]
    differences = [(min(a / limit, cap) - min(b, cap)) / cap for a, b in zip(x, y, strict=True)]
    means = _mean(first[WARM_UP:]), _mean(second[WARM_UP:])
    return Ratio(len(x), *means, log_wealth(differences), _mean(x) / _mean(y))


def saving(first: Sequence[float], second: Sequence[float], share: float) -> Ratio | None:
    """The bet against "the first takes `share` of what the second does, or more", in the order of the pairs. None
    before there are more than WARM_UP of them, and where none of these took anything.

    As in `beyond` amounts are counted up to a cap B that the first pairs set; here by both, twice the most that either
    took in them: a first that asks dearly now and then is to be seen. d = (share * min(y, B) - min(x, B)) / B lies in
    -1..share, and E[d] <= 0 wherever the claim holds and x stays below B. What x takes beyond B the bet does not see:
    so whoever goes by it must look at the means too, which are told as they are. Nothing is raised: what takes nothing
    is nothing, and whether the second takes enough to be worth a change is not said here.

    Raises ConfigInvalid for a share outside 0..1, amounts below 0, or lists of different lengths.
    """
    if not 0 < share <= 1:
        raise ConfigInvalid(f"ratio: share {share:g} is not within 0..1")
    _check(first, second)
    cap = USUAL_TIMES * max((*first[:WARM_UP], *second[:WARM_UP]), default=0.0)
    if len(first) <= WARM_UP or not cap:
        return None
    x, y = first[WARM_UP:], second[WARM_UP:]
    differences = [(share * min(b, cap) - min(a, cap)) / cap for a, b in zip(x, y, strict=True)]
    times = _mean(x) / _mean(y) if any(y) else math.inf
    return Ratio(len(x), _mean(x), _mean(y), log_wealth(differences), times)


def _raised(amounts: Sequence[float], least: float) -> list[float]:
    return [max(amount, least) for amount in amounts]


def _mean(amounts: Sequence[float]) -> float:
    return math.fsum(amounts) / len(amounts)


def _check(first: Sequence[float], second: Sequence[float]) -> None:
    if len(first) != len(second):
        raise ConfigInvalid(f"ratio: {len(first)} and {len(second)} amounts are no pairs")
    if any(not 0 <= amount < math.inf for amount in (*first, *second)):
        raise ConfigInvalid("ratio: an amount is below 0 or not finite")
