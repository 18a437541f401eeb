"""Bootstrap: demonstrations that the program answered right itself, filled up with labelled examples.

dspy.BootstrapFewShot (dspy/teleprompt/bootstrap.py). Always with the metric: without one, wrong answers would be
shown as right ones.
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import BootstrapFewShot

from argotune.optimizers.task import TrainingTask, bare_student, demo_pool, has_answer, metric_of


class _Bootstrap(BootstrapFewShot):
    """Fills up with examples that have an answer: one without would take the place of one."""

    def _bootstrap(self, **limits: int | None) -> None:
        super()._bootstrap(**limits)  # type: ignore[no-untyped-call]
        self.validation = [example for example in self.validation if has_answer(example)]


def compile(task: TrainingTask) -> dspy.Module:
    """Passes over the training examples, until enough were answered with a full hit."""
    settings = task.settings.bootstrap
    optimizer = _Bootstrap(
        metric=metric_of(task),
        metric_threshold=task.program.good_from,
        max_bootstrapped_demos=settings.max_bootstrapped_demos,
        max_labeled_demos=settings.max_labeled_demos,
        max_rounds=settings.max_rounds,
    )
    teaching = [*demo_pool(task), *task.scored]
    tuned: dspy.Module = optimizer.compile(bare_student(task), trainset=teaching)  # type: ignore[no-untyped-call]
    return tuned
