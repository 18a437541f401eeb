"""Whole passes with metrics that are not a function of the answers: what they judge by, and what they may promote."""

from __future__ import annotations

import itertools
import math
import sys
from dataclasses import replace
from datetime import timedelta
from types import ModuleType

import dspy
import pytest
from scripted_lm import like_the_nearest_demo
from urgency import message, saying_how_urgent
from world import START, World

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.programs.own import read_fields
from argotune.programs.program import Program
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import ContestState


class Metric:
    """Hits; `seen` are the questions that it scored with a whole prediction, `wrong` what it does then."""

    def __init__(self, wrong=lambda hit, _prediction: hit) -> None:
        self.wrong, self.seen = wrong, []

    def __call__(self, example: dspy.Example, prediction: dspy.Prediction) -> float:
        hit = float(prediction.urgency == example.urgency)
        if prediction.get("confidence") is not None:
            self.seen.append(example.query)
        return self.wrong(hit, prediction)


def spans_of(first: int, last: int, at) -> tuple[list[Span], list[Annotation]]:
    spans, labels = [], []
    for number in range(first, last):
        query, label = message(number, number * 7919)
        attributes = {"routing.program": "urgency", "routing.query": query, "routing.urgency": "later"}
        spans.append(Span(f"{number:016x}", f"{number:032x}", "cogniverse.urgency", at, at, attributes))
        labels.append(Annotation(f"{number:016x}", "urgency", label, "HUMAN", "ann", at + timedelta(minutes=10)))
    return spans, labels


def begun(monkeypatch: pytest.MonkeyPatch, metric: Metric, *, is_plain: bool, answer=like_the_nearest_demo):
    """A world in which a contest was opened on 40 labelled questions."""
    module, world = ModuleType("metric_programs"), World()
    fields = read_fields("urgency", saying_how_urgent())
    program = Program("urgency", "urgency", fields, saying_how_urgent, metric, is_plain)
    module.urgency = lambda _config: program
    monkeypatch.setitem(sys.modules, "metric_programs", module)
    world.lms.answer = answer
    config = world.tenant(
        programs={"urgency": "metric_programs:urgency"},
        modules=["urgency"],
        contest={"min_people_labels": 25, "overtaken_growth": 100},
    )
    spans, labels = spans_of(0, 40, START - timedelta(minutes=20))
    world.traces.record("acme", spans)
    world.traces.annotate(Stream("acme", "routing"), labels)
    return world, config


def passed(world: World, config, spans=(), labels=()):
    world.traces.record("acme", spans)
    world.traces.annotate(Stream("acme", "routing"), labels)
    world.later(hours=2)
    (run,) = run_module(world.ports, config, "urgency", Request(is_forced=True)).runs
    return run, ContestBook(world.store, "acme").contests("urgency")[0]


def test_where_the_metric_looks_at_more_what_people_label_is_asked_again_with_its_label(monkeypatch):
    metric = Metric()
    world, config = begun(monkeypatch, metric, is_plain=False)
    run, contest = passed(world, config)
    assert contest.is_open, run.sentence
    spans, labels = spans_of(100, 130, world.now)
    run, contest = passed(world, config, spans)
    assert contest.answers - contest.differ == 0
    assert set(contest.wait) <= {span.span_id for span in spans} | {f"{n:016x}" for n in range(40)}
    metric.seen.clear()
    run, contest = passed(world, config, (), [replace(a, updated_at=world.now) for a in labels])
    asked = {span.attributes["routing.query"] for span in spans if span.span_id not in contest.wait}
    assert asked & set(metric.seen)
    drawn = [score for score in run.comparison.scores if score.drawn == "lot"]
    assert {score.difference for score in drawn} > {0.0}


def test_a_label_that_is_corrected_is_asked_again_and_one_that_stands_is_not(monkeypatch):
    metric = Metric()
    world, config = begun(monkeypatch, metric, is_plain=False)
    passed(world, config)
    metric.seen.clear()
    _, contest = passed(world, config)
    assert metric.seen == []
    first = contest.sealed_ids[0]
    span = next(e.span_id for e in ExperienceLog(world.store, "acme").examples("urgency") if e.id == first)
    wrong = {"now": "later", "later": "now"}[("now", "later")[int(span, 16) % 2]]
    run, _ = passed(world, config, (), [Annotation(span, "urgency", wrong, "HUMAN", "ann", world.now)])
    assert len(set(metric.seen)) == 1
    assert first in {score.example_id for score in run.comparison.scores}


def test_a_metric_that_gives_equal_answers_another_number_is_found_told_and_promotes_nothing(monkeypatch):
    tosses = itertools.cycle((1.0, 0.0, 1.0, 1.0, 0.0))
    world, config = begun(monkeypatch, Metric(lambda _hit, _prediction: next(tosses)), is_plain=True)
    run, contest = passed(world, config)
    assert not contest.is_plain
    assert "the metric gives another number for equal answers" in contest.sentence
    assert contest.differ == contest.answers
    assert run.outcome != "promoted"


def test_a_metric_that_begins_to_give_no_number_ends_nothing_and_promotes_nothing(monkeypatch):
    metric = Metric()
    world, config = begun(monkeypatch, metric, is_plain=True)
    passed(world, config)
    metric.wrong = lambda hit, _prediction: hit or math.nan
    spans, labels = spans_of(100, 200, world.now)
    for number in range(3):
        told = [replace(a, updated_at=world.now) for a in labels] if number else []
        run, contest = passed(world, config, () if number else spans, told)
    assert contest.state is ContestState.OPEN, contest.sentence
    assert "no number in 0..1" in run.verdict.reason
    assert "nothing is promoted" in run.verdict.reason
    metric.wrong = lambda hit, _prediction: hit
    run, _ = passed(world, config)
    assert run.outcome == "promoted", run.sentence
