"""Paired statistics against SciPy, scikit-learn and closed forms, for any numbers.

Tolerances: sums of the same terms agree to about 1e-9 of their value. What is drawn is held to five standard errors
of the draw, so that a right function fails less than once in a million runs.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from argotune.stats.interval import Interval
from argotune.stats.paired import cohen_kappa, kappa_interval, wilson_interval

LEVELS = st.floats(0.5, 0.9999)
COUNTS = st.tuples(st.integers(0, 400), st.integers(1, 400)).map(lambda two: (min(two), max(two)))
"""Hits among n."""

EXACT = 1e-9
FIVE_ERRORS = 5.0


@given(COUNTS, LEVELS)
def test_the_interval_of_a_share_is_wilsons_of_scipy(counts: tuple[int, int], level: float):
    hits, n = counts
    oracle = stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    expected = pytest.approx(oracle.low, abs=EXACT), pytest.approx(oracle.high, abs=EXACT)
    assert _ends(wilson_interval(hits, n, level)) == expected


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=80))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]):
    assume(len({label for pair in pairs for label in pair}) > 1)
    assert cohen_kappa(pairs) == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)), abs=EXACT)


def kappa_error(pairs: list[tuple[str, str]]) -> float:
    """The large-sample standard error: Fleiss, Cohen and Everitt, Psychol. Bull. 72 (1969), equation 12."""
    labels = sorted({label for pair in pairs for label in pair})
    p = np.zeros((len(labels), len(labels)))
    for a, b in pairs:
        p[labels.index(a), labels.index(b)] += 1 / len(pairs)
    rows, columns, observed = p.sum(axis=1), p.sum(axis=0), np.trace(p)
    chance = rows @ columns
    agreeing = np.diag(p) @ ((1 - chance) - (columns + rows) * (1 - observed)) ** 2
    off = p - np.diag(np.diag(p))
    apart = (1 - observed) ** 2 * (off * (columns[:, None] + rows[None, :]) ** 2).sum()
    total = agreeing + apart - (observed * chance - 2 * chance + observed) ** 2
    return math.sqrt(total / len(pairs)) / (1 - chance) ** 2


@pytest.mark.parametrize("truth", [0.2, 0.5, 0.8])
def test_a_kappa_interval_of_many_pairs_is_that_of_the_large_sample_error(truth: float):
    rng, rounds, level = np.random.default_rng(5), 8000, 0.9
    people = rng.choice(list("abc"), 600, p=[0.5, 0.3, 0.2])
    judge = np.where(rng.random(600) < truth, people, rng.choice(list("abc"), 600))
    pairs = [(str(a), str(b)) for a, b in zip(people, judge, strict=True)]
    kappa, error, reach = cohen_kappa(pairs), kappa_error(pairs), stats.norm.ppf((1 + level) / 2)
    assert kappa is not None
    drawn = math.sqrt(0.05 * 0.95 / rounds) / stats.norm.pdf(reach)  # of a quantile, in standard errors
    slack = (FIVE_ERRORS * drawn + 2 / math.sqrt(600)) * error  # skewness moves an end by a share of 1 / sqrt(n)
    found = kappa_interval(pairs, 1, level, rounds)
    expected = kappa - reach * error, kappa + reach * error
    assert _ends(found) == tuple(pytest.approx(end, abs=slack) for end in expected)


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high
