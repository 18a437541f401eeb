"""What annotations look like tells what they would mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from argotune.data.annotations import Annotation
from argotune.data.fields import Fields
from argotune.data.found_remarks import FoundRemark, KnownAnswers, found_remarks
from argotune.data.remarks import Unread, meant_by

NOW = datetime(2026, 11, 29, tzinfo=UTC)
ANSWERS = {"team": ("billing", "shipping"), "reply": ()}
FIELDS = Fields("route", ("message",), {"team": ("billing", "shipping"), "reply": None})


def said(name: str, *given: Any, kind: Any = "HUMAN") -> list[Annotation]:
    """Each given is a label, a score, or (label, score, explanation)."""
    rows = [(g, None, "") if isinstance(g, str) else ("", g, "") if isinstance(g, float) else g for g in given]
    return [Annotation(f"{i}", name, label, kind, "kim", NOW, why, score) for i, (label, score, why) in enumerate(rows)]


def found(given: list[Annotation], own: dict[str, tuple[str, ...]] = ANSWERS) -> FoundRemark:
    answers = KnownAnswers(own, {**own, "intent": ("billing", "refund")})
    (remark,) = found_remarks(given, answers, lambda text: text.replace("kim@example.com", "<EMAIL>"))
    return remark


MEANINGS = {
    "thumbs in signs": (said("feedback", "👍", "👎", "👍🏽"), "verdict"),
    "thumbs in words, one beside a score alone": (
        said("feedback", "thumbs-up", ("thumbs-down", 0.0, "no"), 1.0),
        "verdict",
    ),
    "correct and incorrect": (said("correctness", "correct", "Incorrect"), "verdict"),
    "an LLM's evaluation": (
        said("hallucination", ("factual", 1.0, ""), ("hallucinated", 0.0, ""), kind="LLM"),
        "verdict",
    ),
    "a test's scores": (said("exact_match", 1.0, 0.0, kind="CODE"), "verdict"),
    "people's scores": (said("happy", 0.2, 0.9), "satisfaction"),
    "scores of an LLM": (said("relevance", 0.25, 0.75, kind="LLM"), "quality"),
    "stars as scores": (said("stars", 1.0, 5.0, 4.0), "satisfaction 1 5"),
    "stars in words": (said("rating", "4 stars", "5 stars", "1 star"), "satisfaction 1 5"),
    "stars in signs": (said("rating", "★★★★", "★"), "satisfaction 1 5"),
    "scores up to ten": (said("nps", 0.0, 10.0, 7.0), "satisfaction 0 10"),
    "labels of an answer under another name": (said("desk", "billing", "shipping"), "answer team"),
    "the answer's name in that of the annotations": (said("correct_reply", "Go to Profile.", "No."), "answer reply"),
    "corrections in explanations": (said("corrected-reply", ("", None, "Go to Profile.")), "answer reply"),
}

WITHOUT = {
    "the answer's own name": (said("team", "billing"), "read as it is"),
    "our own verdict": (said("argotune.verdict", "correct"), "read as it is"),
    "our own, which of two answers is better": (said("reply.preference", "first"), "read as it is"),
    "our own, for people": (said("argotune.queue", "waits"), "not read"),
    "a name of ours that nobody gives": (said("argotune.quality", 0.5), "not read"),
    "an answer of another program": (said("intent", "billing"), "of another program"),
    "corrections of another program": (said("correct_intent", "refund"), "of another program"),
    "notes": (said("remark", ("", None, "called again"), ("", None, "nice")), "for people only"),
    "a correction of which of two answers": (said("correction", ("", None, "Go.")), "say of which answer"),
    "scores off any scale": (said("latency", 120.0, 3.0), "say on which scale"),
    "other texts": (said("topic", "invoices", "parcels"), "annotation.remarks.topic"),
    "as many words as clear ones": (said("mixed", "yes", "hm"), "annotation.remarks.mixed"),
}


@pytest.mark.parametrize("case", MEANINGS)
def test_what_most_annotations_of_a_name_look_like_is_what_they_would_mean(case: str) -> None:
    given, told = MEANINGS[case]
    remark = found(given)
    assert remark.meaning is not None, remark
    scale = "" if remark.meaning.best == 1 else f"{remark.meaning.worst:g} {remark.meaning.best:g}"
    assert " ".join(filter(None, [remark.meaning.means, remark.meaning.field, scale])) == told
    unread = [a for a in given if isinstance(meant_by(a, remark.meaning, FIELDS), Unread)]
    assert unread == []


@pytest.mark.parametrize("case", WITHOUT)
def test_where_nothing_would_be_written_it_is_said_why(case: str) -> None:
    given, told = WITHOUT[case]
    remark = found(given)
    assert remark.meaning is None
    assert told in remark.advice


def test_of_one_answer_a_correction_needs_no_name() -> None:
    meaning = found(said("expected", ("", None, "Go to Profile.")), {"answer": ()}).meaning
    assert meaning is not None
    assert (meaning.means, meaning.field) == ("answer", "answer")


def test_labels_are_masked_and_counted() -> None:
    remark = found(said("topic", "of kim@example.com", "of kim@example.com", ("x", 0.5, "why")))
    assert dict(remark.labels) == {"of <EMAIL>": 2, "x": 1}
    assert (remark.count, remark.scores, remark.explained, dict(remark.kinds)) == (3, (0.5, 0.5), 1, {"HUMAN": 3})
