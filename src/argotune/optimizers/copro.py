"""COPRO: the teacher writes several instructions, then better ones after seeing how those scored.

dspy.COPRO (dspy/teleprompt/copro_optimizer.py), after Yang et al., "Large Language Models as Optimizers", 2023.
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import COPRO

from argotune.optimizers.task import TrainingTask, metric_of, plain_student

MAX_BREADTH = 5
MAX_DEPTH = 3


def compile(task: TrainingTask) -> dspy.Module:
    """At most `max_iterations` instructions, and 15, are measured on dev; DSPy needs at least two."""
    breadth = max(2, min(MAX_BREADTH, task.max_iterations))
    depth = max(1, min(MAX_DEPTH, task.max_iterations // breadth))
    optimizer = COPRO(
        prompt_model=task.lms.teacher, metric=metric_of(task), breadth=breadth, depth=depth, init_temperature=1.0
    )
    measuring = {"num_threads": task.lms.num_threads, "display_progress": False, "display_table": False}
    return optimizer.compile(plain_student(task), trainset=task.choosing, eval_kwargs=measuring)
