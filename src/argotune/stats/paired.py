"""Paired statistics: intervals of mean differences and of shares, and how far two annotators agree.

Numpy is imported where it is needed, because commands that measure nothing import this module too.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

from argotune.errors import ConfigInvalid
from argotune.stats.interval import Interval

if TYPE_CHECKING:
    import numpy as np

_CELLS = 1_000_000
_SLACK = 1e-9


def _finite(differences: Sequence[float]) -> Sequence[float]:
    bad = next((d for d in differences if not math.isfinite(d)), None)
    if bad is not None:
        raise ConfigInvalid(f"differences: {bad} is not finite")
    return differences


def _blocks(rounds: int, width: int) -> Iterator[int]:
    """Rounds cut into blocks of at most _CELLS numbers, so that memory does not grow with the examples."""
    block = max(1, _CELLS // width)
    for start in range(0, rounds, block):
        yield min(block, rounds - start)


def bootstrap_interval(differences: Sequence[float], level: float = 0.95) -> Interval:
    """The interval that holds the mean difference with confidence `level`, in the unit of the differences.

    Percentile bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. Of all resamples
    there are, not of some that are drawn, so that tails of any confidence are computed: their sums are distributed as
    a convolution, which the Fourier transform gives (after Pagano and Tritchler, "On obtaining permutation
    distributions in polynomial time", J. Amer. Statist. Assoc. 78, 1983). Exact where the differences lie on a grid of
    _BINS steps, as hits do; others are first split between its two nearest points, which keeps their mean and widens
    the interval by less than a step. Tails finer than _FINEST_TAIL, and differences that floats cannot tell apart
    by steps, reach to the ends of what was seen.
    Raises ConfigInvalid for no differences, one that is not finite or a level outside 0..1.
    """
    if not len(differences) or not 0 < level < 1:
        raise ConfigInvalid(f"bootstrap: {len(differences)} differences, level {level:g}: cannot be")
    n, tail = len(_finite(differences)), (1 - level) / 2
    least, most, mean = min(differences), max(differences), math.fsum(differences) / n
    if most - least < _SMALLEST_SPAN or tail < _FINEST_TAIL:
        return Interval(min(least, mean), max(most, mean))
    chances, step = _sums_of_resamples(differences)
    places = _first_beyond(chances, tail), len(chances) - 1 - _first_beyond(chances[::-1], tail)
    low, high = (_not_almost_zero(least + place * step / n, most - least) for place in places)
    return Interval(min(low, mean), max(high, mean))


_BINS = 1000
_MOST_CELLS = 4_000_000
_FINEST_TAIL = 1e-9
"""Below it, what the transform rounds away would count."""

_SMALLEST_SPAN = _BINS * sys.float_info.min


def _sums_of_resamples(differences: Sequence[float]) -> tuple[np.ndarray, float]:
    """The chance of each sum of as many draws from the differences, in steps above that of the least; and the step."""
    import numpy as np

    values, n = np.sort(np.asarray(differences, dtype=float)), len(differences)
    bins = 2 if set(differences) <= {-1.0, 0.0, 1.0} else max(2, min(_BINS, _MOST_CELLS // n))
    step = float(values[-1] - values[0]) / bins
    places = (values - values[0]) / step
    below = np.minimum(np.floor(places + _SLACK), bins - 1).astype(int)
    upper = np.clip(places - below, 0.0, 1.0)
    one = (np.bincount(below, 1 - upper, bins + 1) + np.bincount(below + 1, upper, bins + 1)) / n
    cells = n * bins + 1
    size = 1 << (cells - 1).bit_length()
    chances = np.fft.irfft(np.fft.rfft(one, size) ** n, size)[:cells]
    return np.maximum(chances, 0.0), step


def _not_almost_zero(value: float, scale: float) -> float:
    """Zero where rounding alone keeps the value from it: whether an interval contains zero decides."""
    return 0.0 if abs(value) < _SLACK * scale else value


def _first_beyond(chances: np.ndarray, tail: float) -> int:
    """The first place up to which more than `tail` of the chance lies."""
    import numpy as np

    return int(np.searchsorted(np.cumsum(chances), tail, side="right"))


def wilson_interval(hits: int, n: int, level: float = 0.95) -> Interval:
    """The interval of a share of `hits` among n, in 0..1; the whole of it without observations.

    Score interval: Wilson, "Probable inference, the law of succession, and statistical inference", J. Amer. Statist.
    Assoc. 22 (1927). Raises ConfigInvalid for impossible counts or a level outside 0..1.
    """
    if not 0 <= hits <= n or not 0 < level < 1:
        raise ConfigInvalid(f"wilson: {hits} of {n} at level {level:g}: cannot be")
    if n == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, shrink = hits / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / shrink
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    return Interval(max(0.0, middle - reach), min(1.0, middle + reach))


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Agreement of two annotators beyond what their habits alone would give: 1 perfect, 0 chance.

    Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960). None where it is not
    defined: without pairs, or when both always say the same one thing.
    """
    n = len(pairs)
    if n == 0:
        return None
    first, second = (Counter(pair[side] for pair in pairs) for side in (0, 1))
    by_chance = sum(first[label] * second[label] for label in first) / n**2
    if by_chance == 1:
        return None
    return (sum(a == b for a, b in pairs) / n - by_chance) / (1 - by_chance)


def kappa_interval(pairs: Sequence[tuple[str, str]], seed: int, level: float = 0.95, rounds: int = 2000) -> Interval:
    """The percentile bootstrap interval of Cohen's kappa (Efron and Tibshirani 1993, chapter 13).

    A resample in which kappa is not defined counts as 0: it shows nothing beyond chance. The seed and the multiset of
    pairs decide. Raises ConfigInvalid without pairs.
    """
    import numpy as np

    if not pairs or not 0 < level < 1 or rounds < 1:
        raise ConfigInvalid(f"kappa: {len(pairs)} pairs, level {level:g}, {rounds} rounds: cannot be")
    labels = sorted({label for pair in pairs for label in pair})
    codes = np.sort([labels.index(a) * len(labels) + labels.index(b) for a, b in pairs])
    rng = np.random.default_rng(seed)
    kappas: list[float] = []
    for block in _blocks(rounds, len(codes)):
        drawn = codes[rng.integers(0, len(codes), size=(block, len(codes)))]
        kappas.extend(_kappas(drawn // len(labels), drawn % len(labels), len(labels)))
    low, high = np.quantile(kappas, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _kappas(first: np.ndarray, second: np.ndarray, labels: int) -> np.ndarray:
    """Kappa of each row of two tables of label numbers."""
    import numpy as np

    by_chance = sum((first == k).mean(axis=1) * (second == k).mean(axis=1) for k in range(labels))
    observed, left = (first == second).mean(axis=1), 1 - by_chance
    is_defined = left > _SLACK
    return np.where(is_defined, (observed - by_chance) / np.where(is_defined, left, 1.0), 0.0)
