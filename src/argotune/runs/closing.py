"""Closing: what a run that is over leaves for the next decision and for the ledger."""

from __future__ import annotations

from argotune.decisions.ledger import LedgerRow
from argotune.decisions.values import TrainingHistory
from argotune.runs.run import Run
from argotune.store.collections import Collection
from argotune.store.documents import to_record
from argotune.store.port import Record
from argotune.store.sealing import digest
from argotune.tenants.ids import pseudonym


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


def ledger_row(run: Run) -> LedgerRow | None:
    """The row of a run that is over; None for a run that ended before anything was decided."""
    if run.context is None or run.decision is None or not run.is_over:
        return None
    effect = run.verdict.numbers.effect if run.verdict and run.verdict.numbers.n else None
    outcome = run.outcome
    assert outcome != "unfinished"
    return LedgerRow(
        tenant=pseudonym(run.tenant_id),
        run=digest(run.id)[:16],
        at=run.started_at,
        context=run.context,
        decision=run.decision,
        outcome=outcome,
        gain=effect if outcome == "promoted" and effect is not None else 0.0,
        effect=effect,
        lm_calls=run.lm_calls,
        lm_tokens=run.lm_tokens,
        trained_on=run.trained_on,
    )


def ledger_records(run: Run) -> tuple[Record, ...]:
    """What is written in the same step as the end of a run."""
    row = ledger_row(run)
    return (to_record(Collection.LEDGER, row.run, row),) if row else ()
