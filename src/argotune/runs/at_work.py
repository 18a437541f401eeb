"""At work: what passes are doing, written down for whoever looks from another process.

For people only: nothing is decided by it, and a pass goes on where it cannot be written. Who was killed leaves its
record; whether a pass is at work says its lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType

from argotune.errors import ArgotuneError
from argotune.runs.service_figures import WorkNow
from argotune.store.collections import EVERYONE, Collection
from argotune.store.moments import believed
from argotune.store.port import ANY, Record, Store
from argotune.store.records import StoredValue, find_all, to_record
from argotune.store.sealing import tag_of
from argotune.tenants.ids import record_id

EVERY = timedelta(seconds=10)
"""Between two notes of one step."""

NOT_OLDER_THAN = timedelta(days=1)
"""A pass that told nothing for so long is dead: its lease need not be looked at."""

MOST_LOOKED_AT = 200
"""Records whose leases are looked at, the newest first."""


class PassAtWork(StoredValue):
    """A pass of a module that `holder` of its `lease` is in, since when: `done` of `total` (0: nobody knows) of `what`,
    begun at `step_since` and told last at `told_at`."""

    tenant_id: str
    module: str
    lease: str
    holder: str
    since: datetime
    what: str = ""
    done: int = 0
    total: int = 0
    step_since: datetime
    told_at: datetime

    def told(self, now: datetime) -> str:
        """For people, with the rate and the time that is left where both are known."""
        return WorkNow(self.tenant_id, self.what or self.module, self.done, self.total, self.step_since).told(now)

    def at(self, what: str, done: int, total: int, now: datetime) -> PassAtWork:
        """The same pass later."""
        step = {"what": what, "done": done, "total": total, "told_at": now}
        return self.model_copy(update=step if what == self.what else {**step, "step_since": now})

    @property
    def record(self) -> Record:
        return to_record(Collection.AT_WORK, record_id(f"{self.tenant_id}\n{self.module}"), self)


class WorkNotes:
    """Passes on what a pass tells of its progress, and from `begin` until the block ends writes it down: each new step,
    and of one that lasts how far it is, every EVERY. May be told by several threads."""

    def __init__(
        self,
        store: Store,
        begun: PassAtWork,
        clock: Callable[[], datetime],
        tell: Callable[[str, int, int], None],
    ) -> None:
        self._store, self._known, self._clock, self._tell = store, begun, clock, tell
        self._tag: str | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> WorkNotes:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._tag is not None:
            with suppress(ArgotuneError):
                id = self._known.record.id
                self._store.remove(EVERYONE, Collection.AT_WORK, [id], {(Collection.AT_WORK, id): self._tag})

    def begin(self) -> None:
        """There is work: write it down in place of what one that was killed has left."""
        self._write(self._known, ANY)

    def progress(self, what: str, done: int, total: int) -> None:
        """See `pipeline.ports.Progress`."""
        self._tell(what, done, total)
        with self._lock:
            known, now = self._known, self._clock()
            if self._tag is not None and (what != known.what or now - known.told_at >= EVERY):
                self._write(known.at(what, done, total, now), self._tag)

    def _write(self, later: PassAtWork, expected: str) -> None:
        self._known, record = later, later.record
        with suppress(ArgotuneError):
            self._store.write(EVERYONE, [record], {(record.collection, record.id): expected})
            self._tag = tag_of(record.text)


def passes_at_work(store: Store, now: datetime) -> list[PassAtWork]:
    """Passes whose lease is held now, the first that began first. A call for each of them, at most MOST_LOOKED_AT."""
    found = [
        each
        for each in find_all(store, EVERYONE, Collection.AT_WORK, PassAtWork)
        if (told_at := believed(each.told_at, now)) and told_at > now - NOT_OLDER_THAN
    ]
    newest = sorted(found, key=lambda each: each.told_at, reverse=True)[:MOST_LOOKED_AT]
    alive = [each for each in newest if store.holder(each.tenant_id, each.lease) == each.holder]
    return sorted(alive, key=lambda each: (each.since, each.tenant_id, each.module))


def drop_at_work(store: Store, tenant_id: str) -> None:
    """Leave nothing of a tenant that is removed."""
    found = find_all(store, EVERYONE, Collection.AT_WORK, PassAtWork)
    ids = [each.record.id for each in found if each.tenant_id == tenant_id]
    if ids:
        store.remove(EVERYONE, Collection.AT_WORK, ids)
