"""The page of the fleet: sums over the tenants that it was started for, and the longest bars."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import NOON

from argotune.dashboard.views.fleet import SHOWN, FleetView, fleet_view
from argotune.pipeline.operations.fleet import FleetStanding, FleetTenant, FleetTotals
from argotune.runs.at_work import PassAtWork
from argotune.runs.sums import Money
from argotune.runs.tallies import LastVerdict, RoundRecord
from argotune.store.records import Unreadable


def verdict(program: str, minutes: int, outcome: str = "promoted") -> LastVerdict:
    at = NOON + timedelta(minutes=minutes)
    return LastVerdict(program=program, outcome=outcome, sentence=f"{outcome}: so", run_id=f"{program}-1", at=at)


ACME = FleetTenant(
    tenant_id="acme",
    is_enabled=True,
    last_verdicts=(verdict("routing", 5), verdict("fusion", 1, "rejected")),
    runs={"promoted": 2, "skipped": 3},
    last_ended_at=NOON,
    open_contests=1,
    waiting=7,
    waiting_since=NOON,
    degraded=1,
    spent=Money(lm_calls=10, lm_tokens=500, usd=0.5, unpriced_calls=2),
)
GLOBEX = FleetTenant(
    tenant_id="globex", is_enabled=False, last_verdicts=(verdict("routing", 9),), runs={"promoted": 1}, waiting=9
)
WORK = PassAtWork(
    tenant_id="acme",
    module="routing",
    lease="l",
    holder="h",
    since=NOON,
    what="answering",
    done=5,
    total=20,
    step_since=NOON,
    told_at=NOON,
)


def standing(*tenants: FleetTenant, **overrides: object) -> FleetStanding:
    totals = FleetTotals(0, 0, {}, 0, 0, 0, 0, Money(), Money())
    values = {"tenants": tenants, "totals": totals, "at_work": (WORK,), "last_round": None, "left_out": ()}
    return FleetStanding(**{**values, **overrides})


def figures(view: FleetView) -> dict[str, str]:
    return {tile.name: tile.figure for tile in view.tiles}


def test_figures_are_sums_over_all_tenants():
    view = fleet_view(standing(ACME, GLOBEX), None, NOON)
    assert figures(view) == {
        "Tenants": "2",
        "Running": "1",
        "Labels to give": "16",
        "Open contests": "1",
        "Degraded": "1",
        "LM calls": "10",
        "US dollars": "0.5",
    }
    assert [(bar.name, bar.length) for bar in view.outcomes][:4] == [
        ("promoted", 3),
        ("rejected", 0),
        ("undecided", 0),
        ("skipped", 3),
    ]
    assert view.degraded == ("acme",)


def test_a_dashboard_of_some_tenants_sums_over_these_and_names_those_that_nobody_has_added():
    view = fleet_view(standing(ACME, GLOBEX), ("globex", "nobody"), NOON)
    assert figures(view) | {"Tenants": "1", "Labels to give": "9", "LM calls": "0", "US dollars": "-"} == figures(view)
    assert (view.unknown, view.at_work, view.degraded) == (("nobody",), (), ())


def test_the_newest_verdicts_come_first_whosever_they_are():
    view = fleet_view(standing(ACME, GLOBEX), None, NOON)
    assert [(each.tenant_id, each.program) for each in view.newest] == [
        ("globex", "routing"),
        ("acme", "routing"),
        ("acme", "fusion"),
    ]


def test_what_runs_says_how_far_it_is():
    (work,) = fleet_view(standing(ACME), None, NOON + timedelta(seconds=30)).at_work
    assert work.share == 0.25
    assert "5" in work.told
    assert "20" in work.told
    unknown = WORK.model_copy(update={"total": 0})
    (work,) = fleet_view(standing(ACME, at_work=(unknown,)), None, NOON).at_work
    assert work.share is None


@pytest.mark.parametrize(("usd", "unit", "length"), [(0.5, "US dollars", 0.5), (None, "LM calls", 10)])
def test_money_is_told_in_dollars_where_any_price_is_known(usd: float | None, unit: str, length: float):
    tenant = FleetTenant("acme", True, spent=Money(lm_calls=10, usd=usd))
    view = fleet_view(standing(tenant), None, NOON)
    assert (view.spent_in, view.spent[0].length) == (unit, length)


def test_of_many_tenants_the_longest_bars_are_shown_and_all_rows():
    view = fleet_view(standing(*(FleetTenant(f"t{n}", True, waiting=n) for n in range(50))), None, NOON)
    assert [bar.name for bar in view.waiting] == [f"t{n}" for n in range(49, 49 - SHOWN, -1)]
    assert len(view.rows) == 50


def test_nothing_anywhere_is_shown_as_nothing():
    view = fleet_view(standing(at_work=()), None, NOON)
    assert (view.rows, view.waiting, view.spent, view.newest, view.last_round) == ((), (), (), (), "")


def test_the_last_round_and_what_was_left_out_are_told():
    record = RoundRecord(name="r", started_at=NOON, tenants=9, submitted=3, skipped={"not due": 6}, is_complete=False)
    left_out = (Unreadable("acme", "runs", "r1", "damaged"),)
    view = fleet_view(standing(last_round=record, left_out=left_out), None, NOON)
    assert view.last_round == (
        "Last round, 2026-03-02 12:00 UTC: 9 tenants, 3 submitted, 0 failed, passed over: 6 not due, not complete"
    )
    assert view.left_out == (left_out[0].sentence,)
