"""Remarks: what people say in their own words becomes what it means, and what means nothing is counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import AGENTS, FIELDS, FUSION, NOON, make_experience
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.annotations import Annotation, LabelSource, strongest
from argotune.data.fields import Fields
from argotune.data.label_rule import Labelled, NoLabel, label, with_remarks
from argotune.data.remarks import CORRECT, INCORRECT, QUALITY, SATISFACTION, VERDICT, Unread, heard, meant_by
from argotune.tenants.config import RewardWeights
from argotune.tenants.remark_names import RemarkMeaning

SPAN = make_experience().span_id
LATER = NOON + timedelta(hours=1)
REPLY = Fields("reply", ("question",), {"answer": None})


def said(label: str = "", score: float | None = None, explanation: str = "", kind: str = "HUMAN") -> Annotation:
    return Annotation(SPAN, "user_feedback", label, kind, "kim", NOON, explanation, score)


def meaning(means: str, **given: object) -> RemarkMeaning:
    return RemarkMeaning.model_validate({"means": means, **given})


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        *[
            (said(word), CORRECT)
            for word in ("👍", "👍🏽", "Correct", " yes ", "thumbs_up", "TRUE", "Thumbs-Up", "pass")
        ],
        *[(said(word), INCORRECT) for word in ("👎", "incorrect", "No", "thumbs down", "False", "Not helpful", "fail")],
        (said("👍", 1.0), CORRECT),
        (said("", 1.0), CORRECT),
        (said("", 0.0), INCORRECT),
        (said("", 0.5), Unread.UNCLEAR),
        (said("", 3.0), Unread.OFF_SCALE),
        (said("perhaps"), Unread.UNCLEAR),
        (said(" "), Unread.EMPTY),
        (said(explanation="it was late"), Unread.EMPTY),
    ],
)
def test_a_verdict_is_read_from_words_or_a_score(given: Annotation, verdict: str | Unread):
    read = meant_by(given, meaning("verdict"), FIELDS)
    assert (read.label if isinstance(read, Annotation) else read) == verdict


@pytest.mark.parametrize(
    ("given", "scale", "share"),
    [
        (said("", 0.7), {}, 0.7),
        (said("👍"), {}, 1.0),
        (said("👎", 0.0), {}, 0.0),
        (said("4 stars"), {"worst": 1, "best": 5}, 0.75),
        (said("★★★★★"), {"worst": 1, "best": 5}, 1.0),
        (said("⭐"), {"worst": 1, "best": 5}, 0.0),
        (said("3/5"), {"worst": 1, "best": 5}, 0.5),
        (said("", 2), {"worst": 1, "best": 5}, 0.25),
        (said("1"), {"worst": 1, "best": 5}, 0.0),
        (said("", -1), {"worst": -1, "best": 1}, 0.0),
        (said("", 6), {"worst": 1, "best": 5}, Unread.OFF_SCALE),
        (said("meh"), {}, Unread.UNCLEAR),
    ],
)
def test_satisfaction_is_a_share_of_its_scale(given: Annotation, scale: dict[str, float], share: float | Unread):
    read = meant_by(given, meaning("satisfaction", **scale), FIELDS)
    assert (read.score if isinstance(read, Annotation) else read) == share


@pytest.mark.parametrize(
    ("given", "fields", "of", "read"),
    [
        (said("billing"), FIELDS, {}, ("agent", "billing")),
        (said("", explanation="Go to Profile."), REPLY, {}, ("answer", "Go to Profile.")),
        (said("yes"), FUSION, {"field": "needed"}, ("needed", "yes")),
        (said("yes"), FUSION, {}, Unread.NO_FIELD),
        (said("yes"), FIELDS, {"field": "needed"}, Unread.NO_FIELD),
        (said(score=1.0), FIELDS, {}, Unread.EMPTY),
    ],
)
def test_a_right_answer_may_stand_in_label_or_explanation(
    given: Annotation, fields: Fields, of: dict[str, str], read: tuple[str, str] | Unread
):
    found = meant_by(given, meaning("answer", **of), fields)
    assert ((found.name, found.label) if isinstance(found, Annotation) else found) == read


def test_names_of_the_program_stay_unknown_ones_are_none_of_ours_and_what_says_nothing_is_counted():
    meanings = {"user_feedback": meaning("verdict")}
    own, empty = replace(said("video"), name="agent"), replace(said(score=1.0), name="agent")
    told = heard([own, empty, said("👍"), said("hm"), replace(said("x"), name="note")], FIELDS, meanings)
    assert [(each.name, each.label) for each in told.annotations] == [("agent", "video"), (VERDICT, CORRECT)]
    assert told.unread == {"annotation user_feedback: neither right nor wrong": 1}


@given(
    st.text(), st.none() | st.floats(allow_nan=False), st.sampled_from(["verdict", "satisfaction", "quality", "answer"])
)
def test_whatever_people_write_is_read_or_refused_for_a_reason(text: str, score: float | None, means: str):
    read = meant_by(said(text, score), meaning(means), FIELDS)
    assert isinstance(read, Annotation | Unread)


def labelled(*given: Annotation, **experience: object) -> Labelled | NoLabel:
    return label(make_experience(**experience), strongest(given), FIELDS, RewardWeights(), 0.7)


def test_correct_confirms_the_answer_that_was_given_at_any_confidence():
    found = labelled(replace(said(CORRECT), name=VERDICT), confidence=0.1, agent_success=None)
    assert isinstance(found, Labelled)
    assert (dict(found.expected), found.source) == (dict(make_experience().answers), LabelSource.HUMAN)


def test_what_code_says_of_the_answer_is_an_outcome_and_no_label():
    found = labelled(replace(said(CORRECT, kind="CODE"), name=VERDICT), agent_success=None)
    assert isinstance(found, Labelled)
    assert found.source is LabelSource.OUTCOME


def test_incorrect_forbids_the_answer_whatever_the_outcome_says():
    assert labelled(replace(said(INCORRECT), name=VERDICT), agent_success=True) is NoLabel.REFUTED


def test_a_right_answer_beats_a_verdict():
    right = replace(said(AGENTS[1]), name="agent")
    found = labelled(replace(said(INCORRECT), name=VERDICT), right)
    assert isinstance(found, Labelled)
    assert found.expected == {"agent": AGENTS[1]}


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ((), (None, None, None)),
        ((replace(said(score=0.9), name=SATISFACTION),), (0.9, None, True)),
        ((replace(said(score=0.5), name=SATISFACTION),), (0.5, None, False)),
        ((replace(said(score=0.2), name=SATISFACTION), replace(said(score=0.9), name=QUALITY)), (0.2, 0.9, True)),
        ((replace(said(INCORRECT, kind="CODE"), name=VERDICT),), (None, None, False)),
    ],
)
def test_what_is_said_later_is_an_outcome(given: tuple[Annotation, ...], outcome: tuple[object, ...]):
    silent = make_experience(agent_success=None, search_quality=None, user_satisfaction=None)
    found = with_remarks(silent, strongest(given))
    assert (found.user_satisfaction, found.search_quality, found.agent_success) == outcome


def test_an_outcome_that_the_span_tells_is_not_overwritten_by_a_guess():
    failed = make_experience(agent_success=False)
    assert with_remarks(failed, strongest([replace(said(score=1.0), name=SATISFACTION)])).agent_success is False


def of_session(name: str, label: str = "", score: float | None = None) -> Annotation:
    return replace(said(label, score), name=name, is_of_session=True, updated_at=LATER)


@pytest.mark.parametrize(
    ("given", "experience", "outcome"),
    [
        pytest.param([of_session(VERDICT, CORRECT)], {}, (None, None, True), id="nothing nearer"),
        pytest.param([of_session(SATISFACTION, score=0.2)], {}, (0.2, None, False), id="how content people were"),
        pytest.param(
            [of_session(VERDICT, CORRECT)], {"agent_success": False}, (None, None, False), id="the span tells more"
        ),
        pytest.param(
            [of_session(VERDICT, CORRECT), replace(said(INCORRECT, kind="CODE"), name=VERDICT)],
            {},
            (None, None, False),
            id="code on the decision goes before a person on the session",
        ),
        pytest.param(
            [of_session(VERDICT, CORRECT), replace(said(score=0.2), name=SATISFACTION)],
            {},
            (0.2, None, False),
            id="another remark on the decision",
        ),
        pytest.param(
            [of_session(SATISFACTION, score=0.9)], {"user_satisfaction": 0.1}, (0.1, None, False), id="the span's score"
        ),
    ],
)
def test_what_is_said_of_a_session_counts_less_than_anything_nearer(given, experience, outcome):
    silent = {"agent_success": None, "search_quality": None, "user_satisfaction": None}
    found = with_remarks(make_experience(**{**silent, **experience}), strongest(given))
    assert (found.user_satisfaction, found.search_quality, found.agent_success) == outcome


def test_a_session_confirms_and_forbids_no_answer_and_its_outcome_has_half_the_weight():
    good = labelled(of_session(VERDICT, CORRECT), agent_success=None, confidence=0.9)
    near = labelled(agent_success=True, confidence=0.9)
    assert isinstance(good, Labelled)
    assert isinstance(near, Labelled)
    assert (good.source, good.weight) == (LabelSource.OUTCOME, near.weight / 2)
    assert labelled(of_session(VERDICT, INCORRECT), agent_success=None) is NoLabel.FAILED


def test_a_right_answer_that_is_said_of_a_session_is_counted_and_read_as_none():
    given = [of_session("agent", AGENTS[1]), of_session("team", AGENTS[1]), of_session("thumb", "up")]
    meanings = {"team": meaning("answer"), "thumb": meaning("verdict")}
    found = heard(given, FIELDS, meanings)
    assert [(each.name, each.is_of_session) for each in found.annotations] == [(VERDICT, True)]
    assert found.unread == {f"annotation {name}: {Unread.OF_SESSION}": 1 for name in ("agent", "team")}
