"""SIMBA: mini-batches of hard examples, answered with rules written by the teacher or with good demonstrations.

dspy.SIMBA, Stochastic Introspective Mini-Batch Ascent (dspy/teleprompt/simba.py).
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import SIMBA

from argotune.optimizers.task import MAX_DEMO_CHARS, TrainingTask, metric_of, plain_student

MAX_BATCH = 32
MAX_STEPS = 8


def compile(task: TrainingTask) -> dspy.Module:
    """At most `max_iterations` steps, and eight; the winner is the best on all training examples."""
    optimizer = SIMBA(
        metric=metric_of(task),
        bsize=min(MAX_BATCH, len(task.train)),
        num_candidates=4,
        max_steps=min(MAX_STEPS, task.max_iterations),
        max_demos=4,
        prompt_model=task.lms.teacher,
        demo_input_field_maxlen=MAX_DEMO_CHARS,
        num_threads=task.lms.num_threads,
    )
    return optimizer.compile(plain_student(task), trainset=task.train, seed=task.seed)
