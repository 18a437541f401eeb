"""GEPA: the teacher reflects on failures and rewrites instructions; a Pareto front of candidates is kept.

dspy.GEPA (dspy/teleprompt/gepa/gepa.py); Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform
Reinforcement Learning", 2025 (Genetic-Pareto).
"""

from __future__ import annotations

from typing import Any

import dspy
from dspy.teleprompt.gepa import GEPA
from dspy.teleprompt.gepa.gepa_utils import ScoreWithFeedback
from gepa.utils.stop_condition import MaxCandidateProposalsStopper

from argotune.data.field_types import as_text
from argotune.optimizers.task import TrainingTask, appraisal_of, bare_student
from argotune.tenants.optimizer_settings import OptimizerSettings


def iterations(asked: int, settings: OptimizerSettings) -> int:  # noqa: ARG001 (as all are asked)
    """The proposals: rewritten instructions that are tried."""
    return asked


def compile(task: TrainingTask) -> dspy.Module:
    """At most `max_iterations` proposals, each tried on a few examples and, when better, on dev."""
    settings, proposals, dev = task.settings.gepa, task.max_iterations, len(task.choosing)
    minibatch = settings.reflection_minibatch_size
    all_calls = dev + proposals * (2 * minibatch + dev)
    optimizer = GEPA(
        metric=_with_feedback(task),
        auto=settings.auto,
        max_metric_calls=None if settings.auto else settings.max_metric_calls or all_calls,
        reflection_minibatch_size=minibatch,
        reflection_lm=task.lms.teacher,
        num_threads=task.lms.num_threads,
        warn_on_score_mismatch=False,
        seed=task.seed,
        # A proposal that fails on its minibatch costs two minibatches: without this there would be hundreds of them.
        gepa_kwargs={"stop_callbacks": MaxCandidateProposalsStopper(proposals)},
    )
    return optimizer.compile(bare_student(task), trainset=task.practising, valset=task.choosing)


def _with_feedback(task: TrainingTask) -> Any:
    """The metric as GEPA calls it: a number for a program, a number and a text for one predictor of it."""
    appraisal = appraisal_of(task)

    def judge(
        gold: dspy.Example, pred: dspy.Prediction, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> float | ScoreWithFeedback:
        found = appraisal(gold, pred, trace, pred_trace)
        if pred_name is None:
            return found.score
        return ScoreWithFeedback(score=found.score, feedback=found.feedback or _feedback(task, gold, pred))

    return judge


def _feedback(task: TrainingTask, gold: dspy.Example, pred: object) -> str:
    said = pred if isinstance(pred, dspy.Prediction) else dict.fromkeys(task.program.fields.answers, pred)
    right = [(name, _shown(gold.get(name)), _shown(said.get(name))) for name in task.program.fields.answers]
    lines = [
        f"{name} is right: {given}." if given == wanted else f"{name} must be {wanted}, not {given}."
        for name, wanted, given in right
    ]
    return " ".join(lines)


def _shown(value: object) -> str:
    return repr(value) if value is None or isinstance(value, str) else as_text(value)
