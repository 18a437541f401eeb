"""Pool: programs that were trained on the examples of tenants that share, one for each signature, for all of them.

Kept for the whole installation. What is kept of a tenant is numbers that were computed of its examples with others':
never an example, a name or a text (pipeline/operations/pooling.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from argotune.promotion.versions import Lineage, Version
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Store
from argotune.store.records import StoredValue, find, find_all, to_record
from argotune.store.sealing import digest

POOLED = "pooled"
"""As the optimizer of a plan and of a version: it was not trained in a run of the tenant."""


class PooledVersion(StoredValue):
    """A version and what it was trained on: so many examples of so many tenants."""

    version: Version
    tenants: int
    examples: int

    @property
    def id(self) -> str:
        return pooled_id(self.version.program, self.version.signature_hash)

    @property
    def sentence(self) -> str:
        """Where it comes from, for people of any tenant that shares."""
        return f"trained on {self.examples} examples of {self.tenants} tenants that share"

    def for_tenant(self, now: datetime, parent: str, run_id: str) -> Version:
        """The version as a tenant keeps it: it begins with the program that it is to beat there."""
        made = {"parent": parent, "run_id": run_id, "created_at": now, "optimizer": POOLED, "reason": self.sentence}
        lineage = Lineage(**{**self.version.lineage.model_dump(), **made})
        return self.version.model_copy(update={"lineage": lineage})


def pooled_id(program: str, signature_hash: str) -> str:
    """The id under which the one of a program and signature lies."""
    return f"{program}-{digest([program, signature_hash])[:16]}"


class Pool:
    """The pooled versions of an installation."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, program: str, signature_hash: str) -> PooledVersion | None:
        """The one that a program with this signature can begin with. Raises Corrupt."""
        found, _ = find(self._store, EVERYONE, Collection.POOLED, pooled_id(program, signature_hash), PooledVersion)
        return found

    def all(self) -> list[PooledVersion]:
        """All that can be read, by program."""
        return sorted(find_all(self._store, EVERYONE, Collection.POOLED, PooledVersion), key=lambda found: found.id)

    def replace(self, found: Iterable[PooledVersion]) -> int:
        """Keep these and no other: what was trained with the examples of a tenant that shares no more is gone with it.
        How many went."""
        records = [to_record(Collection.POOLED, each.id, each) for each in found]
        kept = {record.id for record in records}
        self._store.write(EVERYONE, records)
        gone = [record.id for record in self._store.scan(EVERYONE, Collection.POOLED) if record.id not in kept]
        return self._store.remove(EVERYONE, Collection.POOLED, gone)
