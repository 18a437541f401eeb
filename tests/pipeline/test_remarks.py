"""Thumbs and corrections of users, end to end: what they come to and ask for, and what they never do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import START, World, traffic

from argotune.data.annotations import Annotation, LabelSource
from argotune.data.splitting import Split
from argotune.data.stream import Stream
from argotune.labels.queue import AnnotationQueue
from argotune.labels.selection import Reason
from argotune.pipeline.module_pass import Pass, Request
from argotune.pipeline.passes import run_module
from argotune.pipeline.stages.collect import collect
from argotune.programs import programs_of
from argotune.tenants.config import RoutingConfigUnified, parse_config

N = 120
UP, DOWN = "\N{THUMBS UP SIGN}", "\N{THUMBS DOWN SIGN}"
REMARKS = {
    "thumbs": {"means": "verdict"},
    "better_team": {"means": "answer"},
    "stars": {"means": "satisfaction", "worst": 1, "best": 5},
}


@pytest.fixture
def config() -> RoutingConfigUnified:
    agents = {"video": "", "audio": "", "text": ""}
    rules = {"remarks": REMARKS, "daily_limit": 10, "random_share": 0.0}
    return parse_config({"tenant_id": "acme", "agents": agents, "modules": ["routing"], "annotation": rules})


@pytest.fixture
def world() -> World:
    world = World(lease_s=60.0)
    spans, _ = traffic("acme", N)
    world.traces.record("acme", [replace(span, attributes=without_outcome(span.attributes)) for span in spans])
    return world


def without_outcome(attributes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in attributes.items() if name != "routing.agent_success"}


def say(world: World, *said: tuple[int, str, str, float | None]) -> None:
    given = [Annotation(f"{n:016x}", name, label, "HUMAN", "kim", START, "", score) for n, name, label, score in said]
    world.traces.annotate(Stream("acme", "routing"), given)


def collected(world: World, config: RoutingConfigUnified):
    fields = [program.fields for program in programs_of(config, "routing")]
    return collect(Pass(world.ports, config, "routing"), fields).datasets["routing"]


def test_thumbs_up_train_and_never_judge(world: World, config: RoutingConfigUnified):
    say(world, *[(n, "thumbs", UP, None) for n in range(N)])
    data = collected(world, config)
    assert {example.source for example in data.picked()} == {LabelSource.HUMAN}
    assert {example.expected["agent"] for example in data.picked()} == {"video"}
    assert {example.split for example in data.picked()} == {Split.TRAIN, Split.DEV}
    assert data.counts["said to be right: trains, judges nothing"] == N - len(data.picked())


def test_a_correction_under_a_name_of_the_team_is_a_label_like_any_other(world: World, config: RoutingConfigUnified):
    say(world, *[(n, "better_team", "audio", None) for n in range(N)], *[(n, "thumbs", DOWN, None) for n in range(N)])
    data = collected(world, config)
    assert {example.expected["agent"] for example in data.picked()} == {"audio"}
    assert data.count(Split.TEST) > 0


def test_stars_are_outcomes_of_which_only_good_ones_say_what_is_right(world: World, config: RoutingConfigUnified):
    say(world, *[(n, "stars", "", 5 if n % 2 else 1) for n in range(N)])
    data = collected(world, config)
    assert {example.source for example in data.picked()} == {LabelSource.OUTCOME}
    assert data.counts["outcome: failed, right answer unknown"] == N // 2


def test_what_was_said_to_be_wrong_is_asked_about_first(world: World, config: RoutingConfigUnified):
    refuted = range(0, N, 6)
    say(world, *[(n, "thumbs", DOWN, None) for n in refuted], (1, "thumbs", "hm", None))
    reports = run_module(world.ports, config, "routing", Request(is_forced=True)).runs
    asked = AnnotationQueue(world.store, "acme").items()
    assert {item.reason for item in asked} == {Reason.REFUTED}
    assert {int(item.span_id, 16) for item in asked} <= set(refuted)
    (run,) = reports
    assert run.counts["said to be wrong, right answer unknown"] == len(refuted)
    assert run.counts["annotation thumbs: neither right nor wrong"] == 1


def test_a_thumb_that_was_turned_changes_what_is_learned(world: World, config: RoutingConfigUnified):
    say(world, *[(n, "thumbs", UP, None) for n in range(N)])
    before = len(collected(world, config).picked())
    say(world, *[(n, "thumbs", DOWN, None) for n in range(N)])
    assert before > 0
    assert collected(world, config).picked() == []
