"""Decisions: why a run was decided so, what the ledger holds, and who decides from now on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from argotune.decisions.active_model import Activation, ActiveModel
from argotune.decisions.ledger import LedgerRow, ledger_of
from argotune.decisions.values import ModelingContext, TrainingDecision
from argotune.pipeline.operations.asked import tenant_ids_of
from argotune.runs.book import RunBook
from argotune.runs.run import Run
from argotune.store.port import Store
from argotune.tenants.catalog import Configs


@dataclass(frozen=True)
class DecidedRun:
    """A run, what was decided on it, what was known then, and the story of it in lines of text."""

    run: Run
    decision: TrainingDecision
    context: ModelingContext
    story: tuple[str, ...]


def explain_run(store: Store, tenant_id: str, run_id: str) -> DecidedRun:
    """Which rule or which features decided on a run. Raises NotFound, for a run that ended before that too."""
    from argotune.runs.explain import decided, explain_decision  # brings DSPy

    Configs(store).get(tenant_id)
    run = RunBook(store, tenant_id).run(run_id)
    return DecidedRun(run, *decided(run), tuple(explain_decision(run)))


def ledger(store: Store, tenant_id: str | None = None) -> list[LedgerRow]:
    """What was known, decided, spent and gained, of one tenant or of all, oldest first. Raises NotFound."""
    rows = [row for id in tenant_ids_of(store, tenant_id) for row in ledger_of(store, id)]
    return sorted(rows, key=lambda row: row.at)


def learn_now(store: Store, now: datetime) -> Activation:
    """Fit the meta-models on all tenants' ledgers; who decides from now on. Raises Conflict while another does."""
    from argotune.pipeline.stages.learn import learn  # brings XGBoost

    return learn(store, now)


def activations(store: Store) -> list[Activation]:
    """Who decided since when, and why."""
    return ActiveModel(store).history()
