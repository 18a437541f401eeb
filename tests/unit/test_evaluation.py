"""Evaluation: scores in order, failures told apart, and examples as DSPy wants them."""

from __future__ import annotations

import math

import dspy
import pytest
from scripted_lm import like_the_nearest_demo, scripted_lms, scripted_writer
from small_routing import ROUTING, example, silent

from argotune.adapters.tfidf_embedder import TfidfEmbedder
from argotune.annotations import LabelSource
from argotune.errors import ArgotuneError, BudgetSpent, ConfigInvalid, Unavailable
from argotune.examples import Example, Split
from argotune.ports import LMs
from argotune.programs import Program
from argotune.programs.evaluation import score, to_dspy
from argotune.programs.retrieval import RetrievedDemos


def retrieved(k: int = 2) -> RetrievedDemos:
    examples = [example("weather in berlin", "text"), example("cat videos", "video"), example("funny cat video", "sum")]
    return RetrievedDemos(ROUTING.build(), examples, k, TfidfEmbedder())


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


def test_failure_of_a_program_names_the_example():
    lms = scripted_lms(like_the_nearest_demo, fail_at=2, error=KeyError("oops"))
    with pytest.raises(ArgotuneError, match="routing, example 1: KeyError: 'oops'"):
        score(ROUTING.build(), ROUTING, [example("a"), example("b")], lms, silent)


@pytest.mark.parametrize("worth", [1.5, -0.1, math.nan, "x"])
def test_metric_that_gives_no_share_is_a_config_error(worth: object):
    program = Program("routing", "routing", ROUTING.fields, ROUTING.build, lambda example, prediction: worth)
    with pytest.raises(ConfigInvalid, match="routing: its metric"):
        score(ROUTING.build(), program, [example("q")], scripted_lms(like_the_nearest_demo), silent)


def test_example_becomes_dspys_with_its_inputs_marked():
    ours = Example("p", {"query": "q", "base": "b"}, {"agent": "video"}, LabelSource.HUMAN, 1.0, Split.TRAIN)
    theirs = to_dspy(ours)
    assert theirs.inputs().toDict() == {"query": "q", "base": "b"}
    assert theirs.labels().toDict() == {"agent": "video"}
