"""How many labels and answers a contest needs until its verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from factories import labels_until_better
from hypothesis import given
from hypothesis import strategies as st
from wealth_paths import log_wealth_path

from argotune.errors import ConfigInvalid
from argotune.stats.betting import DIFFERENCES, corrected_differences
from argotune.stats.power import (
    labels_needed,
    people_needed,
    shadow_answers_needed,
)


def simulated(draw, level, chance, *, most, mean=0.0, within=DIFFERENCES):
    """After how many labels `chance` of 1,500 real bets have reached 1 / level. `draw` makes a table of differences."""
    reached = log_wealth_path(draw((1500, most)), mean, within) >= -math.log(level)
    ends = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, 10 * most)
    return float(np.quantile(ends, chance))


def hits(win_share, seed=11):
    rng = np.random.default_rng(seed)
    return lambda size: np.where(rng.random(size) < win_share, 1.0, -1.0)


@pytest.mark.parametrize(
    ("gain", "disagreement", "level", "chance", "most"),
    [
        (0.05, 0.15, 0.0125, 0.8, 400),
        (0.05, 0.15, 0.0125, 0.5, 400),
        (0.03, 0.09, 0.0005, 0.95, 600),
        (0.19, 0.41, 0.05, 0.8, 300),
        (0.03, 0.15, 0.0125, 0.5, 1000),
    ],
)
def test_about_as_many_labels_as_told_show_a_gain(gain, disagreement, level, chance, most):
    told = labels_until_better(gain, disagreement, level, chance)
    assert told == pytest.approx(simulated(hits((1 + gain / disagreement) / 2), level, chance, most=most), rel=0.1)


def test_scores_need_as_many_labels_as_told():
    outcomes = {0.5: 0.5, 0.0: 0.2, -0.25: 0.3}
    rng = np.random.default_rng(2)
    found = simulated(
        lambda size: rng.choice(list(outcomes), p=list(outcomes.values()), size=size), 0.01, 0.8, most=300
    )
    assert labels_needed(outcomes, 0.01, 0.8) == pytest.approx(found, rel=0.1)


@pytest.mark.parametrize(("accuracy", "share"), [(0.9, 0.2), (0.95, 0.1)])
def test_people_beside_a_judge_are_asked_about_as_often_as_told(accuracy, share):
    rng, size = np.random.default_rng(4), (1500, 900)
    truth = np.where(rng.random(size) < 2 / 3, 1.0, -1.0)
    judged = np.where(rng.random(size) < accuracy, truth, -truth)
    people = [d if asked else None for d, asked in zip(truth.flat, rng.random(truth.size) < share, strict=True)]
    values, within = corrected_differences(judged.flatten().tolist(), people, share)
    found = simulated(lambda size: np.reshape(values, size), 0.0125, 0.8, most=900, within=within)
    assert people_needed(0.05, 0.15, accuracy, share, 0.0125, 0.8) == pytest.approx(found * share, rel=0.1)


@given(st.floats(0.01, 0.5), st.floats(0.02, 0.6), st.floats(0.0005, 0.1), st.floats(0.5, 0.9))
def test_finer_levels_surer_chances_and_smaller_gains_need_more_labels(gain, disagreement, level, chance):
    told = labels_until_better(gain, disagreement, level, chance)
    assert labels_until_better(gain, disagreement, level / 2, chance) >= told
    assert labels_until_better(gain, disagreement, level, (1 + chance) / 2) >= told
    assert labels_until_better(gain * 0.8, max(disagreement, gain), level, chance) >= told
    assert people_needed(gain, disagreement, 0.3, 1.0, level, chance) == told


def test_shadow_answers_are_asked_until_enough_of_them_disagree():
    assert shadow_answers_needed(130, 0.09) == 1445


@pytest.mark.parametrize(
    "call",
    [
        lambda: labels_until_better(0.0, 0.1, 0.05, 0.8),
        lambda: labels_until_better(0.05, 0.1, 0.0, 0.8),
        lambda: labels_until_better(0.05, 0.1, 0.05, 1.0),
        lambda: labels_until_better(0.05, 1.1, 0.05, 0.8),
        lambda: people_needed(0.05, 0.1, 1.1, 0.5, 0.05, 0.8),
        lambda: people_needed(0.05, 0.1, 0.9, 0.0, 0.05, 0.8),
        lambda: shadow_answers_needed(10, 0.0),
    ],
)
def test_labels_for_what_cannot_be_are_refused(call):
    with pytest.raises(ConfigInvalid):
        call()
