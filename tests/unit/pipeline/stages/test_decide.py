"""decide: what is decided, by whom and why, and the plan that follows, to the last field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import factories
import pytest
from factories import NOON, after, make_example

from argotune.data.annotations import LabelSource
from argotune.data.dataset import Dataset
from argotune.data.examples import Example, Split
from argotune.decisions.context import context_of
from argotune.decisions.outlook import outlook
from argotune.decisions.races import PastRaces
from argotune.decisions.values import (
    SKIP,
    Action,
    Advice,
    Contribution,
    CutShort,
    ModelingContext,
    Outcomes,
    Strategy,
    TrainingDecision,
    TrainingHistory,
)
from argotune.pipeline.stages.decide import Decided, DecisionInputs, decide
from argotune.runs.run import Plan
from argotune.tenants.config import DecisionRules, RoutingConfigUnified

WITHOUT_WRITER = (
    "nearest: the task LM scores labels and no teacher is named, so nothing here writes instructions; of the methods "
    "that need none, examples near the question help most"
)
LATELY = TrainingHistory(trainings=1, last_at=after(-3600), last_train_count=60, champion_score=0.7)
MEASURED = LATELY.model_copy(update={"compared": 1000, "disagreed": 120})
SELDOM = LATELY.model_copy(update={"compared": 100, "disagreed": 90})
OFTEN = MEASURED.model_copy(update={"last_at": NOON - timedelta(days=8)})
LEVEL = 0.0125
AHEAD = outlook(0.03, 0.12, LEVEL, DecisionRules().detection_power)
assert AHEAD is not None


def make_config(**fields: Any) -> RoutingConfigUnified:
    """Without a portfolio, so that `auto` is one method."""
    return factories.make_config(**{"optimizers": {"portfolio": {"candidates": ["nearest"]}}, **fields})


def examples(split: Split, n: int, trusted: int | None = None) -> list[Example]:
    source = [LabelSource.HUMAN if trusted is None or i < trusted else LabelSource.OUTCOME for i in range(n)]
    return [make_example(f"{split} {i}", split=split, source=source[i]) for i in range(n)]


def dataset(train: int = 60, test: int = 40, trusted: int | None = None, **counts: int) -> Dataset:
    known = [*examples(Split.TRAIN, train), *examples(Split.DEV, 8), *examples(Split.TEST, test, trusted)]
    return Dataset.of("routing", known, counts, 0.7)


def question(
    config: RoutingConfigUnified | None = None,
    data: Dataset | None = None,
    past: TrainingHistory | None = None,
    **of: Any,
) -> DecisionInputs:
    """One about 60 training and 40 test examples without a writer, never trained, in which chance has no say."""
    config, data, past = config or make_config(), data or dataset(), past or TrainingHistory()
    usual = {"seed": 7, "chance": 1.0, "has_writer": False, "level": LEVEL, **of}
    return DecisionInputs(config, data, context_of(config, data, past, usual["level"], NOON), past, **usual)


def real(optimizer: str) -> Action:
    return Action(strategy=Strategy.PURE_REAL, optimizer=optimizer)


def hybrid(optimizer: str) -> Action:
    return Action(strategy=Strategy.HYBRID, optimizer=optimizer)


def plan(of: DecisionInputs, **changes: Any) -> Plan:
    ids = {split: of.data.ids(split) for split in (Split.TRAIN, Split.DEV, Split.TEST)}
    usual = Plan(
        optimizer="nearest",
        reason=WITHOUT_WRITER,
        seed=7,
        max_iterations=1,
        train_ids=ids[Split.TRAIN],
        dev_ids=ids[Split.DEV],
        test_ids=ids[Split.TEST],
        data_hash=of.data.data_hash,
    )
    return usual.model_copy(update=changes)


FIRST = TrainingDecision(
    action=real("nearest"),
    by="rules",
    reason="it was never trained",
    by_rules=real("nearest"),
    possible=(SKIP, real("nearest"), real("labeled"), real("bootstrap")),
    probability=0.05 / 4 + 0.95,
    expected_gain=0.03,
)


def test_a_first_training_is_decided_by_the_rules():
    asked = question()
    assert decide(asked) == Decided(FIRST, plan(asked))
    assert (len(plan(asked).train_ids), len(plan(asked).dev_ids), len(plan(asked).test_ids)) == (60, 8, 40)


def test_what_is_not_worth_it_is_skipped_by_the_rules_and_has_no_plan():
    found = decide(question(past=LATELY))
    why = "little has changed since the last training: +0.0 % training examples"
    assert found == Decided(FIRST.model_copy(update={"action": SKIP, "by_rules": SKIP, "reason": why}), None)


def test_few_real_examples_and_a_writer_give_a_plan_with_synthetic_ones():
    asked = question(data=dataset(30), has_writer=True)
    found = decide(asked)
    assert found.decision.action == found.decision.by_rules == hybrid("bootstrap")
    assert found.decision.possible == (SKIP, hybrid("bootstrap"), hybrid("nearest"), hybrid("labeled"))
    assert found.plan == plan(
        asked,
        optimizer="bootstrap",
        reason="bootstrap: 43 training examples are a cold start (fewer than 50)",
        strategy=Strategy.HYBRID,
        synthetic_count=13,
    )


@pytest.mark.parametrize(
    ("fields", "train", "has_writer", "strategy", "count"),
    [
        ({}, 10, True, Strategy.SYNTHETIC, 10),
        ({}, 0, True, Strategy.SYNTHETIC, 20),
        ({}, 10, False, Strategy.PURE_REAL, 0),
        ({"use_synthetic_data": False}, 10, True, Strategy.PURE_REAL, 0),
        ({"synthetic_data_ratio": 0.0}, 30, True, Strategy.PURE_REAL, 0),
        ({"synthetic_data_ratio": 0.03}, 30, True, Strategy.HYBRID, 1),
        ({"decisions": {"synthetic_threshold": 31}}, 30, True, Strategy.SYNTHETIC, 1),
        ({"decisions": {"synthetic_threshold": 31}}, 31, True, Strategy.HYBRID, 14),
        ({}, 50, True, Strategy.PURE_REAL, 0),
    ],
)
def test_synthetic_examples_are_planned_where_they_are_wanted_can_be_written_and_have_room(
    fields: dict[str, Any], train: int, has_writer: bool, strategy: Strategy, count: int
):
    found = decide(question(make_config(**fields), dataset(train), has_writer=has_writer))
    assert found.plan is not None
    assert (found.decision.action.strategy, found.plan.strategy, found.plan.synthetic_count) == (
        strategy,
        strategy,
        count,
    )


def test_a_tenants_own_choice_leaves_nothing_to_explore_and_is_searched_as_long_as_it_says():
    config = make_config(preferred_optimizer="random_search", max_training_iterations=12)
    asked = question(config)
    found = decide(asked)
    assert found.decision.possible == (SKIP, real("random_search"))
    why = "random_search: the tenant's config asks for it"
    assert found.plan == plan(asked, optimizer="random_search", reason=why, max_iterations=12)


@pytest.mark.parametrize(
    ("rules", "accuracy", "reason"),
    [
        ({"labeled_below": 61}, 0.7, "labeled: 60 training examples all fit into the prompt"),
        ({"mipro_threshold": 61}, 0.7, "bootstrap: 60 training examples are a cold start (fewer than 61)"),
        (
            {"simba_below": 0.71},
            0.7,
            "simba: an accuracy of 70.0 % is low (below 71.0 %), so the hard examples are looked at",
        ),
        ({"simba_below": 0.7}, 0.7, "mipro: 60 training examples are enough to search instructions (50 to 200)"),
        ({"mipro_threshold": 60}, 0.7, "mipro: 60 training examples are enough to search instructions (60 to 200)"),
        ({"gepa_threshold": 60}, 0.7, "mipro: 60 training examples are enough to search instructions (50 to 60)"),
        ({"gepa_threshold": 59}, 0.7, "gepa: 60 training examples are enough to evolve instructions (above 59)"),
        ({}, None, "mipro: 60 training examples are enough to search instructions (50 to 200)"),
        ({}, 0.59, "simba: an accuracy of 59.0 % is low (below 60.0 %), so the hard examples are looked at"),
    ],
)
def test_the_optimizer_is_chosen_and_the_choice_told_by_the_tenants_rules(rules, accuracy: float | None, reason: str):
    data = replace(dataset(), accuracy=accuracy)
    found = decide(question(make_config(decisions=rules), data, has_writer=True))
    assert found.plan is not None
    assert (found.plan.optimizer, found.plan.reason) == (reason.partition(":")[0], reason)


RACED = ["labeled", "nearest", "bootstrap", "mipro", "gepa", "simba"]
"""What fits where a teacher is; without one the first three do."""


@pytest.mark.parametrize("preferred", ["auto", "portfolio"])
def test_where_several_methods_fit_a_portfolio_is_planned_in_the_order_of_the_rules(preferred: str):
    found = decide(question(factories.make_config(preferred_optimizer=preferred))).plan
    assert (found.optimizer, [e.method for e in found.entrants]) == ("portfolio", ["nearest", "labeled", "bootstrap"])
    assert "nearest, labeled, bootstrap fit; in this order by the rules (nearest: the task LM scores" in found.reason
    written = decide(question(factories.make_config(preferred_optimizer=preferred), has_writer=True)).plan
    assert [e.method for e in written.entrants] == ["mipro", *(method for method in RACED if method != "mipro")]


def test_past_races_of_its_kind_order_the_next_and_share_its_calls():
    past = PastRaces(kind="routing", raced={"labeled": 8, "nearest": 8, "bootstrap": 2}, won={"labeled": 7})
    found = decide(question(factories.make_config(), past_races=past)).plan
    odds = {"labeled": 8 / 10, "bootstrap": 1 / 4, "nearest": 1 / 10}
    assert {e.method: e.share for e in found.entrants} == pytest.approx({m: o / 1.15 for m, o in odds.items()})
    assert [e.method for e in found.entrants] == list(odds)
    assert "by the rules and past races of routing programs" in found.reason


def test_another_order_is_nothing_new_to_learn_from_and_other_methods_are():
    lesson = decide(question(factories.make_config())).plan.lesson
    past = PastRaces(kind="routing", raced={"labeled": 8}, won={"labeled": 7})
    assert decide(question(factories.make_config(), past_races=past, learned=lesson)) == floor(NOTHING_NEW)
    assert decide(question(factories.make_config(), has_writer=True, learned=lesson)).plan
    fewer = {"portfolio": {"candidates": ["labeled", "bootstrap"]}}
    assert decide(question(factories.make_config(optimizers=fewer), learned=lesson)).plan


def test_a_portfolio_of_which_nothing_fits_is_skipped_by_name():
    config = make_config(preferred_optimizer="portfolio")
    assert decide(question(config, dataset(7))) == floor("none of the methods of the portfolio fits here: nearest")


def test_optimizers_that_cannot_run_here_are_not_explored():
    config = make_config(decisions={"explored_optimizers": ["mipro", "labeled", "nearest"]})
    assert decide(question(config)).decision.possible == (SKIP, real("nearest"), real("labeled"))


@pytest.mark.parametrize(
    ("chance", "action", "by"),
    [(0.0, SKIP, "chance"), (0.02, real("nearest"), "rules"), (0.03, real("labeled"), "chance")],
)
def test_chance_draws_in_its_share_and_says_what_would_have_been_done(chance: float, action: Action, by: str):
    asked = question(chance=chance)
    found = decide(asked)
    reason = "it was never trained"
    drawn = reason if by == "rules" else f"drawn to learn from; else pure_real nearest: {reason}"
    rare = 0.05 / 4 + 0.95 * (by == "rules")
    told = {"action": action, "by": by, "reason": drawn, "probability": pytest.approx(rare)}
    assert found.decision == FIRST.model_copy(update=told)
    explored = plan(asked, optimizer="labeled", reason=f"labeled: {drawn}")
    assert found.plan == {"nearest": plan(asked), "labeled": explored, "": None}[action.optimizer]


@dataclass
class Adviser:
    """A model that says what it is told to say, and keeps what it was asked."""

    says: Action
    id: str = "model-1"
    asked: tuple[ModelingContext, Sequence[Action]] | None = None

    def advise(self, context: ModelingContext, possible: Sequence[Action]) -> Advice:
        self.asked = (context, possible)
        return Advice(self.says, 0.11, (Contribution(feature="growth", value=0.5, gain=0.1),), "it pays")


@pytest.mark.parametrize("says", [SKIP, real("labeled")])
@pytest.mark.parametrize("past", [TrainingHistory(), LATELY])
def test_an_active_model_decides_and_what_the_rules_would_do_is_kept(says: Action, past: TrainingHistory):
    model = Adviser(says)
    asked = question(past=past, model=model)
    found = decide(asked)
    assert model.asked == (asked.context, list(FIRST.possible))
    assert found.decision == TrainingDecision(
        action=says,
        by="model",
        reason="it pays",
        by_rules=SKIP if past is LATELY else real("nearest"),
        possible=FIRST.possible,
        probability=FIRST.probability,
        expected_gain=0.11,
        model="model-1",
        contributions=(Contribution(feature="growth", value=0.5, gain=0.1),),
    )
    trained = plan(asked, optimizer="labeled", reason="labeled: it pays")
    assert found.plan == (trained if says.trains else None)


def test_chance_over_a_model_is_told_as_chance():
    found = decide(question(model=Adviser(real("labeled")), chance=0.0))
    assert (found.decision.action, found.decision.by, found.decision.model) == (SKIP, "chance", "model-1")
    assert found.decision.reason == "drawn to learn from; else pure_real labeled: it pays"


# What ends a question before it is one


def floor(reason: str) -> Decided:
    return Decided(TrainingDecision(action=SKIP, by="floor", reason=reason, by_rules=SKIP), None)


SPENT = "nothing is left of the year's significance (gate.significance), so no contest can be opened"
UNTRUSTED = "no label of a person or a trusted annotator yet, so nothing could be judged: annotate spans"
NOTHING_NEW = "nothing new to learn from: the labelled examples are those of the last run"
NO_EXAMPLES = "no labelled training examples, and no LM that writes synthetic ones"


def of_outcomes(trusted: int = 0) -> Dataset:
    """60 training examples of which so many have a label of a person."""
    return Dataset.of("routing", examples(Split.TRAIN, 60, trusted), {}, 0.7)


@pytest.mark.parametrize(
    ("data", "fields", "reason"),
    [
        (dataset(test=0), {}, None),
        (of_outcomes(), {}, UNTRUSTED),
        (of_outcomes(1), {}, None),
        (dataset(0), {}, NO_EXAMPLES),
        (dataset(7), {"preferred_optimizer": "nearest"}, "nearest needs 8 training examples, 7 are here"),
    ],
)
@pytest.mark.parametrize("is_forced", [False, True])
def test_what_cannot_be_trained_or_judged_is_skipped_though_forced(data, fields, reason, is_forced: bool):
    found = decide(question(make_config(**fields), data, is_forced=is_forced))
    assert found == floor(reason) if reason else found.plan is not None


@pytest.mark.parametrize(
    ("has_writer", "used", "is_possible"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_without_real_examples_a_writer_may_make_some(has_writer: bool, used: bool, is_possible: bool):
    found = decide(question(make_config(use_synthetic_data=used), dataset(0), has_writer=has_writer))
    assert (found.plan is not None) is is_possible
    assert is_possible or found == floor(NO_EXAMPLES)


@pytest.mark.parametrize("is_forced", [False, True])
def test_without_significance_that_is_left_no_challenger_is_made(is_forced: bool):
    assert decide(question(level=0.0, is_forced=is_forced)) == floor(SPENT)


def test_what_was_learned_before_is_skipped_but_for_force():
    asked = question()
    lesson = plan(asked).lesson
    assert decide(replace(asked, learned=lesson)) == floor(NOTHING_NEW)
    assert decide(replace(asked, learned=f"{lesson} more")) == decide(asked)
    forced = decide(replace(asked, learned=lesson, is_forced=True))
    told = TrainingDecision(action=real("nearest"), by="forced", reason="training is forced", by_rules=real("nearest"))
    assert forced == Decided(told, plan(asked))


@pytest.mark.parametrize(
    ("settings", "is_new"),
    [({"nearest": {"k": 9}}, True), ({"nearest": {"k": 4}}, False), ({"gepa": {"auto": "light"}}, False)],
)
def test_a_changed_setting_of_the_optimizer_that_trains_is_something_new(settings: dict[str, Any], is_new: bool):
    lesson = plan(question(make_config(preferred_optimizer="nearest"))).lesson
    asked = question(make_config(preferred_optimizer="nearest", optimizers=settings), learned=lesson)
    assert (decide(asked) != floor(NOTHING_NEW)) is is_new


def cut(asked: DecisionInputs, *, calls: int = 20_000, tokens: int = 20_000_000, lesson: str = "") -> DecisionInputs:
    lesson = lesson or plan(asked).lesson
    return replace(asked, cut_short=CutShort(lesson=lesson, max_lm_calls=calls, max_lm_tokens=tokens))


def test_what_ended_for_want_of_budget_is_not_done_again_within_the_same():
    asked = question(make_config(budget={"max_lm_calls": 500, "max_lm_tokens": 9000}))
    why = "the same training ended for want of budget: raise budget.max_lm_calls (500) or budget.max_lm_tokens (9000)"
    assert decide(cut(asked, calls=500, tokens=9000)) == floor(why)
    assert decide(cut(asked, calls=499, tokens=9000)).plan == plan(asked)
    assert decide(cut(asked, calls=500, tokens=9000, lesson="another")) == decide(asked)


RAISED = "the budget that ended the last training was raised"


@pytest.mark.parametrize(
    ("past", "limits", "reason"),
    [
        (LATELY, {"calls": 9}, RAISED),
        (LATELY, {"tokens": 9}, RAISED),
        (LATELY, {"lesson": "another"}, "little has changed since the last training: +0.0 % training examples"),
        (MEASURED, {"calls": 9}, RAISED),
        (SELDOM, {"calls": 9}, None),
    ],
)
def test_a_raised_budget_is_a_reason_where_enough_could_be_shown(past: TrainingHistory, limits, reason: str | None):
    found = decide(cut(question(past=past), **limits)).decision
    assert found.by == "rules"
    assert (found.action == real("nearest")) is (reason == RAISED)
    assert found.expected_gain == 0.03
    told = found.reason.partition("; about ")[0] if reason else found.reason
    assert told == reason if reason else "more labels than contest.max_labels (400)" in told


def limits(**rules: int) -> RoutingConfigUnified:
    return make_config(contest=rules)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (limits(), None),
        (limits(max_labels=AHEAD.labels - 40), None),
        (limits(max_labels=AHEAD.labels - 41), f"more labels than contest.max_labels ({AHEAD.labels - 41})"),
        (limits(max_shadow_calls=AHEAD.answers - 40), None),
        (
            limits(max_shadow_calls=AHEAD.answers - 41),
            f"more answers than contest.max_shadow_calls ({AHEAD.answers - 41})",
        ),
    ],
    ids=["usual", "just enough labels", "a label short", "just enough answers", "an answer short"],
)
def test_a_training_waits_that_no_contest_could_show_within_its_limits(config: RoutingConfigUnified, why: str | None):
    """40 sealed test examples are labelled and will be answered already."""
    found = decide(question(config, past=OFTEN)).decision
    if why is None:
        assert (found.action, found.reason) == (real("nearest"), f"the last training is 8 days old; {AHEAD.sentence}")
    else:
        assert (found.action, found.reason) == (SKIP, f"{AHEAD.sentence}: {why}")
    forced = decide(question(config, past=OFTEN, is_forced=True)).decision
    assert forced.action == real("nearest")


def test_what_is_told_of_the_next_contest_is_in_the_context():
    known, unknown = (question(past=past).context for past in (OFTEN, LATELY))
    assert (known.labels_to_verdict, known.answers_to_verdict) == (AHEAD.labels, AHEAD.answers)
    assert (unknown.labels_to_verdict, unknown.answers_to_verdict) == (None, None)


def test_weights_that_an_optimizer_does_not_look_at_are_told():
    told = "; nearest does not look at the weights of `reward`"
    weighed = make_config(reward={"agent_success_weight": 0.9})
    found = [decide(question(config)).plan for config in (make_config(), weighed)]
    assert [one and one.reason for one in found] == [WITHOUT_WRITER, WITHOUT_WRITER + told]
    heard = decide(question(make_config(reward={"agent_success_weight": 0.9}, preferred_optimizer="bootstrap"))).plan
    assert heard is not None
    assert heard.reason == "bootstrap: the tenant's config asks for it"


@pytest.mark.parametrize(
    ("optimizer", "outcomes", "by"),
    [
        ("policy", Outcomes(200, 40), "rules"),
        ("policy", Outcomes(200, 39), "floor"),
        ("policy", Outcomes(10, 29), "floor"),
        ("nearest", Outcomes(200, 40), "floor"),
    ],
)
def test_new_outcomes_alone_are_a_reason_for_a_method_that_learns_from_them(
    optimizer: str, outcomes: Outcomes, by: str
):
    both = [replace(x, expected={"agent": f"a{n % 2}"}) for n, x in enumerate(examples(Split.TRAIN, 60))]
    data = Dataset.of("routing", [*both, *examples(Split.TEST, 40)], {}, 0.7)
    asked = question(make_config(preferred_optimizer=optimizer), data, LATELY)
    lesson = decide(replace(asked, is_forced=True)).plan.lesson
    found = decide(replace(asked, outcomes=outcomes, learned=lesson)).decision
    assert found.by == by
    told = "40 decisions with outcomes came since the last training, which had 200"
    assert (told in found.reason) is (by == "rules")
