"""The timetable: what is due when, and that nobody's trouble is another's. Time is an argument: nothing waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import NOON
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.scheduling.chores import Backoff, Chore, Lane, Periods, ServiceRules
from argotune.scheduling.timetable import KnownTenant, Timetable, lateness_s

MINUTE = timedelta(minutes=1)


def known(*tenant_ids: str, has_need: bool = True, done_minutes_ago: float | None = None) -> list[KnownTenant]:
    ago = {} if done_minutes_ago is None else {c.value: NOON - done_minutes_ago * MINUTE for c in Chore}
    return [KnownTenant(tenant_id, ago, has_need) for tenant_id in tenant_ids]


def table_of(*tenants: KnownTenant, **periods: timedelta) -> Timetable:
    table = Timetable(Periods(**periods), Backoff())
    table.know(tenants, NOON)
    return table


def begun(table: Timetable, minute: float, places: int = 99) -> dict[str, set[Chore]]:
    return {due.tenant_id: set(due.due_at) for due in table.begin(NOON + minute * MINUTE, places)}


def test_a_new_tenant_with_traces_is_looked_at_at_once_and_then_every_period():
    table = table_of(*known("acme"))
    assert begun(table, 0) == {"acme": {Chore.SPANS}}
    table.done("acme", NOON + 4 * MINUTE)
    seen = []
    for minute in range(5, 61):
        for tenant_id, chores in begun(table, minute).items():
            seen += [minute] if Chore.SPANS in chores else []
            table.done(tenant_id, NOON + minute * MINUTE)
    assert seen == [15, 30, 45, 60]


def test_without_anything_new_by_traces_the_other_chores_are_done_all_the_same():
    table, chores = table_of(*known("acme", has_need=False)), []
    for minute in range(61):
        for tenant_id, due in begun(table, minute).items():
            chores += due
            table.done(tenant_id, NOON + minute * MINUTE)
    assert chores.count(Chore.FEEDBACK) == 4
    assert chores.count(Chore.ANNOTATION) == 2
    assert Chore.SPANS not in chores


def test_first_visits_of_many_tenants_are_spread_over_a_period():
    table = table_of(*known(*(f"t{n}" for n in range(1000)), has_need=False))
    by_minute = [sum(Chore.FEEDBACK in due for due in begun(table, minute + 1).values()) for minute in range(15)]
    assert sum(by_minute) == 1000
    assert max(by_minute) < 110


def test_what_another_replica_has_done_is_not_due_again_and_a_restart_goes_on_by_it():
    assert begun(table_of(*known("acme", done_minutes_ago=10)), 0) == {}
    table = table_of(*known("acme"))
    table.know(known("acme", done_minutes_ago=1), NOON)
    assert begun(table, 13) == {}
    assert begun(table, 14) == {"acme": {Chore.SPANS, Chore.FEEDBACK}}


def test_a_time_in_the_future_is_not_believed():
    assert begun(table_of(*known("acme", done_minutes_ago=-600)), 0) == {"acme": {Chore.SPANS}}


def test_a_tenant_at_work_is_not_begun_again_and_places_bound_the_others():
    table = table_of(*known("a", "b", "c"))
    assert list(begun(table, 0, places=2)) == ["a", "b"]
    assert list(begun(table, 0.1, places=9)) == ["c"]
    assert begun(table, 600, places=0) == begun(table, 600) == {}
    assert table.at_work(Lane.LOOKS) == {"a": NOON, "b": NOON, "c": NOON + 0.1 * MINUTE}


def test_what_looks_found_waits_for_places_of_its_own_in_the_order_of_the_looks():
    table = table_of(*known("a", "b", "c", "d"))
    begun(table, 0, places=3)
    for minute, tenant_id in enumerate(("c", "a", "b")):
        table.found_work(tenant_id, NOON + minute * MINUTE)
    assert begun(table, 2, places=1).keys() == {"d"}
    (first,) = table.go_on(NOON + 3 * MINUTE, 1)
    assert (first.tenant_id, set(first.due_at)) == ("c", {Chore.SPANS})
    assert table.at_work(Lane.PASSES) == {"c": NOON + 3 * MINUTE}
    assert table.counts(NOON + 3 * MINUTE) == {"at work": 2, "backing off": 0, "waiting": 2, "idle": 0}
    assert table.go_on(NOON + 3 * MINUTE, 0) == []
    assert [due.tenant_id for due in table.go_on(NOON + 4 * MINUTE, 9)] == ["a", "b"]
    table.done("c", NOON + 4 * MINUTE)
    assert table.at_work(Lane.PASSES).keys() == {"a", "b"}


def test_the_longest_wait_is_told_by_lane():
    table = table_of(*known("late", done_minutes_ago=20), *known("found", "failed"))
    for due in table.begin(NOON, 9):
        if due.tenant_id == "found":
            table.found_work("found", NOON)
        elif due.tenant_id == "failed":
            table.failed("failed", NOON)
        else:
            table.put_off("late", NOON)
    waits = {minute: table.waits_s(NOON + minute * MINUTE) for minute in (0, 0.5, 9)}
    assert waits[0.5] == {Lane.LOOKS: 30, Lane.PASSES: 30}
    assert waits[9] == {Lane.LOOKS: 540, Lane.PASSES: 540}
    table.go_on(NOON + MINUTE, 9)
    table.begin(NOON + MINUTE, 9)
    assert table.waits_s(NOON + MINUTE) == {Lane.LOOKS: 0, Lane.PASSES: 0}


def test_a_tenant_that_was_removed_waits_for_no_place_any_more():
    table = table_of(*known("a"))
    begun(table, 0)
    table.found_work("a", NOON)
    table.know([], NOON)
    assert table.go_on(NOON, 9) == []


def test_failures_back_off_twice_as_long_each_time_and_only_for_that_tenant():
    table, tried = table_of(*known("bad", "good")), {"bad": [], "good": []}
    for minute in range(0, 120):
        for tenant_id in begun(table, minute):
            tried[tenant_id].append(minute)
            (table.failed if tenant_id == "bad" else table.done)(tenant_id, NOON + minute * MINUTE)
    assert tried["bad"][:6] == [0, 1, 3, 7, 15, 31]
    alone = table_of(*known("good"))
    assert tried["good"] == [
        m for m in range(120) if begun(alone, m) and (alone.done("good", NOON + m * MINUTE) or True)
    ]


def test_a_success_ends_the_backing_off_and_so_does_what_all_waited_for():
    table = table_of(*known("a"))
    for minute in (0, 1, 3):
        begun(table, minute)
        table.failed("a", NOON + minute * MINUTE)
    assert table.counts(NOON + 4 * MINUTE)["backing off"] == 1
    table.forgive(NOON + 4 * MINUTE)
    assert begun(table, 4.1)
    table.done("a", NOON + 4 * MINUTE)
    begun(table, 19)
    assert table.failed("a", NOON + 19 * MINUTE) == NOON + 20 * MINUTE


def test_a_visit_that_fails_of_an_outage_after_that_is_over_is_tried_again_at_once_and_then_backs_off():
    table = table_of(*known("a"))
    begun(table, 0)
    table.forgive(NOON + 5 * MINUTE)
    assert table.failed("a", NOON + 6 * MINUTE) == NOON + 6 * MINUTE
    assert begun(table, 6)
    assert table.failed("a", NOON + 7 * MINUTE) == NOON + 8 * MINUTE


def test_a_tenant_that_was_removed_has_no_line_and_one_at_work_keeps_it_until_its_visit_ended():
    table = table_of(*known("a", "b"))
    begun(table, 0, places=1)
    table.know([], NOON)
    assert sum(table.counts(NOON).values()) == 1
    table.done("a", NOON)
    table.know([], NOON)
    assert sum(table.counts(NOON).values()) == 0


def test_what_waits_the_longest_is_begun_first_and_its_lateness_is_told():
    table = table_of(*known("young", done_minutes_ago=15), *known("old", done_minutes_ago=20))
    (first,) = table.begin(NOON + MINUTE, 1)
    assert first.tenant_id == "old"
    assert lateness_s(first, NOON + MINUTE) == {Chore.SPANS: 360, Chore.FEEDBACK: 360}


@given(st.lists(st.tuples(st.floats(0, 90), st.booleans()), max_size=30))
def test_however_visits_end_there_are_no_more_than_time_allows(steps: list[tuple[float, bool]]):
    table, minute, begun_at = table_of(*known("a")), 0.0, []
    for wait, is_done in steps:
        minute += wait
        if "a" in begun(table, minute):
            begun_at.append(minute)
            (table.done if is_done else table.failed)("a", NOON + minute * MINUTE)
    assert len(begun_at) <= 1 + minute  # a minute after a failure, and more after others


@pytest.mark.parametrize("minutes", [0, -1, 60 * 24 * 400])
@pytest.mark.parametrize("name", ["spans", "annotation", "feedback", "metrics"])
def test_a_period_that_is_none_is_refused_by_its_name_and_value(name: str, minutes: int):
    with pytest.raises(ConfigInvalid, match=f"^{name}: {minutes} minutes are not above 0"):
        Periods(**{name: minutes * MINUTE})


@pytest.mark.parametrize(("first", "longest"), [(0, 1), (-1, 1), (2, 1)])
def test_a_backoff_that_is_none_is_refused(first: int, longest: int):
    with pytest.raises(ConfigInvalid, match=r"^backoff: "):
        Backoff(first * MINUTE, longest * MINUTE)


def test_places_and_patience_that_are_none_are_refused():
    with pytest.raises(ConfigInvalid, match=r"^at_once: 0 is below 1"):
        ServiceRules(at_once=0)
    with pytest.raises(ConfigInvalid, match=r"^looks_at_once: 0 is below 1"):
        ServiceRules(looks_at_once=0)
    with pytest.raises(ConfigInvalid, match=r"^patience: "):
        ServiceRules(patience=timedelta(0))
