"""What a reader takes in, what it counts, and the cursor it leaves, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from factories import FIELDS, FUSION, NOON, make_attributes, make_config, make_experience, make_span
from marked import mark
from world import World

from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.archive import ExperienceLog
from argotune.data.cursor import Cursor, Reading
from argotune.data.fields import Fields
from argotune.data.guards.masking import rules_digest
from argotune.data.masked import Masked
from argotune.data.source import SpanRead
from argotune.data.stream import Stream
from argotune.errors import Conflict, Unavailable
from argotune.pipeline import span_reader
from argotune.pipeline.intake import BEGUN_ANEW, OLDER
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.span_reader import SpanReader
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState

HOUR = timedelta(hours=1)
CONFIG = make_config()
MASKING = rules_digest(CONFIG.masking)
UNKNOWN, NO_PROGRAM = "the answer is not among the tenant's labels", "no routing.program"
AGAIN = "read again: not known before"


@pytest.fixture
def world() -> World:
    return World(now=NOON)


def send(world: World, *ids: str, ago: timedelta = HOUR, **attributes: Any) -> None:
    at = NOON - ago
    told = make_attributes(**attributes)
    spans = [make_span(span_id=id, name="cogniverse.routing", started_at=at, attributes=told) for id in ids]
    world.traces.record("acme_corp", spans)


def reader(world: World, fields: Fields = FIELDS, **ports: Any) -> SpanReader:
    return SpanReader(Pass(replace(world.ports, **ports), CONFIG, "routing"), [fields, FUSION])


def read(world: World, **ports: Any) -> SpanReader:
    found = reader(world, **ports)
    found.read_new()
    return found


def read_again(world: World, since: datetime, fields: Fields = FIELDS) -> SpanReader:
    found = reader(world, fields)
    found.read_again(since)
    return found


def book_of(world: World) -> ModuleBook:
    return ModuleBook(world.store, "acme_corp", "routing")


def stored(world: World) -> Reading:
    return book_of(world).read(Reading)


def known(world: World, program: str = "routing") -> set[str]:
    return {x.span_id for x in ExperienceLog(world.store, "acme_corp").experiences(program)}


def test_a_first_reading_takes_in_its_lookback_and_leaves_where_it_stood(world: World):
    send(world, "old", "older", ago=25 * HOUR)
    send(world, "mail", query="write to bo@acme.com or jo@acme.com", ago=24 * HOUR)
    send(world, "new")
    send(world, "odd", chosen_agent="nobody")
    send(world, "fused", program="fusion", needed="true", strategy="score")
    found = read(world)
    assert (known(world), known(world, "fusion")) == ({"mail", "new"}, {"fused"})
    assert (
        stored(world)
        == found.reading
        == Reading(
            cursor=Cursor("6:fused"),
            unusable={UNKNOWN: 1},
            read_since=NOON - 24 * HOUR,
            passed_over=2,
            newest_at=NOON - HOUR,
        )
    )
    assert book_of(world).read(Masked) == Masked(rules=MASKING, counts={"email": 2})
    assert found.counts == {f"span: {OLDER}": 2, f"span: {UNKNOWN}": 1, "masked: email": 2}
    (mail,) = (x for x in ExperienceLog(world.store, "acme_corp").experiences("routing") if x.span_id == "mail")
    assert "acme.com" not in mail.query


def test_nothing_to_read_leaves_only_since_when(world: World):
    send(world, "old", ago=25 * HOUR)
    found = read(world)
    assert found.reading == stored(world) == Reading(read_since=NOON - 24 * HOUR, passed_over=1, doubted_at=NOON)
    assert read(World(now=NOON, traces=_Empty())).counts == {}


class _Empty(MemoryTraces):
    def _module(self, stream: Stream) -> list[Any]:
        return []


def test_the_next_reading_begins_behind_the_cursor_and_adds_to_the_counts(world: World):
    send(world, "a", "b", query="bo@acme.com")
    send(world, "odd", chosen_agent="nobody")
    first = read(world).reading
    mark(world.store, "acme_corp", settled_cursor=first.cursor)
    send(world, "c", "early", ago=99 * HOUR, query="jo@acme.com")
    send(world, "odd again", "odd too", chosen_agent="nobody", ago=2 * HOUR)
    found = read(world)
    assert known(world) == {"a", "b", "c", "early"}
    changed = {"cursor": "7:odd too", "unusable": {UNKNOWN: 3}}
    assert found.reading == stored(world) == first.model_copy(update=changed)
    assert book_of(world).read(Masked).counts == {"email": 4}
    before = list(world.store.scan("acme_corp", "markers"))
    assert read(world).reading == found.reading
    assert list(world.store.scan("acme_corp", "markers")) == before


def test_what_was_stored_before_an_outage_stays_and_the_rest_is_read_later(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(span_reader, "BATCH_SPANS", 2)
    send(world, "a", "b", "c")
    send(world, "d", query="", ago=2 * HOUR)
    whole, seen = world.traces.spans_after, []

    def failing(*asked: Any) -> Iterator[SpanRead]:
        yield from list(whole(*asked))[:3]
        raise Unavailable("down")

    monkeypatch.setattr(world.traces, "spans_after", failing)
    with pytest.raises(Unavailable):
        read(world, progress=lambda *told: seen.append(told))
    assert (known(world), stored(world).cursor) == ({"a", "b"}, "2:b")
    monkeypatch.setattr(world.traces, "spans_after", whole)
    found = read(world, progress=lambda *told: seen.append(told))
    assert (known(world), found.reading.cursor) == ({"a", "b", "c"}, "4:d")
    assert found.reading.newest_at == NOON - HOUR
    assert seen == [("routing: spans read", 2, 4), ("routing: spans read", 2, 2)]


def test_the_cursor_moves_with_the_last_one_that_a_batch_has(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(span_reader, "BATCH_SPANS", 2)
    cursors = {"a": None, "b": None, "c": "3", "d": None, "e": None, "f": None, "g": "7"}
    spans = [SpanRead(make_span(span_id=id), cursor and Cursor(cursor)) for id, cursor in cursors.items()]
    monkeypatch.setattr(world.traces, "spans_after", lambda *_: iter(spans))
    monkeypatch.setattr(world.traces, "count_after", lambda *_, **__: 0)
    seen: list[str | None] = []
    read(world, progress=lambda *_: seen.append(stored(world).cursor))
    assert seen == [None, "3", "3", "7"]
    assert known(world) == set(cursors)


def test_a_first_reading_that_was_broken_off_counts_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(span_reader, "BATCH_SPANS", 1)
    send(world, "odd", chosen_agent="nobody")
    send(world, "mail", query="bo@acme.com")
    send(world, "last")
    whole = world.traces.spans_after

    def failing(*asked: Any) -> Iterator[SpanRead]:
        yield from (SpanRead(read.span, None) for read in list(whole(*asked))[:2])
        raise Unavailable("down")

    monkeypatch.setattr(world.traces, "spans_after", failing)
    for _ in range(2):
        with pytest.raises(Unavailable):
            read(world)
    monkeypatch.setattr(world.traces, "spans_after", whole)
    assert read(world).counts == {f"span: {UNKNOWN}": 1, "masked: email": 1}
    assert known(world) == {"mail", "last"}


def test_batches_are_of_a_thousand_spans(world: World):
    send(world, *(f"{n}" for n in range(1001)))
    seen: list[tuple[int, int]] = []
    read(world, progress=lambda _told, done, of: seen.append((done, of)))
    assert seen == [(1000, 1001), (1001, 1001)]


def test_what_is_passed_over_is_counted_to_a_bound(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(span_reader, "COUNT_OLDER", 2)
    send(world, "a", "b", "c", ago=30 * HOUR)
    assert read(world).reading.passed_over == 2


def test_a_reader_that_somebody_overtook_writes_nothing(world: World):
    send(world, "a")
    late = reader(world)
    read(world)
    before = stored(world)
    with pytest.raises(Conflict):
        late.read_new()
    assert stored(world) == before


def test_traces_in_the_future_do_not_say_how_new_the_newest_is(world: World):
    send(world, "ahead", ago=-timedelta(minutes=6))
    assert read(world).reading.newest_at is None
    send(world, "just now", ago=-timedelta(minutes=5))
    send(world, "before")
    assert read(world).reading.newest_at == NOON + timedelta(minutes=5)
    mark(world.store, "acme_corp", newest_at=NOON + HOUR)
    send(world, "last", ago=2 * HOUR)
    assert read(world).reading.newest_at == NOON - 2 * HOUR


def test_a_doubted_clock_is_kept_with_the_cursor(world: World):
    send(world, "a")
    read(world)
    world.now = NOON + timedelta(days=40)
    assert read(world).reading.doubted_at == NOON + timedelta(days=40)
    world.now = NOON
    send(world, "b")
    assert read(world).reading.doubted_at is None


# Another database


def test_another_database_is_read_from_the_last_pass_on(world: World):
    send(world, "a", "b", query="bo@acme.com")
    read(world)
    ran = {"last_run_at": NOON - 30 * HOUR, "settled_cursor": "2:b", "label_names": ("agent",), "settled_labels": 3}
    mark(world.store, "acme_corp", **ran)
    assert BEGUN_ANEW not in read(world).counts
    world.traces = MemoryTraces()
    send(world, "c", ago=50 * HOUR)
    send(world, "d", ago=60 * HOUR)
    found = read(world)
    assert known(world) == {"a", "b", "c"}
    assert found.counts == {f"span: {OLDER}": 1, BEGUN_ANEW: 1}
    assert found.reading == stored(world)
    passes = book_of(world).read(PassState)
    assert (found.reading.cursor, passes.settled_cursor, passes.settled_labels) == ("2:d", None, 0)
    assert (found.reading.read_since, passes.first_look_at) == (NOON - 54 * HOUR, NOON - 30 * HOUR)
    assert book_of(world).read(Masked) == Masked(rules=MASKING)


def test_a_cursor_behind_refused_traces_only_is_followed_all_the_same(world: World):
    send(world, "odd", chosen_agent="nobody")
    read(world)
    send(world, "a")
    assert (read(world).counts, known(world)) == ({f"span: {UNKNOWN}": 1}, {"a"})


def test_experiences_without_a_cursor_tell_nothing_of_a_database(world: World):
    send(world, "a")
    ExperienceLog(world.store, "acme_corp").append([make_experience(span_id="z")], {})
    assert BEGUN_ANEW not in read(world).counts


# Reading again


@pytest.fixture
def passed(world: World) -> World:
    """A world in which two spans of a day were read and three older ones passed over, of which one is unusable."""
    send(world, "old", ago=30 * HOUR)
    send(world, "odd and old", ago=30 * HOUR, chosen_agent="nobody")
    send(world, "oldest", ago=40 * HOUR)
    send(world, "odd", chosen_agent="nobody")
    send(world, "new")
    read(world)
    return world


@pytest.mark.parametrize(
    ("ago", "taken", "left", "unusable"),
    [
        (20 * HOUR, set(), 3, 1),
        (24 * HOUR, set(), 3, 1),
        (30 * HOUR, {"old"}, 1, 2),
        (99 * HOUR, {"old", "oldest"}, 0, 2),
    ],
)
def test_reading_again_takes_in_what_was_passed_over_and_leaves_the_cursor(
    passed: World, ago: timedelta, taken: set[str], left: int, unusable: int
):
    before = stored(passed)
    found = read_again(passed, NOON - ago)
    assert known(passed) == {"new"} | taken
    since = min(NOON - ago, NOON - 24 * HOUR)
    changed = {"read_since": since, "passed_over": left, "unusable": {UNKNOWN: unusable}}
    assert found.reading == stored(passed) == before.model_copy(update=changed)
    assert found.counts[AGAIN] == len(taken)
    assert read_again(passed, NOON - ago).counts[AGAIN] == 0
    assert stored(passed) == found.reading


def test_reading_again_by_more_labels_takes_in_what_was_refused(passed: World):
    wider = Fields("routing", FIELDS.inputs, {"agent": (*FIELDS.answers["agent"], "nobody")})
    found = read_again(passed, NOON - 20 * HOUR, wider)
    assert (known(passed), found.counts[AGAIN]) == ({"new", "odd"}, 1)
    assert found.reading.unusable == {UNKNOWN: 1}


def test_reading_again_where_all_was_read_counts_nothing_anew(passed: World):
    mark(passed.store, "acme_corp", read_since=None, passed_over=0)
    found = read_again(passed, NOON - 99 * HOUR)
    assert known(passed) == {"new", "old", "oldest"}
    assert (found.reading.read_since, found.reading.passed_over, found.reading.unusable) == (None, 0, {UNKNOWN: 1})


def test_reading_again_goes_on_by_batches_without_taking_anything_twice(passed: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(span_reader, "BATCH_SPANS", 1)
    spans = list(passed.traces.spans_after(Stream("acme_corp", "routing"), None))
    monkeypatch.setattr(passed.traces, "spans_after", lambda *_: iter([*spans, *spans]))
    assert read_again(passed, NOON - 99 * HOUR).counts[AGAIN] == 2
