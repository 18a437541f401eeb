"""Whole passes with an LM annotator beside people in a contest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from judge import Judge, annotator, answer
from labelling import JUDGE
from world import World, run_once, traffic

from argotune.data.annotations import LabelSource
from argotune.data.stream import Stream
from argotune.labels.queue import AnnotationQueue
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Contest
from argotune.promotion.drawing import is_for_people
from argotune.tenants.config import RoutingConfigUnified

FIRST = 1000


def arrived(world: World, n: int, first: int = FIRST) -> dict[str, object]:
    """Requests of which nobody knows what is right, and what people will say of them."""
    spans, labels = traffic("acme", n, first=first)
    at = world.now - timedelta(minutes=5)
    spans = [
        replace(s, started_at=at, ended_at=at, attributes={**s.attributes, "routing.agent_success": None})
        for s in spans
    ]
    world.traces.record("acme", spans)
    return {label.span_id: label for label in labels}


def begun(judge: Judge, **fields) -> tuple[World, RoutingConfigUnified]:
    """A tenant whose annotator was compared with people, and whose first contest somebody has stopped."""
    world = World()
    config = world.tenant(contest={"min_people_labels": 10_000, **fields})
    world.annotator = annotator(judge)
    spans, labels = traffic("acme", 100)
    world.traces.record("acme", spans)
    world.traces.annotate(Stream("acme", "routing"), labels)
    run_once(world, config)
    book = ContestBook(world.store, "acme")
    book.stop(book.open("routing").id, who="ann", reason="a test", now=world.now)
    world.later(hours=2)
    arrived(world, 150)
    run_once(world, config, forced=True)
    return world, config


def contest_of(world: World) -> Contest:
    return ContestBook(world.store, "acme").contests("routing")[-1]


def asked(world: World) -> set[str]:
    return {i.span_id for i in AnnotationQueue(world.store, "acme").items() if i.contest == contest_of(world).id}


def answered(world: World, config: RoutingConfigUnified):
    truth = {label.span_id: label for label in traffic("acme", 150, first=FIRST)[1]}
    given = [replace(truth[id], updated_at=world.now) for id in sorted(asked(world)) if id in truth]
    world.traces.annotate(Stream("acme", "routing"), given)
    world.later(hours=2)
    return run_once(world, config, forced=True)


def test_a_judge_that_agrees_labels_what_differs_and_people_a_share_drawn_by_lot():
    world, config = begun(Judge())
    contest = contest_of(world)
    assert contest.is_open, contest.sentence
    assert contest.judge.identifier == JUDGE
    assert JUDGE in contest.sentence
    world.later(hours=2)
    assert world.look(config).is_due, "what the judge said is to be weighed"
    run_once(world, config)
    run = answered(world, config)
    journal = {p.span_id: p for p in ContestBook(world.store, "acme").pairs(contest.id)}
    drawn_for_people = {
        id for id, p in journal.items() if is_for_people(contest.id, p.question, contest.judge.asked_share)
    }
    assert asked(world) <= drawn_for_people
    by = {s.example_id: s for s in run.comparison.scores if s.drawn == "lot"}
    assert {s.source for s in by.values()} == {LabelSource.HUMAN, LabelSource.LLM}
    assert all(s.is_asked is (s.source is LabelSource.HUMAN) for s in by.values())
    assert run.verdict.numbers.labels < len(run.comparison.scores)
    assert "10,000 labels of people are asked" in run.verdict.reason, "never by itself enough"


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(lambda _query: answer("video"), id="always the same"),
        pytest.param(lambda query: answer(("video", "audio", "text")[len(query) % 3]), id="at random"),
    ],
)
def test_a_judge_that_does_not_agree_with_people_is_not_asked_to_stand_beside_them(say):
    world, _ = begun(Judge(say))
    assert contest_of(world).judge is None
    assert contest_of(world).wait_for_judge == ()


def test_people_decide_alone_when_the_judge_is_not_there_any_more():
    world, config = begun(Judge(), overtaken_growth=100)
    before = contest_of(world)
    world.annotator = None
    world.later(hours=2)
    run_once(world, config, forced=True)
    assert contest_of(world).judge is None
    world.later(hours=2)
    run_once(world, config, forced=True)
    after = contest_of(world)
    assert set(after.wait) > set(before.wait)
    run = answered(world, config)
    assert {s.source for s in run.comparison.scores if s.drawn == "lot"} == {LabelSource.HUMAN}
