"""Statistics: values computed by hand, and properties that hold for any numbers."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.stats.interval import Interval
from argotune.stats.paired import bootstrap_interval, cohen_kappa, kappa_interval, wilson_interval
from argotune.stats.significance import level_in_series

differences = st.lists(st.floats(-1, 1), min_size=2, max_size=30)
seeds = st.integers(0, 2**31 - 1)
quick = settings(max_examples=60)


@quick
@example([0.0, 5e-324], 0, 0.5)
@given(differences, seeds, st.floats(0.5, 0.999999))
def test_interval_contains_the_mean_and_is_blind_to_order(values, seed, level):
    interval = bootstrap_interval(values, level)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.contains(math.fsum(values) / len(values))
    assert bootstrap_interval(random.Random(seed).sample(values, len(values)), level) == interval


def least_number_beyond(tail: float, n: int, share: Fraction) -> int:
    """The smallest number of hits, of n at this chance, that at most which more than `tail` of the chance lies."""
    reached = Fraction(0)
    for hits in range(n + 1):
        reached += math.comb(n, hits) * share**hits * (1 - share) ** (n - hits)
        if reached > tail:
            return hits
    raise AssertionError


@pytest.mark.parametrize("level", [0.95, 0.97, 0.9997, 1 - 1.2e-5, 1 - 4e-8])
@pytest.mark.parametrize(("hits", "n"), [(7, 31), (1, 40), (150, 400), (399, 400)])
def test_the_tails_of_resampled_hits_are_those_of_the_binomial_summed_in_whole_numbers(hits, n, level):
    interval = bootstrap_interval([1.0] * hits + [0.0] * (n - hits), level)
    low = least_number_beyond((1 - level) / 2, n, Fraction(hits, n))
    high = n - least_number_beyond((1 - level) / 2, n, Fraction(n - hits, n))
    assert interval == Interval(pytest.approx(low / n), pytest.approx(high / n))


@pytest.mark.parametrize("level", [0.9, 0.99, 0.999])
def test_an_interval_of_few_scores_is_that_of_all_their_resamples(level):
    values = [-0.31, 0.02, 0.11, 0.4, 0.73]
    means = sorted(math.fsum(drawn) / 5 for drawn in itertools.product(values, repeat=5))
    beyond = int((1 - level) / 2 * len(means))
    interval = bootstrap_interval(values, level)
    assert interval.low == pytest.approx(means[beyond], abs=0.002)
    assert interval.high == pytest.approx(means[-1 - beyond], abs=0.002)


def test_a_confidence_that_no_draws_could_carry_is_computed():
    """With 10,000 draws this was the most extreme of them: 16 points at a confidence of 99.9988 % and of 97 % alike."""
    values = [1.0] * 60 + [-1.0] * 20 + [0.0] * 120
    lows = [bootstrap_interval(values, 1 - level_in_series(0.05, look)).low for look in (1, 10, 50, 500, 5000)]
    assert lows == sorted(lows, reverse=True)
    assert len(set(lows)) == 5
    assert lows[-1] == -1.0, "too fine to be computed: all that was seen"


def test_a_gain_that_hangs_on_few_examples_is_not_shown_beyond_zero_at_a_fine_level():
    assert bootstrap_interval([1.0] * 9 + [0.0] * 91, 1 - 1e-6).low == 0.0
    assert bootstrap_interval([0.1] * 9 + [0.0] * 91, 1 - 1e-6).contains(0.0)


def test_interval_of_hits_is_that_of_the_normal_approximation():
    interval = bootstrap_interval([1.0] * 200 + [0.0] * 200)
    assert interval.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.006)
    assert interval.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.006)


def test_interval_covers_the_truth_about_as_often_as_it_promises():
    rng = random.Random(7)
    samples = ([rng.betavariate(2, 5) - rng.betavariate(2, 5) for _ in range(50)] for _ in range(200))
    covered = sum(bootstrap_interval(sample).contains(0.0) for sample in samples)
    assert 180 <= covered <= 198


@pytest.mark.parametrize("n", range(1, 30))
def test_equal_differences_give_an_interval_without_width_that_contains_their_mean(n):
    interval = bootstrap_interval([0.1] * n)
    assert interval == Interval(pytest.approx(0.1), pytest.approx(0.1))
    assert interval.contains(math.fsum([0.1] * n) / n)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3; and no observations
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718), (0, 0, 0, 1)],
)
def test_the_interval_of_a_share_is_that_of_the_literature(hits, n, low, high):
    assert wilson_interval(hits, n) == Interval(pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(3, 2),
        lambda: bootstrap_interval([]),
        lambda: bootstrap_interval([0.1, float("inf")]),
        lambda: bootstrap_interval([0.1], level=1.0),
    ],
)
def test_numbers_without_meaning_are_refused(call):
    with pytest.raises(ConfigInvalid):
        call()


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_agrees_with_published_values(hits: int, n: int, low: float, high: float):
    """81 of 263: Newcombe, "Two-sided confidence intervals for the single proportion", Statist. Med. 17 (1998)."""
    found = wilson_interval(hits, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def pairs_of(table: list[list[int]]) -> list[tuple[str, str]]:
    return [(str(i), str(j)) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4),
        ([[45, 15], [25, 15]], (0.6 - 0.54) / 0.46),
        ([[30, 0], [0, 30]], 1.0),
        ([[0, 30], [30, 0]], -1.0),
        ([[90, 10]], 0.0),
        ([[9, 0], [0, 0]], None),
        ([], None),
    ],
)
def test_kappa_agrees_with_tables_worked_by_hand(table: list[list[int]], kappa: float | None):
    assert cohen_kappa(pairs_of(table)) == (None if kappa is None else pytest.approx(kappa))


@quick
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=60), seeds)
def test_a_kappa_interval_lies_within_minus_one_and_one_whatever_the_order(pairs: list[tuple[str, str]], seed: int):
    found = kappa_interval(pairs, seed, rounds=200)
    assert -1 - 1e-9 <= found.low <= found.high <= 1 + 1e-9
    assert kappa_interval(pairs[::-1], seed, rounds=200) == found


def test_a_kappa_interval_holds_the_truth_about_as_often_as_it_says():
    chance, hits, truth = random.Random(3), 0, 0.7
    for seed in range(200):
        people = [chance.choice("abc") for _ in range(120)]
        pairs = [(p if chance.random() < truth else chance.choice("abc"), p) for p in people]
        hits += kappa_interval(pairs, seed, rounds=400).contains(truth)
    assert 0.90 <= hits / 200 <= 0.99


@pytest.mark.parametrize(
    "call", [lambda: wilson_interval(3, 2), lambda: wilson_interval(1, 2, 1.0), lambda: kappa_interval([], 1)]
)
def test_impossible_counts_are_refused(call):
    with pytest.raises(ConfigInvalid, match="cannot be"):
        call()
