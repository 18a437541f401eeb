"""Leases: one run at a time for a tenant and module, renewed in the background, given back at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from argotune.errors import ArgotuneError, Conflict, Unavailable
from argotune.ports import Store


@contextmanager
def leased(store: Store, tenant_id: str, name: str, holder: str, ttl_s: float = 30.0) -> Iterator[threading.Event]:
    """Hold a lease while the block runs; yields an event that is set if the lease was lost.

    Waits for one lifetime first, as the holder may have been killed. Raises Conflict when it is still held then.
    """
    deadline = time.monotonic() + ttl_s * 1.2
    while not store.hold(tenant_id, name, holder, ttl_s):
        if time.monotonic() > deadline:
            raise Conflict(f"another run of {name} for tenant {tenant_id!r} is at work")
        time.sleep(min(0.5, ttl_s / 10))
    over, lost = threading.Event(), threading.Event()
    renewer = threading.Thread(target=_renew, args=(store, tenant_id, name, holder, ttl_s, over, lost), daemon=True)
    renewer.start()
    try:
        yield lost
    finally:
        over.set()
        renewer.join(timeout=ttl_s)
        with suppress(Unavailable):  # it lapses by itself; what the block did or raised counts
            store.let_go(tenant_id, name, holder)


def _renew(
    store: Store, tenant_id: str, name: str, holder: str, ttl_s: float, over: threading.Event, lost: threading.Event
) -> None:
    while not over.wait(ttl_s / 3):
        try:
            if not store.hold(tenant_id, name, holder, ttl_s):
                lost.set()
                return
        except Unavailable:
            continue  # a short outage is no loss: the next turn tells
        except ArgotuneError:
            lost.set()  # refused for good, e.g. the store's password was changed
            return
