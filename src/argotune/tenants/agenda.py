"""Agenda: what the last look at a tenant said of when it can be due, forgotten when its config changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from argotune.errors import Conflict
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Store
from argotune.store.records import StoredValue, find_all, find_renewable, to_record
from argotune.store.turns import in_turn
from argotune.tenants.ids import record_id

NEVER = datetime.min.replace(tzinfo=UTC)
"""When a look was whose agenda was forgotten."""


class Agenda(StoredValue):
    """What a look at all modules of a tenant found.

    `due_at`: when a module will be due that has traces enough (None: none has). `open_at`: from when on new traces can
    make one due (None: no module waits for traces). `forgotten` counts how often the tenant's agenda was forgotten, so
    that a look that began before finds another tag.
    """

    tenant_id: str
    looked_at: datetime
    due_at: datetime | None
    open_at: datetime | None
    forgotten: int = 0


@dataclass(frozen=True)
class SeenAgenda:
    """What was there of a tenant's agenda before a look. `tag` must be there when what the look found is kept."""

    tenant_id: str
    forgotten: int
    tag: str | None


def seen_agenda(store: Store, tenant_id: str) -> SeenAgenda:
    """Read this before the config and before anything that the look is about."""
    known, tag = find_renewable(store, EVERYONE, Collection.AGENDA, record_id(tenant_id), Agenda)
    return SeenAgenda(tenant_id, known.forgotten if known else 0, tag)


def keep_agenda(store: Store, agenda: Agenda, seen: SeenAgenda) -> None:
    """Store what a look found, save where the agenda was forgotten or another look kept one since `seen` was read."""
    with suppress(Conflict):
        _write(store, agenda, seen)


def forget_agenda(store: Store, tenant_id: str) -> None:
    """The next round looks at the tenant, whatever was found before, or is being found: its config has changed.
    Raises Conflict when looks are kept all the time."""

    def forget() -> None:
        unknown = Agenda(tenant_id=tenant_id, looked_at=NEVER, due_at=None, open_at=None)
        seen = seen_agenda(store, tenant_id)
        _write(store, unknown, replace(seen, forgotten=seen.forgotten + 1))

    in_turn(f"agenda: that of tenant {tenant_id!r}", forget)


def _write(store: Store, agenda: Agenda, seen: SeenAgenda) -> None:
    kept = agenda.model_copy(update={"forgotten": seen.forgotten})
    record = to_record(Collection.AGENDA, record_id(seen.tenant_id), kept)
    store.write(EVERYONE, [record], {(record.collection, record.id): seen.tag})


def drop_agenda(store: Store, tenant_id: str) -> None:
    """Leave nothing of the agenda of a tenant that is removed."""
    store.remove(EVERYONE, Collection.AGENDA, [record_id(tenant_id)])


def agendas(store: Store) -> dict[str, Agenda]:
    """All agendas, by tenant id. One that cannot be read or was forgotten is none, so its tenant is looked at."""
    found = find_all(store, EVERYONE, Collection.AGENDA, Agenda)
    return {agenda.tenant_id: agenda for agenda in found if agenda.looked_at != NEVER}
