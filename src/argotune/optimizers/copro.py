"""COPRO: the teacher writes several instructions, then better ones after seeing how those scored.

dspy.COPRO (dspy/teleprompt/copro_optimizer.py), after Yang et al., "Large Language Models as Optimizers", 2023.
"""

from __future__ import annotations

import math

import dspy
from dspy.teleprompt import COPRO

from argotune.optimizers.task import TrainingTask, bare_student, metric_of
from argotune.tenants.optimizer_settings import OptimizerSettings

MAX_BREADTH = 10
"""Instructions in a round, as DSPy has it by default."""


def iterations(asked: int, settings: OptimizerSettings) -> int:
    """The instructions that are measured on dev; DSPy needs at least two."""
    breadth, depth = _rounds(asked, settings)
    return breadth * depth


def _rounds(asked: int, settings: OptimizerSettings) -> tuple[int, int]:
    """Instructions in a round, and rounds: about as many of these as of those where the tenant sets neither."""
    own = settings.copro
    usual = asked // own.depth if own.depth else math.isqrt(asked)
    breadth = own.breadth or max(2, min(MAX_BREADTH, usual))
    return breadth, own.depth or max(1, asked // breadth)


def compile(task: TrainingTask) -> dspy.Module:
    """At most `max_iterations` instructions are measured on dev."""
    breadth, depth = _rounds(task.max_iterations, task.settings)
    optimizer = COPRO(
        prompt_model=task.lms.teacher,
        metric=metric_of(task),
        breadth=breadth,
        depth=depth,
        init_temperature=task.settings.copro.init_temperature,
    )
    measuring = {"num_threads": task.lms.num_threads, "display_progress": False, "display_table": False}
    tuned: dspy.Module = optimizer.compile(bare_student(task), trainset=task.choosing, eval_kwargs=measuring)
    return tuned
