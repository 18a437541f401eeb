"""Where a module stands: four records that are read and changed apart or together, and what earlier releases kept."""

from __future__ import annotations

from typing import Any

import pytest
from factories import NOON
from watched_store import WatchedStore

from argotune.data.cursor import Cursor, Reading
from argotune.data.masked import Masked
from argotune.decisions.lessons import Lessons
from argotune.errors import Conflict
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import ModuleState, PassState
from argotune.store.port import Store

KINDS = (PassState, Reading, Masked, Lessons)
CURSOR = Cursor("7")


def book_of(store: Store, module: str = "routing") -> ModuleBook:
    return ModuleBook(store, "acme_corp", module)


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


def test_a_module_begins_with_nothing_known_and_keeps_what_is_not_changed(store: WatchedStore):
    assert book_of(store).state == ModuleState()
    book_of(store).change(Reading, cursor=CURSOR)
    book_of(store).change(PassState, pass_id="p1")
    book_of(store).change(PassState, last_run_at=NOON)
    book_of(store, "modality").change(Reading, cursor=Cursor("1"))
    assert book_of(store).state == ModuleState(PassState(pass_id="p1", last_run_at=NOON), Reading(cursor=CURSOR))


@pytest.mark.parametrize("changes", [{"passed": 3}, {"passed_over": "many"}])
def test_a_field_that_a_record_does_not_have_is_not_written(store: WatchedStore, changes: dict[str, Any]):
    with pytest.raises(ValueError, match="Reading"):
        book_of(store).change(Reading, **changes)
    assert list(store.scan("acme_corp", "markers")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_changed_meanwhile_is_a_conflict_that_leaves_nothing(store: WatchedStore, kind: Any):
    field, other, own = {
        PassState: ("pass_id", "other", "own"),
        Reading: ("cursor", "99", "7"),
        Masked: ("rules", "other", "own"),
        Lessons: ("learned", {"routing": "other"}, {"routing": "own"}),
    }[kind]
    book = book_of(store)
    assert book.read(kind) == kind()
    book_of(store).change(kind, **{field: other})
    with pytest.raises(Conflict):
        book.write(kind(**{field: own}))
    assert book.read(kind) == kind(**{field: other})
    book.write(kind(**{field: own}))
    assert book_of(store).read(kind) == kind(**{field: own})


def test_records_that_change_together_are_written_together_or_not_at_all(store: WatchedStore):
    book = book_of(store)
    assert book.state == ModuleState()
    book_of(store).change(Lessons, learned={"routing": "other"})
    with pytest.raises(Conflict):
        book.write(PassState(pass_id="own"), Lessons(learned={"routing": "own"}))
    assert book_of(store).read(PassState) == PassState()
    assert book.state.lessons.learned == {"routing": "other"}
    book.write(PassState(pass_id="own"), Lessons())
    assert book_of(store).state == ModuleState(PassState(pass_id="own"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_record_is_a_new_one_and_written_over(store: WatchedStore, kind: Any):
    book_of(store).write(*(kind() for kind in KINDS))
    name = {PassState: "module", Reading: "reading", Masked: "masked", Lessons: "lessons"}[kind]
    texts = store._texts["acme_corp", "markers"]
    texts[f"{name}/routing"] = texts[f"{name}/routing"].replace("schema", "skema")
    book = book_of(store)
    assert book.read(kind) == kind()
    book.write(kind())
    assert "skema" not in texts[f"{name}/routing"]
