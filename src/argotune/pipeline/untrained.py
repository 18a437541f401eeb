"""Untrained: challengers that are tried as they come, before anything is trained: when, and by which plan."""

from __future__ import annotations

from argotune.data.dataset import Dataset
from argotune.data.splitting import Split
from argotune.pipeline.stages.decide import DecisionInputs
from argotune.runs.run import Plan


def may_try(data: Dataset, question: DecisionInputs) -> bool:
    """Not where no label could judge it, nor where a person has the tenant's own trained."""
    return not question.is_forced and 0 < question.level < 1 and bool(data.sums.trusted_share())


def plan_to_try(optimizer: str, reason: str, data: Dataset, seed: int, seen: tuple[str, ...] = ()) -> Plan:
    """Of a challenger that was made elsewhere, by `optimizer`; examples with the ids `seen` never judge it."""
    return Plan(
        optimizer=optimizer,
        reason=reason,
        seed=seed,
        max_iterations=1,
        train_ids=(),
        dev_ids=seen,
        test_ids=data.ids(Split.TEST),
        data_hash=data.data_hash,
    )
