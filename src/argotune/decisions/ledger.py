"""Ledger: a row for every run: what was known, what was decided and how likely that was, what it cost and brought.

Rows lie with their tenant and hold numbers and fixed words only: no text of a tenant, and its id as a digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from argotune.decisions.races import Race
from argotune.decisions.values import ModelingContext, Strategy, TrainingDecision
from argotune.store.collections import Collection
from argotune.store.port import Store
from argotune.store.records import StoredValue, find_all

Amount = Annotated[int, Field(ge=0)]


class LedgerRow(StoredValue):
    """One run. `gain` is what the tenant got (in score): the measured effect when promoted, else 0.

    `effect` is what the challenger measured, None where none was. LM calls are those paid for. What was decided is what
    was wanted; `trained_on` is what the challenger was really trained on, `race` what a portfolio tried.
    """

    tenant: str
    run: str
    at: datetime
    context: ModelingContext
    decision: TrainingDecision
    outcome: Literal["promoted", "rejected", "undecided", "skipped"]
    gain: Annotated[float, Field(allow_inf_nan=False)]
    effect: Annotated[float, Field(allow_inf_nan=False)] | None
    lm_calls: Amount
    lm_tokens: Amount
    trained_on: Strategy | None = None
    race: Race | None = None

    @property
    def was_chosen(self) -> bool:
        """Whether somebody or something had a choice: rows of other runs tell nothing about deciding."""
        return self.decision.by not in ("floor", "forced")


def ledger_of(store: Store, tenant_id: str) -> Iterator[LedgerRow]:
    """A tenant's rows, in no particular order."""
    return find_all(store, tenant_id, Collection.LEDGER, LedgerRow)
