"""Evaluation: scores in order, failures told apart, and examples as DSPy wants them."""

from __future__ import annotations

import math
import time

import dspy
import pytest
from dspy.utils.exceptions import ContextWindowExceededError
from scripted_lm import like_the_nearest_demo, scripted_lms, scripted_writer
from small_routing import ROUTING, example, retrieved, silent

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example, Split
from argotune.errors import (
    ArgotuneError,
    BudgetSpent,
    ConfigInvalid,
    Declined,
    NoContent,
    ProgramFailed,
    RequestRefused,
    Unavailable,
)
from argotune.lm.lack import Lack
from argotune.lm.port import LMs
from argotune.programs import Program
from argotune.programs.evaluation import score, score_side_by_side, to_dspy


def test_scores_come_in_order_with_answers_and_progress():
    examples = [example("cat videos", "video"), example("berlin", "video"), example("funny cat", "sum")]
    told: list[tuple[int, int]] = []
    results = score(
        retrieved(k=1), ROUTING, examples, scripted_lms(like_the_nearest_demo), lambda *done: told.append(done)
    )
    assert [(r.example_index, r.answers["agent"], r.score) for r in results] == [
        (0, "video", 1.0),
        (1, "text", 0.0),
        (2, "sum", 1.0),
    ]
    assert all(r.confidence == pytest.approx(0.9) and r.is_parsed for r in results)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_threads_change_nothing_in_the_result():
    examples = [example(f"{word} {i}") for i in range(20) for word in ("cat", "berlin", "funny")]
    lms = scripted_lms(like_the_nearest_demo)
    wide = LMs(lms.task, None, lms.adapter, {}, num_threads=4)
    assert score(retrieved(), ROUTING, examples, wide, silent) == score(retrieved(), ROUTING, examples, lms, silent)


@pytest.mark.parametrize("num_threads", [1, 4])
@pytest.mark.parametrize("error", [BudgetSpent("enough"), Unavailable("down")])
def test_spent_budget_and_dead_server_end_the_evaluation(error: ArgotuneError, num_threads: int):
    lms = scripted_lms(like_the_nearest_demo, fail_at=3, error=error)
    wide = LMs(lms.task, None, lms.adapter, {}, num_threads=num_threads)
    with pytest.raises(type(error), match=str(error)):
        score(ROUTING.build(), ROUTING, [example(f"q{i}") for i in range(50)], wide, silent)
    assert lms.task.calls.count < 50


def test_our_error_is_found_beneath_what_dspy_makes_of_it():
    lm, _ = scripted_writer(lambda prompt: "", fail_at=1, error=BudgetSpent("all calls are used"))
    with pytest.raises(BudgetSpent, match="all calls are used"):
        score(ROUTING.build(), ROUTING, [example("q")], LMs(lm, lm, dspy.JSONAdapter(), {}), silent)


def test_a_program_that_raises_on_one_example_misses_it_and_goes_on():
    lms = scripted_lms(like_the_nearest_demo, fail_at=2, error=KeyError("oops"))
    found = score(retrieved(k=1), ROUTING, [example("cat videos"), example("b")], lms, silent)
    assert [(row.score, row.lack, row.why) for row in found] == [
        (1.0, None, ""),
        (0.0, Lack.FAILED, "it failed: KeyError: 'oops'"),
    ]


def test_a_program_that_raises_on_every_example_is_told_with_its_exception():
    lms = scripted_lms(like_the_nearest_demo, fail_at=1, error=KeyError("oops"))
    with pytest.raises(ProgramFailed, match="routing: it failed: KeyError: 'oops', on all of 2 examples"):
        score(ROUTING.build(), ROUTING, [example("a"), example("b")], lms, silent)


class Mute(dspy.Module):
    """Returns nothing to some questions."""

    def forward(self, query: str, **_more: str) -> dspy.Prediction | None:
        return dspy.Prediction(agent="video") if query == "a" else None


def test_a_forward_that_returns_nothing_is_a_miss_and_one_that_always_does_is_told():
    lms, told = scripted_lms(like_the_nearest_demo), "TypeError: forward returned NoneType, not a dspy.Prediction"
    found = score(Mute(), ROUTING, [example("a"), example("b")], lms, silent)
    assert [(row.score, row.lack) for row in found] == [(1.0, None), (0.0, Lack.FAILED)]
    assert found[1].why == f"it failed: {told}"
    with pytest.raises(ProgramFailed, match=told):
        score(Mute(), ROUTING, [example("b")], lms, silent)


