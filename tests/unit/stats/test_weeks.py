"""Weeks: the tables against counting by hand, the wealth by enumeration, and what swings against what falls."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom, norm

from argotune.stats.weeks import HOURS_A_WEEK, LAST_WEEKS, Weeks, log_won, wanted

DRIFT = 0.005
NONE = Weeks()
ASKED = math.log(8766 / (0.5 / 16 / 2))


def grown(weeks: Weeks, hours: list[int], scores: list[float]) -> Weeks:
    return weeks.after(np.array(hours), np.array(scores))


def lived(mean: Callable[[int], float], hours: range, hourly: int, weeks: Weeks = NONE, seed: int = 1) -> Weeks:
    rng = np.random.default_rng(seed)
    at = np.repeat(np.array(hours), hourly)
    return weeks.after(at, (rng.random(at.size) < np.array([mean(h) for h in hours]).repeat(hourly)).astype(float))


def swinging(hour: int) -> float:
    """Nights are 5 points harder and days easier, weekends are 5 points harder."""
    return 0.8 - 0.05 * math.cos(hour * math.tau / 24) - 0.05 * (hour // 24 % 7 >= 5)


@given(st.lists(st.lists(st.tuples(st.integers(0, 4000), st.sampled_from([0.0, 0.5, 1.0])), min_size=1), min_size=1))
def test_every_score_is_in_the_last_week_or_in_the_past_and_in_its_week(batches) -> None:
    weeks, seen = Weeks(), []
    for batch in batches:
        weeks = grown(weeks, [hour for hour, _ in batch], [score for _, score in batch])
        seen += batch
    newest, aligned = max(hour for hour, _ in seen), min(hour for hour, _ in batches[0])
    assert (weeks.newest, weeks.begun) == (newest, aligned)
    for phase in {hour % HOURS_A_WEEK for hour, _ in seen}:
        here = [(hour, score) for hour, score in seen if hour % HOURS_A_WEEK == phase]
        last = [score for hour, score in here if hour > newest - HOURS_A_WEEK]
        assert (weeks.counts[phase], weeks.totals[phase]) == (len(last), sum(last))
        assert weeks.past_counts[phase] == len(here) - len(last)
    now = (newest - aligned) // HOURS_A_WEEK
    for place, count in enumerate(weeks.week_counts):
        week = now - LAST_WEEKS - 1 + place
        assert count == sum(max((hour - aligned) // HOURS_A_WEEK, now - LAST_WEEKS - 1) == week for hour, _ in seen)


def of_a_loser(gain: float, worth: float) -> float:
    """The logarithm of what remains to whoever has lost."""
    seen = worth / 4 + 14
    z = gain / math.sqrt(seen)
    return math.log(2 * math.sqrt(14 / seen) * norm.cdf(z)) + z * z / 2


@pytest.mark.parametrize("mean", [0.1, 0.5, 0.8, 0.95])
def test_no_more_than_was_staked_is_expected_to_be_won_while_the_mean_is_what_it_was(mean: float) -> None:
    """Of all numbers of hits in 40 scores and in 60 older ones."""
    n, m, won = 40, 60, 0.0
    worth = n * m / (n + m)
    for now in range(n + 1):
        for then in range(m + 1):
            gain = worth * (then / m - now / n)
            chance = binom.pmf(now, n, mean) * binom.pmf(then, m, mean)
            won += chance * math.exp(log_won(gain, worth) if gain > 0 else of_a_loser(gain, worth))
    assert won <= 1.0


@pytest.mark.parametrize(("gain", "worth"), [(5.0, 20.0), (60.0, 800.0), (200.0, 3000.0)])
def test_the_wealth_is_at_most_the_mixture_over_all_stakes_and_nearly_that(gain: float, worth: float) -> None:
    mixed, _ = quad(lambda s: 2 * norm.pdf(s, 0, 14**-0.5) * math.exp(s * gain - s * s * worth / 8), 0, 3, limit=200)
    assert math.log(mixed) - 0.7 <= log_won(gain, worth) <= math.log(mixed) + 1e-9


def test_hours_that_are_harder_each_week_are_no_drop() -> None:
    weeks = lived(swinging, range(14 * 24), 100)
    for day in range(14, 42):
        weeks = lived(swinging, range(24 * day, 24 * day + 24), 100, weeks, seed=day)
        lower = weeks.lower_in_hours(DRIFT)
        assert lower is None or lower.log_wealth < ASKED


def test_a_fall_of_ten_points_is_beyond_doubt_after_a_day_and_told_with_what_was_in_the_same_hours() -> None:
    weeks = lived(swinging, range(14 * 24), 100)
    weeks = lived(lambda hour: swinging(hour) - 0.1, range(14 * 24, 15 * 24 + 6), 100, weeks, seed=2)
    lower = weeks.lower_in_hours(DRIFT)
    assert lower
    assert lower.log_wealth > ASKED
    assert lower.before - lower.after == pytest.approx(0.1, abs=0.03)
    assert abs(lower.since - 14 * 24) < 30


def test_where_few_scores_come_whole_weeks_tell_it() -> None:
    weeks = lived(swinging, range(8 * 168), 4)
    before = weeks.lower_in_weeks(DRIFT)
    assert before is None or before.log_wealth < 9
    weeks = lived(lambda hour: swinging(hour) - 0.1, range(8 * 168, 11 * 168 + 1), 4, weeks, seed=2)
    lower = weeks.lower_in_weeks(DRIFT)
    assert lower
    assert lower.log_wealth > 9
    assert lower.since in (7 * 168, 8 * 168)


def test_what_came_since_it_fell_is_no_part_of_what_the_mean_was() -> None:
    weeks = lived(lambda _: 1.0, range(200), 2)
    fallen = lived(lambda _: 0.0, range(200, 210), 2, weeks)
    kept = fallen.until(200)
    assert sum(kept.counts) == 0
    assert sum(kept.past_totals) == sum(kept.past_counts) == sum(kept.week_counts) == 400
    again = lived(lambda _: 1.0, range(400, 420), 2, kept)
    assert (sum(again.counts), again.aligned, again.begun) == (40, 400, 0)
    assert sum(again.past_counts) == 400


def test_a_week_is_known_when_all_its_hours_lie_behind() -> None:
    assert not Weeks().is_known
    assert not grown(Weeks(), [0, 167], [1.0, 1.0]).is_known
    assert grown(Weeks(), [0, 168], [1.0, 1.0]).is_known


@pytest.mark.parametrize(("size", "scores"), [(0.05, 2800), (0.1, 700), (0.2, 200)])
def test_a_smaller_drop_takes_more_scores(size: float, scores: int) -> None:
    assert wanted(size, 12.5) == pytest.approx(scores, rel=0.25)
