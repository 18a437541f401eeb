"""Paired statistics: intervals of shares, and how far two annotators agree.

Numpy is imported where it is needed, because commands that measure nothing import this module too.
"""

from __future__ import annotations

import math
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


def _blocks(rounds: int, width: int) -> Iterator[int]:
    """Rounds cut into blocks of at most _CELLS numbers, so that memory does not grow with the examples."""
    block = max(1, _CELLS // width)
    for start in range(0, rounds, block):
        yield min(block, rounds - start)


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
