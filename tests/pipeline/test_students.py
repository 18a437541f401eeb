"""Students in whole runs: what they learn from, what their contests may ask, and that no LM is needed to serve them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scripted_lm import scripted_lms
from twin_embedders import EMBEDDERS
from world import START, World, decision, filled, run_once

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.examples import question_id
from argotune.data.splitting import Split, normalised, split_of_key
from argotune.data.stream import Stream
from argotune.errors import Unavailable
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.operations.scoring import dev_scores
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.explain import explain
from argotune.serving.client import Serving
from argotune.tenants.config import RoutingConfigUnified

DOWN = scripted_lms(lambda *_: "video", None, fail_at=1, error=Unavailable("the LM's server is down"))


def with_requests(n: int = 120, **fields) -> tuple[World, RoutingConfigUnified]:
    """A tenant of a student, and decisions of which nobody has said anything."""
    world, config = filled(200, preferred_optimizer="student", **fields)
    extra = [f"watch the {topic} scene number {n}" for n, topic in enumerate(["alps", "tram", "tax"] * (n // 3))]
    for number, text in enumerate(extra):
        span = decision("acme", f"{50_000 + number:016x}", text, "video", success=False)
        said = {name: value for name, value in span.attributes.items() if name != "routing.agent_success"}
        world.traces.record("acme", [replace(span, attributes=said)])
    return world, config


def test_a_student_wins_its_contest_and_serves_while_the_lm_is_down():
    world, config = filled(300, preferred_optimizer="student")
    run = run_once(world, config)
    assert run.outcome == "promoted"
    serving = Serving(world.store, config, DOWN, EMBEDDERS, lambda: world.now, wait=lambda over, s: over.wait())
    with serving:
        found = serving.decide("routing", query="watch the film about the alps")
    assert (found.answers, found.lack, found.by) == ({"agent": "video"}, "", "student")
    assert found.attributes()["routing.answered_by"] == "student"
    assert found.lm_attributes() == {}
    assert DOWN.task.calls.count == 0


def test_an_lm_program_is_answered_by_an_lm():
    world, config = filled(0)
    lms = scripted_lms(lambda *_: "text", None)
    with Serving(world.store, config, lms, EMBEDDERS, lambda: world.now, wait=lambda over, s: over.wait()) as serving:
        assert serving.decide("routing", query="a memo").attributes()["routing.answered_by"] == "lm"


def test_the_journal_of_its_contest_knows_that_no_lm_was_asked():
    world, config = filled(300, preferred_optimizer="student")
    run = run_once(world, config)
    pairs = ContestBook(world.store, "acme").pairs(run.contest)
    assert {pair.challenger.effort.tokens for pair in pairs} == {0}


def test_its_story_says_what_it_learned_from():
    world, config = filled(300, preferred_optimizer="student")
    run = run_once(world, config)
    book = RunBook(world.store, "acme")
    told = explain(Registry(world.store, "acme"), book, ContestBook(world.store, "acme"), run.challenger).lines()
    text = "\n".join(told)
    assert "on held-out folds" in text
    assert "expected calibration error" in text
    assert "video" in text


def test_requests_that_a_tutor_answered_are_never_asked_in_the_contest():
    world, config = with_requests()
    run = run_once(world, config)
    contest = ContestBook(world.store, "acme").contest(run.contest)
    assert 0 < len(run.plan.unlabelled) == len(contest.seen_spans) <= 120
    asked = {pair.span_id for pair in ContestBook(world.store, "acme").pairs(contest.id)}
    assert not asked & set(contest.seen_spans)
    assert "seen_spans" not in contest.as_json()


def test_none_of_them_is_or_becomes_a_dev_or_test_example_or_was_labelled():
    world, config = with_requests()
    run = run_once(world, config)
    log = ExperienceLog(world.store, "acme")
    found = [log.experience("routing", span_id) for span_id in run.plan.unlabelled]
    labelled = {example.id for example in log.examples("routing")}
    assert {question_id("routing", each.inputs) for each in found}.isdisjoint(labelled)
    assert {split_of_key(normalised(each.query), config.split) for each in found} == {Split.TRAIN}


@pytest.mark.parametrize("most", [0, 5])
def test_they_are_as_many_as_the_tenant_says(most: int):
    world, config = with_requests(optimizers={"student": {"tutor_queries": most}})
    assert len(run_once(world, config).plan.unlabelled) == most


def test_when_the_budget_ends_the_student_learns_from_what_was_answered():
    world, config = with_requests(budget={"max_lm_calls": 150})
    run = run_once(world, config)
    assert run.challenger
    assert run.lm_calls <= 150
    assert run.is_cut_short


def test_a_champion_made_of_numbers_is_scored_on_dev_examples_that_it_never_learned():
    world, config = filled(300, preferred_optimizer="student")
    run = run_once(world, config)
    (before,) = dev_scores(Pass(world.ports, config, "routing"))
    assert (before.version, before.examples) == (run.challenger, 0)
    world.later(hours=2)
    world.receive(60, first=1000)
    run_once(world, config, forced=True)
    (after,) = dev_scores(Pass(world.ports, config, "routing"))
    assert after.version == run.challenger
    assert 0 < after.examples < 40


def test_one_label_alone_trains_nothing():
    world = World()
    config = world.tenant(preferred_optimizer="student")
    spans = [decision("acme", f"{n:016x}", f"question {n} about nothing", "video", success=True) for n in range(60)]
    world.traces.record("acme", spans)
    said = [Annotation(span.span_id, "agent", "video", "HUMAN", "tester", START) for span in spans]
    world.traces.annotate(Stream("acme", "routing"), said)
    run = run_once(world, config, forced=True)
    assert run.outcome == "skipped"
    assert "student needs two different answers" in run.sentence
