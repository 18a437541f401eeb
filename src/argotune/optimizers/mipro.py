"""MIPRO: instructions written from data and code, and sets of demonstrations, combined by Bayesian search.

dspy.MIPROv2 (dspy/teleprompt/mipro_optimizer_v2.py); Opsahl-Ong et al., "Optimizing Instructions and
Demonstrations for Multi-Stage Language Model Programs", EMNLP 2024.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import dspy
from dspy.teleprompt import MIPROv2
from dspy.teleprompt.mipro_optimizer_v2 import AUTO_RUN_SETTINGS

from argotune.optimizers.task import TrainingTask, bare_student, demo_pool, metric_of
from argotune.programs.closed_set import ClosedSetAnswers
from argotune.tenants.optimizer_settings import MiproSettings, OptimizerSettings

TRIALS_PER_CANDIDATE = 1.5
"""As DSPy has it: with fewer trials, candidates would be written that are never tried."""

MINIBATCH_FROM = 50
"""Trials are measured on a part of the dev examples where there are more, as DSPy's `auto` has it."""


class _Mipro(MIPROv2):
    """MIPRO that ends well where every pair that was tried has been measured in full: DSPy's raises then."""

    def _perform_full_evaluation(
        self,
        trial_num: int,
        adjusted_num_trials: int,
        param_score_dict: dict[str, object],
        fully_evaled_param_combos: dict[str, object],
        *of_search: Any,
    ) -> Any:
        if param_score_dict.keys() <= fully_evaled_param_combos.keys():
            _, _, _, total_eval_calls, _, best_score, best_program, *_ = of_search
            return best_score, best_program, total_eval_calls
        so_far = trial_num, adjusted_num_trials, param_score_dict, fully_evaled_param_combos
        return super()._perform_full_evaluation(*so_far, *of_search)


def iterations(asked: int, settings: OptimizerSettings) -> int:
    """The trials: pairs of instructions and demonstrations that are measured. DSPy's own number is of one predictor."""
    own = settings.mipro
    if own.auto is None:
        return own.num_trials or asked
    n = AUTO_RUN_SETTINGS[own.auto]["n"]
    kinds = 2 if own.max_bootstrapped_demos + own.max_labeled_demos else 1
    return int(max(2 * kinds * math.log2(n), TRIALS_PER_CANDIDATE * n))


def compile(task: TrainingTask) -> dspy.Module:
    """`max_iterations` trials; candidates are fewer where trials are few."""
    settings = task.settings.mipro
    trials = None if settings.auto else iterations(task.max_iterations, task.settings)
    optimizer = _Mipro(
        metric=metric_of(task),
        metric_threshold=task.program.good_from,
        prompt_model=task.lms.teacher,
        task_model=task.lms.task,
        auto=settings.auto,
        num_candidates=trials and max(2, min(settings.num_candidates, int(trials / TRIALS_PER_CANDIDATE))),
        init_temperature=settings.init_temperature,
        max_bootstrapped_demos=settings.max_bootstrapped_demos,
        max_labeled_demos=settings.max_labeled_demos,
        num_threads=task.lms.num_threads,
        seed=task.seed,
        track_stats=False,
    )
    student = bare_student(task)
    tuned: dspy.Module = optimizer.compile(
        student,
        trainset=demo_pool(task) or list(task.scored),
        valset=task.choosing,
        num_trials=trials,
        minibatch=len(task.choosing) > MINIBATCH_FROM if settings.minibatch is None else settings.minibatch,
        minibatch_size=min(settings.minibatch_size, len(task.choosing), _measured_on(settings)),
        minibatch_full_eval_steps=settings.minibatch_full_eval_steps,
        # The code of a shipped program says nothing of its task, and half of the teacher's calls would describe it.
        program_aware_proposer=not isinstance(student, ClosedSetAnswers),
    )
    return tuned


def _measured_on(settings: MiproSettings) -> int:
    """How many dev examples DSPy takes at most."""
    return sys.maxsize if settings.auto is None else int(AUTO_RUN_SETTINGS[settings.auto]["val_size"])
