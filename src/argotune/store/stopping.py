"""Stopping: a store that answers nobody any more once the process is to end, so that work stops where it is.

To the work that is an outage: what it has written stays, and whoever takes it up goes on from there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from argotune.errors import Unavailable
from argotune.store.passing_on import PassingOn
from argotune.store.port import Record, Store


class UntilStopped(PassingOn):
    """A store until `stop` is set; leases are given back after that too. `on_call` hears of every call but those that
    only keep a lease: whoever waits for a store that answers, or hangs elsewhere, makes none."""

    def __init__(self, store: Store, stop: threading.Event, on_call: Callable[[], None] = lambda: None) -> None:
        super().__init__(store)
        self._stop, self._on_call = stop, on_call

    def _check(self) -> None:
        self._on_call()
        if self._stop.is_set():
            raise Unavailable("this process is to end: the work is given up here, and goes on where it is taken up")

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        """See Store."""
        self._check()
        return super().read(tenant_id, collection, id)

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        """See Store."""
        self._check()
        return super().read_many(tenant_id, collection, ids)

    def scan(self, tenant_id: str, collection: str) -> Iterator[Record]:
        """See Store."""
        self._check()
        return super().scan(tenant_id, collection)

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        """See Store."""
        self._check()
        self._store.write(tenant_id, records, expect)

    def remove(
        self,
        tenant_id: str,
        collection: str,
        ids: Iterable[str] | None = None,
        expect: Mapping[tuple[str, str], str | None] | None = None,
    ) -> int:
        """See Store."""
        self._check()
        return self._store.remove(tenant_id, collection, ids, expect)

    def hold(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        self._check()
        return super().hold(tenant_id, name, holder, ttl_s)