def test_a_metric_that_fails_on_one_example_misses_it_and_goes_on():
    metric = lambda example, prediction: 1 / len(example.query)  # noqa: E731
    program = Program("routing", "routing", ROUTING.fields, ROUTING.build, metric)
    found = score(ROUTING.build(), program, [example(""), example("a")], scripted_lms(like_the_nearest_demo), silent)
    assert [(row.score, row.lack) for row in found] == [(0.0, Lack.FAILED), (1.0, None)]
    assert found[0].why == "its metric failed: ZeroDivisionError: division by zero"


def lms_that_say(*answers: str | Exception) -> LMs:
    """An LM that writes these answers in turn, or raises them."""
    left = list(answers)

    def write(_prompt: str) -> str:
        said = left.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    lm, _ = scripted_writer(write)
    return LMs(lm, lm, dspy.JSONAdapter(), {})


RIGHT = '{"agent": "video", "confidence": 1}'


@pytest.mark.parametrize(
    ("answer", "lack"),
    [
        (NoContent("nothing"), Lack.NO_CONTENT),
        (Declined("no"), Lack.DECLINED),
        (RequestRefused("filtered"), Lack.REFUSED),
        (ContextWindowExceededError(), Lack.TOO_LONG),
        ("I do not know", Lack.FORM),
        ('{"agent": "me", "confidence": 1}', Lack.OUTSIDE),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_miss_that_says_why(answer: str | Exception, lack: Lack):
    found = score(ROUTING.build(), ROUTING, [example("a"), example("b")], lms_that_say(answer, RIGHT), silent)
    assert [(row.score, row.lack) for row in found] == [(0.0, lack), (1.0, None)]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(NoContent("nothing"), NoContent), (Declined("no"), NoContent), (RequestRefused("bad key"), ConfigInvalid)],
)
def test_where_no_question_is_answered_it_is_no_miss_but_an_error(answer: Exception, kind: type[ArgotuneError]):
    with pytest.raises(kind, match=f"routing: none of 2 questions was answered: .*{answer}"):
        score(ROUTING.build(), ROUTING, [example("a"), example("b")], lms_that_say(answer, answer), silent)


def test_modules_are_asked_side_by_side_and_each_first_in_its_turn():
    lms = scripted_lms(like_the_nearest_demo)
    found = score_side_by_side(
        [ROUTING.build(), retrieved(k=1)], ROUTING, [example("cat videos"), example("berlin")], lms, silent
    )
    assert [[row.answers["agent"] for row in rows] for rows in found] == [["video", "video"], ["video", "text"]]
    asked = [(a["state"]["inputs"]["query"], bool(a["state"].get("demos"))) for a in lms.task.calls.asked]
    assert asked == [("cat videos", False), ("cat videos", True), ("berlin", True), ("berlin", False)]


@pytest.mark.parametrize("worth", [1.5, -0.1, math.nan, "x"])
def test_metric_that_gives_no_share_is_a_config_error(worth: object):
    program = Program("routing", "routing", ROUTING.fields, ROUTING.build, lambda example, prediction: worth)
    with pytest.raises(ConfigInvalid, match="routing: its metric"):
        score(ROUTING.build(), program, [example("q")], scripted_lms(like_the_nearest_demo), silent)


def test_example_becomes_dspys_with_its_inputs_marked():
    ours = Example("p", {"query": "q", "base": "b"}, {"agent": "video"}, LabelSource.HUMAN, 1.0, Split.TRAIN)
    theirs = to_dspy(ROUTING, ours)
    assert theirs.inputs().toDict() == {"query": "q", "base": "b"}
    assert theirs.labels().toDict() == {"agent": "video"}


def test_nothing_more_is_asked_once_a_failure_has_ended_the_evaluation():
    class EndsAtOnce(dspy.Module):
        def forward(self, **_inputs: str) -> dspy.Prediction:
            asked.append(1)
            if len(asked) == 1:
                raise Unavailable("away")
            time.sleep(0.001)
            return dspy.Prediction(agent="video", confidence=0.9)

    asked: list[int] = []
    lms = scripted_lms(like_the_nearest_demo)
    wide = LMs(lms.task, None, lms.adapter, {}, num_threads=4)
    for _ in range(10):
        asked.clear()
        with pytest.raises(Unavailable, match="away"):
            score(EndsAtOnce(), ROUTING, [example(f"cat {i}") for i in range(400)], wide, silent)
        assert len(asked) <= 8  # those under way when it failed
