"""Leases: one run at a time for a tenant and module, renewed in the background, given back at the end.

A process can be stopped for longer than its lease lasts (SIGSTOP, a frozen node) and go on without knowing. So every
holder also writes a claim down, and what it writes for the tenant expects this claim: whoever was overtaken writes
nothing more (a fencing token: Kleppmann, "How to do distributed locking", 2016).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from argotune.errors import ArgotuneError, Conflict, Overtaken, Unavailable
from argotune.store.collections import Collection
from argotune.store.passing_on import PassingOn
from argotune.store.port import Record, Store
from argotune.store.records import StoredValue, tag_there, to_record
from argotune.store.sealing import tag_of

RENEWALS = 5
"""In the time that a lease lasts: an outage of half that time loses nothing."""


class Claim(StoredValue):
    """Who took a lease last."""

    holder: str


@dataclass(frozen=True)
class Lease:
    """A lease that is held. `lost` is set when it was not renewed in time; `store` refuses writes for the tenant with
    Conflict from the moment on at which somebody else has taken the lease.
    """

    name: str
    lost: threading.Event
    store: FencedStore

    def check(self) -> None:
        """Raises Overtaken where somebody else has taken the lease, and Unavailable where it only lapsed."""
        if self.lost.is_set():
            self.store.check()
            raise Unavailable(
                f"the lease of {self.name} was not renewed in time; run again, it goes on where it stopped"
            )


@contextmanager
def leased(
    store: Store, tenant_id: str, name: str, holder: str, ttl_s: float = 30.0, patience_s: float | None = None
) -> Iterator[Lease]:
    """Hold a lease while the block runs.

    Waits for `patience_s` seconds first, None: for one lifetime, as the holder may have been killed. Raises Conflict
    when it is still held then.
    """
    claim = _take(store, tenant_id, name, holder, ttl_s, ttl_s * 1.2 if patience_s is None else patience_s)
    over, lost = threading.Event(), threading.Event()
    renewer = threading.Thread(target=_renew, args=(store, tenant_id, name, holder, ttl_s, over, lost), daemon=True)
    renewer.start()
    try:
        yield Lease(name, lost, FencedStore(store, tenant_id, claim))
    finally:
        over.set()
        renewer.join(timeout=ttl_s)
        with suppress(Unavailable):  # it lapses by itself; what the block did or raised counts
            store.let_go(tenant_id, name, holder)


def _take(store: Store, tenant_id: str, name: str, holder: str, ttl_s: float, patience_s: float) -> Record:
    """The claim that was written."""
    deadline = time.monotonic() + patience_s
    claim = to_record(Collection.LEASES, name, Claim(holder=holder))
    while not _try(store, tenant_id, name, holder, ttl_s, claim):
        if time.monotonic() >= deadline:
            raise Conflict(f"another run of {name} for tenant {tenant_id!r} is at work")
        time.sleep(min(0.5, ttl_s / 10))
    return claim


def _try(store: Store, tenant_id: str, name: str, holder: str, ttl_s: float, claim: Record) -> bool:
    """What the claim replaces is read before the lease is taken: a process that is stopped in between finds it changed
    and does not push out who came meanwhile."""
    before = tag_there(store.read(tenant_id, claim.collection, claim.id))
    if not store.hold(tenant_id, name, holder, ttl_s):
        return False
    try:
        store.write(tenant_id, [claim], {(claim.collection, claim.id): before})
    except Conflict:
        store.let_go(tenant_id, name, holder)
        return False
    return True


def _renew(
    store: Store, tenant_id: str, name: str, holder: str, ttl_s: float, over: threading.Event, lost: threading.Event
) -> None:
    while not over.wait(ttl_s / RENEWALS):
        try:
            if not store.renew(tenant_id, name, holder, ttl_s):
                lost.set()
                return
        except Unavailable:
            continue  # a short outage is no loss: the next turn tells
        except ArgotuneError:
            lost.set()  # refused for good, e.g. the store's password was changed
            return


class FencedStore(PassingOn):
    """A store whose writes for one tenant expect that tenant's claim. Other tenants' records are not fenced."""

    def __init__(self, store: Store, tenant_id: str, claim: Record) -> None:
        super().__init__(store)
        self._tenant_id, self._claim = tenant_id, claim
        self._fence = {(claim.collection, claim.id): tag_of(claim.text)}

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        """See Store. Raises Overtaken, and stores nothing, when the lease was taken by somebody else."""
        fence = self._fence if tenant_id == self._tenant_id else {}
        try:
            self._store.write(tenant_id, records, {**(expect or {}), **fence})
        except Conflict:
            if fence:
                self.check()
            raise

    def remove(
        self,
        tenant_id: str,
        collection: str,
        ids: Iterable[str] | None = None,
        expect: Mapping[tuple[str, str], str | None] | None = None,
    ) -> int:
        """See Store. Raises Overtaken, and removes nothing more, when the lease was taken by somebody else."""
        fence = self._fence if tenant_id == self._tenant_id else {}
        try:
            return self._store.remove(tenant_id, collection, ids, {**(expect or {}), **fence})
        except Conflict:
            if fence:
                self.check()
            raise

    def check(self) -> None:
        """Raises Overtaken when the claim is somebody else's."""
        if self._store.read(self._tenant_id, self._claim.collection, self._claim.id) != self._claim.text:
            raise Overtaken(
                f"{self._claim.id} of tenant {self._tenant_id!r} was taken up by another process while this one stood "
                "still; nothing more is written here"
            )
