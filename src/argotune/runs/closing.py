"""Closing: what a run that is over leaves for the next decision and for the ledger."""

from __future__ import annotations

from argotune.decisions.ledger import LedgerRow
from argotune.decisions.values import TrainingHistory
from argotune.promotion.offers import OFFERED
from argotune.promotion.pool import POOLED
from argotune.promotion.verdicts import Objection, Rejected
from argotune.runs.run import Run
from argotune.store.collections import Collection
from argotune.store.port import Record
from argotune.store.records import to_record
from argotune.store.sealing import digest
from argotune.tenants.ids import pseudonym


def history_after(history: TrainingHistory, run: Run) -> TrainingHistory:
    """The history with a run that has ended: what it trained, and what the contest came to that it ended."""
    if run.plan and run.contest and run.plan.optimizer not in (POOLED, OFFERED):  # which the tenant did not train
        trained = {
            "last_at": run.started_at,
            "last_train_count": run.plan.count_known("train"),
            "last_outcome_count": run.plan.outcomes,
        }
        history = history.model_copy(update={"trainings": history.trainings + 1, **trained})
    verdict = run.verdict
    if verdict and run.is_to_repeat:
        history = history.model_copy(update={"last_at": None, "last_train_count": 0, "last_outcome_count": 0})
    if verdict is None or verdict.outcome == "undecided" or not verdict.numbers.answers:
        return history
    numbers, promoted = verdict.numbers, verdict.outcome == "promoted"
    # How often the next two differ nobody knows: of a new champion, or of a challenger that learned from much more. An
    # overtaken one ended for its sake, so what that one could have shown must not stand in its way.
    is_new = promoted or (isinstance(verdict, Rejected) and verdict.rule is Objection.OVERTAKEN)
    changes = {
        "promotions": history.promotions + promoted,
        "compared": 0 if is_new else history.compared + numbers.answers,
        "disagreed": 0 if is_new else history.disagreed + numbers.differ,
        "last_gain": numbers.effect,
        "was_unproven": not promoted and numbers.p_value > numbers.level,
        "champion_score": numbers.challenger_mean if promoted else numbers.champion_mean,
    }
    return history.model_copy(update=changes)


def ledger_row(run: Run) -> LedgerRow | None:
    """The row of a run that is over; None for a run that ended before anything was decided."""
    if run.context is None or run.decision is None or not run.is_over:
        return None
    effect = run.verdict.numbers.effect if run.verdict and run.verdict.numbers.answers else None
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
        race=run.race,
    )


def ledger_record_of_trainer(trainer: Run, run: Run) -> tuple[Record, ...]:
    """The row of the run that trained a challenger, with what a later run of its contest came to."""
    row, numbers = ledger_row(trainer), run.verdict.numbers if run.verdict else None
    if row is None or numbers is None or run.outcome_of_verdict == "unfinished":
        return ()
    changes = {
        "outcome": run.outcome_of_verdict,
        "effect": numbers.effect,
        "gain": numbers.effect if run.outcome_of_verdict == "promoted" else 0.0,
    }
    return (to_record(Collection.LEDGER, row.run, LedgerRow.model_validate({**row.model_dump(), **changes})),)


def ledger_records(run: Run) -> tuple[Record, ...]:
    """What is written in the same step as the end of a run."""
    row = ledger_row(run)
    return (to_record(Collection.LEDGER, row.run, row),) if row else ()
