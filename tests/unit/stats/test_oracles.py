"""Paired statistics and power against SciPy, scikit-learn and closed forms, for any numbers.

Tolerances: sums of the same terms agree to about 1e-9 of their value. What is drawn is held to five standard errors
of the draw, so that a right function fails less than once in a million runs.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq
from scipy.special import zeta
from sklearn.metrics import cohen_kappa_score

from argotune.stats.interval import Interval
from argotune.stats.paired import (
    MAX_ENUMERATED,
    Side,
    bootstrap_interval,
    cohen_kappa,
    kappa_interval,
    mcnemar_exact,
    paired_permutation,
    wilson_interval,
)
from argotune.stats.power import examples_needed, gain_detected, level_of_attempt

ALTERNATIVES: dict[Side, str] = {"both": "two-sided", "better": "greater", "worse": "less"}
SIDES = st.sampled_from(list(ALTERNATIVES))
LEVELS = st.floats(0.5, 0.9999)
COUNTS = st.tuples(st.integers(0, 400), st.integers(1, 400)).map(lambda two: (min(two), max(two)))
"""Hits among n."""

EXACT = 1e-9
FIVE_ERRORS = 5.0
ONE_IN_TEN_MILLION = 1e-7
slow = settings(max_examples=40)


@given(st.integers(0, 400), st.integers(1, 400), SIDES)
def test_mcnemar_is_the_binomial_test_of_scipy(wins: int, losses: int, side: Side):
    oracle = stats.binomtest(wins, wins + losses, 0.5, ALTERNATIVES[side]).pvalue
    assert mcnemar_exact(wins, losses, side) == pytest.approx(oracle, rel=EXACT)


@slow
@given(st.lists(st.integers(-8, 8), min_size=2, max_size=9), SIDES)
def test_few_differences_are_permuted_as_scipy_permutes_them(eighths: list[int], side: Side):
    """Eighths are exact in floats, so both see the same ties."""
    differences = np.array(eighths) / 8
    oracle = stats.permutation_test(
        (differences,),
        lambda values, axis: values.mean(axis=axis),
        permutation_type="samples",
        alternative=ALTERNATIVES[side],
        vectorized=True,
        n_resamples=np.inf,
    )
    assert paired_permutation(list(differences), seed=0, side=side) == pytest.approx(oracle.pvalue, rel=EXACT)


@given(st.lists(st.booleans(), min_size=2, max_size=MAX_ENUMERATED), SIDES)
def test_permuting_signed_ranks_is_wilcoxons_test(signs: list[bool], side: Side):
    signed = [float(rank if sign else -rank) for rank, sign in enumerate(signs, 1)]
    oracle = stats.wilcoxon(signed, alternative=ALTERNATIVES[side], method="exact").pvalue
    assert paired_permutation(signed, seed=0, side=side) == pytest.approx(oracle, rel=EXACT)


def share_of_flips(sizes: list[int], at_least: int) -> float:
    """How many of all 2^n sums of +-size reach it: the product of (x^-size + x^size), multiplied out in integers."""
    ways = Counter({0: 1})
    for size in sizes:
        grown = Counter({total + size: n for total, n in ways.items()})
        grown.update({total - size: n for total, n in ways.items()})
        ways = grown
    return sum(n for total, n in ways.items() if total >= at_least) / 2 ** len(sizes)


@slow
@given(
    st.lists(st.integers(1, 9).flatmap(lambda n: st.sampled_from([n, -n])), min_size=17, max_size=40), st.integers(0)
)
def test_drawn_permutations_are_as_many_as_a_binomial_of_the_exact_value_draws(values: list[int], seed: int):
    exact, rounds = share_of_flips([abs(value) for value in values], sum(values)), 10_000
    drawn = paired_permutation([float(value) for value in values], seed, rounds, side="better")
    fewest, most = stats.binom(rounds, exact).ppf([ONE_IN_TEN_MILLION, 1 - ONE_IN_TEN_MILLION])
    # Where no draw reaches the sum, the bound that is told instead may be below 1 / rounds and never below the exact.
    assert min(exact, (fewest + 1) / (rounds + 1)) <= drawn <= (most + 1) / (rounds + 1)


@given(COUNTS, LEVELS)
def test_the_bootstrap_of_hits_is_the_quantile_of_a_binomial(counts: tuple[int, int], level: float):
    """All resamples of hits / n: Binomial(n, hits / n). A tail that falls on a step belongs to either side of it."""
    hits, n = counts
    assume(0 < hits < n)
    tail, chance = (1 - level) / 2, stats.binom(n, hits / n)
    low, high = (round(end * n) for end in _ends(bootstrap_interval([1.0] * hits + [0.0] * (n - hits), level)))
    assert chance.cdf(low) > tail - EXACT
    assert chance.sf(high - 1) > tail - EXACT
    assert low == hits or chance.cdf(low - 1) <= tail + EXACT
    assert high == hits or chance.sf(high) <= tail + EXACT


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_bootstrap_of_scores_is_within_five_errors_of_scipys(seed: int, level: float):
    rng, rounds = np.random.default_rng(seed), 20_000
    scores = rng.beta(2, 5, 40) - rng.beta(2, 4, 40)
    oracle = stats.bootstrap(
        (scores,), np.mean, confidence_level=level, n_resamples=rounds, method="percentile", rng=seed
    ).confidence_interval
    found, tail = bootstrap_interval(list(scores), level), (1 - level) / 2
    # The error of a drawn quantile: sqrt(a (1 - a) / rounds) over the density there, that of a normal mean.
    spread = scores.std() / math.sqrt(len(scores))
    error = math.sqrt(tail * (1 - tail) / rounds) / stats.norm.pdf(stats.norm.ppf(tail)) * spread
    slack = FIVE_ERRORS * error + np.ptp(scores) / 1000 / math.sqrt(len(scores))  # and a step of the grid
    assert _ends(found) == (pytest.approx(oracle.low, abs=slack), pytest.approx(oracle.high, abs=slack))


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


@given(st.floats(0.001, 0.5), st.integers(1, 5000))
def test_levels_are_the_terms_of_the_series_that_sums_to_the_significance(significance: float, attempt: int):
    """The levels of all attempts from k on are significance * zeta(2, k) / zeta(2); one is a difference of two."""
    share = (zeta(2, attempt) - zeta(2, attempt + 1)) / zeta(2)
    assert level_of_attempt(significance, attempt) == pytest.approx(significance * share, rel=1e-8)


PLANS = st.tuples(st.floats(0.01, 0.9), st.floats(0.01, 1), st.floats(0.0001, 0.2), st.floats(0.5, 0.99))


def chance_to_find(n: float, gain: float, disagreement: float, level: float) -> float:
    """Connor's power function, as the normal distribution of the mean difference gives it."""
    asked = stats.norm.isf(level / 2) * math.sqrt(disagreement)
    return float(stats.norm.cdf((gain * math.sqrt(n) - asked) / math.sqrt(disagreement - gain**2)))


