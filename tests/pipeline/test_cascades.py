"""Cascades in whole runs: one version, one contest, and what is told of the share that no LM was asked for."""

from __future__ import annotations

from collections import Counter

import pytest
from scripted_lm import scripted_lms
from twin_embedders import EMBEDDERS
from world import World, filled, half_right, right_agent, run_once

from argotune.errors import Unavailable
from argotune.pipeline.operations.inspecting import status_of
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.explain import explain
from argotune.runs.run import Run
from argotune.serving.client import Serving
from argotune.tenants.config import RoutingConfigUnified


def always_right(inputs, labels, demos):
    return right_agent(inputs["query"])


def with_cascade(answer=half_right, n: int = 300, **fields) -> tuple[World, RoutingConfigUnified, Run]:
    world, config = filled(n, preferred_optimizer="cascade", **fields)
    world.lms.answer = answer
    return world, config, run_once(world, config)


def story_of(world: World, run: Run) -> str:
    books = RunBook(world.store, "acme"), ContestBook(world.store, "acme")
    return "\n".join(explain(Registry(world.store, "acme"), *books, run.challenger or "").lines())


def test_a_cascade_wins_its_contest_and_answers_most_without_an_lm():
    world, config, run = with_cascade()
    assert run.outcome == "promoted"
    version = Registry(world.store, "acme").version(run.challenger)
    assert version.state["kind"] == "cascade"
    assert "a student in front of it" in version.lineage.reason
    down = scripted_lms(always_right, None, fail_at=1, error=Unavailable("the LM's server is down"))
    with Serving(world.store, config, down, EMBEDDERS, lambda: world.now, wait=lambda over, s: over.wait()) as serving:
        sure = serving.decide("routing", query="watch the film about the alps")
        assert (sure.answers["agent"], sure.by) == ("video", "student")
        with pytest.raises(Unavailable):
            serving.decide("routing", query="Как доехать до вокзала?")


def test_the_next_cascade_stands_before_the_lm_program_of_the_last():
    world, config, first = with_cascade()
    world.later(hours=2)
    world.receive(80, first=1000)
    run = run_once(world, config, forced=True)
    registry = Registry(world.store, "acme")
    before, after = (registry.version(id).state for id in (first.challenger, run.challenger))
    assert after["kind"] == "cascade"
    assert after["program"]["kind"] == before["program"]["kind"] == "retrieved"
    assert len(after["program"]["examples"]) > len(before["program"]["examples"])


def test_where_no_threshold_can_be_trusted_the_lm_program_is_the_challenger_and_the_run_says_so():
    world, _, run = with_cascade(always_right, n=120)
    version = Registry(world.store, "acme").version(run.challenger)
    assert version.state["kind"] == "retrieved"
    assert "the LM program alone, as no threshold of a student can be trusted" in version.lineage.reason


def test_the_story_tells_what_is_answered_without_an_lm_and_what_that_saves():
    world, _, run = with_cascade()
    pairs = ContestBook(world.store, "acme").pairs(run.contest)
    without = sum(pair.challenger.effort.tokens == 0 for pair in pairs)
    assert 0.5 < without / len(pairs) < 1
    told = story_of(world, run)
    assert f"without LM {without} of {len(pairs)} answers" in told
    (status,) = status_of(world.store, "acme").programs
    assert status.without_lm == run.comparison.without_lm.sentence
    assert "tokens in 1,000 requests" in status.without_lm


def test_why_a_question_went_to_the_lm_is_on_its_span_and_counted_in_the_story():
    world, config, run = with_cascade()
    pairs = ContestBook(world.store, "acme").pairs(run.contest)
    left = Counter(pair.challenger.fell_through for pair in pairs if pair.challenger.effort.tokens)
    assert left.keys() <= {"unfamiliar", "unsure"}
    assert run.comparison.without_lm.fell_through == dict(left.most_common())
    assert f"left to the LM: {left.most_common(1)[0][0]} {left.most_common(1)[0][1]}" in story_of(world, run)
    lms = scripted_lms(lambda *_: "text", None)
    with Serving(world.store, config, lms, EMBEDDERS, lambda: world.now, wait=lambda over, s: over.wait()) as serving:
        asked = ("watch the film about the alps", "Как доехать до вокзала?")
        told = [serving.decide("routing", query=query) for query in asked]
    assert [each.attributes().get("routing.fell_through") for each in told] == [None, "unfamiliar"]
    assert [each.by for each in told] == ["student", "lm"]


def test_an_lm_program_has_no_such_line():
    world, config = filled(300, preferred_optimizer="nearest")
    run = run_once(world, config)
    told = story_of(world, run)
    assert "without LM" not in told
    (status,) = status_of(world.store, "acme").programs
    assert status.without_lm is None
