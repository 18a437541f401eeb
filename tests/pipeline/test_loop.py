"""Whole runs of the loop on memory adapters: promote, reject, skip, conflict, and what each leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import make_run, make_verdict
from world import World, filled, run_once, traffic

from argotune.data.archive import ExperienceLog
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import ProjectMissing, Unavailable
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.versions import explain_version
from argotune.pipeline.passes import run_module
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.promotion.verdicts import Comparison
from argotune.promotion.versions import Bar
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.runs.run import RunState
from argotune.tenants.config import BudgetLimits, RoutingConfigUnified


def unlabelled(n: int) -> list[Span]:
    """New decisions that nobody can learn from."""
    spans, _ = traffic("acme", n, first=2000)
    return [replace(s, attributes={**s.attributes, "routing.agent_success": False}) for s in spans]


def test_a_better_challenger_is_promoted_and_can_be_explained():
    world, config = filled()
    run = run_once(world, config)
    assert run.outcome == "promoted", run.sentence
    champion, _ = Registry(world.store, "acme").champion("routing")
    assert (champion.version, champion.previous) == (run.challenger, run.champion)
    story = explain_version(world.store, "acme", champion.version)
    assert story.run == run
    assert [change.how for change in story.changes] == ["promoted"]
    assert any("nearest" in line for line in story.prompt_diff)


def test_a_challenger_that_is_no_better_is_rejected_and_the_champion_stays():
    world, config = filled(noise=True)
    run = run_once(world, config)
    assert run.outcome == "rejected", run.sentence
    assert Registry(world.store, "acme").champion("routing") == (None, None)


def test_a_tenant_with_too_few_traces_is_skipped_and_told_how_many_are_missing():
    world, config = filled(42)
    report = run_module(world.ports, config, "routing", Request())
    assert report.runs == ()
    assert "58 traces short" in report.lines[0]
    assert world.lms.calls == 0


def test_a_forced_run_passes_over_the_conditions_but_not_over_the_gate():
    world, config = filled(42)
    run = run_once(world, config, forced=True)
    assert run.outcome == "undecided"
    assert "by 10 labels of people" in run.sentence


def test_a_second_run_finds_nothing_new():
    world, config = filled()
    run_once(world, config)
    world.later(hours=2)
    report = run_module(world.ports, config, "routing", Request())
    assert report.runs == ()
    assert "0 new" in report.lines[0]


def test_a_second_run_within_the_period_waits():
    world, config = filled()
    run_once(world, config)
    world.later(minutes=10)
    assert "next run is due in 50 min" in run_module(world.ports, config, "routing", Request()).lines[0]


def test_the_next_challenger_is_compared_with_the_new_champion_on_fresh_examples_only():
    world, config = filled()
    first = run_once(world, config)
    world.later(hours=2)
    world.receive(150, first=1000)
    second = run_once(world, config)
    assert second.champion == first.challenger
    opened, sealed = (ContestBook(world.store, "acme").contest(run.contest).sealed_ids for run in (first, second))
    assert opened
    assert sealed
    assert not set(opened) & set(sealed)
    assert set(opened) & {*second.plan.train_ids, *second.plan.dev_ids}, "what was opened is training data"


def test_training_never_sees_the_test_split():
    world, config = filled()
    run = run_once(world, config)
    queries = {e.id: e.inputs["query"] for e in ExperienceLog(world.store, "acme").examples("routing")}
    state = str(Registry(world.store, "acme").version(run.challenger).state)
    assert run.plan.test_ids
    assert not any(queries[id] in state for id in run.plan.test_ids)
    assert not set(run.plan.test_ids) & {*run.plan.train_ids, *run.plan.dev_ids}


def test_without_labels_from_people_nothing_is_spent():
    world = World()
    config = world.tenant()
    spans, _ = traffic("acme", 400)
    world.traces.record("acme", spans)
    run = run_once(world, config)
    assert run.outcome == "skipped"
    assert "no label of a person or a trusted annotator yet" in run.sentence
    assert world.lms.calls == 0


def test_an_optimizer_that_needs_a_writer_is_refused_with_a_sentence():
    world, config = filled(preferred_optimizer="gepa")
    assert "gepa needs an LM that writes instructions" in run_once(world, config).sentence


def test_a_spent_budget_leaves_the_contest_open_and_the_next_run_asks_on():
    world, config = filled(budget={"max_lm_calls": 60}, contest={"min_people_labels": 40})
    run = run_once(world, config)
    assert (run.outcome, run.lm_calls) == ("undecided", 60)
    assert run.counts["contest: asking was cut short"] == 1
    assert Registry(world.store, "acme").champion("routing") == (None, None)
    world.later(hours=2)
    again = run_once(world, config)
    assert (again.outcome, again.plan) == ("promoted", None), again.sentence
    assert (again.contest, again.challenger) == (run.contest, run.challenger)


def test_a_training_that_ended_for_want_of_budget_is_done_again_with_more_and_only_then():
    world, config = filled(budget={"max_lm_calls": 5}, preferred_optimizer="bootstrap")
    first = run_once(world, config)
    assert first.is_cut_short
    world.later(hours=2)
    assert run_module(world.ports, config, "routing", Request()).runs == (), "nothing is new"
    again = run_once(world, config, seen=unlabelled(150))
    assert "ended for want of budget: raise budget.max_lm_calls (5) or" in again.sentence
    assert again.lm_calls == 0
    world.later(hours=2)
    richer = config.model_copy(update={"budget": BudgetLimits()})
    assert run_once(world, richer).outcome == "promoted", "due without a new trace"
    world.later(hours=2)
    assert run_module(world.ports, richer, "routing", Request()).runs == ()


def test_a_search_that_the_budget_cuts_short_is_measured_and_done_again_with_more():
    world, config = filled(
        budget={"max_lm_calls": 700}, preferred_optimizer="random_search", max_training_iterations=12
    )
    first = run_once(world, config)
    assert first.is_cut_short
    assert first.verdict.numbers.answers > 0
    world.later(hours=2)
    second = run_once(world, config.model_copy(update={"budget": BudgetLimits()}))
    assert second.decision.reason == "the budget that ended the last training was raised"
    assert not second.is_cut_short


@pytest.mark.parametrize(("optimizer", "asked", "tried"), [("nearest", 100, 1), ("random_search", 4, 4)])
def test_a_run_publishes_how_many_candidates_it_tried_and_not_how_many_were_asked_for(
    optimizer: str, asked: int, tried: int
):
    world, config = filled(preferred_optimizer=optimizer, max_training_iterations=asked)
    run = run_once(world, config)
    assert run.plan.max_iterations == tried
    assert world.tracker.runs[run.id].facts["max_iterations"] == tried


def test_a_champion_that_moved_meanwhile_ends_the_contest_and_nothing_is_lost():
    world, config = filled()
    registry = Registry(world.store, "acme")

    def somebody_overrides():
        if world.lms.calls == 100:
            baseline = registry.versions("routing")[0]
            registry.override("routing", baseline.id, who="ann", reason="test", now=world.now)

    world.lms.on_call = somebody_overrides
    run = run_once(world, config)
    assert (run.outcome, run.verdict.rule) == ("rejected", "champion_moved")
    champion, _ = registry.champion("routing")
    assert [change.how for change in registry.history("routing")] == ["overridden"]
    assert champion.sequence == 1
    assert [c.state for c in ContestBook(world.store, "acme").contests()] == ["champion moved"]


def test_rollback_brings_the_previous_version_back_and_keeps_the_history():
    world, config = filled()
    run = run_once(world, config)
    registry = Registry(world.store, "acme")
    champion = registry.roll_back("routing", who="ann", reason="complaints", now=world.now).champion
    assert champion.version == run.champion
    assert [(c.how, c.who) for c in registry.history("routing")][-1] == ("rolled back", "ann")


def barred_world(*, from_call: int = 0) -> tuple[World, RoutingConfigUnified, str]:
    """A world in which the very version that the run is going to make is barred, from some LM call on."""
    expected, (world, config) = run_once(*filled()).challenger, filled()
    bar = Bar(program="routing", version=expected, at=world.now, who="ann", reason="complaints")

    def barred() -> None:
        if world.lms.calls >= from_call:
            world.store.write("acme", [bar.record])

    world.lms.on_call = barred
    if not from_call:
        barred()
    return world, config, expected


def test_a_version_that_was_rolled_back_is_not_tested_again_until_somebody_lifts_that():
    world, config, version = barred_world()
    run = run_once(world, config)
    assert run.sentence.startswith(f"skipped: {version} was rolled back at 2026-11-21 12:00 by ann: complaints;")
    assert "argotune lift" in run.sentence
    assert (ContestBook(world.store, "acme").contests(), run.challenger) == ([], None)
    Registry(world.store, "acme").lift(version, who="ann", reason="it was the network", now=world.now)
    assert Registry(world.store, "acme").bar(version) is None


def test_a_version_that_is_rolled_back_while_it_is_compared_is_rejected():
    world, config, version = barred_world(from_call=1)
    run = run_once(world, config)
    assert (run.challenger, run.verdict.rule) == (version, "barred")
    assert run.sentence.startswith(f"rejected: {version} was rolled back")
    assert Registry(world.store, "acme").champion("routing") == (None, None)


def test_a_bar_that_comes_between_the_verdict_and_the_promotion_ends_the_contest(monkeypatch: pytest.MonkeyPatch):
    world, config, version = barred_world(from_call=10**9)
    bar = Bar(program="routing", version=version, at=world.now, who="ann", reason="complaints")
    looked = Registry.bar

    def then_barred(registry: Registry, asked: str) -> Bar | None:
        found = looked(registry, asked)
        if ContestBook(world.store, "acme").contests():
            world.store.write("acme", [bar.record])
        return found

    monkeypatch.setattr(Registry, "bar", then_barred)
    run = run_once(world, config)
    assert (run.challenger, run.verdict.rule) == (version, "barred")
    assert Registry(world.store, "acme").champion("routing") == (None, None)


def test_an_outage_of_the_trace_source_is_an_error_and_not_no_data():
    world, config = filled()
    world.traces.fail_with = Unavailable("phoenix: down")
    with pytest.raises(Unavailable):
        run_module(world.ports, config, "routing", Request())


def test_a_tenant_that_never_sent_a_trace_is_a_missing_project():
    world = World()
    config = world.tenant("silent")
    with pytest.raises(ProjectMissing):
        run_module(world.ports, config, "routing", Request())


def test_runs_of_one_tenant_never_touch_another():
    world, config = filled()
    other = world.tenant("bravo")
    world.receive(20, "bravo", first=5000)
    run_once(world, config)
    for collection in ("versions", "champions", "runs", "answers", "examples.routing", "experiences.routing"):
        assert list(world.store.scan("bravo", collection)) == []
    assert run_module(world.ports, other, "routing", Request()).runs == ()


def test_late_labels_on_old_spans_reach_the_next_run():
    world = World()
    config = world.tenant()
    spans, annotations = traffic("acme", 300)
    world.traces.record("acme", spans)
    assert run_once(world, config).outcome == "skipped"
    world.later(hours=2)
    world.traces.annotate(Stream("acme", "routing"), annotations)
    assert run_once(world, config, forced=True).outcome == "promoted"


def test_a_changed_label_set_sets_the_champion_aside_and_says_so():
    world, config = filled()
    first = run_once(world, config)
    world.later(hours=2)
    wider = config.model_copy(update={"agents": {**config.agents, "maps": "finds maps"}})
    second = run_once(world, wider, forced=True)
    assert second.champion != first.challenger
    assert second.counts["champion set aside: its signature has changed"] == 1


def test_what_a_contest_has_opened_is_trained_on_and_never_opened_again():
    world, config = filled(noise=True)
    first = run_once(world, config)
    assert first.outcome == "rejected"
    world.later(hours=2)
    second = run_once(world, config, seen=unlabelled(150))
    assert not second.plan.test_ids
    assert len(second.plan.train_ids) > len(first.plan.train_ids)
    assert ContestBook(world.store, "acme").contest(second.contest).sealed_ids == ()


def test_a_run_whose_labels_were_changed_under_it_ends_and_the_next_one_goes_on():
    world, config = filled()

    def the_lm_goes_down():
        raise Unavailable("lm: down")

    world.lms.on_call = the_lm_goes_down
    with pytest.raises(Unavailable):
        run_once(world, config)
    world.lms.on_call = lambda: None
    wider = config.model_copy(update={"agents": {**config.agents, "maps": "finds maps"}})
    assert "the champion moved" in run_once(world, wider).sentence
    world.later(hours=2)
    assert run_once(world, wider, forced=True).outcome == "promoted"


@pytest.mark.parametrize(
    ("state", "known", "outcome"),
    [
        (RunState.OPENED, {}, "skipped"),
        (RunState.COMPARED, {"comparison": Comparison("routing", "v1", "v2", ())}, "skipped"),
        (RunState.JUDGED, {"verdict": make_verdict()}, "promoted"),
    ],
)
def test_a_run_that_a_release_before_contests_began_to_judge_is_ended(state: RunState, known: dict, outcome: str):
    world, config = filled()
    ModuleBook(world.store, "acme", "routing").write(PassState(pass_id="id-old"))
    book = RunBook(world.store, "acme")
    book.open(make_run(id="routing-id-old", tenant_id="acme", state=state, started_at=world.now, **known))
    assert run_once(world, config).id == "routing-id-old"
    assert book.run("routing-id-old").outcome == outcome
    assert ContestBook(world.store, "acme").contests() == []