@given(PLANS)
def test_so_many_examples_are_the_first_whose_power_is_enough(plan: tuple[float, float, float, float]):
    gain, disagreement, level, power = plan
    disagreement = max(gain, disagreement)
    assume(disagreement - gain**2 > 1e-6)
    root = brentq(lambda n: chance_to_find(n, gain, disagreement, level) - power, 1e-9, 1e9, xtol=1e-9)
    found = examples_needed(gain, disagreement, level, power)
    assert root - 1e-6 * root <= found < root + 1 + 1e-6 * root


@given(st.integers(1, 20_000), st.floats(0, 1), st.floats(0.0005, 0.5), st.floats(0.5, 0.95))
def test_the_gain_that_can_be_shown_is_found_by_trying_all(n: int, disagreement: float, level: float, power: float):
    enough = (g / 1000 for g in range(1, 1001) if examples_needed(g / 1000, disagreement, level, power) <= n)
    assert gain_detected(n, disagreement, level, power) == next(enough, None)


@pytest.mark.parametrize(("gain", "disagreement"), [(0.05, 0.2), (0.1, 0.3), (0.15, 0.35), (0.1, 0.12)])
def test_the_exact_test_finds_a_gain_about_as_often_as_planned(gain: float, disagreement: float):
    """The power of mcnemar_exact, summed over all wins and losses. It is stricter than the formula's test, by the
    discreteness of few disagreements: up to 6 points less, never more than 2 points above."""
    n, level, power = examples_needed(gain, disagreement, 0.05, 0.8), 0.05, 0.8
    wins_share = (disagreement + gain) / 2 / disagreement
    differing = range(n + 1)
    found = 0.0
    for count, chance in zip(differing, stats.binom.pmf(differing, n, disagreement), strict=True):
        if chance > 1e-9:
            wins = range(count + 1)
            shown = [mcnemar_exact(w, count - w) <= level for w in wins]
            found += chance * float(stats.binom.pmf(wins, count, wins_share) @ np.array(shown))
    assert power - 0.06 <= found <= power + 0.02


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high
