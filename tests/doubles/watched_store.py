"""A store that is watched: a test counts its calls, lets them fail, or does what another process would do meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from argotune.adapters.memory.store import MemoryStore
from argotune.store.port import Record

T = TypeVar("T")
Expect = Mapping[tuple[str, str], str | None]
CHANGES = ("write", "remove")


@dataclass(frozen=True)
class Call:
    """`places` are its collections, or the name of a lease; `records` how many it reads or writes."""

    verb: str
    tenant_id: str
    places: tuple[str, ...]
    records: int = 1

    def __str__(self) -> str:
        return " ".join([self.verb, *self.places])


def nothing(_call: Call) -> None:
    """Nobody watches."""


class WatchedStore(MemoryStore):
    """Tells `before` and `after` of every call; what these do to the store is neither told nor counted.

    A hook that raises makes the call fail. One may be set at any time.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(now_s)
        self.before: Callable[[Call], None] = nothing
        self.after: Callable[[Call], None] = nothing
        self.calls: list[Call] = []
        self._hook = threading.local()

    def count(self, *verbs: str) -> int:
        """How many calls there were."""
        return sum(call.verb in verbs for call in self.calls)

    def records(self, *verbs: str) -> int:
        """How many records these calls were about."""
        return sum(call.records for call in self.calls if call.verb in verbs)

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        return self._told(Call("read", tenant_id, (collection,)), super().read, tenant_id, collection, id)

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        names = list(ids)
        call = Call("read", tenant_id, (collection,), len(names))
        return self._told(call, super().read_many, tenant_id, collection, names)

    def scan(self, tenant_id: str, collection: str) -> Iterator[Record]:
        records = len(self._texts.get((tenant_id, collection), {}))
        found = super().scan(tenant_id, collection)
        yield from self._told(Call("scan", tenant_id, (collection,), records), list, found)

    def write(self, tenant_id: str, records: Sequence[Record], expect: Expect | None = None) -> None:
        call = Call("write", tenant_id, tuple(record.collection for record in records), len(records))
        self._told(call, super().write, tenant_id, records, expect)

    def remove(
        self, tenant_id: str, collection: str, ids: Iterable[str] | None = None, expect: Expect | None = None
    ) -> int:
        return self._told(Call("remove", tenant_id, (collection,)), super().remove, tenant_id, collection, ids, expect)

    def hold(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        return self._told(Call("hold", tenant_id, (name,)), super().hold, tenant_id, name, holder, ttl_s)

    def renew(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        return self._told(Call("renew", tenant_id, (name,)), super().renew, tenant_id, name, holder, ttl_s)

    def holder(self, tenant_id: str, name: str) -> str | None:
        return self._told(Call("holder", tenant_id, (name,)), super().holder, tenant_id, name)

    def let_go(self, tenant_id: str, name: str, holder: str) -> None:
        self._told(Call("let_go", tenant_id, (name,)), super().let_go, tenant_id, name, holder)

    def _told(self, call: Call, do: Callable[..., T], *given: Any) -> T:
        if getattr(self._hook, "runs", False):
            return do(*given)
        self.calls.append(call)
        self._tell(self.before, call)
        result = do(*given)
        self._tell(self.after, call)
        return result

    def _tell(self, hook: Callable[[Call], None], call: Call) -> None:
        self._hook.runs = True
        try:
            hook(call)
        finally:
            self._hook.runs = False


@dataclass
class Fails:
    """A hook: these calls fail while there is an `error`."""

    verbs: tuple[str, ...]
    error: BaseException | None = None

    def __call__(self, call: Call) -> None:
        if self.error and call.verb in self.verbs:
            raise self.error


@dataclass
class FailsOnce:
    """A hook: the n-th of the calls that fit fails, those before and after it do not."""

    error: BaseException
    fits: Callable[[Call], bool]
    n: int = 1
    seen: int = field(default=0, init=False)

    def __call__(self, call: Call) -> None:
        self.seen += self.fits(call)
        if self.fits(call) and self.seen == self.n:
            raise self.error


@dataclass
class Meanwhile:
    """A hook: what another process does at the first of these calls."""

    act: Callable[[], object]
    verb: str = "write"
    is_done: bool = field(default=False, init=False)

    def __call__(self, call: Call) -> None:
        if call.verb == self.verb and not self.is_done:
            self.is_done = True
            self.act()
