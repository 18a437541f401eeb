"""SIMBA: mini-batches of hard examples, answered with rules written by the teacher or with good demonstrations.

dspy.SIMBA, Stochastic Introspective Mini-Batch Ascent (dspy/teleprompt/simba.py).
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import SIMBA

from argotune.optimizers.task import MAX_DEMO_CHARS, TrainingTask, bare_student, metric_of
from argotune.tenants.optimizer_settings import OptimizerSettings


def iterations(asked: int, settings: OptimizerSettings) -> int:
    """The programs that are made, in steps: in each the new ones beside the one that it begins with."""
    return _steps(asked, settings) * _in_a_step(settings)


def _steps(asked: int, settings: OptimizerSettings) -> int:
    return settings.simba.max_steps or max(1, asked // _in_a_step(settings))


def _in_a_step(settings: OptimizerSettings) -> int:
    return settings.simba.num_candidates + 1


def compile(task: TrainingTask) -> dspy.Module:
    """At most `max_iterations` programs, a step of them at least; the winner is the best on all training examples."""
    settings = task.settings.simba
    optimizer = SIMBA(
        metric=metric_of(task),
        bsize=min(settings.bsize, len(task.practising)),
        num_candidates=settings.num_candidates,
        max_steps=_steps(task.max_iterations, task.settings),
        max_demos=settings.max_demos,
        prompt_model=task.lms.teacher,
        demo_input_field_maxlen=MAX_DEMO_CHARS,
        num_threads=task.lms.num_threads,
    )
    return optimizer.compile(bare_student(task), trainset=task.practising, seed=task.seed)
