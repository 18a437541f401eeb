"""A judge LM that says which of two answers is better, in both orders."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from judge import annotator
from labelling import JUDGE
from replies import PREFERENCE, JudgeOfPairs, pairs, passed, politer, replying

from argotune.data.annotations import Annotation, LabelSource
from argotune.data.stream import Stream
from argotune.labels.annotator_book import reports_of
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.drawing import is_for_people

TRUSTING = {"min_compared": 10, "min_agreement": 0.6, "min_kappa": 0.2}
HOPEFUL = {"detectable_gain": 0.3, "growth_share": 0.001, "exploration_share": 0}


def judged(world) -> dict[str, str]:
    given = world.traces.annotations(Stream("acme", "replies"), [PREFERENCE], world.now - timedelta(days=9))
    return {a.span_id: a.label for a in given if a.kind == "LLM" and a.identifier == JUDGE}


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        pytest.param(JudgeOfPairs(), politer, id="the better one"),
        pytest.param(JudgeOfPairs(choose=lambda _a, _b: "first"), lambda _span: "neither", id="always the first"),
        pytest.param(JudgeOfPairs(choose=lambda _a, _b: "neither"), lambda _span: "neither", id="neither"),
    ],
)
def test_a_judge_is_asked_in_both_orders_and_says_neither_where_it_contradicts_itself(monkeypatch, judge, says):
    world, config = replying(monkeypatch)
    world.annotator = annotator(judge)
    passed(world, config)
    shown = pairs(world)
    assert judged(world) == {span.item.span_id: says(span) for span in shown}
    assert len(judge.prompts) == 2 * len(shown)


def test_what_is_no_choice_is_counted_and_becomes_none(monkeypatch):
    world, config = replying(monkeypatch)
    world.annotator = annotator(JudgeOfPairs(choose=lambda _a, _b: "both"))
    passed(world, config)
    assert judged(world) == {}
    (report,) = reports_of(world.store, "acme")
    assert report.garbage == len(pairs(world))


def test_a_judge_that_agreed_with_people_stands_beside_them_in_the_next_contest(monkeypatch):
    fields = {"annotation": TRUSTING, "decisions": HOPEFUL, "contest": {"min_people_labels": 10_000}}
    world, config = replying(monkeypatch, **fields)
    world.annotator = annotator(JudgeOfPairs())
    passed(world, config)
    labels = [Annotation(s.item.span_id, PREFERENCE, politer(s), "HUMAN", "kim", world.now) for s in pairs(world)]
    world.traces.annotate(Stream("acme", "replies"), labels)
    passed(world, config)
    (report,) = reports_of(world.store, "acme")
    assert report.agreements[0].agreed == report.agreements[0].compared == len(labels)
    book = ContestBook(world.store, "acme")
    first = book.open("replies")
    assert first.judge is None
    book.stop(first.id, who="ann", reason="a test", now=world.now)
    world.later(days=1)
    passed(world, config)
    passed(world, config)
    contest, asked = book.open("replies"), pairs(world)
    assert contest.judge.identifier == JUDGE
    of_span = {pair.span_id: pair.question for pair in book.pairs(contest.id)}
    share = contest.judge.asked_share
    assert {of_span[s.item.span_id] for s in asked} == {
        q for q in of_span.values() if is_for_people(contest.id, q, share)
    }
    labels = [Annotation(s.item.span_id, PREFERENCE, politer(s), "HUMAN", "kim", world.now) for s in asked]
    world.traces.annotate(Stream("acme", "replies"), labels)
    scores = passed(world, config).comparison.scores
    by = Counter((score.source, score.is_asked, score.difference, score.judged) for score in scores)
    people, alone = (LabelSource.HUMAN, True, 1.0, 1.0), (LabelSource.LLM, False, 1.0, 1.0)
    assert by == {people: len(asked), alone: len(of_span) - len(asked)}
