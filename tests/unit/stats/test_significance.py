"""Error control: levels by hand, and the chance of a false promotion in a year, computed exactly."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import zeta

from argotune.errors import ConfigInvalid
from argotune.stats.betting import log_wealth
from argotune.stats.significance import level_in_series, next_level, spent_by

ends = st.lists(st.tuples(st.floats(-50, 50), st.booleans()), max_size=40)


def test_levels_follow_the_series_where_nothing_comes_back():
    spent: list[float] = []
    for k in range(1, 2001):
        spent.append(next_level(0.05, spent))
        assert spent[-1] == pytest.approx(0.05 * 3 / ((k + 2) * (k + 3)))
    assert sum(spent) == pytest.approx(0.05 * (1 - 3 / 2003))


@pytest.mark.parametrize(
    ("log_wealth", "is_promoted", "spent"),
    [
        (0.0, False, 0.0),
        (math.log(0.25), False, 0.0075),
        (math.log(5), False, 0.0),
        (-math.inf, False, 0.01),
        (math.log(100), True, 0.0),
        (math.log(0.25), True, 0.0),
    ],
)
def test_a_contest_spends_what_its_bet_has_lost_and_a_promotion_nothing(log_wealth, is_promoted, spent):
    assert spent_by(0.01, log_wealth, is_promoted=is_promoted) == pytest.approx(spent)


@given(ends, st.floats(0.001, 0.9))
def test_whatever_ends_contests_what_is_out_never_exceeds_the_significance(past, significance):
    spent: list[float] = []
    for wealth, is_promoted in past:
        level = next_level(significance, spent)
        assert 0 < level <= significance / 4 * (1 + 1e-9)
        assert math.fsum([*spent, level]) <= significance
        spent.append(spent_by(level, wealth, is_promoted=is_promoted))


@given(st.lists(st.floats(0, 0.1), max_size=10), st.floats(0, 0.05))
def test_the_more_is_spent_the_finer_is_the_next_level(spent, more):
    assert next_level(0.05, [*spent, more]) <= next_level(0.05, spent)


def test_nothing_left_leaves_no_level():
    assert next_level(0.05, [0.04, 0.03]) == 0.0


@pytest.mark.parametrize("call", [(0.0, []), (1.0, []), (0.05, [-0.1]), (0.05, [math.nan])])
def test_numbers_without_meaning_are_refused(call):
    with pytest.raises(ConfigInvalid):
        next_level(*call)


@pytest.mark.parametrize(("number", "by_hand"), [(1, 0.0303964), (2, 0.0075991), (3, 0.0033774), (10, 0.000303964)])
def test_a_level_in_a_series_shrinks_with_the_square_of_its_number(number, by_hand):
    assert level_in_series(0.05, number) == pytest.approx(by_hand, abs=1e-7)


@given(st.floats(0.001, 0.5), st.integers(1, 5000))
def test_levels_in_a_series_are_the_terms_of_one_that_sums_to_the_significance(significance, number):
    """Those from k on are significance * zeta(2, k) / zeta(2); one is a difference of two."""
    share = (zeta(2, number) - zeta(2, number + 1)) / zeta(2)
    assert level_in_series(significance, number) == pytest.approx(significance * share, rel=1e-8)


@pytest.mark.parametrize("call", [(0.05, 0), (1.5, 1), (0.0, 1)])
def test_a_series_without_meaning_is_refused(call):
    with pytest.raises(ConfigInvalid):
        level_in_series(*call)


LABELS = 16

wealth_of = cache(lambda wins, losses: log_wealth([1.0] * wins + [-1.0] * losses))


def ends_of(level, walks_away):
    """How a contest of equal programs may end: chance, log wealth, whether it is promoted. `walks_away` looks back."""
    open_at, ended = {(0, 0): 1.0}, []
    for seen in range(1, LABELS + 1):
        grown: dict[tuple[int, int], float] = {}
        for (wins, losses), chance in open_at.items():
            for state in ((wins + 1, losses), (wins, losses + 1)):
                grown[state] = grown.get(state, 0.0) + chance / 2
        open_at = {}
        for (wins, losses), chance in grown.items():
            wealth = wealth_of(wins, losses)
            if wealth >= -math.log(level):
                ended.append((chance, wealth, True))
            elif seen == LABELS or walks_away(wins, losses):
                ended.append((chance, wealth, False))
            else:
                open_at[wins, losses] = chance
    return ended


@pytest.mark.parametrize("walks_away", [lambda wins, losses: False, lambda wins, losses: losses == 4])
@pytest.mark.parametrize("gains", [(), (1,)])
def test_a_year_ever_promotes_a_useless_challenger_with_a_chance_below_its_significance(walks_away, gains):
    """Contests at the places `gains` are true and always promoted; the significance is large so that it is spent."""
    significance = 0.6

    @cache
    def chance_from(place: int, spent: float) -> float:
        if place == 4:
            return 0.0
        if place in gains:
            return chance_from(place + 1, spent)
        level = next_level(significance, [spent])
        return sum(
            chance * (1.0 if promoted else chance_from(place + 1, spent + spent_by(level, wealth, is_promoted=False)))
            for chance, wealth, promoted in ends_of(level, walks_away)
        )

    assert 0.05 < chance_from(0, 0.0) <= significance
