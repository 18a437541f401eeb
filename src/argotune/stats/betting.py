"""Betting: is a mean above a bound, and where does it lie? Answers that hold however often one looks.

Whoever doubts that the mean of some differences is at most m plays against that claim: starts with a wealth of 1 and
stakes a part of it on every difference. If the claim holds, no stake gains on average, so the chance that the wealth
ever reaches 1/a is at most a (Ville, "Etude critique de la notion de collectif", 1939). Wealth is evidence that may be
looked at after every label, and gathering may stop for any reason that looks back only.

After Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", J. R. Stat. Soc. B 86 (2024),
cited as WSR; Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", Stat. Sci. 38 (2023).

What it asks of the data: that no difference is expected to lie above the claimed mean, given those before it. A draw
by lot gives that. An answer that is missing for a reason of its own (people skip what is hard) does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argotune.errors import ConfigInvalid
from argotune.stats.interval import Interval

if TYPE_CHECKING:
    import numpy as np

DIFFERENCES = Interval(-1.0, 1.0)
"""Where the difference of two scores in 0..1 lies; hits give -1, 0 and 1."""

STAKES = {0.01: 0.02, 0.04: 0.06, 0.12: 0.14, 0.2: 0.18, 0.3: 0.2, 0.4: 0.16, 0.5: 0.12, 0.65: 0.08, 0.9: 0.04}
"""The stakes that are played side by side, and the share of the first wealth that each is given.

