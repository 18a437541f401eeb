"""Drops: the e-detector against its recursion and by enumeration, its promises by simulation of the real code."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.stats.betting import STAKES, share_interval
from argotune.stats.drops import BASELINE_LEVEL, DropDetector, DropRule

HOURLY = 100
HOURS = 8766
PART = 0.5 / 16
"""What a year allots to one of 16 streams, half of what a tenant may have."""

FLOOR = 0.25
"""The part of it that the floor has."""

RULE = DropRule(threshold=0.1, swing=0.1, drift=0.005, alarms_a_year=PART)
EVEN = DropRule(threshold=0.1, swing=0.0, drift=0.005, alarms_a_year=PART)


def came(detector: DropDetector, scores, allotted: float = 0.0, rule: DropRule = EVEN, hour: int = 0) -> DropDetector:
    """After scores of one hour, by default of the first: there is nothing to compare it with but a floor."""
    return detector.after(list(scores), [hour] * len(scores), allotted, rule)


def watching(low: float, count: int = 0) -> DropDetector:
    """A detector whose baseline is known, and stays as it is."""
    return DropDetector(count=count, total=count * low, low=low, measured=10**9)


def wealth(detector: DropDetector) -> float:
    return math.fsum(line.won for line in detector.lines)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.05, 0.95), st.data())
def test_wealth_is_that_of_the_recursion_however_scores_are_put_together(scores, low, data) -> None:
    one, parted = came(watching(low), scores, 0.01), watching(low)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(scores)), max_size=3)) | {0, len(scores)})
    for start, end in itertools.pairwise(cuts):
        parted = came(parted, scores[start:end], 0.01 * (end - start) / len(scores))
    asked = 0.0
    for stake, share in STAKES.items():
        won = 0.0
        for score in scores:
            won = (won + share * FLOOR * 0.01 / len(scores)) * (1 + stake * (low - score) / (1 - low))
        asked += min(won, 10.0)
    if one.drop is None and parted.drop is None:
        assert wealth(one) == pytest.approx(asked)
        assert wealth(parted) == pytest.approx(asked)


@pytest.mark.parametrize("low", [0.3, 0.8, 0.95])
def test_no_more_wealth_is_expected_than_was_allotted_while_the_mean_is_what_it_was(low: float) -> None:
    """All orders of eight hits and misses, each with its chance."""
    expected = sum(
        low ** sum(hits) * (1 - low) ** (8 - sum(hits)) * wealth(came(watching(low), hits, 1e-12 / FLOOR))
        for hits in itertools.product((0.0, 1.0), repeat=8)  # so little that no wealth is cut
    )
    assert expected == pytest.approx(1e-12, rel=1e-6)


def test_the_baseline_is_the_highest_lower_end_so_far() -> None:
    detector = came(DropDetector(), [1.0] * 90 + [0.0] * 10)
    assert detector.low == pytest.approx(share_interval(90, 100, BASELINE_LEVEL).low)
    assert came(detector, [0.0] * 20).low == detector.low


@pytest.mark.parametrize(
    ("count", "hours", "tells"), [(0, 200, False), (1000, 200, False), (5000, 160, False), (5000, 200, True)]
)
def test_few_scores_or_less_than_a_week_are_not_enough_to_tell(count: int, hours: int, tells: bool) -> None:
    detector = DropDetector().after([1.0, 1.0, 1.0, 1.0, 0.0] * (count // 5), np.arange(count) % (hours + 1), 0.0, RULE)
    assert detector.can_tell(RULE) is tells
    assert 1200 < detector.wanted(RULE) < 2400


def test_a_drop_that_is_told_in_the_first_week_is_larger_than_the_swing() -> None:
    detector = came(DropDetector(), [1.0, 1.0, 1.0, 1.0, 0.0] * 500)
    assert detector.least_told(RULE) == pytest.approx(0.1 + 0.8 - detector.low)
    assert 0.1 < detector.least_told(RULE) < 0.15
    assert detector.least_told(EVEN) == 0.1


def test_what_may_drift_is_never_more_than_half_of_a_drop() -> None:
    assert DropRule(threshold=0.01, swing=0.1, drift=0.5, alarms_a_year=PART).allowed == 0.005


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_a_score_outside_0_to_1_is_refused(score: float) -> None:
    with pytest.raises(ConfigInvalid, match="is not within 0"):
        came(DropDetector(), [0.5, score], 0.1)


def lived(mean, hours: range, rng, detector: DropDetector, rule: DropRule = RULE):
    """The detector after so many hours whose mean is `mean` of each, or the first in which a drop is found."""
    for hour in hours:
        scores = rng.binomial(1, mean(hour), HOURLY).astype(float)
        detector = came(detector, scores, PART / HOURS, rule, hour)
        if detector.drop:
            break
    return detector


def at_once(mean, hours: range, rng) -> DropDetector:
    """The same, in one step."""
    every = np.repeat(np.array(hours), HOURLY)
    scores = rng.random(every.size) < np.array([mean(hour) for hour in hours]).repeat(HOURLY)
    return DropDetector().after(scores.astype(float), every, 0.0, RULE)


def swinging(mean: float, drop: float = 0.0):
    """Nights 5 points harder, days easier, weekends 5 points harder."""
    return lambda hour: mean - drop - 0.05 * math.cos(hour * math.tau / 24) - 0.05 * (hour // 24 % 7 >= 5)


@pytest.mark.parametrize("mean", [0.6, 0.8, 0.95])
def test_a_drop_of_ten_points_is_found_within_a_day_after_a_fortnight_however_it_swings(mean: float) -> None:
    """By the real detector, at 100 scores an hour, in nine of ten lives that begin at any hour of the week."""
    rng, late = np.random.default_rng(7), 0
    for life in range(20):
        begun = 17 * life
        before = at_once(swinging(mean), range(begun, begun + 336), rng)
        assert before.drop is None
        after = lived(swinging(mean, 0.1), range(begun + 336, begun + 360), rng, before)
        late += after.drop is None
    assert late <= 2


def test_a_champion_that_is_younger_than_a_week_tells_twenty_points() -> None:
    rng = np.random.default_rng(8)
    before = [at_once(swinging(0.8), range(0, 72), rng) for _ in range(6)]
    assert not any(lived(swinging(0.8), range(72, 168), rng, each).drop for each in before[:2])
    assert sum(lived(swinging(0.8, 0.2), range(72, 120), rng, each).drop is not None for each in before) >= 5


def test_a_drop_is_told_with_its_size_and_over_when_the_mean_is_back() -> None:
    rng = np.random.default_rng(3)
    fallen = lived(lambda _: 0.6, range(336, 360), rng, at_once(lambda _: 0.8, range(336), rng))
    assert fallen.drop
    assert fallen.drop.before - fallen.drop.after == pytest.approx(0.2, abs=0.06)
    assert fallen.mean == pytest.approx(0.8, abs=0.01)
    for hour in range(360, 372):
        fallen = came(fallen, rng.binomial(1, 0.6, HOURLY).astype(float), PART / HOURS, RULE, hour)
    assert fallen.drop
    for hour in range(372, 420):
        fallen = came(fallen, rng.binomial(1, 0.8, HOURLY).astype(float), PART / HOURS, RULE, hour)
    assert fallen.drop is None
    again = lived(lambda _: 0.6, range(420, 430), rng, fallen)
    assert again.drop
    assert again.drop.before == pytest.approx(0.8, abs=0.02)


def test_a_drop_that_stands_is_not_over_by_day_and_found_again_by_night() -> None:
    rng, told = np.random.default_rng(4), 0
    detector = at_once(swinging(0.8), range(336), rng)
    for hour in range(336, 336 + 10 * 24):
        was = detector.drop
        scores = rng.binomial(1, swinging(0.8, 0.12)(hour), HOURLY).astype(float)
        detector = came(detector, scores, PART / HOURS, RULE, hour)
        told += detector.drop is not None and was is None
    assert told == 1


def test_a_drop_of_four_points_is_left_alone() -> None:
    rng = np.random.default_rng(5)
    before = at_once(swinging(0.8), range(336), rng)
    assert not any(lived(swinging(0.76), range(336, 504), rng, before).drop for _ in range(5))


def test_a_record_of_the_release_before_goes_on() -> None:
    """One that knows no hours: its scores are the baseline of the floor."""
    old = {"count": 1000, "total": 800.0, "low": 0.76, "measured": 1000, "lines": [{"won": 0.0}] * len(STAKES)}
    detector = DropDetector.model_validate(old)
    assert came(detector, [0.0] * 100, 0.01, RULE, 470_000).drop
    assert (
        DropDetector.model_validate_json(came(detector, [1.0] * 9, 0.01, RULE, 470_000).model_dump_json()).count == 1009
    )


def test_hours_that_can_be_compared_have_no_floor() -> None:
    """Nights of a winter that lie 20 points below the days in which it began are no drop, slowly as they came."""
    rng, detector = np.random.default_rng(9), DropDetector()
    for day in range(365):
        hours = np.repeat(np.arange(24 * day, 24 * day + 24), 100)
        mean = swinging(0.85 - 0.05 * (1 - math.cos(day * math.tau / 365)))
        scores = rng.random(hours.size) < np.repeat([mean(hour) for hour in hours[::100]], 100)
        detector = detector.after(scores.astype(float), hours, PART / 365, RULE)
        assert detector.drop is None
    after_a_silence = [0.0] * 500
    assert came(detector, after_a_silence, 0.01, RULE, 24 * 400).drop


def test_what_is_kept_does_not_grow() -> None:
    rng, sizes = np.random.default_rng(6), []
    detector = DropDetector()
    for day in range(60):
        every = np.repeat(np.arange(24 * day, 24 * day + 24), 10)
        detector = detector.after(rng.random(every.size).round(3), every, 0.0, RULE)
        sizes.append(len(detector.model_dump_json()))
    assert max(sizes[30:]) < 12_000


def test_false_alarms_of_the_floor_are_at_most_what_was_allotted() -> None:
    """Where 2 a year are allotted and every drop is told, however small: so many that they can be counted."""
    rng, low, found, years = np.random.default_rng(11), 0.8, 0, 25
    every = DropRule(threshold=1e-9, swing=0.0, drift=0.0, alarms_a_year=PART)
    for _ in range(years):
        detector = watching(low, 10**6)
        for _ in range(365):
            detector = came(detector, rng.binomial(1, low, 200).astype(float), 2 / 365 / FLOOR, every)
            if detector.drop:
                found, detector = found + 1, watching(low, 10**6)
    assert found <= 2 * years
    assert found > 0


def test_false_alarms_of_hours_are_at_most_what_was_allotted() -> None:
    """Where 20 a year are allotted, half of them to hours, nothing may drift, and every drop is told, however small."""
    rng, found, years = np.random.default_rng(12), 0, 16
    every = DropRule(threshold=1e-9, swing=1.0, drift=0.0, alarms_a_year=20.0)
    for _ in range(years):
        detector = DropDetector()
        for day in range(365):
            hours = np.repeat(np.arange(24 * day, 24 * day + 24), 4)
            scores = rng.random(hours.size) < np.repeat([swinging(0.8)(hour) for hour in hours[::4]], 4)
            was, detector = detector.drop, detector.after(scores.astype(float), hours, 0.0, every)
            found += detector.drop is not None and was is None
            detector = detector.model_copy(update={"drop": None})
    assert found <= 10 * years


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.6, 0.8, 0.95])
def test_a_tenant_year_has_at_most_one_false_alarm_however_it_swings(mean: float) -> None:
    """16 streams of 100 scores an hour are a tenant's year; looked at once a day."""
    rng, found = np.random.default_rng(13), 0
    for _ in range(16):
        detector = DropDetector()
        for day in range(365):
            hours = np.repeat(np.arange(24 * day, 24 * day + 24), HOURLY)
            means = np.repeat([swinging(mean)(hour) for hour in hours[::HOURLY]], HOURLY)
            was = detector.drop
            detector = detector.after((rng.random(hours.size) < means).astype(float), hours, PART / 365, RULE)
            found += detector.drop is not None and was is None
    assert found <= 1
