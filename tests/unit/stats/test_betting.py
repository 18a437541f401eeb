"""Betting: wealth by hand and by enumeration, chances over all looks computed exactly, ends against scipy."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import betaln
from wealth_paths import log_wealth_path

from argotune.errors import ConfigInvalid
from argotune.stats.betting import (
    DIFFERENCES,
    STAKES,
    Bets,
    anytime_p,
    corrected_differences,
    gain_interval,
    joint_log_wealth,
    joint_mean_interval,
    log_wealth,
    lowest_mean,
    share_interval,
)
from argotune.stats.interval import Interval


def mean_interval(differences, low_level, high_level):
    """Of differences of one kind."""
    return joint_mean_interval([Bets(list(differences))], low_level, high_level)


differences = st.lists(st.floats(-1, 1), min_size=1, max_size=40)
means = st.floats(-0.9, 0.9)
levels = st.floats(0.001, 0.4)


def averaged(wealth_of_stake):
    return sum(share * wealth_of_stake(stake) for stake, share in STAKES.items())


@pytest.mark.parametrize(
    ("values", "mean", "of_stake"),
    [
        ([], 0.0, lambda s: 1.0),
        ([0.0, 0.0], 0.0, lambda s: 1.0),
        ([1], 0.0, lambda s: 1 + s),
        ([-1], 0.0, lambda s: 1 - s),
        ([1, -1], 0.0, lambda s: 1 - s * s),
        ([1, 1, 1, -1], 0.0, lambda s: (1 + s) ** 3 * (1 - s)),
        ([0.5, -0.25], 0.0, lambda s: (1 + s / 2) * (1 - s / 4)),
        # Against "at most 0.25" a win gains 0.75 and a loss loses 1.25, each stake being divided by 1.25.
        ([1, -1], 0.25, lambda s: (1 + s * 0.75 / 1.25) * (1 - s)),
        ([0.0], -0.5, lambda s: 1 + s),
    ],
)
def test_wealth_is_the_average_over_stakes_computed_by_hand(values, mean, of_stake):
    assert math.exp(log_wealth(values, mean)) == pytest.approx(averaged(of_stake))


def test_the_first_wealth_is_1():
    assert sum(STAKES.values()) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(("level", "wins"), [(0.05, 9), (0.0125, 11), (0.01, 12), (0.0005, 17)])
def test_so_many_wins_without_a_loss_refute_no_gain(level, wins):
    def is_enough(n):
        return averaged(lambda s: (1 + s) ** n) >= 1 / level

    assert is_enough(wins)
    assert not is_enough(wins - 1)
    assert log_wealth([1] * wins) >= -math.log(level) > log_wealth([1] * (wins - 1))


@pytest.mark.parametrize(
    ("outcomes", "mean"),
    [
        ({1.0: 0.5, -1.0: 0.5}, 0.0),
        ({1.0: 0.2, 0.0: 0.6, -1.0: 0.2}, 0.0),
        ({0.75: 0.4, -0.5: 0.6}, 0.0),
        ({1.0: 0.65, -1.0: 0.35}, 0.3),
        ({1.0: 0.02, -0.02 / 0.98: 0.98}, 0.0),
    ],
)
def test_wealth_is_1_on_average_over_all_that_can_happen_when_the_mean_is_the_claimed_one(outcomes, mean):
    expected = sum(
        math.prod(outcomes[d] for d in row) * math.exp(log_wealth(row, mean))
        for row in itertools.product(outcomes, repeat=7)
    )
    assert expected == pytest.approx(1.0, rel=1e-12)


@given(st.lists(st.tuples(st.floats(-0.99, 0.99), st.floats(0.01, 1)), min_size=2, max_size=3), st.floats(0, 0.5))
def test_wealth_is_at_most_1_on_average_when_the_mean_is_below_the_claimed_one(weighted, below):
    total = sum(weight for _, weight in weighted)
    claimed = min(sum(d * weight for d, weight in weighted) / total + below, 0.999)
    expected = sum(
        math.prod(weight / total for _, weight in row) * math.exp(log_wealth([d for d, _ in row], claimed))
        for row in itertools.product(weighted, repeat=4)
    )
    assert expected <= 1 + 1e-9


def chance_of_ever(n, p, is_reached):
    """The exact chance that is_reached(wins, losses) holds after any of n hits of which each is a win with p."""
    alive, reached = {0: 1.0}, 0.0
    for seen in range(1, n + 1):
        grown: dict[int, float] = {}
        for wins, chance in alive.items():
            for won, part in ((wins + 1, p), (wins, 1 - p)):
                if is_reached(won, seen - won):
                    reached += chance * part
                else:
                    grown[won] = grown.get(won, 0.0) + chance * part
        alive = grown
    return reached


@pytest.mark.parametrize("level", [0.05, *(pytest.param(level, marks=pytest.mark.slow) for level in (0.0304, 0.002))])
def test_equal_programs_are_ever_told_apart_with_a_chance_below_the_level_and_not_far_below(level):
    ever = chance_of_ever(400, 0.5, lambda wins, losses: log_wealth([1.0] * wins + [-1.0] * losses) >= -math.log(level))
    assert level / 4 < ever <= level


@pytest.mark.parametrize("p", [*(pytest.param(p, marks=pytest.mark.slow) for p in (0.5, 0.7)), 0.95])
def test_the_interval_of_a_mean_ever_misses_it_with_a_chance_below_its_levels(p):
    true = 2 * p - 1

    def misses(wins, losses):
        found = mean_interval([1.0] * wins + [-1.0] * losses, 0.1, 0.1)
        return not found.contains(true)

    assert 0.02 < chance_of_ever(60, p, misses) <= 0.2


@pytest.mark.parametrize("p", [0.02, 0.3, 0.5])
def test_the_interval_of_a_share_ever_misses_it_with_a_chance_below_its_level(p):
    ever = chance_of_ever(200, p, lambda hits, misses: not share_interval(hits, hits + misses, 0.1).contains(p))
    assert 0.02 < ever <= 0.1


@pytest.mark.parametrize(
    ("values", "chances"),
    [
        ((1.0, -0.02 / 0.98), (0.02, 0.98)),
        ((-1.0, 0.02 / 0.98), (0.02, 0.98)),
        ((1.0, 0.0, -0.25), (0.1, 0.5, 0.4)),
        ((0.1, -0.1), (0.5, 0.5)),
    ],
)
def test_skewed_scores_of_no_gain_promote_no_oftener_than_the_level(values, chances):
    drawn = np.random.default_rng(5).choice(values, p=chances, size=(2000, 300))
    ever = (log_wealth_path(drawn).max(axis=1) >= math.log(20)).mean()
    assert ever <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@given(differences, means)
def test_the_path_ends_where_the_wealth_is(values, mean):
    assert log_wealth_path(np.array([values, values]), mean)[1, -1] == pytest.approx(log_wealth(values, mean), abs=1e-9)


@given(differences, st.randoms(use_true_random=False), means)
def test_wealth_does_not_depend_on_the_order(values, random, mean):
    shuffled = random.sample(values, len(values))
    assert log_wealth(shuffled, mean) == pytest.approx(log_wealth(values, mean), abs=1e-9)


@given(differences, means, st.floats(0.001, 0.09), st.floats(0.001, 1))
def test_wealth_grows_with_what_was_won_and_falls_with_the_claim(values, mean, step, won):
    assert log_wealth([*values, mean + won * (1 - mean)], mean) > log_wealth(values, mean)
    assert log_wealth(values, mean + step) <= log_wealth(values, mean) + 1e-9


@given(differences, levels, levels)
def test_the_lower_end_is_above_a_claim_exactly_where_the_wealth_refutes_it(values, low_level, high_level):
    found = mean_interval(values, low_level, high_level)
    assert -1 <= found.low <= found.high <= 1
    assert log_wealth(values, min(found.low + 1e-9, 0.9999999)) <= -math.log(low_level) + 1e-6
    if found.low > -1:
        assert log_wealth(values, found.low) >= -math.log(low_level)


@given(differences, levels)
def test_intervals_are_mirrored_with_their_differences_and_nested_by_level(values, level):
    found, mirrored = mean_interval(values, level, level / 2), mean_interval([-d for d in values], level / 2, level)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
    wider = mean_interval(values, level / 4, level / 4)
    assert wider.low <= found.low
    assert found.high <= wider.high


@given(st.integers(0, 300), st.integers(1, 300), levels)
def test_the_interval_of_a_share_ends_where_the_mixture_reaches_its_bound(hits, more, level):
    n = hits + more
    found = share_interval(hits, n, level)

    def excess(p):
        mixed = betaln(hits + 0.5, more + 0.5) - betaln(0.5, 0.5)
        return mixed - hits * math.log(p) - more * math.log1p(-p) + math.log(level)

    assert found.low == pytest.approx(brentq(excess, 1e-300, hits / n) if hits else 0.0, abs=1e-9)
    assert found.high == pytest.approx(brentq(excess, max(hits / n, 1e-300), 1 - 1e-16), abs=1e-9)


def test_of_nothing_nothing_is_known():
    assert share_interval(0, 0, 0.05) == Interval(pytest.approx(0.0), pytest.approx(1.0))
    assert mean_interval([], 0.05, 0.05) == Interval(pytest.approx(-1.0), pytest.approx(1.0))


@pytest.mark.parametrize(
    ("mean", "share", "gain"),
    [
        ((0.1, 0.5), (0.08, 0.1), (0.008, 0.05)),
        ((-0.2, 0.3), (0.1, 0.2), (-0.04, 0.06)),
        ((-0.6, -0.1), (0.1, 0.2), (-0.12, -0.01)),
        ((-1.0, 1.0), (0.0, 1.0), (-1.0, 1.0)),
    ],
)
def test_the_gain_lies_between_the_products_of_the_ends(mean, share, gain):
    found = gain_interval(Interval(*mean), Interval(*share))
    assert (found.low, found.high) == pytest.approx(gain)


def test_the_interval_of_the_gain_holds_at_all_times_together():
    rng, missed, runs, level = np.random.default_rng(8), 0, 100, 0.1
    for _ in range(runs):
        disagree = rng.random(400) < 0.2
        signs = np.where(rng.random(400) < 0.7, 1.0, -1.0)
        looks = (
            gain_interval(
                mean_interval(signs[:n][disagree[:n]], level, level), share_interval(disagree[:n].sum(), n, level)
            )
            for n in range(40, 401, 40)
        )
        missed += any(not look.contains(0.2 * 0.4) for look in looks)
    assert missed / runs <= 3 * level


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.05, 1))
def test_a_corrected_difference_is_right_on_average_whatever_the_judge_says(judge, truth, share):
    (asked, unasked), within = corrected_differences([judge, judge], [truth, None], share)
    assert share * asked + (1 - share) * unasked == pytest.approx(truth, abs=1e-9)
    assert within.low <= min(asked, unasked) <= max(asked, unasked) <= within.high
    assert within.high == pytest.approx(2 / share - 1)


def test_bets_on_corrected_differences_gain_nothing_when_a_judge_errs_for_the_challenger():
    share, expected = 0.25, 0.0
    for truths in itertools.product((1.0, -1.0), repeat=4):
        for asked in itertools.product((True, False), repeat=4):
            chance = 0.5**4 * math.prod(share if a else 1 - share for a in asked)
            people = [d if a else None for d, a in zip(truths, asked, strict=True)]
            values, within = corrected_differences([1.0] * 4, people, share)
            expected += chance * math.exp(log_wealth(values, 0.0, within))
    assert expected == pytest.approx(1.0)


def test_a_p_value_is_one_over_the_wealth_and_never_above_1():
    assert [anytime_p(w) for w in (-3.0, 0.0, math.log(20))] == [1.0, 1.0, pytest.approx(0.05)]


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.5, -1.0000001])
def test_a_difference_that_cannot_be_is_refused_with_its_value(value):
    for refused in (log_wealth, lambda d: mean_interval(d, 0.1, 0.1)):
        with pytest.raises(ConfigInvalid, match=str(value)):
            refused([0.5, value])


@pytest.mark.parametrize(
    "call",
    [
        lambda: log_wealth([0.5], 1.0),
        lambda: log_wealth([0.5], -1.0),
        lambda: mean_interval([0.5], 0.0, 0.1),
        lambda: mean_interval([0.5], 0.1, 1.0),
        lambda: share_interval(3, 2, 0.1),
        lambda: share_interval(-1, 2, 0.1),
        lambda: corrected_differences([0.5], [None], 0.0),
        lambda: corrected_differences([0.5], [], 0.5),
        lambda: corrected_differences([0.5], [1.5], 0.5),
    ],
)
def test_numbers_without_meaning_are_refused(call):
    with pytest.raises(ConfigInvalid):
        call()


def test_the_numbers_of_10_000_pieces_of_evidence_take_less_than_a_second():
    scores = np.random.default_rng(1).uniform(-1, 1, 10_000).tolist()
    started = time.process_time()
    log_wealth(scores)
    gain_interval(mean_interval(scores, 0.01, 0.05), share_interval(10_000, 90_000, 0.01))
    assert time.process_time() - started < 1


def test_bets_on_several_kinds_multiply_their_wealth_and_their_interval_ends_where_it_suffices():
    wide = Interval(-7.0, 7.0)
    kinds = [Bets([1.0] * 9 + [-1.0] * 2), Bets([1.0] * 60 + [-7.0] * 2, wide), Bets([])]
    alone = [log_wealth(kind.differences, 0.0, kind.within) for kind in kinds[:2]]
    assert joint_log_wealth(kinds) == pytest.approx(sum(alone))
    for wealth, is_above in ((joint_log_wealth(kinds) - 1e-6, True), (joint_log_wealth(kinds) + 1e-6, False)):
        assert (joint_mean_interval(kinds, math.exp(-wealth), 0.05).low > 0) is is_above


def test_the_joint_interval_of_no_difference_is_everything():
    assert joint_mean_interval([Bets([])], 0.02, 0.03) == Interval(-1.0, 1.0)


@given(differences, levels)
def test_the_lowest_mean_of_one_kind_is_the_lower_end_of_its_interval(values: list[float], level: float):
    found = lowest_mean(Bets(values), level, DIFFERENCES)
    assert found == pytest.approx(mean_interval(values, level, level).low, abs=1e-9)


def test_no_largest_difference_has_to_be_known_for_the_lowest_mean():
    values = [0.0, 1.0, 2.0, 3.0] * 40
    ends = [lowest_mean(Bets(values, Interval(0.0, high)), 0.05, Interval(0.0, 3.0)) for high in (3.0, math.inf)]
    assert ends[0] == ends[1]
    assert 1.0 < ends[0] < 1.5
