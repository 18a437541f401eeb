"""At work: what passes tell is written down for other processes, and believed as long as their leases are held."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import NOON
from watched_store import Fails, WatchedStore

from argotune.errors import Unavailable
from argotune.runs.at_work import PassAtWork, WorkNotes, drop_at_work, passes_at_work
from argotune.store.collections import EVERYONE, Collection


class Clock:
    now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(tenant_id: str = "acme", module: str = "routing", holder: str = "me") -> PassAtWork:
    return PassAtWork(
        tenant_id=tenant_id,
        module=module,
        lease=f"run/{module}",
        holder=holder,
        since=NOON,
        step_since=NOON,
        told_at=NOON,
    )


def notes(store: WatchedStore, clock: Clock, known: PassAtWork | None = None) -> WorkNotes:
    return WorkNotes(store, known or begun(), clock, lambda *_: None)


def test_a_pass_is_seen_with_its_step_while_its_lease_is_held_and_not_after(clock: Clock):
    store = WatchedStore()
    store.hold("acme", "run/routing", "me", 60)
    with notes(store, clock) as work:
        work.progress("not yet", 0, 0)
        assert passes_at_work(store, clock()) == []
        work.begin()
        assert [each.what for each in passes_at_work(store, clock())] == [""]
        clock.now += timedelta(minutes=1)
        work.progress("routing: training", 0, 50)
        clock.now += timedelta(minutes=2)
        work.progress("routing: training", 20, 50)
        (found,) = passes_at_work(store, clock())
        assert (found.what, found.done, found.total) == ("routing: training", 20, 50)
        assert (found.since, found.step_since) == (NOON, NOON + timedelta(minutes=1))
        assert found.told(clock()).startswith("acme: routing: training: 20 of 50, 10 a minute, about 3 min left")
    assert passes_at_work(store, clock()) == []
    assert list(store.scan(EVERYONE, Collection.AT_WORK)) == []


def test_a_step_that_lasts_is_written_every_ten_seconds(clock: Clock):
    store = WatchedStore()
    with notes(store, clock) as work:
        work.begin()
        for number in range(100):
            clock.now += timedelta(seconds=1)
            work.progress("training", number, 100)
        assert store.count("write") == 11


@pytest.mark.parametrize("holder", [None, "another"])
def test_a_pass_that_was_killed_is_not_at_work(clock: Clock, holder: str | None):
    store = WatchedStore()
    notes(store, clock).begin()
    if holder:
        store.hold("acme", "run/routing", holder, 60)
    assert passes_at_work(store, clock()) == []


def test_what_one_that_was_killed_has_left_is_replaced_and_one_that_was_overtaken_removes_nothing(clock: Clock):
    store = WatchedStore()
    store.hold("acme", "run/routing", "you", 60)
    with notes(store, clock) as overtaken:
        overtaken.begin()
        notes(store, clock, begun(holder="you")).begin()
        overtaken.progress("goes on", 1, 2)
    assert [(each.holder, each.what) for each in passes_at_work(store, clock())] == [("you", "")]


def test_a_pass_goes_on_where_its_notes_cannot_be_written(clock: Clock):
    store = WatchedStore()
    fails = store.before = Fails(("write", "remove"))
    with notes(store, clock) as work:
        work.begin()
        fails.error = Unavailable("store: away")
        work.progress("training", 1, 2)


def test_leases_are_looked_at_of_those_alone_that_told_something_within_a_day(clock: Clock):
    store = WatchedStore()
    for number in range(300):
        notes(store, clock, begun(f"t{number:03}")).begin()
    assert passes_at_work(store, NOON + timedelta(hours=1)) == []
    assert store.count("holder") == 200
    assert passes_at_work(store, NOON + timedelta(days=2)) == []
    assert store.count("holder") == 200
    drop_at_work(store, "t007")
    assert len(list(store.scan(EVERYONE, Collection.AT_WORK))) == 299
