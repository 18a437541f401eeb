"""Contests: how they may end and what they say, and what is left of a year whatever clocks did."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from factories import NOON, make_contest
from hypothesis import given
from hypothesis import strategies as st

from argotune.decisions.outlook import Outlook
from argotune.errors import Conflict
from argotune.promotion.contest_book import ended
from argotune.promotion.contests import NEXT, OLDER_KEPT, YEAR, Contest, ContestState, Share, Shares
from argotune.store.collections import Collection
from argotune.store.records import from_text, to_record
from argotune.store.sealing import seal

DAY = timedelta(days=1)
ENDS = [state for state in ContestState if state is not ContestState.OPEN]
OUTLOOK = Outlook(gain=0.03, labels=12, answers=300)
OPEN = make_contest(
    judged=("a", "b"), answers=50, differ=9, log_wealth=-0.5, wait=("span",), outlook=OUTLOOK, owes_answers=True
)

# States


def test_an_open_contest_may_end_in_every_way_and_an_ended_one_in_none():
    assert {ContestState.OPEN: frozenset(ENDS), **dict.fromkeys(ENDS, frozenset())} == NEXT


@pytest.mark.parametrize("state", ENDS)
def test_a_contest_that_ends_says_why_and_waits_for_nothing(state: ContestState):
    found = OPEN.ended(state, "enough", NOON + DAY, 0.001, "anna")
    assert not found.is_open
    assert (found.state, found.why, found.who, found.ended_at, found.spent) == (
        state,
        "enough",
        "anna",
        NOON + DAY,
        0.001,
    )
    assert (found.wait, found.owes_answers, found.outlook) == ((), False, None)
    assert found.sentence == f"{state}: enough (2 labels, 50 answers of both, 9 of them differ)"
    assert (found.judged, found.log_wealth) == (OPEN.judged, OPEN.log_wealth)
    for again in ContestState:
        with pytest.raises(Conflict, match=f"cannot go from {state} to {again}"):
            found.ended(again, "again", NOON, 0.0)


def test_an_open_contest_cannot_be_opened():
    with pytest.raises(Conflict):
        OPEN.ended(ContestState.OPEN, "", NOON, 0.0)


def test_one_of_a_kind_is_told_as_one():
    one = OPEN.model_copy(update={"judged": ("a",), "answers": 1, "outlook": Outlook(gain=0.03, labels=1, answers=1)})
    told = "open: 1 label, 1 answer of both, 9 of them differ; about 1 label and 1 shadow answer until a verdict on +3"
    assert one.sentence.startswith(told)


def test_an_open_contest_says_what_it_still_takes():
    told = "open: 2 labels, 50 answers of both, 9 of them differ"
    assert OPEN.model_copy(update={"outlook": None}).sentence == told
    assert OPEN.sentence == f"{told}; about 12 labels and 300 shadow answers until a verdict on +3 points"


@pytest.mark.parametrize(
    ("state", "log_wealth", "share"),
    [
        (ContestState.PROMOTED, 9.0, 0.0),
        (ContestState.NO_BETTER, -3.0, 1 - 0.049787),
        (ContestState.OUT_OF_DAYS, 2.0, 0.0),
        (ContestState.CHAMPION_MOVED, 0.0, 0.0),
        (ContestState.STOPPED, -0.5, 1 - 0.606531),
    ],
)
def test_a_contest_has_spent_what_its_bet_lost(state: ContestState, log_wealth: float, share: float):
    found = ended(OPEN.model_copy(update={"log_wealth": log_wealth}), state, "enough", NOON + DAY)
    assert found.spent == pytest.approx(OPEN.level * share, abs=1e-7)


@pytest.mark.parametrize("contest", [OPEN, OPEN.ended(ContestState.STOPPED, "enough", NOON + DAY, 0.001, "anna")])
def test_a_contest_is_read_back_as_it_was_stored(contest: Contest):
    assert from_text(Contest, to_record(Collection.CONTESTS, contest.id, contest).text) == contest


# A year


def share(name: str, days: float, level: float = 0.01) -> Share:
    """Of a contest that was opened so many days after noon."""
    return Share(contest=name, opened_at=NOON + timedelta(days=days), level=level)


@pytest.mark.parametrize(
    ("days", "counts"), [(0, True), (-364.9, True), (-365, False), (-999, False), (1, True), (999, True)]
)
def test_what_was_spent_within_a_year_counts_and_what_lies_in_the_future(days: float, counts: bool):
    assert Shares(shares=(share("a", days),)).of_year(NOON) == [0.01] * counts


def test_what_was_not_spent_may_be_spent_by_the_next():
    assert Shares().next_level(0.05, NOON) == pytest.approx(0.0125)
    held = Shares().with_share(share("a", 0, 0.0125))
    assert held.next_level(0.05, NOON) == pytest.approx(0.05 * 3 / (4 * 5))
    given_back = held.with_share(share("a", 0, 0.0))
    assert given_back.next_level(0.05, NOON) == pytest.approx(0.0125)
    assert [x.contest for x in given_back.shares] == ["a"]
    assert held.next_level(0.05, NOON + YEAR) == pytest.approx(0.0125)


def test_nothing_is_left_where_the_significance_was_lowered():
    assert Shares(shares=(share("a", 0, 0.04),)).next_level(0.03, NOON) == 0.0


@given(
    st.lists(st.tuples(st.floats(-800, 800), st.floats(0, 1)), max_size=30),
    st.floats(0.01, 0.4),
)
def test_whatever_clocks_say_no_contest_opens_on_more_than_its_significance(past, significance: float):
    """Contests open at these days and give back that share of what they hold."""
    shares = Shares()
    for number, (days, back) in enumerate(past):
        now = NOON + timedelta(days=days)
        level = shares.next_level(significance, now)
        assert level == 0 or sum([*shares.of_year(now), level]) <= significance * (1 + 1e-9)
        shares = shares.with_share(share(f"{number}", days, level))
        shares = shares.with_share(share(f"{number}", days, level * (1 - back)))


@pytest.mark.parametrize("leap", [400, 4000])
def test_a_clock_that_leapt_ahead_and_came_back_has_freed_nothing(leap: float):
    shares = Shares()
    for number in range(3):
        shares = shares.with_share(share(f"{number}", number))
    ahead = shares.with_share(share("ahead", leap, 0.002))
    back: datetime = NOON + 4 * DAY
    assert ahead.of_year(back) == [0.01, 0.01, 0.01, 0.002]


def test_what_is_long_over_does_not_grow():
    shares = Shares()
    for number in range(3 * OLDER_KEPT):
        shares = shares.with_share(share(f"{number}", 400 * number))
    assert len(shares.shares) == OLDER_KEPT + 1
    many = Shares(shares=tuple(share(f"{number}", number / 10) for number in range(2 * OLDER_KEPT)))
    assert len(many.with_share(share("last", 30)).shares) == 2 * OLDER_KEPT + 1


# The curve


def passed(contest: Contest, number: int, most: int = 200) -> Contest:
    """After a pass more."""
    found = contest.model_copy(update={"judged_by": f"run-{number}", "log_wealth": number / 10, "answers": number})
    return found.with_point(NOON + number * DAY, most)


def test_each_pass_leaves_how_the_contest_stood_and_one_that_is_done_again_leaves_it_once():
    found = passed(passed(passed(OPEN, 1), 2), 2)
    assert [(point.run_id, point.at, point.log_wealth, point.answers) for point in found.curve] == [
        ("run-1", NOON + DAY, 0.1, 1),
        ("run-2", NOON + 2 * DAY, 0.2, 2),
    ]
    assert (found.curve[0].labels, found.curve[0].wait, found.curve[0].differ) == (2, 1, 9)
    told = found.ended(ContestState.PROMOTED, "better", NOON, 0.0).as_json()
    assert [point["log_wealth"] for point in told["curve"]] == [0.1, 0.2]
    assert told["log_wealth_asked"] == pytest.approx(4.382, abs=0.001)


@given(st.integers(2, 20), st.integers(1, 100))
def test_a_curve_stays_within_its_bound_in_order_and_keeps_its_ends(most: int, passes: int):
    found = OPEN
    for number in range(passes):
        found = passed(found, number, most)
    numbers = [point.answers for point in found.curve]
    assert len(numbers) <= most
    assert numbers == sorted(set(numbers))
    assert {0, passes - 1} <= set(numbers)


def test_a_contest_that_an_earlier_release_stored_has_no_curve_yet():
    known = OPEN.model_dump(mode="json")
    del known["curve"]
    text = to_record(Collection.CONTESTS, OPEN.id, OPEN).text
    assert from_text(Contest, seal("Contest", known)) == from_text(Contest, text) == OPEN
    assert len(passed(from_text(Contest, seal("Contest", known)), 1).curve) == 1
