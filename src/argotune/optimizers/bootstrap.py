"""Bootstrap: demonstrations that the program answered right itself, filled up with labelled examples.

dspy.BootstrapFewShot (dspy/teleprompt/bootstrap.py). Always with the metric: without one, wrong answers would be
shown as right ones.
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import BootstrapFewShot

from argotune.optimizers.task import TrainingTask, bare_student, demo_pool, metric_of


def compile(task: TrainingTask) -> dspy.Module:
    """Passes over the training examples, until enough were answered with a full hit."""
    settings = task.settings.bootstrap
    optimizer = BootstrapFewShot(
        metric=metric_of(task),
        metric_threshold=1.0,
        max_bootstrapped_demos=settings.max_bootstrapped_demos,
        max_labeled_demos=settings.max_labeled_demos,
        max_rounds=settings.max_rounds,
    )
    tuned: dspy.Module = optimizer.compile(bare_student(task), trainset=demo_pool(task))
    return tuned
