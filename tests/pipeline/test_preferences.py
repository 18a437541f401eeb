"""Whole passes of a program without a metric: people say which of two answers is better, blind."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from datetime import timedelta
from types import ModuleType

import dspy
import pytest
from replies import POLITE, PREFERENCE, pairs, passed, politer, replying
from world import World

from argotune import wiring
from argotune.cli import main
from argotune.data.annotations import Annotation, LabelSource
from argotune.data.archive import ExperienceLog
from argotune.data.stream import Stream
from argotune.errors import ConfigInvalid
from argotune.labels.queue import AnnotationQueue, ItemKind
from argotune.pipeline.operations.annotating import Labelling, label_span
from argotune.programs import programs_of
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry


def contest_of(world):
    return ContestBook(world.store, "acme").contests("replies")[-1]


def said(world, config, choose, who: str = "kim"):
    """People say of all pairs what they prefer; the next pass."""
    shown = pairs(world)
    world.traces.annotate(
        Stream("acme", "replies"),
        [Annotation(s.item.span_id, PREFERENCE, choose(s), "HUMAN", who, world.now) for s in shown],
    )
    return passed(world, config), shown


def test_what_people_prefer_is_promoted_and_what_won_is_learned(monkeypatch):
    world, config = replying(monkeypatch)
    run = passed(world, config)
    assert contest_of(world).is_open, run.sentence
    run, shown = said(world, config, politer)
    assert len(shown) >= 10
    assert run.outcome == "promoted", run.sentence
    assert Registry(world.store, "acme").champion("replies")[0].version == contest_of(world).challenger
    learned = {e.span_id: e for e in ExperienceLog(world.store, "acme").examples("replies")}
    for span in shown:
        example = learned[span.item.span_id]
        assert example.source is LabelSource.HUMAN
        assert example.expected["reply"].startswith(POLITE)
    assert run.verdict.numbers.labels == len(shown)


def test_pairs_are_shown_blind_in_either_order_and_the_same_in_the_trace(monkeypatch):
    world, config = replying(monkeypatch)
    passed(world, config)
    shown = pairs(world)
    orders = Counter(span.pair.first["reply"].startswith(POLITE) for span in shown)
    assert set(orders) == {True, False}
    assert all(span.item.kind is ItemKind.PAIR for span in shown)
    given = world.traces.annotations(Stream("acme", "replies"), ["argotune.queue"], world.now - timedelta(days=9))
    marks = {annotation.span_id: annotation.explanation for annotation in given}
    for span in shown:
        told = marks[span.item.span_id]
        assert PREFERENCE in told
        assert told.index(span.pair.first["reply"]) != told.index(span.pair.second["reply"])
        assert ("FIRST\n" + span.pair.first["reply"]) in told
        assert "champion" not in told
        assert contest_of(world).challenger not in told


@pytest.mark.parametrize(
    ("choose", "gain"),
    [
        pytest.param(lambda _span: "neither", 0, id="neither"),
        pytest.param(lambda span: "first" if politer(span) == "second" else "second", -1, id="the champion's"),
        pytest.param(lambda span: "second", None, id="always the same place"),
    ],
)
def test_nothing_is_promoted_that_people_do_not_prefer(monkeypatch, choose, gain):
    world, config = replying(monkeypatch)
    passed(world, config)
    run, _ = said(world, config, choose)
    assert run.outcome != "promoted"
    differences = {score.difference for score in run.comparison.scores}
    assert differences == ({-1.0, 1.0} if gain is None else {float(gain)})


def test_people_who_contradict_each_other_count_as_no_difference_and_teach_nothing(monkeypatch):
    world, config = replying(monkeypatch)
    passed(world, config)
    first = pairs(world)[0]
    world.traces.annotate(
        Stream("acme", "replies"), [Annotation(first.item.span_id, PREFERENCE, "neither", "HUMAN", "ann", world.now)]
    )
    run, _ = said(world, config, politer)
    journal = ContestBook(world.store, "acme").pairs(contest_of(world).id)
    question = next(pair.question for pair in journal if pair.span_id == first.item.span_id)
    assert {s.difference for s in run.comparison.scores if s.example_id == question} == {0.0}
    examples = ExperienceLog(world.store, "acme").examples("replies")
    learned = {example.span_id for example in examples if example.source is LabelSource.HUMAN}
    assert first.item.span_id not in learned


def test_what_was_said_of_another_pair_counts_for_nothing(monkeypatch):
    world, config = replying(monkeypatch)
    early = [Annotation(f"{n:016x}", PREFERENCE, "first", "HUMAN", "kim", world.now) for n in range(60, 120)]
    world.traces.annotate(Stream("acme", "replies"), early)
    run = passed(world, config)
    run = passed(world, config)
    assert [score for score in run.comparison.scores if score.source is LabelSource.HUMAN] == []
    assert pairs(world)


def test_a_choice_is_written_by_the_command_and_refused_where_no_pair_is_shown(monkeypatch):
    world, config = replying(monkeypatch)
    passed(world, config)
    span = pairs(world)[0]
    done = label_span(world.ports, Labelling("acme", span.item.span_id, [(PREFERENCE, politer(span))], "kim"))
    assert dict(done.answers) == {PREFERENCE: politer(span)}
    assert span.item.span_id not in {s.item.span_id for s in pairs(world)}
    queued = {item.span_id for item in AnnotationQueue(world.store, "acme").items()}
    other = next(f"{n:016x}" for n in range(60) if f"{n:016x}" not in queued)
    with pytest.raises(ConfigInvalid, match="shows no two answers"):
        label_span(world.ports, Labelling("acme", other, [(PREFERENCE, "first")], "kim"))
    run = passed(world, config)
    assert run.verdict.numbers.labels == 1


def test_a_person_sees_both_answers_in_the_terminal_and_says_which_is_better(monkeypatch, capsys):
    world, config = replying(monkeypatch)
    passed(world, config)
    first, second, *_ = (span.item.span_id for span in pairs(world))
    monkeypatch.setenv("CONFIG_STORE_URL", "sqlite:///never_opened.db")
    monkeypatch.setattr(wiring, "open_ports", lambda _settings, _progress: world.ports)
    monkeypatch.setattr("sys.stdin", io.StringIO("2\nneither\nq\n"))
    assert main(["annotate", "--tenant", "acme", "--who", "kim"]) == 0
    shown = capsys.readouterr().out
    assert (
        shown.index("message: ") < shown.index("    first: ") < shown.index("    second: ") < shown.index("  1  first")
    )
    given = world.traces.annotations(Stream("acme", "replies"), [PREFERENCE], world.now - timedelta(days=9))
    assert {a.span_id: (a.label, a.identifier) for a in given} == {first: ("second", "kim"), second: ("neither", "kim")}
    main(["annotate", "--tenant", "acme", "--json"])
    (row, *_) = json.loads(capsys.readouterr().out)
    assert set(row["pair"]) == {"first", "second"}
    assert row["answers"] == {PREFERENCE: ["first", "second", "neither"]}


def test_what_people_see_and_what_won_is_masked_as_all_that_is_kept(monkeypatch):
    monkeypatch.setattr("replies.POLITE", "Dear customer, write to kim@acme.com: ")
    world, config = replying(monkeypatch)
    passed(world, config)
    _, shown = said(world, config, politer)
    seen = [text for span in shown for answer in (span.pair.first, span.pair.second) for text in answer.values()]
    learned = [example.expected["reply"] for example in ExperienceLog(world.store, "acme").examples("replies")]
    marks = world.traces.annotations(Stream("acme", "replies"), ["argotune.queue"], world.now - timedelta(days=9))
    told = [*seen, *learned, *(mark.explanation for mark in marks)]
    assert any("<EMAIL>" in text for text in seen)
    assert any("<EMAIL>" in text for text in learned)
    assert not [text for text in told if "kim@acme.com" in text]


def test_long_answers_are_cut_where_people_look_for_them(monkeypatch):
    monkeypatch.setattr("replies.CURT", "No. " * 5000)
    world, config = replying(monkeypatch)
    passed(world, config)
    assert pairs(world)
    marks = world.traces.annotations(Stream("acme", "replies"), ["argotune.queue"], world.now - timedelta(days=9))
    assert max(len(mark.explanation) for mark in marks) < 12_000


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: dspy.Predict("message -> reply"), id="a module"),
        pytest.param(lambda: (dspy.Predict("message -> reply"), lambda _example, _prediction: 1.0), id="with a metric"),
    ],
)
def test_a_program_is_judged_by_preference_where_it_has_no_metric(monkeypatch, made):
    module = ModuleType("reply_programs")
    module.replies = lambda _config: made()
    monkeypatch.setitem(sys.modules, "reply_programs", module)
    (program,) = programs_of(World().tenant(programs={"replies": "reply_programs:replies"}), "replies")
    is_alone = isinstance(made(), dspy.Module)
    assert (program.is_by_preference, program.fields.by_preference) == (is_alone, is_alone)
    assert isinstance(program.build(), dspy.Module)
    assert program.fields.label_names == (("reply", PREFERENCE) if is_alone else ("reply",))
    half = program.worth(dspy.Example(reply="dear kim"), dspy.Prediction(reply="dear anna"))
    assert half == (0.5 if is_alone else 1.0)
