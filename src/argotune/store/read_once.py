"""Read once: a store that remembers what was read of records that nobody else changes meanwhile.

Whoever holds a lease is alone in changing what belongs to it, and asks for it again and again on its way. Writes expect
what was read, as ever: where somebody did change a record, they are a Conflict, after which it is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from argotune.store.passing_on import PassingOn
from argotune.store.port import Record, Store

Key = tuple[str, str]
"""Collection and id."""


class ReadOnce(PassingOn):
    """A store in which one tenant's records that `is_kept` says, by collection and id, are read once.

    What is written through it is kept in their place. They must be few, as all are kept as long as this is, and changed
    by one thread; the other records may be anything, and what a scan finds is not kept.
    """

    def __init__(self, store: Store, tenant_id: str, is_kept: Callable[[str, str], bool]) -> None:
        super().__init__(store)
        self._tenant_id, self._is_kept = tenant_id, is_kept
        self._known: dict[Key, str | None] = {}

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        """See Store."""
        if tenant_id != self._tenant_id or not self._is_kept(collection, id):
            return super().read(tenant_id, collection, id)
        if (collection, id) not in self._known:
            self._known[collection, id] = self._store.read(tenant_id, collection, id)
        return self._known[collection, id]

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        """See Store."""
        names = list(dict.fromkeys(ids))
        kept = [id for id in names if tenant_id == self._tenant_id and self._is_kept(collection, id)]
        found = {id: text for id in kept if (text := self.read(tenant_id, collection, id)) is not None}
        rest = [id for id in names if id not in kept]
        return found | (super().read_many(tenant_id, collection, rest) if rest else {})

    def write(self, tenant_id: str, records: Sequence[Record], expect: Mapping[Key, str | None] | None = None) -> None:
        """See Store. A write that fails leaves open what is there now: it is read again."""
        if tenant_id != self._tenant_id:
            return self._store.write(tenant_id, records, expect)
        written = {(r.collection, r.id): r.text for r in records if self._is_kept(r.collection, r.id)}
        met = self._forgotten((*written, *(expect or {})))
        self._store.write(tenant_id, records, expect)
        self._known |= met | written

    def remove(
        self,
        tenant_id: str,
        collection: str,
        ids: Iterable[str] | None = None,
        expect: Mapping[Key, str | None] | None = None,
    ) -> int:
        """See Store. What may be gone is read again."""
        if tenant_id == self._tenant_id:
            self._forgotten([key for key in self._known if key[0] == collection])
        return self._store.remove(tenant_id, collection, ids, expect)

    def _forgotten(self, keys: Iterable[Key]) -> dict[Key, str | None]:
        """Forget records; what was known of them."""
        return {key: self._known.pop(key) for key in keys if key in self._known}
