"""Contexts: from a program's examples and history to what a decision is made on."""

from __future__ import annotations

from datetime import datetime

from argotune.dataset import Dataset
from argotune.decisions import ModelingContext, Shortfall, TrainingHistory, shortfall
from argotune.examples import Merged
from argotune.moments import believed
from argotune.power import gain_detected, level_of_attempt
from argotune.runs import Run
from argotune.splitting import Split
from argotune.tenants import MODULES, RoutingConfigUnified


def context_of(config: RoutingConfigUnified, data: Dataset, history: TrainingHistory, now: datetime) -> ModelingContext:
    """The context of a program at `now`."""
    sums = data.sums
    n_train, test_count = sums.count(Split.TRAIN), sums.count(Split.TEST)
    score, recent = history.champion_score, data.recent_accuracy
    last_at = believed(history.last_at, now)
    return ModelingContext(
        modality=_modality(data.program),
        real_sample_count=n_train,
        success_rate=data.accuracy if recent is None else recent,
        days_since_last_training=None if last_at is None else max((now - last_at).total_seconds(), 0) / 86400,
        current_performance_score=score,
        data_quality_score=sums.trusted_share(),
        dataset_size=sums.count(),
        test_count=test_count,
        label_count=len(sums.labels),
        label_consistency=_consistency(data, sums.count()),
        words_per_query=sums.words_per_query,
        growth=(n_train - history.last_train_count) / history.last_train_count if history.last_train_count else None,
        success_drop=None if score is None or recent is None else score - recent,
        trainings=history.trainings,
        promotions=history.promotions,
        last_gain=history.last_gain,
        detectable_gain=_detectable_gain(config, history, test_count),
        lm_call_budget=config.budget.max_lm_calls,
        iteration_budget=config.max_training_iterations,
    )


def shortfall_of(
    config: RoutingConfigUnified, data: Dataset, context: ModelingContext, history: TrainingHistory
) -> Shortfall | None:
    """What the program's data lack to show the promised gain; None when nothing is, or nobody knows."""
    return shortfall(context, history, config.decisions, config.gate, data.counts.get("experiences", 0))


def history_after(history: TrainingHistory, run: Run) -> TrainingHistory:
    """The history with a run that has ended. One that measured nothing leaves it as it was, but for its attempt."""
    comparison, verdict = run.comparison, run.verdict
    if run.plan is None or comparison is None or verdict is None:
        return history
    numbers, promoted = verdict.numbers, verdict.outcome == "promoted"
    attempts = max(history.attempts, comparison.attempt)
    if not numbers.n:
        return history.model_copy(update={"attempts": attempts})
    return TrainingHistory(
        trainings=history.trainings + 1,
        promotions=history.promotions + promoted,
        attempts=attempts,
        compared=history.compared + numbers.n,
        disagreed=history.disagreed + numbers.wins + numbers.losses,
        last_at=run.started_at,
        last_train_count=len(run.plan.train_ids),
        last_gain=numbers.effect,
        was_unproven=not promoted and numbers.p_value > numbers.level,
        champion_score=numbers.challenger_mean if promoted else numbers.champion_mean,
    )


def _modality(program: str) -> str:
    """The modality of a shipped program, or its module; tenants' own programs all have one name here."""
    module, _, modality = program.partition(".")
    return (modality or module) if module in MODULES else "own"


def _consistency(data: Dataset, n_examples: int) -> float | None:
    conflicts = data.counts.get(Merged.CONFLICT, 0)
    return n_examples / (n_examples + conflicts) if n_examples else None


def _detectable_gain(config: RoutingConfigUnified, history: TrainingHistory, test_count: int) -> float | None:
    if history.disagreement is None:
        return None
    level = level_of_attempt(config.gate.significance, history.attempts + 1)
    return gain_detected(test_count, history.disagreement, level, config.decisions.detection_power)
