"""Attended: when the visits of the continuous service last did what for a tenant, for whoever does it next.

Several replicas share it, and one that is started again goes on by it.
"""

from __future__ import annotations

from datetime import datetime

from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Store
from argotune.store.records import StoredValue, find_all, find_renewable, to_record
from argotune.store.turns import in_turn
from argotune.tenants.ids import record_id


class Attended(StoredValue):
    """When each chore (scheduling/chores.py) of a tenant was last done, by its name."""

    tenant_id: str
    done_at: dict[str, datetime]


def keep_attended(store: Store, done: Attended) -> None:
    """Store when something was done, beside what is known of the other chores. Raises Conflict."""
    id = record_id(done.tenant_id)

    def keep() -> None:
        known, tag = find_renewable(store, EVERYONE, Collection.ATTENDED, id, Attended)
        both = {**(known.done_at if known else {}), **done.done_at}
        record = to_record(Collection.ATTENDED, id, done.model_copy(update={"done_at": both}))
        store.write(EVERYONE, [record], {(record.collection, record.id): tag})

    in_turn(f"attended: that of tenant {done.tenant_id!r}", keep)


def all_attended(store: Store) -> dict[str, Attended]:
    """Of all tenants, by id. One that cannot be read is none."""
    return {each.tenant_id: each for each in find_all(store, EVERYONE, Collection.ATTENDED, Attended)}


def drop_attended(store: Store, tenant_id: str) -> None:
    """Leave nothing of a tenant that is removed."""
    store.remove(EVERYONE, Collection.ATTENDED, [record_id(tenant_id)])
