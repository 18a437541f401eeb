"""Degradation: a champion that gets worse is found by its live answers, counted once each, and is due at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from slow_rows import mostly_slow
from watched_store import CHANGES, Call, WatchedStore, nothing
from world import START, World, decision

from argotune.data.annotations import Annotation, LabelSource
from argotune.data.archive import ExperienceLog
from argotune.data.live_quality import MOST_FALLS, Fall, LiveRule, ScoredBy, ScoreStream, live_quality, with_fall
from argotune.data.spans import Span
from argotune.data.splitting import Split
from argotune.data.stream import Stream
from argotune.errors import Unavailable
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.inspecting import status_of
from argotune.pipeline.operations.versions import explain_version
from argotune.pipeline.passes import run_module
from argotune.programs import programs_of
from argotune.promotion.champions import untuned
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Change, new_version
from argotune.runs.reports import ModuleReport, report_json
from argotune.stats.drops import Drop, DropDetector, DropRule
from argotune.tenants.config import RoutingConfigUnified

SLOW = {"optimization_interval_seconds": 90_000}


def answers(outcomes: Iterable[bool], *, first: int, at: timedelta, version: str | None = None) -> list[Span]:
    """Answers with these outcomes, a second apart, to questions of which none is like another."""
    spans = []
    for number, success in enumerate(outcomes, first):
        span = decision(
            "acme", f"{number:016x}", f"{number} {number * 7919:x} {number * 104729:b}", "video", success=success
        )
        began = START + at + timedelta(seconds=number - first)
        named = {"routing.program_version": version} if version else {}
        spans.append(replace(span, started_at=began, ended_at=began, attributes={**span.attributes, **named}))
    return spans


def one_in(n: int, count: int) -> list[bool]:
    """One failure in every n."""
    return [bool(number % n) for number in range(count)]


def passed(world: World, config: RoutingConfigUnified, **request) -> ModuleReport:
    return run_module(world.ports, config, "routing", Request(**request))


def outcomes_of(world: World) -> tuple[int, float]:
    """How many are counted, and their sum; those since a drop too."""
    stream = live_quality(world.store, "acme", "routing").streams.get(ScoredBy.OUTCOMES)
    return (stream.detector.count, stream.detector.total) if stream else (0, 0.0)


def served(**fields) -> tuple[World, RoutingConfigUnified]:
    """A tenant whose program has answered 300 requests well, 19 of 20, and was looked at by a pass."""
    world = World(store=WatchedStore())
    config = world.tenant(**{**SLOW, **fields})
    world.traces.record("acme", answers(one_in(20, 300), first=0, at=timedelta(hours=-2)))
    passed(world, config)
    return world, config


def test_a_drop_makes_the_module_due_at_once_and_is_why_it_trains():
    world, config = served()
    world.later(hours=2)
    world.traces.record("acme", answers(one_in(2, 120), first=1000, at=timedelta(hours=1)))
    before = world.look(config)
    assert (before.is_due, before.is_to_look) == (False, True)

    report = passed(world, config)
    assert report.conditions.is_degraded_anew
    (told,) = report.conditions.degraded
    assert "routing: its live quality fell from 95" in told
    assert "with an outcome, beyond doubt (found 2026-11-21 " in told
    (run,) = report.runs
    assert run.context.success_drop == pytest.approx(0.45, abs=0.06)
    assert not world.look(config).is_due
    assert told in world.look(config).why_not
    shown = report_json("acme", [report], {}, world.now)["modules"][0]
    assert shown["degraded"] == [told]
    (drop,) = shown["runs"][0]["live"]["drops"]
    assert (drop["count"], drop["before"]) == (120, 0.95)
    (status,) = status_of(world.store, "acme").programs
    assert (status.is_degraded, status.live[0]) == (True, told.removeprefix("routing: "))


def test_a_version_that_fell_is_explained_with_when_and_how_far_also_when_another_serves():
    world, config = served()
    world.later(hours=2)
    world.traces.record("acme", answers(one_in(2, 120), first=1000, at=timedelta(hours=1)))
    (run,) = passed(world, config).runs
    assert run.live
    fell = Registry(world.store, "acme").keep(untuned(programs_of(config, "routing")[0], world.now)).id
    assert run.live.version == fell
    told = explain_version(world.store, "acme", fell)
    (line,) = [line for line in told.lines() if line.startswith("fell")]
    assert line == (
        f"fell      from 95.0 % to 50.0 % in 120 answers with an outcome, found {world.now:%Y-%m-%d %H:%M}, "
        "not over when last looked at"
    )
    assert told.as_json()["falls"][0]["count"] == 120

    other = serve_another(world, config)
    world.later(hours=1)
    world.traces.record("acme", answers([True] * 10, first=2000, at=timedelta(hours=3), version=other))
    passed(world, config, is_forced=True)
    assert [fall.count for fall in explain_version(world.store, "acme", fell).falls] == [120]
    assert explain_version(world.store, "acme", other).falls == ()


def test_a_drop_that_is_over_is_told_as_over():
    world, config = served()
    world.later(hours=2)
    world.traces.record("acme", answers(one_in(2, 120), first=1000, at=timedelta(hours=1)))
    passed(world, config)
    for number in range(3):
        world.later(hours=2)
        ago = timedelta(hours=3 + 2 * number)
        world.traces.record("acme", answers(one_in(20, 300), first=2000 + 1000 * number, at=ago))
        passed(world, config, is_forced=True)
    (fall,) = live_quality(world.store, "acme", "routing").falls
    assert fall.over_at is not None
    assert f"over {fall.over_at:%Y-%m-%d %H:%M}" in fall.sentence
    assert not status_of(world.store, "acme").programs[0].is_degraded


def rule_of(version: str, since: datetime | None = None) -> LiveRule:
    return LiveRule(
        version=version,
        since=since,
        names_version=False,
        drop=DropRule(threshold=0.1, swing=0.1, drift=0.005, alarms_a_year=0.03),
        scores=lambda _: {},
        now=START,
    )


def test_what_is_kept_of_drops_is_bounded():
    falls: tuple[Fall, ...] = ()
    for number in range(3 * MOST_FALLS):
        drop = Drop(before=0.9, after=0.5, count=number)
        found = ScoreStream(detector=DropDetector(drop=drop), found_at=START)
        falls = with_fall(falls, rule_of(f"v{number}"), ScoredBy.OUTCOMES, found)
    assert [fall.count for fall in falls] == list(range(2 * MOST_FALLS, 3 * MOST_FALLS))


@pytest.mark.parametrize(("later", "is_over"), [(timedelta(0), True), (timedelta(hours=1), False)])
def test_a_drop_that_stood_when_another_took_over_is_not_over_because_its_version_serves_again(later, is_over):
    stood = ScoreStream(detector=DropDetector(drop=Drop(before=0.9, after=0.5, count=100)), found_at=START)
    falls = with_fall((), rule_of("v"), ScoredBy.OUTCOMES, stood)
    (fall,) = with_fall(falls, rule_of("v", START + later), ScoredBy.OUTCOMES, ScoreStream())
    assert (fall.over_at is not None) is is_over


def labelled(spans: range, world: World) -> list[Annotation]:
    return [Annotation(f"{number:016x}", "agent", "video", "HUMAN", "anna", world.now) for number in spans]


def test_the_decision_to_train_has_the_sentence_of_the_drop():
    world, config = served()
    world.later(hours=2)
    world.traces.record("acme", answers(one_in(2, 120), first=1000, at=timedelta(hours=1)))
    world.traces.annotate(Stream("acme", "routing"), labelled(range(100), world))
    (run,) = passed(world, config).runs
    assert run.decision.reason.startswith("its live quality fell from")
    assert run.decision.action.trains


def test_no_drop_is_found_where_nothing_fell_and_the_module_waits_for_its_period():
    world, config = served()
    world.later(hours=2)
    world.traces.record("acme", answers(one_in(20, 120), first=1000, at=timedelta(hours=1)))
    report = passed(world, config)
    assert report.runs == ()
    assert not report.conditions.degraded
    assert outcomes_of(world) == (420, 399.0)
    world.later(minutes=10)
    assert not world.look(config).is_to_look


@pytest.mark.parametrize("write", mostly_slow(range(8)))
def test_an_answer_is_counted_once_whenever_the_store_goes_away(write: int):
    world, config = served()
    world.later(hours=2)
    world.traces.record("acme", answers(one_in(20, 120), first=1000, at=timedelta(hours=1)))
    world.store.before = after_writes(write)
    with suppress(Unavailable):
        passed(world, config)
    world.store.before = nothing
    world.later(hours=2)
    world.traces.record("acme", answers(one_in(20, 110), first=2000, at=timedelta(hours=3)))
    passed(world, config)
    assert outcomes_of(world) == (530, 503.0)


def after_writes(count: int) -> Callable[[Call], None]:
    """Let so many changes through, and none after them."""
    left = itertools.count(count, -1)

    def refuse(call: Call) -> None:
        if call.verb in CHANGES and next(left) <= 0:
            raise Unavailable("the store is away")

    return refuse


@pytest.mark.parametrize("changed", [{}, {"min_trace_confidence": 0.3}], ids=["read again", "gathered anew"])
def test_what_is_read_or_gathered_again_is_not_counted_again(changed):
    world, config = served()
    config = world.tenant(**SLOW, **changed)
    passed(world, config, is_forced=True, reach=timedelta(days=2))
    assert outcomes_of(world) == (300, 285.0)


def test_an_outcome_that_comes_late_is_counted_when_it_comes():
    world = World()
    config = world.tenant(**SLOW, annotation={"remarks": {"thumb": {"means": "satisfaction"}}})
    spans = answers([True] * 5, first=0, at=timedelta(hours=-1))
    silent = [
        replace(s, attributes={k: v for k, v in s.attributes.items() if k != "routing.agent_success"}) for s in spans
    ]
    world.traces.record("acme", silent)
    passed(world, config, is_forced=True)
    assert outcomes_of(world) == (0, 0.0)
    said = Annotation(f"{3:016x}", "thumb", "", "HUMAN", "a user", world.now, score=1.0)
    world.traces.annotate(Stream("acme", "routing"), [said])
    passed(world, config, is_forced=True)
    passed(world, config, is_forced=True)
    assert outcomes_of(world) == (1, 1.0)


def serve_another(world: World, config: RoutingConfigUnified) -> str:
    registry = Registry(world.store, "acme")
    written = registry.keep(untuned(programs_of(config, "routing")[0], world.now))
    state = json.loads(json.dumps(written.state).replace('"instructions": "', '"instructions": "Think. '))
    version = registry.keep(new_version("routing", written.signature_hash, state, written.lineage))
    promoted = Change(
        program="routing",
        version=version.id,
        previous=None,
        at=world.now,
        who="anna",
        how="promoted",
        reason="by hand",
        sequence=1,
    )
    registry.set_champion(promoted, None)
    return version.id


def test_another_champion_begins_anew():
    world, config = served()
    version = serve_another(world, config)
    world.later(hours=2)
    old = answers([True] * 5, first=1000, at=timedelta(minutes=-1), version=version)
    own = answers([True] * 10, first=2000, at=timedelta(hours=1), version=version)
    others = answers([False] * 10, first=3000, at=timedelta(hours=1), version="v-other")
    unnamed = answers([False] * 10, first=4000, at=timedelta(hours=1))
    world.traces.record("acme", [*old, *own, *others, *unnamed])
    passed(world, config, is_forced=True)
    assert outcomes_of(world) == (10, 10.0)


def test_what_people_label_and_what_outcomes_tell_is_never_mixed_and_sealed_questions_are_left_out():
    world, config = served(annotation={"daily_limit": 0})
    world.traces.annotate(Stream("acme", "routing"), labelled(range(200), world))
    passed(world, config, is_forced=True)
    streams = live_quality(world.store, "acme", "routing").streams
    assert outcomes_of(world) == (300, 285.0)
    people = streams[ScoredBy.PEOPLE].detector
    examples = [e for e in ExperienceLog(world.store, "acme").examples("routing") if e.source is LabelSource.HUMAN]
    sealed = sum(example.split is Split.TEST for example in examples)
    assert (people.count, people.mean) == (200 - sealed, 1.0)
    assert sealed > 20
