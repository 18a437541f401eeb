"""Ledger: a row for every run: what was known, what was decided and how likely that was, what it cost and brought.

Rows lie with their tenant and hold numbers and fixed words only: no text of a tenant, and its id as a digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from argotune.decisions import ModelingContext, Strategy, TrainingDecision
from argotune.documents import Document, find_all, to_record
from argotune.ports import Record, Store
from argotune.records import Collection, digest
from argotune.runs import Run

Amount = Annotated[int, Field(ge=0)]


class LedgerRow(Document):
    """One run. `gain` is what the tenant got (in score): the measured effect when promoted, else 0.

    `effect` is what the challenger measured, None where none was. LM calls are those paid for. What was decided is what
    was wanted; `trained_on` is what the challenger was really trained on.
    """

    tenant: str
    run: str
    at: datetime
    context: ModelingContext
    decision: TrainingDecision
    outcome: Literal["promoted", "rejected", "skipped"]
    gain: Annotated[float, Field(allow_inf_nan=False)]
    effect: Annotated[float, Field(allow_inf_nan=False)] | None
    lm_calls: Amount
    lm_tokens: Amount
    trained_on: Strategy | None = None

    @property
    def was_chosen(self) -> bool:
        """Whether somebody or something had a choice: rows of other runs tell nothing about deciding."""
        return self.decision.by not in ("floor", "forced")


def ledger_row(run: Run) -> LedgerRow | None:
    """The row of a run that is over; None for a run that ended before anything was decided."""
    if run.context is None or run.decision is None or not run.is_over:
        return None
    effect = run.verdict.numbers.effect if run.verdict and run.verdict.numbers.n else None
    outcome = run.outcome
    assert outcome != "unfinished"
    return LedgerRow(
        tenant=digest(run.tenant_id)[:16],
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


def ledger_of(store: Store, tenant_id: str) -> Iterator[LedgerRow]:
    """A tenant's rows, in no particular order."""
    return find_all(store, tenant_id, Collection.LEDGER, LedgerRow)
