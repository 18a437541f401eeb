"""The cold-start rules, what the next contest takes, and how actions are drawn."""

from __future__ import annotations

import math
from typing import Any

import pytest
from factories import NOON, after, labels_until_better
from pydantic import ValidationError

from argotune.decisions.outlook import Outlook
from argotune.decisions.rules import opinion_of_rules, promised_gain, prospect, strategy_of_rules
from argotune.decisions.values import Action, ModelingContext, Strategy, TrainingHistory
from argotune.stats.power import shadow_answers_needed
from argotune.tenants.config import DecisionRules

RULES = DecisionRules()
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


HISTORY = TrainingHistory(trainings=1, compared=100, disagreed=30, last_at=NOON)
LEVEL = 0.0125


def test_what_the_next_contest_takes_follows_from_how_often_the_last_ones_differed():
    found = prospect(HISTORY, RULES, LEVEL, 0.05)
    labels = labels_until_better(0.05, 0.3, LEVEL, RULES.detection_power)
    assert found == Outlook(gain=0.05, labels=labels, answers=shadow_answers_needed(labels, 0.3))
    assert found.sentence == (
        f"about {found.labels:,} labels and {found.answers:,} shadow answers until a verdict on +5 points"
    )


def test_what_no_contest_could_show_is_not_worth_a_training():
    opinion = opinion_of_rules(context(days_since_last_training=None), RULES, 0.03, "too many labels")
    assert (opinion.should_train, opinion.expected_gain, opinion.reason) == (False, 0.03, "too many labels")


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
    ("rules", "history", "level"),
    [
        (RULES, TrainingHistory(), LEVEL),
        (RULES, HISTORY, 0.0),
        (DecisionRules(detectable_gain=0), HISTORY, LEVEL),
    ],
    ids=["nobody knows how often they differ", "nothing is left to spend", "not asked"],
)
def test_nothing_is_told_of_a_contest_where_nobody_knows_or_asks(rules, history, level):
    assert prospect(history, rules, level, 0.03) is None


@pytest.mark.parametrize(
    ("growth", "score", "gain"),
    [(1.0, 0.5, 0.2), (3.0, 0.5, 0.2), (0.0, 0.5, 0.03), (-0.5, 0.5, 0.03), (1.0, None, 0.03), (1.0, 0.95, 0.03)],
)
def test_each_doubling_of_the_examples_promises_a_share_of_the_errors(growth, score, gain):
    known = context(growth=growth, current_performance_score=score)
    assert promised_gain(known, HISTORY, RULES) == pytest.approx(gain)


@pytest.mark.parametrize("bad", [{"success_rate": math.nan}, {"growth": math.inf}, {"test_count": -1}, {"mood": 1}])
def test_a_context_holds_no_nonsense(bad):
    with pytest.raises(ValidationError):
        context(**bad)
    assert after(0) == NOON
