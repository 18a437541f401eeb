"""The Store port: records of tenants, written in one step and only where what was read is still there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

ANY = "*"
"""In `expect`: whatever is there now may be overwritten."""


@dataclass(frozen=True)
class Record:
    """One stored record: `text` is JSON, sealed by `sealing.seal`."""

    collection: str
    id: str
    text: str


class Store(Protocol):
    """Records of tenants: (tenant, collection, id) -> JSON text.

    A tag is the content hash of a record. Adapters raise Unavailable when the product is down and
    Conflict when an expectation fails; they know nothing of what the records mean.
    """

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        """The record, or None."""

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        """Those of the named records that are there, by id. For hundreds at a time: all are in memory."""

    def scan(self, tenant_id: str, collection: str) -> Iterator[Record]:
        """All records of a collection, in no particular order, in constant memory."""

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        """Store all records in one step or none.

        `expect` maps (collection, id) to the tag that must be there now (None: nothing is there).
        Raises Conflict, and stores nothing, when one of them is not met.
        """

    def remove(
        self,
        tenant_id: str,
        collection: str,
        ids: Iterable[str] | None = None,
        expect: Mapping[tuple[str, str], str | None] | None = None,
    ) -> int:
        """Forget the named records, or the whole collection; the number that was there.

        Raises Conflict when something that is expected, as by `write`, is not met. Of many records some may be gone
        then: they go in steps, and each expects it.
        """

    def hold(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """Take the lease `name` for `ttl_s` seconds; False when somebody else holds it."""

    def renew(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """Let a lease last `ttl_s` seconds from now on; False when it has lapsed or is not `holder`'s.

        A lapsed lease is not taken again: somebody else may have held it meanwhile.
        """

    def holder(self, tenant_id: str, name: str) -> str | None:
        """Who holds the lease now, None for nobody."""

    def let_go(self, tenant_id: str, name: str, holder: str) -> None:
        """Give a lease back; nothing happens when it is not held by `holder`."""
