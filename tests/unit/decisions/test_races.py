"""Races: what past ones tell of the next, and what is said of one."""

from __future__ import annotations

import pytest

from argotune.decisions.races import UNKNOWN, PastRaces, Race, Tried, entrants, past_races


def tried(method: str, score: float | None = 0.5, candidate: str = "") -> Tried:
    return Tried(candidate=candidate or method, method=method, score=score, n=0 if score is None else 20)


def race(winner: str, *methods: str, beside: tuple[float, float] | None = None, failed: str = "") -> Race:
    """Won by a candidate of `methods`; `beside` are the means of the champion and of it."""
    found = (*map(tried, methods), *([tried(failed, None)] if failed else []))
    champion = tried("champion", beside[0]) if beside else None
    return Race(tried=found, winner=winner, champion=champion, winner_beside=beside[1] if beside else None)


@pytest.mark.parametrize(
    ("beside", "is_better"), [(None, True), ((0.5, 0.6), True), ((0.5, 0.5), False), ((0.5, 0.4), False)]
)
def test_the_winner_goes_into_a_contest_unless_the_champion_is_as_good(
    beside: tuple[float, float] | None, is_better: bool
):
    assert race("nearest", "nearest", "labeled", beside=beside).is_better is is_better


def test_races_are_counted_by_kind_and_method_and_won_only_where_better_than_the_champion():
    races = [
        ("routing", race("nearest", "nearest", "labeled")),
        ("routing", race("labeled", "nearest", "labeled", beside=(0.9, 0.5))),
        ("routing", race("nearest", "nearest", failed="mipro")),
        ("video", race("gepa", "gepa")),
    ]
    assert past_races(races) == (
        PastRaces(kind="routing", raced={"nearest": 3, "labeled": 2}, won={"nearest": 2}),
        PastRaces(kind="video", raced={"gepa": 1}, won={"gepa": 1}),
    )


def test_candidates_of_one_method_race_as_one():
    both = (tried("nearest", candidate="nearest 2"), tried("nearest", candidate="nearest 4"))
    found = past_races([("routing", Race(tried=both, winner="nearest 4"))])
    assert found == (PastRaces(kind="routing", raced={"nearest": 1}, won={"nearest": 1}),)


def test_a_winner_that_nobody_measured_did_not_race():
    assert past_races([("routing", Race(tried=(tried("labeled", None),), winner="labeled"))]) == (
        PastRaces(kind="routing"),
    )


def test_cold_all_have_equal_shares_in_the_order_given_but_for_the_one_that_rules_name():
    found = entrants(["student", "labeled", "mipro"], "mipro")
    assert [entrant.method for entrant in found] == ["mipro", "student", "labeled"]
    assert {entrant.share for entrant in found} == {1 / 3}


@pytest.mark.parametrize(("raced", "won", "odds"), [(0, 0, 0.5), (8, 8, 0.9), (8, 0, 0.1), (98, 0, 0.01)])
def test_odds_are_of_one_half_and_move_with_what_is_known(raced: int, won: int, odds: float):
    past = PastRaces(kind="routing", raced={"mipro": raced}, won={"mipro": won})
    assert past.odds("mipro") == pytest.approx(odds)
    assert UNKNOWN.odds("mipro") == 0.5


def test_a_method_that_wins_comes_first_and_one_that_loses_keeps_a_share():
    past = PastRaces(kind="routing", raced={"gepa": 18, "mipro": 18}, won={"gepa": 17})
    first, second, third = entrants(["labeled", "mipro", "gepa"], "mipro", past)
    assert (first.method, second.method, third.method) == ("gepa", "labeled", "mipro")
    assert third.share == pytest.approx(0.05 / (0.05 + 0.9 + 0.5))
