"""The page of a tenant: champions, scores over time, contests with what they still need, the queue."""

from __future__ import annotations

import math
from datetime import date

import pytest
from factories import NOON, after, make_contest

from argotune.dashboard.views.tenant import accuracy_view, contest_view, queue_view, served_views
from argotune.decisions.outlook import Outlook
from argotune.labels.queue import QueueStanding
from argotune.pipeline.operations.accuracy import DayAccuracy, HeldOutScore, ProgramAccuracy
from argotune.pipeline.operations.inspecting import ServedProgram
from argotune.promotion.contests import CurvePoint
from argotune.promotion.versions import Change


def served(program: str, **overrides: object) -> ServedProgram:
    values = dict.fromkeys(("champion", "since", "last_run_at", "outcome", "sentence", "contest"))
    return ServedProgram(
        **{"tenant_id": "acme", "program": program, "is_pooled": False, "barred": (), **values, **overrides}
    )


def test_programs_that_got_worse_come_first_and_idle_ones_are_known():
    found = served_views(
        [
            served("a"),
            served("b", champion="v1", since=NOON, is_pooled=True, sentence="promoted: so", last_run_at=NOON),
            served("c", champion="v2", since=NOON, is_degraded=True, live=("it fell",), barred=("v9",)),
        ]
    )
    assert [(each.program, each.is_degraded, each.is_idle) for each in found] == [
        ("c", True, False),
        ("a", False, True),
        ("b", False, False),
    ]
    assert found[0].lines == ("since 2026-03-02 12:00 UTC", "live quality: it fell", "rolled back: v9")
    assert found[1].lines == ("the program as written serves",)
    assert found[2].lines == (
        "since 2026-03-02 12:00 UTC, from the pool",
        "last run 2026-03-02 12:00 UTC: promoted: so",
    )


def test_scores_over_time_are_points_with_what_is_told_of_them():
    change = Change(
        program="routing", sequence=1, version="v2", previous="v1", at=NOON, how="promoted", who="run r", reason="so"
    )
    held_out = HeldOutScore("c1", "v1", "v2", NOON, "promoted", 0.5, 0.8, 0.3, 0.1, 0.5, 40)
    live = DayAccuracy(date(2026, 3, 2), "v2", "people", 12, 0.75)
    view = accuracy_view(ProgramAccuracy("acme", "routing", "v2", (live,), (held_out,), (change,)))
    assert (view.live[0].mean, view.live[0].told) == (0.75, "v2: 75.0 % of 12 answers, by people")
    assert view.moves[0].told == "v2 promoted by run r"
    point = view.held_out[0]
    assert (point.gain, point.low, point.high) == (pytest.approx(30), pytest.approx(10), pytest.approx(50))
    assert point.told == ("v2 against v1: +30.0 points (+10.0 to +50.0), sealed examples 50.0 % -> 80.0 %, 40 labels")


def test_a_contest_shows_its_wealth_in_powers_of_ten_and_what_it_still_needs():
    point = CurvePoint(run_id="r", at=after(60), log_wealth=math.log(100), labels=3, answers=40, differ=9, wait=2)
    contest = make_contest(
        level=0.001,
        curve=(point,),
        judged=("a", "b", "c"),
        wait=("s1", "s2"),
        outlook=Outlook(gain=0.03, labels=9, answers=99),
    )
    view = contest_view(contest)
    assert (view.asked, view.curve[0].power) == (pytest.approx(3), pytest.approx(2))
    assert view.share == 0.25
    assert view.told == "3 labels in hand, about 9 still needed, 2 spans in front of people"


def test_of_a_contest_without_outlook_nobody_knows_how_long_it_takes():
    view = contest_view(make_contest())
    assert (view.share, view.curve) == (None, ())
    assert "not known" in view.told


def test_the_queue_is_told_by_program_and_by_contest():
    view = queue_view(QueueStanding("acme", 5, {"routing": 5}, {"c1": 2}, NOON, 6, 50))
    assert [tile.figure for tile in view.tiles] == ["5", "6", "50"]
    assert [(bar.name, bar.length) for bar in view.by_program + view.by_contest] == [("routing", 5), ("c1", 2)]
    empty = queue_view(QueueStanding("acme", 0, {}, {}, None, 0, 50))
    assert (empty.tiles[0].figure, empty.tiles[0].meaning) == ("0", "")
