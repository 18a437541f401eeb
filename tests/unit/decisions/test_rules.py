"""The cold-start rules, what is short of showing a gain, and how actions are drawn."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from factories import NOON, after
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from argotune.decisions.rules import drawn, opinion_of_rules, promised_gain, shortfall, strategy_of_rules
from argotune.decisions.values import SKIP, Action, ModelingContext, Strategy, TrainingHistory
from argotune.tenants.config import DecisionRules, GateRules

RULES, GATE = DecisionRules(), GateRules()
KNOWN = {"real_sample_count": 100, "test_count": 60, "days_since_last_training": 1.0, "growth": 0.0}
TRAIN = Action(strategy=Strategy.PURE_REAL, optimizer="nearest")


def context(**changes: Any) -> ModelingContext:
    return ModelingContext(**{**KNOWN, **changes})


@pytest.mark.parametrize(
    ("changes", "should_train", "because"),
    [
        ({"days_since_last_training": None}, True, "never trained"),
        ({"success_drop": 0.1}, True, "right 10 points less often"),
        ({"success_drop": 0.099}, False, "little has changed"),
        ({"growth": 0.2}, True, "grew by 20.0 %"),
        ({"growth": 0.19}, False, "+19.0 % training examples"),
        ({"days_since_last_training": 7.0}, True, "7 days old"),
        ({"days_since_last_training": 30.0, "growth": -0.5}, True, "30 days old"),
        ({}, False, "little has changed"),
    ],
)
def test_rules_train_for_the_first_time_after_a_drop_on_much_new_data_or_after_a_long_time(
    changes, should_train, because
):
    opinion = opinion_of_rules(context(**changes), RULES)
    assert opinion.should_train is should_train
    assert because in opinion.reason


@pytest.mark.parametrize(
    ("count", "strategy"),
    [(0, "synthetic"), (19, "synthetic"), (20, "hybrid"), (49, "hybrid"), (50, "pure_real"), (900, "pure_real")],
)
def test_strategy_follows_the_documents_thresholds(count, strategy):
    assert strategy_of_rules(context(real_sample_count=count), RULES) == strategy


HISTORY = TrainingHistory(trainings=1, attempts=1, compared=100, disagreed=30, last_at=NOON)


def test_what_is_missing_to_show_a_gain_is_told_in_traces():
    short = shortfall(context(test_count=60), HISTORY, RULES, GATE, traces=400)
    assert short is not None
    assert short.test_examples > 1000
    assert short.traces == math.ceil(short.test_examples * 400 / 60)
    assert short.sentence == f"{short.traces:,} traces short of detecting +3 points"
    opinion = opinion_of_rules(context(), RULES, 0.03, short)
    assert not opinion.should_train
    assert opinion.reason == short.sentence


@pytest.mark.parametrize(
    ("changes", "history", "gain"),
    [
        ({}, {}, 0.03),
        ({"success_drop": 0.25}, {}, 0.25),
        ({"success_drop": -0.2}, {}, 0.03),
        ({}, {"last_gain": 0.2, "was_unproven": True}, 0.2),
        ({}, {"last_gain": 0.2, "was_unproven": False}, 0.03),
        ({}, {"last_gain": -0.2, "was_unproven": True}, 0.03),
    ],
)
def test_more_is_promised_where_something_was_lost_or_not_proven(changes, history, gain):
    assert promised_gain(context(**changes), HISTORY.model_copy(update=history), RULES) == gain


@pytest.mark.parametrize(
    ("rules", "history", "test_count"),
    [
        (RULES, TrainingHistory(), 5),
        (RULES, HISTORY, 5000),
        (DecisionRules(detectable_gain=0), HISTORY, 5),
    ],
)
def test_nothing_is_missing_where_nobody_knows_it_is_there_or_it_is_not_asked(rules, history, test_count):
    assert shortfall(context(test_count=test_count), history, rules, GATE, 100) is None


@given(st.floats(0, 1), st.integers(1, 5), st.data())
def test_probabilities_of_all_actions_sum_to_one(share, others, data):
    possible = [SKIP, *(Action(strategy=Strategy.HYBRID, optimizer=str(n)) for n in range(others))]
    preferred = data.draw(st.sampled_from(possible))
    chances = [n / 2000 for n in range(2000)]
    found = Counter(drawn(preferred, possible, share, chance) for chance in chances)
    for (_, probability), count in found.items():
        assert count / len(chances) == pytest.approx(probability, abs=0.005)


def test_without_exploring_the_preferred_action_is_certain():
    assert drawn(TRAIN, [SKIP, TRAIN], 0.0, 0.0) == (TRAIN, 1.0)
    assert drawn(TRAIN, [SKIP, TRAIN], 0.5, 0.1) == (SKIP, 0.25)
    assert drawn(TRAIN, [SKIP, TRAIN], 0.5, 0.5) == (TRAIN, 0.75)


@pytest.mark.parametrize("bad", [{"success_rate": math.nan}, {"growth": math.inf}, {"test_count": -1}, {"mood": 1}])
def test_a_context_holds_no_nonsense(bad):
    with pytest.raises(ValidationError):
        context(**bad)
    assert after(0) == NOON
