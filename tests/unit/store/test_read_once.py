"""What is read once, what replaces it, and when it is read again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import Conflict, Unavailable
from argotune.store.port import Record
from argotune.store.read_once import ReadOnce
from argotune.store.sealing import seal, tag_of

ACME = "acme_corp"
BEFORE, AFTER = (Record("markers", "m", seal("made", n)) for n in (1, 2))


class Read(MemoryStore):
    """Counts what is read of it; a write fails with `fails`."""

    count = 0
    fails: Exception | None = None

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        self.count += 1
        return super().read(tenant_id, collection, id)

    def read_many(self, *given) -> dict[str, str]:
        self.count += 1
        return super().read_many(*given)

    def write(self, *given, **named) -> None:
        if self.fails:
            raise self.fails
        super().write(*given, **named)


@pytest.fixture
def inner() -> Read:
    return Read()


@pytest.fixture
def store(inner: Read) -> ReadOnce:
    return ReadOnce(inner, ACME, lambda collection, id: (collection, id) == ("markers", "m"))


def read(store: ReadOnce, times: int = 3) -> set[str | None]:
    return {store.read(ACME, "markers", "m") for _ in range(times)}


@pytest.mark.parametrize("there", [[], [BEFORE]])
def test_what_is_kept_is_read_once_also_where_nothing_is_there(store: ReadOnce, inner: Read, there: list[Record]):
    inner.write(ACME, there)
    assert read(store) == {there[0].text if there else None}
    assert inner.count == 1


def test_of_many_only_what_is_not_kept_is_read_again(store: ReadOnce, inner: Read):
    inner.write(ACME, [BEFORE, Record("markers", "other", seal("made", 3))])
    for ids in (["m", "other", "none"], ["m"], ["m"]):
        assert store.read_many(ACME, "markers", ids).keys() == {*ids} - {"none"}
    assert inner.count == 2, "what is kept once, and the others together"


@pytest.mark.parametrize("where", [("globex", "markers", "m"), (ACME, "markers", "other"), (ACME, "runs", "m")])
def test_other_documents_and_other_tenants_are_read_every_time(store: ReadOnce, inner: Read, where):
    for n in (1, 2):
        inner.write(where[0], [Record(where[1], where[2], seal("made", n))])
        assert store.read(*where) == seal("made", n)


def test_what_is_written_through_it_is_known_without_reading(store: ReadOnce, inner: Read):
    store.write(ACME, [BEFORE])
    assert read(store) == {BEFORE.text}
    store.write(ACME, [AFTER, Record("runs", "r", seal("made", 3))], {("markers", "m"): tag_of(BEFORE.text)})
    store.write(ACME, [Record("runs", "r", seal("made", 4))], {("markers", "m"): tag_of(AFTER.text)})
    assert read(store) == {AFTER.text}
    assert inner.count == 0


def test_the_same_id_of_another_tenant_replaces_nothing(store: ReadOnce, inner: Read):
    store.write(ACME, [BEFORE])
    store.write("globex", [AFTER])
    store.remove("globex", "markers")
    assert read(store) == {BEFORE.text}
    assert inner.count == 0


def overtaken(store: ReadOnce, inner: Read) -> None:
    with pytest.raises(Conflict):
        store.write(ACME, [Record("runs", "r", seal("made", 3))], {("markers", "m"): tag_of(BEFORE.text)})


def lost(store: ReadOnce, inner: Read) -> None:
    inner.fails = Unavailable("the answer was lost; what became of the write is not known")
    with pytest.raises(Unavailable):
        store.write(ACME, [BEFORE])


@pytest.mark.parametrize(
    "happens",
    [overtaken, lost, lambda store, _: store.remove(ACME, "markers", ["m"]), lambda s, _: s.remove(ACME, "markers")],
)
def test_after_a_write_that_failed_and_a_removal_it_is_read_again(
    store: ReadOnce, inner: Read, happens: Callable[[ReadOnce, Read], None]
):
    inner.write(ACME, [BEFORE])
    read(store)
    inner.write(ACME, [AFTER])
    happens(store, inner)
    assert read(store) == {inner.read(ACME, "markers", "m")} != {BEFORE.text}
