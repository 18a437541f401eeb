"""Random search: several bootstrapped sets of demonstrations, the best of them on the dev examples.

dspy.BootstrapFewShotWithRandomSearch (dspy/teleprompt/random_search.py).
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import BootstrapFewShotWithRandomSearch

from argotune.optimizers.task import TrainingTask, bare_student, demo_pool, metric_of
from argotune.tenants.optimizer_settings import OptimizerSettings

ALWAYS_TRIED = 3
"""No demonstrations, labelled ones, and one bootstrap in order: DSPy tries them besides the random ones."""


def iterations(asked: int, settings: OptimizerSettings) -> int:
    """The sets of demonstrations that are measured on dev."""
    drawn = settings.random_search.num_candidate_programs
    return max(ALWAYS_TRIED, asked) if drawn is None else ALWAYS_TRIED + drawn


def compile(task: TrainingTask) -> dspy.Module:
    """Measures `max_iterations` sets, at least the three that are always tried, on dev."""
    settings = task.settings.random_search
    optimizer = BootstrapFewShotWithRandomSearch(
        metric=metric_of(task),
        metric_threshold=task.program.good_from,
        max_bootstrapped_demos=settings.max_bootstrapped_demos,
        max_labeled_demos=settings.max_labeled_demos,
        max_rounds=settings.max_rounds,
        num_candidate_programs=iterations(task.max_iterations, task.settings) - ALWAYS_TRIED,
        num_threads=task.lms.num_threads,
    )
    tuned: dspy.Module = optimizer.compile(
        bare_student(task), trainset=demo_pool(task) or list(task.scored), valset=task.choosing
    )
    return tuned
