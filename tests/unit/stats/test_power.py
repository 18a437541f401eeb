"""How many examples a gain needs, and the level of an attempt."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.stats.paired import mcnemar_exact
from argotune.stats.power import examples_needed, gain_detected


@pytest.mark.parametrize(
    ("gain", "disagreement", "by_hand"),
    [(0.1, 0.3, 234), (0.2, 0.3, 57), (0.03, 0.2, 1742), (0.5, 0.1, 14)],
)
def test_examples_needed_follow_connors_formula(gain, disagreement, by_hand):
    assert examples_needed(gain, disagreement, level=0.05, power=0.8) == pytest.approx(by_hand, abs=1)


def test_so_many_examples_find_the_gain_about_as_often_as_was_asked():
    n, rng = examples_needed(0.15, 0.35, level=0.05, power=0.8), random.Random(3)
    found = 0
    for _ in range(400):
        draws = [rng.random() for _ in range(n)]
        wins, losses = sum(d < 0.25 for d in draws), sum(0.25 <= d < 0.35 for d in draws)
        found += mcnemar_exact(wins, losses) <= 0.05
    assert 0.68 < found / 400 < 0.9  # the exact test is a little stricter than the formula's


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.0005, 0.5))
def test_the_detectable_gain_is_the_smallest_that_so_many_examples_are_enough_for(n, disagreement, level):
    gain = gain_detected(n, disagreement, level, 0.8)
    if gain is None:
        assert examples_needed(1.0, disagreement, level, 0.8) > n
    else:
        assert examples_needed(gain, disagreement, level, 0.8) <= n
        assert gain < 0.0015 or examples_needed(gain - 0.001, disagreement, level, 0.8) > n


@pytest.mark.parametrize(
    "numbers", [(0, 0.3, 0.05, 0.8), (0.1, 1.3, 0.05, 0.8), (0.1, 0.3, 0, 0.8), (0.1, 0.3, 0.05, 1)]
)
def test_numbers_without_meaning_are_refused(numbers):
    with pytest.raises(ConfigInvalid):
        examples_needed(*numbers)
