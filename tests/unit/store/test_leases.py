"""Leases: one at a time, renewed while the work lasts, given back whatever happens."""

from __future__ import annotations

import threading
import time

import pytest
from watched_store import Call, Fails, Meanwhile, WatchedStore, nothing

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import AccessDenied, ArgotuneError, Conflict, Unavailable
from argotune.store.leases import Claim, leased
from argotune.store.port import Record
from argotune.store.records import to_record

TTL_S = 0.15
ENOUGH_S = 2.0
"""Longer than any of this takes, so that a busy machine fails nothing."""


def hold(store: MemoryStore, holder: str, ttl_s: float = TTL_S) -> bool:
    return store.hold("acme_corp", "run/routing", holder, ttl_s)


def held(store: MemoryStore, ttl_s: float = TTL_S):
    return leased(store, "acme_corp", "run/routing", "me", ttl_s)


def failing(error: ArgotuneError | None = None) -> tuple[WatchedStore, Fails]:
    """A store, and what makes it fail whenever it is asked for a lease."""
    store, fails = WatchedStore(), Fails(("hold", "renew", "let_go"), error)
    store.before = fails
    return store, fails


def test_a_second_holder_waits_for_one_lifetime_and_then_gives_up():
    store = MemoryStore()
    assert hold(store, "somebody", ENOUGH_S * 10)
    began_s = time.monotonic()
    with pytest.raises(Conflict, match="another run of run/routing for tenant 'acme_corp'"), held(store):
        pytest.fail("two are at work")
    assert time.monotonic() - began_s >= TTL_S
    assert not hold(store, "me")


def test_a_lease_of_a_killed_holder_is_taken_over_when_it_lapses():
    store = MemoryStore()
    assert hold(store, "killed")
    with held(store) as lease:
        assert not lease.lost.is_set()
        assert not hold(store, "killed")


def test_other_modules_and_tenants_are_not_in_the_way():
    store = MemoryStore()
    others = [("acme_corp", "run/modality"), ("globex", "run/routing")]
    assert all(store.hold(tenant_id, name, "somebody", ENOUGH_S) for tenant_id, name in others)
    with held(store):
        pass


def test_a_lease_is_renewed_while_the_block_runs():
    store, ttl_s = MemoryStore(), 0.6  # on a busy machine a renewal may be late by some tenths
    with held(store, ttl_s) as lease:
        until_s = time.monotonic() + 1.5 * ttl_s
        while time.monotonic() < until_s:
            assert not hold(store, "other")
            time.sleep(0.01)
        assert not lease.lost.is_set()


@pytest.mark.parametrize("error", [KeyError("work"), Conflict("work"), KeyboardInterrupt()], ids=repr)
def test_a_lease_is_given_back_whatever_the_block_raises(error: BaseException):
    store = MemoryStore()
    with pytest.raises(type(error)) as raised, held(store):
        raise error
    assert raised.value is error
    assert hold(store, "next", ENOUGH_S)


def test_nothing_goes_on_when_the_block_is_over():
    store, before = MemoryStore(), set(threading.enumerate())
    with held(store):
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before
    assert hold(store, "next", ENOUGH_S)


def test_a_lost_lease_is_signalled_and_the_new_holder_keeps_it():
    store = MemoryStore()
    with held(store) as lease:
        store.let_go("acme_corp", "run/routing", "me")
        assert hold(store, "thief", ENOUGH_S * 10)
        assert lease.lost.wait(ENOUGH_S)
    assert not hold(store, "next")


def test_a_short_outage_is_no_loss():
    (store, fails), asked = failing(), threading.Semaphore(0)

    def before(call: Call) -> None:
        asked.release()
        fails(call)

    store.before = before
    with held(store) as lease:
        for error in (None, Unavailable("the store is down"), None):
            fails.error = error
            while asked.acquire(blocking=False):
                continue
            assert asked.acquire(timeout=ENOUGH_S)
            assert asked.acquire(timeout=ENOUGH_S)
        assert not lease.lost.is_set()


