"""What is counted is what is read: lookbacks, reading again, another Phoenix database, and clocks that were wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from world import START, World, traffic

from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.dataset import Dataset
from argotune.data.question_log import QuestionLog
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.decisions.context import context_of
from argotune.decisions.values import TrainingHistory
from argotune.labels.queue import AnnotationQueue
from argotune.pipeline.intake import BEGUN_ANEW
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.triggering import LookRequest, look_at
from argotune.pipeline.passes import run_module
from argotune.pipeline.retention import HELD
from argotune.pipeline.stages.annotate import LabelState
from argotune.programs import programs_of
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.runs.reports import ModuleReport
from argotune.runs.run import Run
from argotune.store.collections import Collection
from argotune.tenants.config import RoutingConfigUnified

OLDER = "span: older than phoenix_lookback_hours"
AGAIN = "read again: not known before"
HOURS = timedelta(hours=1)
FORCED = Request(is_forced=True)


def send(world: World, n: int, *, hours_ago: float, first: int = 0, **attributes) -> list[Span]:
    """Labelled decisions that the application sends now, and dates so long ago."""
    spans, annotations = traffic("acme", n, first=first)
    at = world.now - hours_ago * HOURS
    named = {f"routing.{name}": value for name, value in attributes.items()}
    sent = [replace(s, started_at=at, ended_at=at, attributes={**s.attributes, **named}) for s in spans]
    world.traces.record("acme", sent)
    world.traces.annotate(Stream("acme", "routing"), annotations)
    return sent


def look(world: World, config: RoutingConfigUnified, request: Request | None = None) -> ModuleReport:
    return run_module(world.ports, config, "routing", request or Request())


def run_of(world: World, config: RoutingConfigUnified, request: Request | None = None) -> Run:
    (run,) = look(world, config, request).runs
    return run


def known(world: World) -> set[str]:
    return {experience.span_id for experience in ExperienceLog(world.store, "acme").experiences("routing")}


def ids(*sent: Sequence[Span]) -> set[str]:
    return {span.span_id for spans in sent for span in spans}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def config(world: World) -> RoutingConfigUnified:
    return world.tenant()


def test_only_traces_that_would_be_read_are_counted_and_the_others_are_told(world, config):
    young, _ = send(world, 12, hours_ago=1), send(world, 108, hours_ago=30, first=500)
    line = look(world, config).lines[0]
    assert "88 traces short: 12 new, 100 needed; 108 traces are older than phoenix_lookback_hours" in line
    run = run_of(world, config, FORCED)
    assert (known(world), run.counts[OLDER]) == (ids(young), 108)


def test_few_traces_a_day_add_up_from_the_first_look_on(world, config):
    sent = []
    for day in range(3):
        sent.append(send(world, 40, hours_ago=0, first=day * 100))
        world.later(days=1)
        assert bool(look(world, config).runs) is (day == 2)
    assert known(world) == ids(*sent)


def test_labelled_traces_that_are_too_old_make_nothing_due_and_can_be_read_by_a_longer_lookback(world, config):
    sent = send(world, 300, hours_ago=48)
    for _ in range(3):
        assert "0 new, 100 needed; 300 traces are older" in look(world, config).lines[0]
        world.later(hours=1)
    assert run_of(world, config, FORCED).counts[OLDER] == 300
    world.later(hours=2)
    assert look(world, config).runs == ()
    longer = config.model_copy(update={"phoenix_lookback_hours": 72.0})
    run = run_of(world, longer, Request(reach=72 * HOURS))
    assert run.counts["experiences"] == 300
    assert OLDER not in run.counts
    assert known(world) == ids(sent)


def test_reading_again_finds_what_the_cursor_has_passed_and_takes_nothing_in_twice(world, config):
    young, old = send(world, 150, hours_ago=1), send(world, 120, hours_ago=48, first=500)
    odd = send(world, 7, hours_ago=40, first=900, chosen_agent="nobody")
    assert run_of(world, config).counts[OLDER] == 127
    world.later(hours=2)
    again = Request(reach=72 * HOURS)
    run = run_of(world, config, again)
    assert run.counts[AGAIN] == 120
    assert run.counts["span: the answer is not among the tenant's labels"] == len(odd)
    assert known(world) == ids(young, old)
    world.later(hours=2)
    assert look(world, config, again).runs == (), "what was read again is no news"
    second = run_of(world, config, replace(again, is_forced=True))
    assert second.counts["span: the answer is not among the tenant's labels"] == len(odd)
    assert (second.counts["experiences"], second.counts[AGAIN]) == (270, 0)


def test_reading_again_takes_in_what_was_refused_before_by_another_config(world, config):
    send(world, 150, hours_ago=1)
    odd = send(world, 20, hours_ago=1, first=500, chosen_agent="maps")
    run_of(world, config)
    world.later(hours=2)
    wider = world.tenant(agents={**config.agents, "maps": "finds maps"})
    run = run_of(world, wider, Request(is_forced=True, reach=24 * HOURS))
    assert run.counts[AGAIN] == 20
    assert ids(odd) <= known(world)


@pytest.mark.parametrize("rows_before", [0, 1000], ids=["cursor ahead of the database", "cursor behind"])
def test_another_phoenix_database_is_noticed_and_read_from_the_last_pass_on(world, config, rows_before):
    first = send(world, 150, hours_ago=1)
    run_of(world, config)
    world.later(days=9)
    world.traces = MemoryTraces()
    world.traces._count = rows_before
    second = send(world, 120, hours_ago=5 * 24, first=500)
    report = look(world, config)
    assert BEGUN_ANEW in report.conditions.remarks
    assert report.runs[0].counts[BEGUN_ANEW] == 1
    assert known(world) == ids(first, second)
    world.later(hours=2)
    report = look(world, config)
    assert (report.runs, BEGUN_ANEW in report.conditions.remarks) == ((), False), "that was told once"


def test_a_last_run_in_the_future_puts_nothing_off_and_is_told(world, config):
    send(world, 150, hours_ago=1)
    world.later(days=730)
    look(world, config, FORCED)
    world.now = START + timedelta(hours=2)
    send(world, 150, hours_ago=1, first=500)
    report = look(world, config)
    assert "the last run is dated 2028-11-20, in the future: not believed" in report.conditions.remarks
    assert report.runs


def test_one_pass_with_a_clock_far_ahead_forgets_nothing(world, config):
    sent = send(world, 300, hours_ago=1)
    before = run_of(world, config).counts
    log = ExperienceLog(world.store, "acme")
    examples = log.examples("routing")
    world.later(days=400)
    run = run_of(world, config, FORCED)
    assert run.counts[HELD] == 1
    assert "expired" not in run.counts
    assert known(world) == ids(sent)
    assert {e.id: e for e in log.examples("routing")} == {e.id: e for e in examples}
    world.now = START + timedelta(hours=2)
    after = run_of(world, config, FORCED).counts
    assert HELD not in after
    assert after["examples"] == before["examples"]


def test_an_idle_tenant_forgets_after_a_week_of_looks(world, config):
    send(world, 150, hours_ago=1)
    run_of(world, config)
    world.later(days=config.example_retention_days + 10)
    assert run_of(world, config, FORCED).counts[HELD] == 1
    world.later(days=8)
    run = run_of(world, config, FORCED)
    assert (run.counts["expired"], known(world)) == (150, set())


def test_traces_dated_in_the_future_do_not_vouch_for_a_clock(world, config):
    sent = send(world, 150, hours_ago=1) + send(world, 3, hours_ago=-24 * 410, first=500)
    run_of(world, config)
    world.later(days=400)
    run_of(world, config, FORCED)
    assert known(world) == ids(sent)


@pytest.mark.parametrize(("days_ahead", "found"), [(0.001, 0), (730, 1)])
def test_a_second_look_dated_in_the_future_is_answered_by_the_labels_there_are(world, config, days_ahead, found):
    label = Annotation("span", "agent", "video", "HUMAN", "kim", START)
    (program,) = programs_of(config, "routing")
    log, questions = ExperienceLog(world.store, "acme"), QuestionLog(world.store, "acme", "routing")
    now = LabelState(
        "acme", program, START, log, questions, [label], AnnotationQueue(world.store, "acme"), {}, 0, {}, None, {}
    )
    assert len(now.by_people(since=START + timedelta(days=days_ahead))) == found


def test_a_training_dated_in_the_future_is_no_reason_to_wait(config):
    history = TrainingHistory(trainings=1, last_at=START + timedelta(days=730))
    data = Dataset.of("routing", (), {}, None)
    assert context_of(config, data, history, 0.01, START).days_since_last_training is None


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_dry_look_changes_nothing_and_another_one_is_remembered(world, config, is_dry):
    send(world, 1, hours_ago=1)
    look_at(world.store, world.traces, LookRequest("acme", "routing", is_dry=is_dry), world.now)
    assert (list(world.store.scan("acme", Collection.MARKERS)) == []) is is_dry
    assert (ModuleBook(world.store, "acme", "routing").read(PassState).first_look_at is None) is is_dry
