"""Contexts: from a program's examples and history to what a decision is made on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from argotune.annotations import LabelSource
from argotune.dataset import Dataset
from argotune.decisions import ModelingContext, Shortfall, TrainingHistory, shortfall
from argotune.examples import Example, Merged
from argotune.experiences import query_of
from argotune.moments import believed
from argotune.power import gain_detected, level_of_attempt
from argotune.runs import Run
from argotune.splitting import Split
from argotune.tenants import MODULES, RoutingConfigUnified


def context_of(config: RoutingConfigUnified, data: Dataset, history: TrainingHistory, now: datetime) -> ModelingContext:
    """The context of a program at `now`."""
    real = [example for example in data.examples if example.source is not LabelSource.SYNTHETIC]
    train = [example for example in real if example.split is Split.TRAIN]
    test_count = sum(example.split is Split.TEST for example in real)
    score, recent = history.champion_score, data.recent_accuracy
    last_at = believed(history.last_at, now)
    return ModelingContext(
        modality=_modality(data.program),
        real_sample_count=len(train),
        success_rate=data.accuracy if recent is None else recent,
        days_since_last_training=None if last_at is None else max((now - last_at).total_seconds(), 0) / 86400,
        current_performance_score=score,
        data_quality_score=_share(example.source.is_trusted for example in real),
        dataset_size=len(real),
        test_count=test_count,
        label_count=len({tuple(sorted(example.expected.items())) for example in train}),
        label_consistency=_consistency(data, len(real)),
        words_per_query=_words(train),
        growth=(len(train) - history.last_train_count) / history.last_train_count if history.last_train_count else None,
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


def _share(hits: Iterable[bool]) -> float | None:
    found = list(hits)
    return sum(found) / len(found) if found else None


def _consistency(data: Dataset, n_examples: int) -> float | None:
    conflicts = data.counts.get(Merged.CONFLICT, 0)
    return n_examples / (n_examples + conflicts) if n_examples else None


def _words(examples: Sequence[Example]) -> float | None:
    words = [len(query_of(example.inputs).split()) for example in examples]
    return sum(words) / len(words) if words else None


def _detectable_gain(config: RoutingConfigUnified, history: TrainingHistory, test_count: int) -> float | None:
    if history.disagreement is None:
        return None
    level = level_of_attempt(config.gate.significance, history.attempts + 1)
    return gain_detected(test_count, history.disagreement, level, config.decisions.detection_power)
