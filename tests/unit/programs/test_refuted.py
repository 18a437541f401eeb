"""What an answer is worth to a question of which people have said only what is wrong."""

from __future__ import annotations

from dataclasses import replace

import dspy
import pytest
from factories import FIELDS

from argotune.data.fields import Fields
from argotune.errors import ConfigInvalid
from argotune.programs import programs_of
from argotune.programs.evaluation import appraisal_on, asked_of
from argotune.programs.program import Appraisal, Program
from argotune.programs.refuted import (
    MOST_WORTH,
    Refuted,
    appraising_refuted,
    can_appraise_refuted,
    worth_of_others,
)
from argotune.tenants.config import parse_config

FOUR = {"video": "", "audio": "", "text": "", "image": ""}
ASKED = {"query": "clip of rome", "entities": "", "relationships": "", "enhanced_query": ""}


def routing() -> Program:
    return programs_of(parse_config({"tenant_id": "acme", "agents": FOUR}), "routing")[0]


def free(metric=lambda example, said: float(example.reply == said.reply)) -> Program:
    fields = Fields("replies", ("message",), {"reply": None})
    return Program("replies", "replies", fields, lambda: dspy.Predict("message -> reply"), metric)


def on(program: Program, inputs: dict[str, str], wrong: list[dict[str, str]], said: dict[str, str]) -> Appraisal:
    knowing = appraising_refuted(program, [Refuted(inputs, tuple(wrong))])
    return appraisal_on(knowing, asked_of(knowing, inputs, {}).copy(), dspy.Prediction(**said))


@pytest.mark.parametrize(
    ("wrong", "said", "worth"),
    [
        (["video"], "video", 0.0),
        (["video"], "audio", 1 / 3),
        (["video", "text"], "text", 0.0),
        (["video", "text"], "audio", 1 / 2),
        (["video", "text", "audio"], "image", 1 / 2),
    ],
)
def test_of_a_closed_set_another_answer_is_worth_what_a_draw_by_lot_would_be(wrong, said, worth):
    found = on(routing(), ASKED, [{"agent": each} for each in wrong], {"agent": said})
    assert found.score == pytest.approx(worth)


def test_the_teacher_is_told_what_people_have_said_and_that_nobody_knows_more():
    wrong = [{"agent": "video"}, {"agent": "text"}]
    assert on(routing(), ASKED, wrong, {"agent": "text"}).feedback == (
        "People have said that agent 'text' is wrong here, and nobody what is right."
    )
    assert on(routing(), ASKED, wrong, {"agent": "audio"}).feedback == (
        "Nobody has said what is right here; people have said that agent 'video' or agent 'text' is wrong."
    )


def shared_words(example: dspy.Example, said: dspy.Prediction) -> float:
    right, words = set(example.reply.split()), set(said.reply.split())
    return len(right & words) / len(right | words)


@pytest.mark.parametrize(
    ("said", "worth"),
    [
        pytest.param("no refunds", 0.0, id="the same"),
        pytest.param(" no refunds\n", 0.0, id="the same but for blanks"),
        pytest.param("no thanks", MOST_WORTH * 2 / 3, id="a third the same by the metric"),
        pytest.param("certainly", MOST_WORTH, id="another"),
    ],
)
def test_a_free_answer_is_worth_less_the_more_the_metric_finds_it_like_a_wrong_one(said, worth):
    assert on(free(shared_words), {"message": "m"}, [{"reply": "no refunds"}], {"reply": said}).score == pytest.approx(
        worth
    )


def test_a_metric_that_looks_at_more_than_answers_is_not_asked_what_is_alike():
    def asks(_example, _said):
        raise AssertionError

    program = replace(free(asks), is_metric_plain=False)
    assert on(program, {"message": "m"}, [{"reply": "no"}], {"reply": "yes"}).score == MOST_WORTH
    assert on(program, {"message": "m"}, [{"reply": "no"}], {"reply": "no"}).score == 0.0


def test_a_metric_that_gives_no_share_is_told_of_as_on_any_example():
    with pytest.raises(ConfigInvalid, match="its metric gave nan"):
        on(free(lambda _x, _y: float("nan")), {"message": "m"}, [{"reply": "no"}], {"reply": "yes"})


def test_where_a_rubric_scores_its_score_counts_and_a_wrong_answer_is_worth_nothing_all_the_same():
    program = replace(free(), metric=None, rubric=lambda _x, _y: Appraisal(0.9, "Well said."))
    wrong = [{"reply": "no"}]
    assert on(program, {"message": "m"}, wrong, {"reply": "no"}).score == 0.0
    other = on(program, {"message": "m"}, wrong, {"reply": "yes"})
    assert other.score == 0.9
    assert other.feedback.endswith("people have said that reply 'no' is wrong. Well said.")


def test_where_only_likeness_scores_nothing_is_appraised():
    assert not can_appraise_refuted(replace(free(), metric=None))
    assert can_appraise_refuted(free())


def test_a_question_with_a_right_answer_and_any_other_question_stay_as_they_are():
    program = routing()
    knowing = appraising_refuted(program, [Refuted(ASKED, ({"agent": "video"},))])
    said = dspy.Prediction(agent="video")
    assert appraisal_on(knowing, asked_of(program, ASKED, {"agent": "video"}), said).score == 1.0
    other = asked_of(program, {**ASKED, "query": "another"}, {"agent": "video"})
    assert appraisal_on(knowing, other, said).score == 1.0
    assert appraising_refuted(program, []) is program


@pytest.mark.parametrize(
    ("answers", "refuted", "worth"),
    [
        (FIELDS.answers, 1, 1 / 2),
        (FIELDS.answers, 3, 0.0),
        ({"a": ("x", "y"), "b": ("x", "y", "z")}, 1, 1 / 5),
        ({"a": ("x", "y"), "b": None}, 1, MOST_WORTH),
        ({"a": ("x", "y")}, 1, MOST_WORTH),
    ],
)
def test_the_estimate_is_that_of_a_draw_and_never_near_a_hit(answers, refuted, worth):
    assert worth_of_others(Fields("p", ("q",), answers), refuted) == pytest.approx(worth)
