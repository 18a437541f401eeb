"""Passing on: what a store does that stands before another one and changes only some of its methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from argotune.store.port import Record, Store


class PassingOn:
    """Reads, scans and leases as the store behind it does. Who stands before it says what a write is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        """See Store."""
        return self._store.read(tenant_id, collection, id)

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        """See Store."""
        return self._store.read_many(tenant_id, collection, ids)

    def scan(self, tenant_id: str, collection: str) -> Iterator[Record]:
        """See Store."""
        return self._store.scan(tenant_id, collection)

    def hold(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        return self._store.hold(tenant_id, name, holder, ttl_s)

    def renew(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        return self._store.renew(tenant_id, name, holder, ttl_s)

    def holder(self, tenant_id: str, name: str) -> str | None:
        """See Store."""
        return self._store.holder(tenant_id, name)

    def let_go(self, tenant_id: str, name: str, holder: str) -> None:
        """See Store."""
        self._store.let_go(tenant_id, name, holder)
