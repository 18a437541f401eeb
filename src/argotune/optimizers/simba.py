"""SIMBA: mini-batches of hard examples, answered with rules written by the teacher or with good demonstrations.

dspy.SIMBA, Stochastic Introspective Mini-Batch Ascent (dspy/teleprompt/simba.py).
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import SIMBA

from argotune.optimizers.task import MAX_DEMO_CHARS, TrainingTask, bare_student, metric_of

MAX_BATCH = 32
CANDIDATES = 4
PER_STEP = CANDIDATES + 1
"""Programs that DSPy makes in a step."""


def iterations(asked: int) -> int:
    """The programs that are made, in steps of five."""
    return _steps(asked) * PER_STEP


def _steps(asked: int) -> int:
    return max(1, asked // PER_STEP)


def compile(task: TrainingTask) -> dspy.Module:
    """At most `max_iterations` programs, and five at least; the winner is the best on all training examples."""
    optimizer = SIMBA(
        metric=metric_of(task),
        bsize=min(MAX_BATCH, len(task.train)),
        num_candidates=CANDIDATES,
        max_steps=_steps(task.max_iterations),
        max_demos=4,
        prompt_model=task.lms.teacher,
        demo_input_field_maxlen=MAX_DEMO_CHARS,
        num_threads=task.lms.num_threads,
    )
    return optimizer.compile(bare_student(task), trainset=task.train, seed=task.seed)
