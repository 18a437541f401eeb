"""Context: from a program's examples and history to what a decision is made on."""

from __future__ import annotations

from datetime import datetime

from argotune.data.dataset import Dataset
from argotune.data.questions import Merged
from argotune.data.splitting import Split
from argotune.decisions.rules import prospect
from argotune.decisions.values import ModelingContext, TrainingHistory
from argotune.store.moments import believed
from argotune.tenants.config import MODULES, RoutingConfigUnified


def context_of(
    config: RoutingConfigUnified,
    data: Dataset,
    history: TrainingHistory,
    level: float,
    now: datetime,
    drop: float | None = None,
) -> ModelingContext:
    """The context of a program at `now`. `level` is what its next contest may spend, `drop` by how much the live
    quality of its champion fell."""
    sums = data.sums
    n_train, test_count = data.count(Split.TRAIN), data.count(Split.TEST)
    score, recent = history.champion_score, data.recent_accuracy
    last_at = believed(history.last_at, now)
    ahead = prospect(history, config.decisions, level, config.decisions.detectable_gain)
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
        success_drop=drop,
        trainings=history.trainings,
        promotions=history.promotions,
        last_gain=history.last_gain,
        labels_to_verdict=ahead.labels if ahead else None,
        answers_to_verdict=ahead.answers if ahead else None,
        lm_call_budget=config.budget.max_lm_calls,
        iteration_budget=config.max_training_iterations,
    )


def _modality(program: str) -> str:
    """The modality of a shipped program, or its module; tenants' own programs all have one name here."""
    module, _, modality = program.partition(".")
    return (modality or module) if module in MODULES else "own"


def _consistency(data: Dataset, n_examples: int) -> float | None:
    conflicts = data.counts.get(Merged.CONFLICT, 0)
    return n_examples / (n_examples + conflicts) if n_examples else None
