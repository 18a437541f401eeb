"""Bootstrap: demonstrations that the program answered right itself, filled up with labelled examples.

dspy.BootstrapFewShot (dspy/teleprompt/bootstrap.py). Always with the metric: without one, wrong answers would be
shown as right ones.
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import BootstrapFewShot

from argotune.optimizers.task import TrainingTask, bare_student, demo_pool, metric_of

MAX_BOOTSTRAPPED = 5
MAX_LABELED = 10


def compile(task: TrainingTask) -> dspy.Module:
    """One pass over the training examples, until five were answered with a full hit."""
    optimizer = BootstrapFewShot(
        metric=metric_of(task),
        metric_threshold=1.0,
        max_bootstrapped_demos=MAX_BOOTSTRAPPED,
        max_labeled_demos=MAX_LABELED,
        max_rounds=1,
    )
    tuned: dspy.Module = optimizer.compile(bare_student(task), trainset=demo_pool(task))
    return tuned
