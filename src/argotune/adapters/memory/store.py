"""The Store port in this process: for tests and for programs that embed Argotune. Gone when the process ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from argotune.errors import Conflict
from argotune.store.port import ANY, Record


class MemoryStore:
    """Dictionaries behind a lock. Many threads may use one. Leases last by `now_s`, seconds of any clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._texts: dict[tuple[str, str], dict[str, str]] = {}
        self._leases: dict[tuple[str, str], tuple[str, float]] = {}

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        """See Store."""
        with self._lock:
            return self._texts.get((tenant_id, collection), {}).get(id)

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        """See Store."""
        names = list(ids)  # before the lock: `ids` may be a scan of this store
        with self._lock:
            there = self._texts.get((tenant_id, collection), {})
            return {id: there[id] for id in names if id in there}

    def scan(self, tenant_id: str, collection: str) -> Iterator[Record]:
        """See Store. What is written after the first step is not seen."""
        with self._lock:
            found = list(self._texts.get((tenant_id, collection), {}).items())
        for id, text in found:
            yield Record(collection, id, text)

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        """See Store. Raises Conflict."""
        with self._lock:
            self._check(tenant_id, expect)
            for record in records:
                self._texts.setdefault((tenant_id, record.collection), {})[record.id] = record.text

    def remove(
        self,
        tenant_id: str,
        collection: str,
        ids: Iterable[str] | None = None,
        expect: Mapping[tuple[str, str], str | None] | None = None,
    ) -> int:
        """See Store. Raises Conflict."""
        names = None if ids is None else list(ids)  # before the lock, as above
        with self._lock:
            self._check(tenant_id, expect)
            if names is None:
                return len(self._texts.pop((tenant_id, collection), {}))
            there = self._texts.get((tenant_id, collection), {})
            return sum(there.pop(id, None) is not None for id in names)

    def hold(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        with self._lock:
            now_s = self._now_s()
            owner, expires_s = self._leases.get((tenant_id, name), (holder, now_s))
            if owner != holder and expires_s > now_s:
                return False
            self._leases[tenant_id, name] = holder, now_s + ttl_s
            return True

    def renew(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        with self._lock:
            now_s = self._now_s()
            owner, expires_s = self._leases.get((tenant_id, name), ("", now_s))
            if owner != holder or expires_s <= now_s:
                return False
            self._leases[tenant_id, name] = holder, now_s + ttl_s
            return True

    def holder(self, tenant_id: str, name: str) -> str | None:
        """See Store."""
        with self._lock:
            now_s = self._now_s()
            owner, expires_s = self._leases.get((tenant_id, name), ("", now_s))
            return owner if expires_s > now_s else None

    def let_go(self, tenant_id: str, name: str, holder: str) -> None:
        """See Store."""
        with self._lock:
            if self._leases.get((tenant_id, name), ("", 0.0))[0] == holder:
                del self._leases[tenant_id, name]

    def _check(self, tenant_id: str, expect: Mapping[tuple[str, str], str | None] | None) -> None:
        for (collection, id), tag in (expect or {}).items():
            if tag not in (ANY, self._tag(tenant_id, collection, id)):
                raise Conflict(f"{collection} {id!r} of tenant {tenant_id!r} was changed by somebody else first")

    def _tag(self, tenant_id: str, collection: str, id: str) -> str | None:
        text = self._texts.get((tenant_id, collection), {}).get(id)
        return None if text is None else text[9:73]
