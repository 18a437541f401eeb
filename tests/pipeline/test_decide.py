"""How a run is decided on: rules, an active model, chance, force; what is kept; what the trigger waits for."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from world import World, filled, traffic

from argotune.decisions.active_model import Activation, ActiveModel
from argotune.decisions.gain_model import FEATURES, MetaModel, Training, fit
from argotune.decisions.ledger import ledger_of
from argotune.decisions.values import SKIP, Action, ModelingContext, Strategy
from argotune.optimizers import OPTIMIZERS
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.promotion.contest_book import ContestBook
from argotune.runs.book import RunBook
from argotune.runs.explain import explain_decision
from argotune.runs.run import Run
from argotune.tenants.config import RoutingConfigUnified

BY_DEFAULT = {"decisions": {"exploration_share": 0}}


def run_once(world: World, config: RoutingConfigUnified, **request: bool) -> Run:
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=True, **request)).runs
    return run


def test_a_first_training_is_decided_by_the_rules_and_leaves_a_row_in_the_ledger():
    world, config = filled(**BY_DEFAULT)
    run = run_once(world, config)
    assert run.decision is not None
    assert (run.decision.by, run.decision.probability) == ("rules", 1.0)
    assert "never trained" in run.decision.reason
    assert run.decision.possible[0] == SKIP
    (row,) = ledger_of(world.store, "acme")
    assert (row.outcome, row.decision, row.lm_calls) == ("promoted", run.decision, run.lm_calls)
    assert row.gain == row.effect > 0.3
    assert row.context.real_sample_count == len(run.plan.train_ids)
    assert "acme" not in row.model_dump_json()
    assert "alps" not in row.model_dump_json()


def test_what_a_training_left_is_known_when_the_next_is_decided_on():
    world, config = filled(**BY_DEFAULT)
    first = run_once(world, config)
    world.later(days=2)
    world.receive(30, first=1000)
    second = run_once(world, config)
    context = second.context
    assert context.trainings == context.promotions == 1
    assert context.days_since_last_training == pytest.approx(2, abs=0.01)
    assert context.last_gain == pytest.approx(first.verdict.numbers.effect)
    assert context.current_performance_score == pytest.approx(first.verdict.numbers.challenger_mean)
    opened = len(first.plan.test_ids) / len(first.plan.train_ids)
    assert 0.3 < context.growth < opened + 0.2, "what the contest has opened is training data"
    assert context.labels_to_verdict is None, "how often challengers differ from the new champion nobody knows yet"


def without_people(n: int) -> tuple[World, RoutingConfigUnified]:
    """A tenant whose examples are what its application says of its own decisions."""
    world = World()
    world.traces.record("acme", traffic("acme", n)[0])
    return world, world.tenant()


def stop_contest(world: World) -> None:
    """So that the next run decides anew."""
    book = ContestBook(world.store, "acme")
    if contest := book.open("routing"):
        book.stop(contest.id, who="kim", reason="test", now=world.now)


@pytest.mark.parametrize(
    ("optimizer", "weights", "is_told"),
    [
        ("nearest", {"agent_success_weight": 1}, True),
        ("nearest", {}, False),
        ("labeled", {"agent_success_weight": 1}, False),
    ],
)
def test_a_plan_says_where_its_optimizer_does_not_look_at_the_reward(optimizer, weights, is_told):
    world, config = filled(preferred_optimizer=optimizer, reward=weights)
    assert ("does not look at the weights of `reward`" in run_once(world, config).plan.reason) is is_told


def test_a_run_that_could_not_show_a_gain_is_skipped_and_says_what_that_would_take():
    world, config = filled(noise=True, contest={"max_labels": 30}, **BY_DEFAULT)
    run_once(world, config)
    world.later(hours=2)
    world.receive(120, first=1000)
    run = run_once(world, config)
    assert run.outcome == "skipped"
    told = r"about \d+ labels and \d+ shadow answers until a verdict on \+\d+\.\d points: "
    assert re.search(told + r"more labels than contest\.max_labels \(30\)$", run.sentence)
    assert (run.decision.by, run.decision.action, run.lm_calls) == ("rules", SKIP, 0)
    assert [row.outcome for row in sorted(ledger_of(world.store, "acme"), key=lambda r: r.at)] == [
        "rejected",
        "skipped",
    ]


def test_a_module_whose_training_was_skipped_is_due_again_when_something_new_came():
    world, config = filled(noise=True, contest={"max_labels": 30}, **BY_DEFAULT)
    run_once(world, config)
    world.later(hours=2)
    world.receive(120, first=1000)
    assert run_once(world, config).outcome == "skipped"
    world.later(days=2)
    assert not world.look(config).is_due
    world.receive(120, first=2000)
    assert world.look(config).is_due


def test_training_that_is_forced_passes_over_what_is_not_worth_it():
    world, config = filled(**BY_DEFAULT)
    run_once(world, config)
    world.later(hours=2)
    run = run_once(world, config, is_training_forced=True)
    assert run.decision.by == "forced"
    assert run.plan is not None
    assert (run.outcome, run.contest) == ("undecided", run.id), "all sealed examples were opened by the first"


def test_force_does_not_pass_over_what_cannot_be_judged():
    world, config = without_people(300)
    run = run_once(world, config, is_training_forced=True)
    assert run.decision.by == "floor"
    assert "no label of a person or a trusted annotator yet, so nothing could be judged" in run.sentence


def test_a_decision_that_explores_says_so_with_its_probability():
    world, config = filled(decisions={"exploration_share": 1.0, "explored_optimizers": ["labeled"]})
    found = set()
    for _ in range(14):
        run = run_once(world, config)
        stop_contest(world)
        found.add((run.decision.action.name, run.decision.by))
        assert run.decision.by == "floor" or run.decision.probability == pytest.approx(1 / 3)
    assert {"skip", "pure_real nearest", "pure_real labeled"} <= {name for name, _ in found}
    assert ("pure_real labeled", "chance") in found


def model_that(trains_on: range) -> MetaModel:
    """Learned on runs that brought something where the test set had these sizes."""
    action = Action(strategy=Strategy.PURE_REAL, optimizer="nearest")
    past = [
        Training(f"t{n % 10}", ModelingContext(modality="routing", test_count=n), action, 0.2 * (n in trains_on), 50)
        for n in range(200)
    ]
    found = fit(past, seed=1)
    assert isinstance(found, MetaModel)
    return found


def activate(world: World, model: MetaModel) -> None:
    activation = Activation(number=1, at=world.now, model=model.id, reason="test", rows=1)
    ActiveModel(world.store).activate(activation, model, None)


@pytest.mark.parametrize(("pays", "trains"), [(range(60, 200), True), (range(0, 40), False)])
def test_an_active_model_decides_and_its_features_are_kept(pays, trains):
    world, config = filled(**BY_DEFAULT)
    activate(world, model := model_that(pays))
    run = run_once(world, config)
    assert (run.plan is not None) is trains
    assert (run.decision.by, run.decision.model) == ("model", model.id)
    assert "test_count" in {c.feature for c in run.decision.contributions}
    assert run.decision.by_rules.trains


@pytest.mark.parametrize("damage", [{"features": FEATURES[1:]}, {"gain": "garbage"}, {"xgboost": "0.9"}])
def test_a_model_that_cannot_be_used_is_reported_and_the_rules_go_on(damage):
    world, config = filled(**BY_DEFAULT)
    activate(world, model_that(range(0, 40)).model_copy(update=damage))
    run = run_once(world, config)
    assert (run.outcome, run.decision.by) == ("promoted", "rules")
    assert run.counts["meta-model cannot be used"] == 1


def test_a_tenant_can_keep_to_the_rules():
    world, config = filled(decisions={"exploration_share": 0, "use_meta_models": False})
    activate(world, model_that(range(0, 40)))
    assert run_once(world, config).decision.by == "rules"


def test_rows_stay_with_their_tenant():
    world, config = filled(**BY_DEFAULT)
    run_once(world, config)
    assert list(ledger_of(world.store, "globex")) == []
    assert world.now - RunBook(world.store, "acme").runs()[0].started_at < timedelta(days=1)


@pytest.mark.parametrize("chance", [0.0, 1.0], ids=["rules", "chance"])
def test_without_a_writer_no_strategy_or_optimizer_that_needs_one_is_chosen_shown_or_kept(chance: float):
    explored = {"exploration_share": chance, "hybrid_threshold": 10_000}
    world, config = filled(use_synthetic_data=True, decisions=explored)
    run = run_once(world, config)
    assert run.decision.by in ("rules", "chance")
    named = (run.decision.action, run.decision.by_rules, *run.decision.possible)
    assert {action.strategy for action in named} <= {Strategy.PURE_REAL, Strategy.SKIP}
    assert not any(OPTIMIZERS[action.optimizer].needs_writer for action in named if action.trains)
    told = " ".join(explain_decision(run)) + "".join(row.model_dump_json() for row in ledger_of(world.store, "acme"))
    assert "hybrid" not in told
    assert "synthetic" not in told
