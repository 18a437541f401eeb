"""A store of an earlier release, which kept in one record where a module stands, on every store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from factories import NOON

from argotune.adapters.phoenix.place import Place, place_of
from argotune.data.cursor import Reading
from argotune.data.masked import Masked
from argotune.decisions.lessons import Lessons
from argotune.decisions.values import CutShort, TrainingHistory
from argotune.errors import Conflict, Unavailable
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.store.collections import Collection
from argotune.store.port import Record, Store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

OLD = (
    '{"hash":"e6ba4ce0626c3c15c5d312a389f123cd544b958d14796bd7d4a6e045d0294a5a","body":{"again_at":"2026-'
    '03-03T12:00:00Z","cut_short":{"routing":{"lesson":"9c1e","max_lm_calls":20000,"max_lm_tokens":200000'
    '00}},"doubted_at":"2026-03-02T11:55:00Z","first_look_at":"2026-01-31T12:00:00Z","history":{"routing"'
    ':{"attempts":2,"champion_score":0.81,"compared":180,"disagreed":21,"last_at":"2026-03-02T12:00:00Z",'
    '"last_gain":0.04,"last_train_count":140,"promotions":1,"trainings":2,"was_unproven":false}},"label_n'
    'ames":["agent"],"last_run_at":"2026-03-02T12:00:00Z","last_span_id":"00f067aa0ba902b7","last_span_ro'
    'w":118,"learned":{"routing":"3f2a"},"masked":{"email":7},"masking":"e3b0c44298fc1c14","newest_at":"2'
    '026-03-02T11:00:00Z","pass_id":"p2","passed_over":12,"read_since":"2026-01-30T12:00:00Z","row_id":12'
    '0,"settled_group":"acme-1","settled_labels":31,"settled_row_id":90,"short":{"routing":{"gain":0.03,"'
    'test_examples":50,"traces":700}},"unusable":{"no routing.program":4}},"kind":"Marker","schema":1}'
)
"""As release 0.1.2 wrote it."""

PASSES = PassState(
    pass_id="p2",
    settled_cursor=Place(90, 0, "").cursor,
    settled_labels=31,
    settled_group="acme-1",
    label_names=("agent",),
    last_run_at=NOON,
    again_at=NOON + DAY,
    first_look_at=NOON - 30 * DAY,
)
READING = Reading(
    cursor=Place(120, 118, "00f067aa0ba902b7").cursor,
    unusable={"no routing.program": 4},
    read_since=NOON - 31 * DAY,
    passed_over=12,
    newest_at=NOON - HOUR,
    doubted_at=NOON - timedelta(minutes=5),
)
MASKED = Masked(rules="e3b0c44298fc1c14", counts={"email": 7})
HISTORY = TrainingHistory(
    trainings=2,
    promotions=1,
    compared=180,
    disagreed=21,
    last_at=NOON,
    last_train_count=140,
    last_gain=0.04,
    champion_score=0.81,
)
LESSONS = Lessons(
    learned={"routing": "3f2a"},
    cut_short={"routing": CutShort(lesson="9c1e", max_lm_calls=20_000, max_lm_tokens=20_000_000)},
    history={"routing": HISTORY},
)
ALL = {PassState: PASSES, Reading: READING, Masked: MASKED, Lessons: LESSONS}


@pytest.fixture(params=["memory", "sqlite", "redis"])
def old_store(request: pytest.FixtureRequest, open_store: Callable[[str], Store]) -> Store:
    store = open_store(request.param)
    store.write("acme_corp", [Record(Collection.MARKERS, "module/routing", OLD)])
    return store


def book_of(store: Store) -> ModuleBook:
    return ModuleBook(store, "acme_corp", "routing")


def texts(store: Store) -> dict[str, str]:
    return {record.id: record.text for record in store.scan("acme_corp", Collection.MARKERS)}


@pytest.mark.parametrize("first", ALL)
def test_an_old_record_becomes_four_at_the_first_look_whatever_is_asked_first(old_store: Store, first) -> None:
    assert book_of(old_store).read(first) == ALL[first]
    written = texts(old_store)
    assert written.keys() == {f"{name}/routing" for name in ("module", "reading", "masked", "lessons")}
    assert {kind: book_of(old_store).read(kind) for kind in ALL} == ALL
    assert texts(old_store) == written, "that is done once"


def test_what_is_taken_over_can_be_changed_at_once(old_store: Store) -> None:
    book = book_of(old_store)
    book.change(PassState, pass_id=None)
    assert book.state.passes == PASSES.model_copy(update={"pass_id": None})
    assert book.state.reading == READING


def test_two_that_look_at_once_make_the_same_of_it(old_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write = old_store.write

    def overtaken(*asked: object) -> None:
        monkeypatch.setattr(old_store, "write", write)
        assert book_of(old_store).read(Lessons) == LESSONS
        write(*asked)

    monkeypatch.setattr(old_store, "write", overtaken)
    book = book_of(old_store)
    assert {kind: book.read(kind) for kind in ALL} == ALL


def test_an_outage_in_between_leaves_the_old_record(old_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise Unavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(old_store, "write", down)
        with pytest.raises(Unavailable):
            book_of(old_store).read(Reading)
    assert texts(old_store) == {"module/routing": OLD}
    assert book_of(old_store).read(Reading) == READING


def test_an_old_release_that_still_runs_takes_nothing_back(old_store: Store) -> None:
    book = book_of(old_store)
    book.change(Lessons, learned={"routing": "newer"})
    old_store.write("acme_corp", [Record(Collection.MARKERS, "module/routing", OLD)])
    later = book_of(old_store)
    assert later.read(PassState) == PASSES
    assert later.read(Lessons).learned == {"routing": "newer"}
    with pytest.raises(Conflict):
        book.write(PassState())


def test_the_cursors_of_an_old_record_are_those_of_phoenix(old_store: Store) -> None:
    cursor = book_of(old_store).read(Reading).cursor
    assert cursor is not None
    assert place_of(cursor) == Place(120, 118, "00f067aa0ba902b7")
