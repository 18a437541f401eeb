"""MIPRO: instructions written from data and code, and sets of demonstrations, combined by Bayesian search.

dspy.MIPROv2 (dspy/teleprompt/mipro_optimizer_v2.py); Opsahl-Ong et al., "Optimizing Instructions and
Demonstrations for Multi-Stage Language Model Programs", EMNLP 2024.
"""

from __future__ import annotations

import dspy
from dspy.teleprompt import MIPROv2

from argotune.optimizers.task import TrainingTask, bare_student, demo_pool, metric_of
from argotune.programs.closed_set import ClosedSetAnswers

MAX_CANDIDATES = 18
"""Instructions and sets of demonstrations to combine: as many as DSPy's `auto="heavy"` writes."""

TRIALS_PER_CANDIDATE = 1.5
"""As DSPy has it: with fewer trials, candidates would be written that are never tried."""

MINIBATCH = 35
"""Trials are measured on as many dev examples once there are more than MINIBATCH_FROM."""

MINIBATCH_FROM = 50


def iterations(asked: int) -> int:
    """The trials: pairs of instructions and demonstrations that are measured."""
    return asked


def compile(task: TrainingTask) -> dspy.Module:
    """`max_iterations` trials; candidates are fewer where trials are few."""
    trials = iterations(task.max_iterations)
    optimizer = MIPROv2(
        metric=metric_of(task),
        metric_threshold=1.0,
        prompt_model=task.lms.teacher,
        task_model=task.lms.task,
        auto=None,
        num_candidates=max(2, min(MAX_CANDIDATES, int(trials / TRIALS_PER_CANDIDATE))),
        max_bootstrapped_demos=4,
        max_labeled_demos=8,
        num_threads=task.lms.num_threads,
        seed=task.seed,
        track_stats=False,
    )
    student = bare_student(task)
    tuned: dspy.Module = optimizer.compile(
        student,
        trainset=demo_pool(task),
        valset=task.choosing,
        num_trials=trials,
        minibatch=len(task.choosing) > MINIBATCH_FROM,
        minibatch_size=MINIBATCH,
        # The code of a shipped program says nothing of its task, and half of the teacher's calls would describe it.
        program_aware_proposer=not isinstance(student, ClosedSetAnswers),
    )
    return tuned
