"""The continuous service on memory adapters: replicas share tenants, trouble stays where it is, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from watched_store import Fails, WatchedStore
from world import World

from argotune.errors import BadAnswer, Unavailable
from argotune.pipeline.operations.attending import Visit, VisitAsked, attend, look_at_all
from argotune.pipeline.operations.running import RunRequest, run_modules
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.scheduling.chores import Backoff, Chore, Lane, Periods, ServiceRules
from argotune.service import loop
from argotune.service.loop import Service
from argotune.store.collections import Collection
from argotune.tenants.attended import all_attended
from argotune.tenants.catalog import Configs

ENOUGH_S = 60.0
RULES = ServiceRules(backoff=Backoff(timedelta(minutes=10)), stop_s=5)
AWAY = Unavailable("the store is away")

pytestmark = pytest.mark.usefixtures("short_ticks")


@pytest.fixture
def short_ticks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "TICK_S", 0.01)


@dataclass
class Running:
    service: Service
    stop: threading.Event
    told: list[str]
    visits: list[Visit]
    left: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def troubles(self) -> list[str]:
        """What was told but for figures."""
        return [line for line in self.told if not line.startswith("tenants: ")]

    def until(self, condition: Callable[[], object], moving: World | None = None) -> None:
        """Wait; of a world that moves half a minute goes by each time."""
        deadline = time.monotonic() + ENOUGH_S
        while not condition():
            assert time.monotonic() < deadline, (self.told, self.service.figures)
            time.sleep(0.02)
            if moving:
                moving.later(seconds=30)

    def has_done(self, *tenant_ids: str) -> bool:
        ended = {done.tenant_id for done in self.visits if done.report and done.failure is None}
        return ended >= set(tenant_ids)


@contextmanager
def running(world: World, rules: ServiceRules = RULES, only: tuple[str, ...] = ()) -> Iterator[Running]:
    told, visits, stop = [], [], threading.Event()
    service = Service(world.ports, rules, told.append, only, on_visit=visits.append)
    found = Running(service, stop, told, visits)
    thread = threading.Thread(target=lambda: found.left.append(service.run(stop)))
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(ENOUGH_S)
    assert not thread.is_alive()


def world_of(*tenant_ids: str, n: int = 150, **given) -> World:
    world = World(**{"store": WatchedStore(), **given})
    for tenant_id in tenant_ids:
        world.tenant(tenant_id)
        world.receive(n, tenant_id)
    return world


def runs_of(world: World, tenant_id: str) -> list[str]:
    return [run.outcome for run in RunBook(world.store, tenant_id).runs()]


def test_a_visit_is_the_pass_that_argotune_run_does():
    served, by_hand = world_of("acme"), world_of("acme")
    with running(served) as service:
        service.until(lambda: service.has_done("acme"))
    run_modules(by_hand.ports, RunRequest("acme"))
    (mine,), (theirs,) = (RunBook(world.store, "acme").runs() for world in (served, by_hand))
    assert mine.outcome == theirs.outcome == "promoted"
    assert (mine.counts, mine.champion, mine.forced) == (theirs.counts, theirs.champion, theirs.forced)
    assert mine.plan is not None
    assert theirs.plan is not None
    assert (mine.plan.train_ids, mine.plan.optimizer) == (theirs.plan.train_ids, theirs.plan.optimizer)


def test_two_replicas_do_each_tenants_visit_once():
    tenants = [f"t{n}" for n in range(6)]
    world = world_of(*tenants)
    with running(world) as one, running(world) as other:
        one.until(lambda: {done.tenant_id for done in one.visits + other.visits if done.report} == set(tenants))
        world.later(minutes=2)
        time.sleep(0.2)
    assert [runs_of(world, tenant_id) for tenant_id in tenants] == [["promoted"]] * 6
    ran = [done.tenant_id for done in one.visits + other.visits if done.report and done.report.runs]
    assert sorted(ran) == tenants


def test_a_tenant_that_hangs_delays_no_other_and_is_told():
    world, gate = world_of("good-1", "good-2", "a-hang"), threading.Event()
    world.lms.on_call = lambda: gate.wait(ENOUGH_S) if threading.current_thread().name == "visit of a-hang" else None
    with running(world, replace(RULES, at_once=1, patience=timedelta(minutes=5))) as service:
        others_done = lambda: service.has_done("good-1", "good-2") and service.service.figures.stuck == 1  # noqa: E731
        service.until(others_done, moving=world)
        assert not service.has_done("a-hang")
        assert any("a-hang: its visit has shown no sign of life for 0:05:00" in line for line in service.told)
        assert service.service.why_unwell == "1 visit without a sign of life, and no places are left for passes"
        gate.set()
        service.until(lambda: service.has_done("a-hang"))
    assert service.left == [()]


def test_looks_wait_for_no_pass_however_long_it_takes():
    world, gate, begun = world_of("a-long", "b-long"), threading.Event(), threading.Event()
    world.lms.on_call = lambda: (begun.set(), gate.wait(ENOUGH_S))
    with running(world, replace(RULES, at_once=1, patience=timedelta(days=9))) as service:
        service.until(begun.is_set)
        for quiet in (quiet_ones := ["quiet-1", "quiet-2", "quiet-3"]):
            world.tenant(quiet)
            world.receive(5, quiet)
            world.later(minutes=1)
            service.until(lambda quiet=quiet: service.has_done(quiet))
        assert {done.tenant_id for done in service.visits} == set(quiet_ones)
        assert service.service.figures.waits_s == {Lane.LOOKS: 0, Lane.PASSES: 180}  # the other one that is due
        gate.set()
        service.until(lambda: service.has_done("a-long", "b-long"))


def test_a_pass_that_goes_on_keeps_its_place_however_long_it_takes():
    world, began_at = world_of("acme"), []
    world.lms.on_call = lambda: (began_at.append(world.now), world.later(seconds=20))
    with running(world, replace(RULES, at_once=1, patience=timedelta(minutes=5))) as service:
        service.until(lambda: service.has_done("acme"))
    assert began_at[-1] - began_at[0] > timedelta(minutes=10)
    assert not any("no sign of life" in line for line in service.told)


def test_a_broken_config_is_told_once_backs_off_and_delays_no_other():
    world = world_of("acme", "broken")
    text = world.store.read("broken", Collection.CONFIG, "routing")
    world.store._texts["broken", Collection.CONFIG]["routing"] = text.replace("0.05", "0.06")
    with running(world) as service:
        service.until(lambda: service.has_done("acme") and service.service.figures.visits.get("failed"))
        for _ in range(25):
            world.later(minutes=1)
            time.sleep(0.02)
        service.until(lambda: service.service.figures.visits["failed"] == 2)
    assert runs_of(world, "acme")[0] == "promoted"
    assert sum("config of tenant 'broken'" in line for line in service.told) == 1


def test_a_store_that_is_away_for_ten_minutes_is_told_once_and_nothing_is_lost():
    world = world_of("a", "b")
    fails = Fails(("read", "scan", "write", "hold", "renew", "remove"), AWAY)
    world.store.before = fails
    with running(world) as service:
        service.until(lambda: service.troubles)
        fails.error = BadAnswer("protocol error")  # as servers say it a moment later
        for _ in range(20):
            world.later(seconds=30)
            time.sleep(0.02)
        assert service.troubles == ["store: Unavailable: the store is away"]
        assert not service.service.figures.is_store_up
        assert service.service.why_unwell == ""
        fails.error = None
        world.later(minutes=1)
        service.until(lambda: service.has_done("a", "b"))
    assert service.troubles[1] == "store: well again"
    assert runs_of(world, "a") == runs_of(world, "b") == ["promoted"]


def test_an_outage_in_the_middle_of_visits_is_told_once_for_all_and_they_go_on_after_it():
    world = world_of(*(tenants := ["a", "b", "c"]))
    fails = Fails(("read", "scan", "write", "hold"))
    world.store.before, reached = fails, threading.Event()
    world.lms.on_call = reached.set
    with running(world) as service:
        service.until(reached.is_set)
        fails.error = AWAY
        service.until(lambda: any("the store is away" in line for line in service.told))
        for _ in range(20):
            world.later(seconds=30)
            time.sleep(0.01)
        fails.error = None
        service.until(lambda: service.has_done(*tenants), moving=world)
    assert sum("the store is away" in line for line in service.told) <= 2  # by the first tenant, and by the look
    assert [runs_of(world, tenant_id)[0] for tenant_id in tenants] == ["promoted"] * 3


def test_a_service_that_is_stopped_gives_the_work_up_at_once_and_another_one_goes_on():
    world, straight = world_of("acme"), world_of("acme")
    begun = threading.Event()
    world.lms.on_call = begun.set
    with running(world) as first:
        first.until(begun.is_set)
        at = time.monotonic()
        first.stop.set()
    assert time.monotonic() - at < 5
    assert first.left == [()]
    assert runs_of(world, "acme") == ["unfinished"]
    with running(world) as second:
        second.until(lambda: second.has_done("acme"))
    run_modules(straight.ports, RunRequest("acme"))
    assert runs_of(world, "acme") == runs_of(straight, "acme")
    champions = [Registry(each.store, "acme").champions() for each in (world, straight)]
    assert len(champions[0]) == len(champions[1]) == 1


def test_what_hangs_when_the_service_is_stopped_is_left_and_named():
    world, gate, begun = world_of("a-hang"), threading.Event(), threading.Event()
    world.lms.on_call = lambda: (begun.set(), gate.wait(ENOUGH_S))
    with running(world, replace(RULES, stop_s=0.2)) as service:
        service.until(begun.is_set)
    assert service.left == [("a-hang",)]
    gate.set()


def test_a_visit_that_the_cron_has_taken_is_no_failure_and_a_dead_replicas_tenant_is_taken_over():
    world = world_of("acme")
    assert world.store.hold("acme", "service", "a dead replica", 0.5)
    with running(world) as service:
        service.until(lambda: service.service.figures.visits.get("elsewhere"))
        time.sleep(0.6)
        world.later(minutes=1)
        service.until(lambda: service.has_done("acme"))
    assert not service.service.figures.visits.get("failed")
    assert runs_of(world, "acme") == ["promoted"]


def test_a_tenant_without_anything_new_costs_no_write_and_no_lease():
    world = world_of("idle")
    for _ in range(2):  # a pass, and a look that finds nothing more
        attend(world.ports, VisitAsked("idle"))
        world.later(minutes=1)
    assert [tenant.has_need for tenant in look_at_all(world.store, world.traces, world.now).tenants] == [False]
    with running(world) as service:
        service.until(lambda: service.service.figures.is_store_up)
        world.store.calls.clear()
        for _ in range(10):
            world.later(minutes=3)
            time.sleep(0.02)
    assert not [call for call in world.store.calls if call.verb in ("write", "hold") and call.tenant_id == "idle"]


def test_new_tenants_are_found_and_others_than_those_asked_for_are_not_attended():
    world = world_of("acme", "other")
    with running(world, only=("acme",)) as service:
        service.until(lambda: service.has_done("acme"))
        assert sum(service.service.figures.tenants.values()) == 1
    with running(world) as service:
        service.until(lambda: service.has_done("other"))
        world.tenant("new")
        world.receive(150, "new")
        world.later(minutes=1)
        service.until(lambda: service.has_done("new"))


def test_one_that_was_asked_for_and_removed_is_told_once_and_keeps_nobody_from_being_attended():
    world = world_of("acme", "gone")
    Configs(world.store).remove("gone")
    with running(world, only=("gone", "acme")) as service:
        service.until(lambda: service.has_done("acme"))
        for _ in range(5):
            world.later(minutes=1)
            time.sleep(0.02)
    assert service.troubles[0] == "gone: it has no routing config any more"
    assert sum("gone" in line for line in service.told) == 1


def test_figures_are_of_what_visits_took_in_and_are_told_every_period():
    world = world_of("acme")
    with running(world, replace(RULES, periods=Periods(metrics=timedelta(minutes=5)))) as service:
        service.until(lambda: service.has_done("acme"))
        for _ in range(3):
            world.later(minutes=5)
            count = len(service.told)
            service.until(lambda count=count: len(service.told) > count)
    assert service.service.figures.passed.spans == 150
    assert service.service.figures.passed.experiences == 150
    assert service.service.figures.passed.labelled == 150
    assert service.service.figures.passed.mean_confidence == pytest.approx(0.9)
    assert sum("visits: 1 done" in line and "150 spans read" in line for line in service.told) == 3


def test_removing_a_tenant_leaves_nothing_of_its_visits():
    world = world_of("acme")
    attend(world.ports, VisitAsked("acme", frozenset({Chore.SPANS})))
    assert all_attended(world.store)["acme"].done_at == {"spans": world.now}
    Configs(world.store).remove("acme")
    assert all_attended(world.store) == {}
