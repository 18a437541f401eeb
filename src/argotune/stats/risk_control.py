"""Risk control: which of several thresholds can be trusted, by held-out data that none of them was fitted on.

Learn then test: each threshold is a hypothesis "what it costs is above the bound"; those that are rejected can be
trusted, all of them together with a chance of at least 1 - delta (Angelopoulos, Bates, Candes, Jordan and Lei, "Learn
then Test: Calibrating Predictive Algorithms to Achieve Risk Control", Ann. Appl. Stat. 19 (2025), cited as LTT).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from argotune.errors import ConfigInvalid
from argotune.stats.betting import anytime_p, log_wealth


def fixed_sequence(p_values: Iterable[float], delta: float) -> int:
    """How many hypotheses from the first on are rejected: up to the first one whose p-value is above `delta`.

    The chance that a true one is among them is at most delta, however many there are and however they depend on each
    other: the first true one would have to be rejected by itself (LTT, section 2.3; Bauer 1991). Their order must be
    fixed before the data are seen. Later ones are not looked at, so that whoever computes p-values may do so when
    asked. Raises ConfigInvalid for a delta outside 0..1.
    """
    if not 0 < delta < 1:
        raise ConfigInvalid(f"delta: {delta:g} is not within 0..1")
    rejected = 0
    for p in p_values:
        if p > delta:
            break
        rejected += 1
    return rejected


def fixed_sequences(p_values: Sequence[float], starts: Sequence[int], delta: float) -> int:
    """How many hypotheses there are from the first up to the last one that is rejected, by a fixed sequence from each
    of the starts, which have equal shares of delta.

    The chance that a true one is rejected is at most delta, as each sequence has at most its share (LTT, section 2.3).
    Whoever does not know where to begin loses little: a sequence that begins badly does not end the others. Raises as
    `fixed_sequence`.
    """
    rejected = [fixed_sequence(p_values[start:], delta / len(starts)) for start in starts]
    return max((start + n for start, n in zip(starts, rejected, strict=True) if n), default=0)


def mean_p(differences: Sequence[float], tolerance: float = 0.0) -> float:
    """The p-value of "the mean of what these are drawn from is at most -tolerance", for differences in -1..1.

    Hits against misses (-1, 0 and 1) without a tolerance: the sign test, exact given how many differ. All else: betting
    (stats/betting.py), which asks nothing of the law but its range. Raises ConfigInvalid for a difference outside, and
    for a tolerance outside 0..1.
    """
    if not 0 <= tolerance < 1:
        raise ConfigInvalid(f"tolerance: {tolerance:g} is not within 0..1")
    if tolerance == 0 and set(differences) <= {-1.0, 0.0, 1.0}:
        return _sign_p(sum(d > 0 for d in differences), sum(d < 0 for d in differences))
    return anytime_p(log_wealth(differences, -tolerance)) if len(differences) else 1.0


def _sign_p(wins: int, losses: int) -> float:
    from scipy.stats import binom

    return float(binom.sf(wins - 1, wins + losses, 0.5)) if wins else 1.0


def share_p(hits: int, n: int, most: float) -> float:
    """The p-value of "the share is above `most`" when `hits` of n were seen: exact, P(Binomial(n, most) <= hits).

    Clopper and Pearson, Biometrika 26 (1934). Raises ConfigInvalid for impossible counts or a share outside 0..1.
    """
    from scipy.stats import binom

    if not 0 <= hits <= n or not 0 < most < 1:
        raise ConfigInvalid(f"share: {hits} of {n}, at most {most:g}: cannot be")
    return float(binom.cdf(hits, n, most)) if n else 1.0
