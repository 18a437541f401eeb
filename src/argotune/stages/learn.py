"""learn: from the ledger of all tenants to who decides on training: the rules, or a meta-model that is worth more."""

from __future__ import annotations

import heapq
from datetime import datetime

from argotune.configs import Configs
from argotune.in_charge import Appointment, InCharge
from argotune.ledger import LedgerRow, ledger_of
from argotune.meta_models import MetaModel, NotLearned, fit, trainings_of
from argotune.ports import Store
from argotune.takeover import Duel, Undecided, duel

SEED = 20261121
MAX_ROWS = 5_000
"""The newest decisions: enough to learn from, and with 260 MB of memory they fit into the pod of a round."""


def learn(store: Store, now: datetime) -> Appointment:
    """Fit on the ledger, compare with the rules, and appoint whoever is worth more; the appointment.

    A model takes over only when it won on later decisions of tenants that it had not seen, and loses its place as soon
    as it does not. Deterministic in the ledger. Raises Conflict when somebody else appointed meanwhile.
    """
    rows = _newest_rows(store)
    found, model = _judged(rows)
    before, tag = InCharge(store).now()
    appointment = Appointment(
        number=before.number + 1 if before else 1,
        at=now,
        model=model.id if model else None,
        reason=_reason(found, model, before),
        rows=len(rows),
        duel=found if isinstance(found, Duel) else None,
    )
    InCharge(store).appoint(appointment, model, tag)
    return appointment


def _newest_rows(store: Store) -> list[LedgerRow]:
    """Of all tenants, those in which something was chosen."""
    every = (row for tenant_id in Configs(store).tenant_ids() for row in ledger_of(store, tenant_id))
    return heapq.nlargest(
        MAX_ROWS, (row for row in every if row.was_chosen), key=lambda row: (row.at, row.tenant, row.run)
    )


def _judged(rows: list[LedgerRow]) -> tuple[Duel | Undecided | NotLearned, MetaModel | None]:
    found = duel(rows, SEED)
    if isinstance(found, Undecided) or not found.is_won:
        return found, None
    model = fit(trainings_of(rows), SEED)
    return (model, None) if isinstance(model, NotLearned) else (found, model)


def _reason(found: Duel | Undecided | NotLearned, model: MetaModel | None, before: Appointment | None) -> str:
    if not isinstance(found, Duel):
        return f"the rules decide: {found.reason}"
    if model:
        return f"model {model.id} decides: {found.sentence}"
    dropped = f", model {before.model} is dropped" if before and before.model else ""
    return f"the rules decide{dropped}: {found.sentence}"
