"""learn: from the ledger of all tenants to who decides on training: the rules, or a meta-model that is worth more."""

from __future__ import annotations

import heapq
import math
from datetime import datetime

from argotune.decisions.active_model import Activation, ActiveModel
from argotune.decisions.backtest import MIN_GROWTH, Backtest, NothingToCompare, backtest, level_of_look
from argotune.decisions.gain_model import MetaModel, NotLearned, fit, trainings_of
from argotune.decisions.ledger import LedgerRow, ledger_of
from argotune.decisions.races import past_races
from argotune.runs.tallies import tallies
from argotune.stats.wording import counted
from argotune.store.port import Store
from argotune.tenants.catalog import Configs

SEED = 20261121
MAX_ROWS = 5_000
"""The newest decisions: enough to learn from, and with 260 MB of memory they fit into the pod of a round."""


def learn(store: Store, now: datetime) -> Activation:
    """Fit on the ledger, compare with the rules, and activate whoever is worth more; the activation.

    A model takes over only when it won on later decisions of tenants that it had not seen, and loses its place as soon
    as it does not. Each look that may bring a takeover spends a share of what a year's looks may err, and waits until
    the ledger has grown. Deterministic in the ledger. Raises Conflict when somebody else activated meanwhile.
    """
    rows = _newest_rows(store)
    before, tag = ActiveModel(store).now()
    found, model, looks, looked_at = _judged(rows, before, now)
    activation = Activation(
        number=ActiveModel(store).next_number(before),
        at=now,
        model=model.id if model else None,
        reason=_reason(found, model, before),
        rows=len(rows),
        backtest=found if isinstance(found, Backtest) else None,
        looks=looks,
        looked_at=looked_at,
        races=past_races((row.context.modality, row.race) for row in rows if row.race),
    )
    ActiveModel(store).activate(activation, model, tag)
    return activation


def _newest_rows(store: Store) -> list[LedgerRow]:
    """Of all tenants, those in which something was chosen. A row is no later than the last end of its tenant's runs, so
    where MAX_ROWS are later than that of a tenant, it and those that ended before it need not be read.

    Tenants without a tally are read while there are fewer rows.
    """
    listed = set(Configs(store).tenant_ids())
    ends = {tally.tenant_id: tally.last_ended_at for tally in tallies(store) if tally.last_ended_at}
    recent = sorted(listed & ends.keys(), key=lambda tenant_id: (ends[tenant_id], tenant_id), reverse=True)
    newest: list[tuple[tuple[datetime, str, str], LedgerRow]] = []
    for tenant_id in (*recent, *sorted(listed - ends.keys())):
        if len(newest) == MAX_ROWS and (tenant_id not in ends or ends[tenant_id] < newest[0][1].at):
            break
        for row in ledger_of(store, tenant_id):
            if row.was_chosen:
                _push(newest, row)
    return [row for _, row in sorted(newest, key=lambda pair: pair[0], reverse=True)]


def _push(newest: list[tuple[tuple[datetime, str, str], LedgerRow]], row: LedgerRow) -> None:
    """Keep the MAX_ROWS newest in a heap. No two rows have one key."""
    entry = (row.at, row.tenant, row.run), row
    if len(newest) < MAX_ROWS:
        heapq.heappush(newest, entry)
    elif entry[0] > newest[0][0]:
        heapq.heapreplace(newest, entry)


Found = Backtest | NothingToCompare | NotLearned


def _judged(
    rows: list[LedgerRow], before: Activation | None, now: datetime
) -> tuple[Found, MetaModel | None, int, datetime | None]:
    """What was found, who won by it, the looks of this year, and when the last one was."""
    looked_at = before.looked_at if before else None
    looks = before.looks if before and looked_at and looked_at.year == now.year else 0
    if before and before.model:
        return *_won(backtest(rows, SEED), rows), looks, looked_at
    wait = _wait(rows, looked_at)
    if wait:
        return wait, None, looks, looked_at
    found = backtest(rows, SEED, level_of_look(looks + 1))
    if isinstance(found, NothingToCompare):
        return found, None, looks, looked_at
    return *_won(found, rows), looks + 1, now


def _wait(rows: list[LedgerRow], looked_at: datetime | None) -> NothingToCompare | None:
    """Why this is no time to look whether a model is worth more, if it is none."""
    new = sum(looked_at is None or row.at > looked_at for row in rows)
    missing = math.ceil(MIN_GROWTH * (len(rows) - new)) - new
    return (
        NothingToCompare(
            f"{counted(missing, 'more decision is', 'more decisions are')} needed before the next comparison"
        )
        if missing > 0
        else None
    )


def _won(found: Backtest | NothingToCompare, rows: list[LedgerRow]) -> tuple[Found, MetaModel | None]:
    if isinstance(found, NothingToCompare) or not found.is_won:
        return found, None
    model = fit(trainings_of(rows), SEED)
    return (model, None) if isinstance(model, NotLearned) else (found, model)


def _reason(found: Found, model: MetaModel | None, before: Activation | None) -> str:
    dropped = f", model {before.model} is dropped" if before and before.model else ""
    if not isinstance(found, Backtest):
        return f"the rules decide{dropped}: {found.reason}"
    if model:
        return f"model {model.id} decides: {found.sentence}"
    return f"the rules decide{dropped}: {found.sentence}"
