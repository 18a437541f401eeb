"""Exploration: the probabilities are those with which answers are drawn, and the share falls to its floor."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.stats.exploration import decayed, epsilon_greedy


@given(st.floats(0, 1), st.integers(2, 6), st.data())
def test_probabilities_are_those_with_which_each_is_drawn_and_sum_to_one(epsilon, size, data):
    possible = list(range(size))
    preferred = data.draw(st.sampled_from(possible))
    chances = [n / 2000 for n in range(2000)]
    found = Counter(epsilon_greedy(preferred, possible, epsilon, chance) for chance in chances)
    for (_, probability), count in found.items():
        assert count / len(chances) == pytest.approx(probability, abs=0.005)


def test_without_exploring_the_preferred_is_certain():
    assert epsilon_greedy("b", ["a", "b"], 0.0, 0.0) == ("b", 1.0)
    assert epsilon_greedy("b", ["a", "b"], 0.5, 0.1) == ("a", 0.25)
    assert epsilon_greedy("b", ["a", "b"], 0.5, 0.5) == ("b", 0.75)


@pytest.mark.parametrize(
    ("steps", "share"), [(0, 0.1), (1, 0.0995), (138, 0.1 * 0.995**138), (139, 0.05), (10**9, 0.05)]
)
def test_the_share_falls_by_the_documents_numbers_to_its_floor_after_139_steps(steps, share):
    assert decayed(0.1, 0.995, 0.05, steps) == pytest.approx(share)