A stake of s risks that share of what it has on a loss. Most is given to those that are best where disagreements are
worth a label: 2 wins to 1 loss are best met by 1/3. Against 20 even stakes alike this saves 7 to 10 % of the labels at
2 to 1 and at 3 to 2 (80 % of orders, levels 0.03 and 0.0005). Without stakes as small as 0.01 a mean below 0.02 could
never be shown.
"""

_HALVINGS = 50
_PRIOR = 0.5


def log_wealth(differences: Sequence[float], mean: float = 0.0, within: Interval = DIFFERENCES) -> float:
    """The natural logarithm of the wealth won against the claim that the mean is at most `mean`.

    K = sum over stakes s of share_s prod(1 + s (d_i - m) / (m - low)): WSR's capital process, one-sided, the bet hedged
    over constant stakes (their diversified Kelly bets). Each factor is at least 1 - s, so wealth never falls to zero;
    an average of martingales is one.

    Constant stakes make it a function of which differences there are and not of their order: where one is withdrawn
    or corrected, the wealth of those that stand is computed anew. Against a claim of the other direction negate the
    differences. Raises ConfigInvalid for a difference outside `within`, or a mean that is not inside it.
    """
    values, counts = _distinct(differences, within)
    return _log_wealth(values, counts, _inside(mean, within), within.low)


def anytime_p(log_wealth: float) -> float:
    """The p-value of a wealth: 1 / K, at most 1.

    Below a with a chance of at most a over all looks together (Ville's inequality; Ramdas et al. 2023, section 2).
    """
    return min(1.0, math.exp(-max(log_wealth, 0.0)))


@dataclass(frozen=True)
class Bets:
    """Differences with where they lie."""

    differences: Sequence[float]
    within: Interval = DIFFERENCES

    @property
    def mirrored(self) -> Bets:
        """The differences of a game with the sides changed."""
        return Bets([-d for d in self.differences], Interval(-self.within.high, -self.within.low))


def joint_log_wealth(bets: Sequence[Bets], mean: float = 0.0) -> float:
    """The wealth of who plays against "the mean is at most `mean`" with several kinds of differences, as logarithm.

    What was won with one kind is staked on the next: a product of martingales over one order of questions is one.
    Kinds of a narrow range are not thinned by those of a wide one, as they would be in one bet. Raises ConfigInvalid as
    `log_wealth`.
    """
    return math.fsum(log_wealth(kind.differences, mean, kind.within) for kind in bets if kind.differences)


def joint_mean_interval(bets: Sequence[Bets], low_level: float, high_level: float) -> Interval:
    """The means in -1..1 that the bets on several kinds of differences together do not refute: a confidence sequence,
    whose ends hold at all times together.

    The lower end is ever above the true mean with a chance of at most `low_level`, the upper end ever below it with at
    most `high_level` (WSR, hedged capital confidence sequence: bets against "at most m" and, mirrored, "at least m" are
    inverted). The lower end lies above m exactly where joint_log_wealth(bets, m) reaches log(1 / low_level), rounding
    apart. Wealth falls as m grows for every stake, as (d - m) / (m - low) does; so the ends are found by halving.
    Raises ConfigInvalid for a level outside 0..1, and as `log_wealth`.
    """
    mirrored = [kind.mirrored for kind in bets]
    return Interval(_lower_end(bets, _level(low_level)), -_lower_end(mirrored, _level(high_level)))


def lowest_mean(bets: Bets, level: float, among: Interval) -> float:
    """The lower end of a confidence sequence for the mean of one kind of differences, sought `among` means that can be.

    Ever above the true mean with a chance of at most `level`, as in `joint_mean_interval`. The upper end of `within`
    plays no part, as no stake loses more than it has on a large difference: it may be infinite. The low end of `among`
    where nothing is refuted. Raises ConfigInvalid for a level outside 0..1, and as `log_wealth`.
    """
    values, counts = _distinct(bets.differences, bets.within)
    asked, low = -math.log(_level(level)), bets.within.low
    return _last(among, lambda mean: _log_wealth(values, counts, mean, low) >= asked)


def _lower_end(bets: Sequence[Bets], level: float) -> float:
    kinds = [(*_distinct(b.differences, b.within), b.within.low) for b in bets if b.differences]
    asked = -math.log(level)

    def refuted(mean: float) -> bool:
        return math.fsum(_log_wealth(values, counts, mean, low) for values, counts, low in kinds) >= asked

    return _last(DIFFERENCES, refuted)


def _last(within: Interval, is_refuted: Callable[[float], bool]) -> float:
    """The largest value, up to halving, that is refuted where all below it are; the low end when none is."""
    low, high = within.low, within.high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_refuted(middle) else (low, middle)
    return low


def share_interval(hits: float, n: int, level: float) -> Interval:
    """The interval of a share of which `hits` of n were seen so far: a confidence sequence, both ends together.

    `hits` may be the sum of scores in 0..1, and the interval is that of their mean: as (q/p)^x ((1-q)/(1-p))^(1-x) is
    convex in x, no score in between is expected to win more than hits of the same mean do.

    All p for which the mixture B(hits + 1/2, n - hits + 1/2) / B(1/2, 1/2) / (p^hits (1 - p)^(n - hits)) is below
    1/level: Darling and Robbins, "Confidence sequences for mean, variance, and median", PNAS 58 (1967), with the
    mixture of Krichevsky and Trofimov, "The performance of universal encoding", IEEE Trans. Inf. Theory 27 (1981).
    Raises ConfigInvalid for impossible counts or a level outside 0..1.
    """
    if not 0 <= hits <= n:
        raise ConfigInvalid(f"share: {hits:g} of {n}: cannot be")
    asked = -math.log(_level(level))
    mixed = _log_beta(hits + _PRIOR, n - hits + _PRIOR) - _log_beta(_PRIOR, _PRIOR)

    def refuted(p: float) -> bool:
        return mixed - _times_log(hits, p) - _times_log(n - hits, 1 - p) >= asked

    share = hits / n if n else 0.5
    low = _last(Interval(0.0, share), refuted)
    return Interval(low, 1 - _last(Interval(0.0, 1 - share), lambda miss: refuted(1 - miss)))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _times_log(count: float, p: float) -> float:
    if count == 0:
        return 0.0
    return count * math.log(p) if p > 0 else -math.inf


def gain_interval(mean: Interval, share: Interval) -> Interval:
    """The gain over all requests: the share of them on which two programs disagree, times the mean difference there.

    Equal answers differ by exactly 0, so E[d] = P(disagree) E[d | disagree]. Where both intervals hold, the product of
    any share and any mean in them lies between the products of their ends. Each fails, ever, with a chance of at most
    its level; so both hold at all times together with at least 1 - the sum of the levels (Boole's inequality), though
    they may rest on the same requests and grow at different speeds.
    """
    products = [s * m for s in (share.low, share.high) for m in (mean.low, mean.high)]
    return Interval(min(products), max(products))


def corrected_differences(
    judged: Sequence[float], people: Sequence[float | None], asked_share: float
) -> tuple[list[float], Interval]:
    """What a judge says of every difference, put right by what people say of some; and where such values lie.

    x = j + R (d - j) / asked_share, where R says that people were asked: drawn for each question by a lot of this
    chance that knows neither answers nor judge. E[x] = E[d] whatever the judge's errors are (Horvitz and Thompson,
    1952), so bets on x are bets on d: Csillag, Struchiner and Goedert, "Prediction-powered e-values" (2025), after
    Angelopoulos et al., "Prediction-powered inference", Science 382 (2023). As d and j lie in -1..1, x lies within
    2 / asked_share - 1 of 0.

    `people` is None only for questions that people were not asked; one that they were asked and have not answered must
    be left out, with all that the lot drew after it, until they have. Raises ConfigInvalid for a share outside 0..1,
    lists of different lengths or a value outside -1..1.
    """
    if not 0 < asked_share <= 1 or len(judged) != len(people):
        raise ConfigInvalid(f"judged: {len(judged)} and {len(people)} values, share {asked_share:g}: cannot be")
    _checked([*judged, *(d for d in people if d is not None)], DIFFERENCES)
    reach = 2 / asked_share - 1
    mixed = [j if d is None else j + (d - j) / asked_share for j, d in zip(judged, people, strict=True)]
    return [min(max(x, -reach), reach) for x in mixed], Interval(-reach, reach)


def _log_wealth(values: np.ndarray, counts: np.ndarray, mean: float, low: float) -> float:
    import numpy as np

    gains = (values - mean) / (mean - low)
    logs = np.log1p(np.outer(list(STAKES), gains)) @ counts
    return float(np.logaddexp.reduce(logs + np.log(list(STAKES.values()))))


def _distinct(differences: Sequence[float], within: Interval) -> tuple[np.ndarray, np.ndarray]:
    """Each value once and how often it occurs: hits take three, however many there are."""
    import numpy as np

    return np.unique(_checked(differences, within), return_counts=True)


def _checked(differences: Sequence[float] | np.ndarray, within: Interval) -> np.ndarray:
    import numpy as np

    values = np.asarray(differences, dtype=float)
    outside = values[~((values >= within.low) & (values <= within.high))]
    if outside.size:
        raise ConfigInvalid(f"differences: {outside[0]} is not within {within.low:g}..{within.high:g}")
    return values


def _inside(mean: float, within: Interval) -> float:
    if not within.low < mean < within.high:
        raise ConfigInvalid(f"mean: {mean:g} is not inside {within.low:g}..{within.high:g}")
    return mean


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise ConfigInvalid(f"level: {level:g} is not within 0..1")
    return level
