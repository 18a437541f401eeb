"""SIMBA: mini-batches of hard examples, answered with rules written by the teacher or with good demonstrations.

dspy.SIMBA, Stochastic Introspective Mini-Batch Ascent (dspy/teleprompt/simba.py).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import wraps
from typing import Protocol, TypedDict, Unpack

import dspy
from dspy.teleprompt import SIMBA
from dspy.teleprompt.simba_utils import append_a_rule

from argotune.optimizers.task import MAX_DEMO_CHARS, TrainingTask, bare_student, metric_of
from argotune.tenants.optimizer_settings import OptimizerSettings


class SampledAnswer(TypedDict):
    """A row of a bucket: what a program answered to an example, as dspy.SIMBA has it (dspy/teleprompt/simba_utils.py).

    DSPy writes "N/A" in the place of a score, and a dict in that of a prediction, where a rule needs none.
    """

    prediction: dspy.Prediction | dict[str, str] | None
    trace: list[tuple[dspy.Predict, dict[str, object], dspy.Prediction]] | None
    score: float | str
    example: dspy.Example
    output_metadata: dict[str, object]


class SimbaStep(TypedDict):
    """What a strategy is told of the step: the names of predictors, what is a low and a high score in it, and the LM
    that writes."""

    predictor2name: dict[int, str]
    name2predictor: dict[str, dspy.Predict]
    batch_10p_score: float
    batch_90p_score: float
    prompt_model: object


class SimbaStrategy(Protocol):
    """How dspy.SIMBA makes a new program of one: in place, by the answers of a bucket, the best first. False: it left
    it as it was."""

    def __call__(self, bucket: list[SampledAnswer], system: dspy.Module, **step: Unpack[SimbaStep]) -> bool: ...


def iterations(asked: int, settings: OptimizerSettings) -> int:
    """The programs that are made, in steps: in each the new ones beside the one that it begins with."""
    return _steps(asked, settings) * _in_a_step(settings)


def _steps(asked: int, settings: OptimizerSettings) -> int:
    return settings.simba.max_steps or max(1, asked // _in_a_step(settings))


def _in_a_step(settings: OptimizerSettings) -> int:
    return settings.simba.num_candidates + 1


def compile(task: TrainingTask) -> dspy.Module:
    """At most `max_iterations` programs, a step of them at least; the winner is the best on all training examples, or
    on those that the calls that are left pay for."""
    settings = task.settings.simba
    bsize, steps = min(settings.bsize, len(task.practising)), _steps(task.max_iterations, task.settings)
    steps, examples = _affordable(task, bsize, steps)
    optimizer = SIMBA(
        metric=metric_of(task),
        bsize=bsize,
        num_candidates=settings.num_candidates,
        max_steps=steps,
        max_demos=settings.max_demos,
        prompt_model=task.lms.teacher,
        demo_input_field_maxlen=MAX_DEMO_CHARS,
        num_threads=task.lms.num_threads,
    )
    optimizer.strategies = [_showing_none_of(task.refuted, strategy) for strategy in optimizer.strategies]
    return optimizer.compile(bare_student(task), trainset=examples, seed=task.seed)


def _affordable(task: TrainingTask, bsize: int, steps: int) -> tuple[int, list[dspy.Example]]:
    """The steps, and the examples that these and the end are measured on: as many of both as the calls that are left
    pay for, down to one step of one minibatch. SIMBA chooses when all is measured: where the calls end before, it has
    nothing to show for them."""
    new, examples = task.settings.simba.num_candidates, task.practising
    calls = task.meter.left // max(len(bare_student(task).predictors()), 1)
    in_a_step = bsize * (2 * new + 1) + new + 1  # answers sampled, answers of new programs, rules that are written
    while steps > 1 and steps * in_a_step + _winners(steps, new) * len(examples) > calls:
        steps -= 1
    n = max((calls - steps * in_a_step) // _winners(steps, new), bsize)
    return steps, examples if n >= len(examples) else random.Random(task.seed).sample(examples, n)  # noqa: S311


def _winners(steps: int, new: int) -> int:
    """The programs that DSPy measures in the end: the first one and the best of each step, or as many of them."""
    return min(steps, new) + 1


def _showing_none_of(refuted: Sequence[dspy.Example], strategy: SimbaStrategy) -> SimbaStrategy:
    """The strategy, and a rule in the place of a demonstration of a question of which nobody knows what is right:
    SIMBA shows what scored better than most, and that may still be wrong."""

    @wraps(strategy)
    def shown(bucket: list[SampledAnswer], system: dspy.Module, **step: Unpack[SimbaStep]) -> bool:
        is_refuted = any(bucket[0]["example"] is example for example in refuted)
        chosen: SimbaStrategy = append_a_rule if is_refuted else strategy
        return chosen(bucket, system, **step)

    return shown