def test_a_store_that_refuses_for_good_is_a_lost_lease():
    store, fails = failing()
    with held(store) as lease:
        fails.error = AccessDenied("the password was changed")
        assert lease.lost.wait(ENOUGH_S)
        fails.error = None


def test_a_store_that_is_down_at_the_end_does_not_undo_the_work():
    store, fails = failing()
    with held(store):
        fails.error = Unavailable("the store is down")


def test_a_store_that_is_down_at_the_end_does_not_hide_why_the_work_failed():
    store, fails = failing()

    def work() -> None:
        fails.error = Unavailable("the store is down")
        raise KeyError("work")

    with pytest.raises(KeyError, match="work"), held(store):
        work()


def test_a_store_that_is_down_at_the_beginning_says_so():
    store, _ = failing(Unavailable("the store is down"))
    with pytest.raises(Unavailable), held(store):
        pytest.fail("nobody holds the lease")


class Clock:
    """Seconds that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_lease_that_lapsed_while_the_process_stood_still_is_not_taken_again():
    clock = Clock()
    store = MemoryStore(clock)
    with held(store) as lease:
        clock.now_s = 3600.0
        assert lease.lost.wait(ENOUGH_S)
        with pytest.raises(Unavailable, match="run/routing was not renewed"):
            lease.check()
        lease.store.write("acme_corp", [Record("runs", "r1", "nobody has come, so nothing is in the way")])


def test_who_was_overtaken_writes_and_removes_nothing_of_the_tenant():
    clock = Clock()
    store = MemoryStore(clock)
    store.write("acme_corp", [Record("runs", "r1", "{}")])
    with held(store) as stale:
        clock.now_s = 3600.0
        with leased(store, "acme_corp", "run/routing", "you", TTL_S) as lease:
            lease.store.write("acme_corp", [Record("runs", "r2", "{}")])
        for act in (
            lambda: stale.store.write("acme_corp", [Record("runs", "r2", "older")]),
            lambda: stale.store.write("acme_corp", [Record("runs", "r3", "new")], {("runs", "r3"): None}),
            lambda: stale.store.remove("acme_corp", "runs"),
        ):
            with pytest.raises(Conflict, match="taken up by another process while this one stood still"):
                act()
        assert stale.lost.wait(ENOUGH_S)
        with pytest.raises(Conflict, match="taken up by another process"):
            stale.check()
        stale.store.write("globex", [Record("runs", "r1", "{}")])
    assert {record.id: record.text for record in store.scan("acme_corp", "runs")} == {"r1": "{}", "r2": "{}"}


def test_who_stood_still_right_after_taking_the_lease_does_not_push_out_who_came_meanwhile():
    clock, others = Clock(), []
    store = WatchedStore(clock)

    def stands_still(call: Call) -> None:
        """Between taking the lease and saying so; meanwhile another works."""
        if call.verb == "hold":
            store.after, clock.now_s = nothing, 3600.0
            others.append(leased(store, call.tenant_id, *call.places, "you", ENOUGH_S * 10))
            others.append(others[0].__enter__())

    store.after = stands_still
    with pytest.raises(Conflict, match="is at work"), held(store):
        pytest.fail("two are at work")
    manager, lease = others
    lease.check()
    lease.store.write("acme_corp", [Record("runs", "r1", "{}")])
    manager.__exit__(None, None, None)


def test_a_damaged_claim_is_replaced():
    store = MemoryStore()
    store.write("acme_corp", [Record("leases", "run/routing", "damaged")])
    with held(store) as lease:
        lease.store.write("acme_corp", [Record("runs", "r1", "{}")])


def test_who_is_overtaken_while_it_removes_removes_nothing():
    store = WatchedStore()
    store.write("acme_corp", [Record("runs", "r1", "{}")])
    with held(store) as lease:
        claim = to_record("leases", "run/routing", Claim(holder="you"))
        store.before = Meanwhile(lambda: store.write("acme_corp", [claim]), "remove")
        with pytest.raises(Conflict, match="taken up by another process"):
            lease.store.remove("acme_corp", "runs", ["r1"])
    assert store.read("acme_corp", "runs", "r1") == "{}"
