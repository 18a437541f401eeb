"""Outlook: what a contest still takes, told before it is asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from factories import labels_until_better
from hypothesis import given
from hypothesis import strategies as st
from wealth_paths import log_wealth_path

from argotune.decisions.outlook import Outlook, outlook

LEVEL, CHANCE = 0.0125, 0.8


def test_before_the_first_label_it_is_what_the_whole_contest_takes():
    labels = labels_until_better(0.05, 0.15, LEVEL, CHANCE)
    assert outlook(0.05, 0.15, LEVEL, CHANCE) == Outlook(gain=0.05, labels=labels, answers=math.ceil(labels / 0.15))


def test_what_is_in_hand_spares_answers_and_no_labels():
    whole = outlook(0.05, 0.15, LEVEL, CHANCE)
    assert whole is not None
    some, all_ = (outlook(0.05, 0.15, LEVEL, CHANCE, in_hand=n) for n in (10, whole.labels + 5))
    assert some == whole.model_copy(update={"answers": math.ceil((whole.labels - 10) / 0.15)})
    assert all_ == whole.model_copy(update={"answers": 0})


@given(st.floats(0.01, 0.3), st.floats(0.01, 0.9), st.floats(-6, 3), st.floats(0.1, 3))
def test_the_better_the_bet_stands_the_less_is_needed(gain: float, share: float, wealth: float, more: float):
    worse, better = (outlook(gain, share, LEVEL, CHANCE, log_wealth=w) for w in (wealth, wealth + more))
    if worse is not None:
        assert better is not None
        assert better.labels <= worse.labels


@pytest.mark.parametrize("wealth", [-math.log(LEVEL), -math.log(LEVEL) + 1e-12, 10.0, 1e6])
def test_a_bet_that_is_won_needs_next_to_nothing(wealth: float):
    found = outlook(0.05, 0.15, LEVEL, CHANCE, log_wealth=wealth)
    assert found is not None
    assert found.labels <= 3


def test_a_gain_cannot_be_shown_on_fewer_requests_than_it_is_on():
    assert outlook(0.05, 0.01, LEVEL, CHANCE) == outlook(0.05, 0.05, LEVEL, CHANCE)


@pytest.mark.parametrize(("gain", "share"), [(0.0, 0.2), (1e-6, 0.9)])
def test_nothing_is_told_where_no_number_of_labels_is_enough(gain: float, share: float):
    assert outlook(gain, share, LEVEL, CHANCE) is None


def test_a_hopeless_bet_is_not_foretold():
    assert outlook(0.05, 0.15, LEVEL, CHANCE, log_wealth=-1e6) is None


def test_so_many_labels_end_a_contest_that_has_begun_about_as_often_as_told():
    """Half way: 20 wins and 10 losses stand; of the disagreements to come two in three are won."""
    begun, rng = [1.0] * 20 + [-1.0] * 10, np.random.default_rng(3)
    paths = np.where(rng.random((1500, 300)) < 2 / 3, 1.0, -1.0)
    whole = log_wealth_path(np.hstack([np.tile(begun, (1500, 1)), paths]))[:, len(begun) - 1 :]
    reached = whole >= -math.log(LEVEL)
    ends = np.where(reached.any(axis=1), reached.argmax(axis=1), 300)
    found = outlook(0.05, 0.15, LEVEL, CHANCE, log_wealth=float(whole[0, 0]))
    assert found is not None
    assert found.labels == pytest.approx(float(np.quantile(ends, CHANCE)), rel=0.35)


@pytest.mark.parametrize(
    ("gain", "told"), [(0.03, "+3"), (0.125, "+12.5"), (0.001, "+0.1"), (0.0333333, "+3.33"), (1.0, "+100")]
)
def test_it_is_told_in_points(gain: float, told: str):
    found = Outlook(gain=gain, labels=1300, answers=14000)
    assert found.sentence == f"about 1,300 labels and 14,000 shadow answers until a verdict on {told} points"
