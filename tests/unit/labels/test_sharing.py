"""A tenant's questions of a day are shared by who is nearest to a verdict, and nobody starves."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.labels.sharing import DayClaim, places_beside_contest, share_day

DAY = date(2026, 11, 21)


def test_the_day_on_which_the_cases_are_told_begins_with_the_first_by_name():
    assert share_day([DayClaim("a", 0.5), DayClaim("b", 0.5)], 1, date(1, 1, 2)) == {"a": 1, "b": 0}
    assert share_day([DayClaim("a", 0.5), DayClaim("b", 0.5)], 1, date(1, 1, 3)) == {"a": 0, "b": 1}


@pytest.mark.parametrize(
    ("claims", "limit", "places"),
    [
        pytest.param([DayClaim("a", 25), DayClaim("b", 25)], 50, [25, 25], id="without contests all are alike"),
        pytest.param(
            [DayClaim("a", 25, 500, 40), DayClaim("b", 25)], 50, [44, 6], id="a contest before other questions"
        ),
        pytest.param([DayClaim("a", 25, 30, 90), DayClaim("b", 25, 30, 40)], 50, [20, 30], id="the nearest first"),
        pytest.param(
            [DayClaim("a", 25, 99, 90), DayClaim("b", 25, 99, 40)], 50, [6, 44], id="a quarter stays with the others"
        ),
        pytest.param(
            [DayClaim("a", 25, 99), DayClaim("b", 25, 99, 9000)], 50, [6, 44], id="nobody knows how far: the last"
        ),
        pytest.param(
            [DayClaim("a", 25, 3, 90), DayClaim("b", 25, 4, 40)], 50, [25, 25], id="the rest is as without contests"
        ),
        pytest.param([DayClaim("a", 2, 9, 5), DayClaim("b", 2, 9, 6)], 4, [3, 1], id="at least one place"),
        pytest.param([DayClaim("a", 0, 9, 5)], 0, [0], id="nobody is asked"),
        pytest.param([], 50, [], id="no program"),
    ],
)
def test_places_are_shared(claims: list[DayClaim], limit: int, places: list[int]):
    assert list(share_day(claims, limit, DAY).values()) == places


@st.composite
def tenants(draw: st.DrawFn) -> tuple[list[DayClaim], int]:
    """Programs with equal or unequal shares that sum to the limit, some with contests."""
    limit, n = draw(st.integers(0, 200)), draw(st.integers(1, 20))
    weights = draw(st.lists(st.floats(0.01, 1), min_size=n, max_size=n))
    waiting = draw(st.lists(st.integers(0, 400), min_size=n, max_size=n))
    needed = draw(st.lists(st.none() | st.integers(0, 5000), min_size=n, max_size=n))
    shares = [limit * weight / sum(weights) for weight in weights]
    names = [f"p{number:02d}" for number in range(n)]
    return [DayClaim(*each) for each in zip(names, shares, waiting, needed, strict=True)], limit


@given(tenants(), st.dates(DAY, DAY + timedelta(days=999)), st.randoms())
def test_never_over_the_limit_and_the_same_in_any_order(tenant: tuple[list[DayClaim], int], day: date, random):
    claims, limit = tenant
    found = share_day(claims, limit, day)
    assert sum(found.values()) <= limit
    assert min(found.values()) >= 0
    random.shuffle(claims)
    assert share_day(claims, limit, day) == found


@pytest.mark.parametrize(
    ("places", "share", "of_ten_days"),
    [
        (50, 0.2, [10] * 10),
        (10, 0.2, [2] * 10),
        (1, 0.2, [0, 0, 0, 0, 1] * 2),
        (4, 0.3, [1, 1, 1, 1, 2] * 2),
        (9, 0, [0] * 10),
        (3, 1, [3] * 10),
        (0, 0.5, [0] * 10),
    ],
)
def test_a_share_stays_beside_a_contest_over_days_if_not_on_each(places: int, share: float, of_ten_days: list[int]):
    found = [places_beside_contest(places, share, date(1, 1, 5) + timedelta(days=day)) for day in range(10)]
    assert sorted(found) == sorted(of_ten_days)
    assert sum(found) == pytest.approx(10 * places * share)


@given(tenants(), st.dates(DAY, DAY + timedelta(days=999)))
def test_nobody_starves_over_some_days(tenant: tuple[list[DayClaim], int], first: date):
    claims, limit = tenant
    days = -(-len(claims) // limit) if limit else 0
    found = [share_day(claims, limit, first + timedelta(days=day)) for day in range(days)]
    assert all(any(places[claim.program] for places in found) for claim in claims) or not limit


@given(tenants(), st.dates(DAY, DAY + timedelta(days=999)))
def test_a_contest_gets_no_less_for_being_nearer(tenant: tuple[list[DayClaim], int], day: date):
    claims, limit = tenant
    before = share_day(claims, limit, day)
    first = claims[0]
    nearest = DayClaim(first.program, first.share, first.waiting, -1)
    assert share_day([nearest, *claims[1:]], limit, day)[first.program] >= before[first.program]
