"""Pointer: moved by compare-and-set with a line of history, made again from it, and bounded."""

from __future__ import annotations

import pytest

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import Conflict, Corrupt
from argotune.store.pointer import Move, Pointer
from argotune.store.port import Record
from argotune.store.records import StoredValue, to_record

PLACE = ("pointers", "it")


class Now(StoredValue):
    what: str
    number: int


class Line(StoredValue):
    what: str
    number: int
    why: str = "test"


def pointer(store: MemoryStore, *, lines: str = "lines", prefix: str = "it/") -> Pointer[Now, Line]:
    return Pointer(store, "acme", PLACE, Now, lines, prefix, Line, lambda line: Now(what=line.what, number=line.number))


def moved(times: int, **places: str) -> MemoryStore:
    store = MemoryStore()
    for number in range(1, times + 1):
        move(pointer(store, **places), number)
    return store


def move(it: Pointer[Now, Line], number: int, **options: object) -> Now:
    return it.move(Move(Line(what=f"v{number}", number=number), number, **options), it.read()[1])  # type: ignore[arg-type]


def test_a_move_writes_pointer_line_and_what_goes_with_it_or_nothing():
    store, also = moved(1), to_record("others", "one", Now(what="else", number=1))
    with pytest.raises(Conflict):
        move(pointer(store), 2, also=[also], expect={("others", "one"): "another tag"})
    assert [line.number for line in pointer(store).history()] == [1]
    assert move(pointer(store), 2, also=[also], expect={("others", "one"): None}) == Now(what="v2", number=2)
    assert store.read("acme", "others", "one") == also.text


def test_of_two_moves_from_one_place_the_second_is_refused():
    store = moved(1)
    tag = pointer(store).read()[1]
    pointer(store).move(Move(Line(what="first", number=2), 2), tag)
    with pytest.raises(Conflict):
        pointer(store).move(Move(Line(what="second", number=3), 3), tag)
    assert pointer(store).read()[0] == Now(what="first", number=2)


def test_no_line_of_history_is_written_over():
    store = moved(2)
    store.remove("acme", *PLACE[:1], [PLACE[1]])
    with pytest.raises(Conflict):
        pointer(store).move(Move(Line(what="new", number=1), 1), None)


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "damaged"])
def test_a_lost_or_damaged_pointer_is_believed_and_restored_by_its_history(is_lost: bool):
    store = moved(3)
    if is_lost:
        store.remove("acme", PLACE[0], [PLACE[1]])
    else:
        store.write("acme", [Record(*PLACE, "damaged")])
        with pytest.raises(Corrupt):
            pointer(store).read()
    last = Now(what="v3", number=3)
    found, tag = pointer(store).believed()
    assert found == last
    assert pointer(store).restore() == last
    assert pointer(store).restore() is None, "there is nothing left to do"
    assert pointer(store).read()[0] == last
    with pytest.raises(Conflict):
        pointer(store).move(Move(Line(what="late", number=4), 4), tag)


@pytest.mark.parametrize("places", [{}, {"lines": PLACE[0], "prefix": ""}], ids=["apart", "beside the pointer"])
@pytest.mark.parametrize(("kept", "left"), [(3, [3, 4, 5]), (1, [5]), (0, [5]), (9, [1, 2, 3, 4, 5])])
def test_the_history_is_as_long_as_is_asked_and_keeps_its_last_line(places: dict[str, str], kept: int, left: list[int]):
    store = moved(5, **places)
    assert pointer(store, **places).forget(kept) == 5 - len(left)
    assert [line.number for line in pointer(store, **places).history()] == left
    assert pointer(store, **places).read()[0] == Now(what="v5", number=5)


def test_the_next_number_is_above_every_line_there_is_though_none_can_be_read():
    store = moved(2)
    store.write("acme", [Record("lines", f"it/{number:08d}", "damaged") for number in (1, 2)])
    assert pointer(store).history() == []
    assert (pointer(store).next_number(), pointer(store).next_number(7)) == (3, 8)
    assert move(pointer(store), 3) == Now(what="v3", number=3)


def test_lines_of_another_pointer_whose_name_begins_alike_are_none_of_ours():
    store = moved(1)
    store.write("acme", [to_record("lines", "it/other/00000001", Line(what="foreign", number=1))])
    assert [line.what for line in pointer(store).history()] == ["v1"]
