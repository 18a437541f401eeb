"""Argotune's own runs leave no spans where the user's module has switched tracing on for all of DSPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import dspy
import pytest
from dspy.dsp.utils.settings import main_thread_config
from dspy.utils.callback import BaseCallback
from scripted_lm import json_answers, like_the_nearest_demo, scripted_lms, scripted_writer
from small_routing import ROUTING, example, retrieved, silent
from twin_embedders import EMBEDDERS

from argotune.errors import ArgotuneError
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.programs.evaluation import score
from argotune.programs.untraced import untraced

pytest.importorskip("openinference.instrumentation.dspy")

import tracing


@pytest.fixture
def traced() -> Iterator[Any]:
    with tracing.traced() as exporter:
        yield exporter


class Told(BaseCallback):
    """A tracer that DSPy tells, as MLflow's."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_module_start(self, call_id, instance, inputs) -> None:
        self.told.append(type(instance).__name__)


QUESTIONS = [example(f"{word} {number}") for number in range(4) for word in ("cat", "berlin", "funny")]


@pytest.mark.parametrize("num_threads", [1, 4])
def test_an_evaluation_leaves_no_span_and_the_applications_own_call_does(traced, num_threads: int, monkeypatch) -> None:
    lms, watch = replace(scripted_lms(like_the_nearest_demo), num_threads=num_threads), Told()
    monkeypatch.setitem(main_thread_config, "callbacks", [watch])  # as `dspy.configure`, for this test alone
    score(retrieved(), ROUTING, QUESTIONS, lms, silent)
    assert ([span.name for span in traced.get_finished_spans()], watch.told) == ([], [])
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        retrieved()(**QUESTIONS[0].inputs())
    assert traced.get_finished_spans()
    assert watch.told


def test_threads_of_dspy_are_untraced_too_and_only_while_it_is_asked_for(traced) -> None:
    lms, module = scripted_lms(like_the_nearest_demo), retrieved()
    pairs = [(module, question.inputs()) for question in QUESTIONS]
    with untraced(lm=lms.task, adapter=lms.adapter):
        dspy.Parallel(num_threads=4, disable_progress_bar=True)(pairs)
        evaluate = dspy.Evaluate(devset=QUESTIONS, metric=lambda *_: 1.0, num_threads=4, display_progress=False)
        evaluate(module)
    assert [span.name for span in traced.get_finished_spans()] == []
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        dspy.Parallel(num_threads=4, disable_progress_bar=True)(pairs)
    modules = [span for span in traced.get_finished_spans() if span.parent is None]
    assert len(modules) == len(QUESTIONS)


@pytest.mark.parametrize("name", ["bootstrap", "random_search", "simba", "gepa", "mipro"])
def test_no_optimizer_leaves_a_span(traced, name: str) -> None:
    lms, _ = scripted_writer(
        json_answers(new_instruction="Mind it.", proposed_instruction="Mind it.", module_advice={})
    )
    task = TrainingTask(
        program=ROUTING,
        student=ROUTING.build(),
        train=QUESTIONS[:8],
        dev=QUESTIONS[8:],
        lms=replace(scripted_lms(like_the_nearest_demo, lms), num_threads=3),
        embedders=EMBEDDERS,
        seed=7,
        max_iterations=2,
    )
    with suppress(ArgotuneError):
        OPTIMIZERS[name].compile(task)
    assert task.lms.task.calls.count > 0
    assert [span.name for span in traced.get_finished_spans()] == []
