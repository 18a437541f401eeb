"""Statistics: values computed by hand, and properties that hold for any numbers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.stats.paired import cohen_kappa, kappa_interval, wilson_interval

differences = st.lists(st.floats(-1, 1), min_size=2, max_size=30)
seeds = st.integers(0, 2**31 - 1)
quick = settings(max_examples=60)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (0, 0, 0.0, 1.0),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_values(hits: int, n: int, low: float, high: float):
    """The last four: Newcombe, "Two-sided confidence intervals for the single proportion", Statist. Med. 17 (1998)."""
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
