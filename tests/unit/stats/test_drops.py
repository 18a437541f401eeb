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
from argotune.stats.drops import BASELINE_LEVEL, DropDetector

HOURLY = 100
HOURS = 8766
PART = 0.5 / 16
"""What a year allots to one of 16 streams, half of what a tenant may have."""


def watching(low: float, count: int = 0) -> DropDetector:
    """A detector whose baseline is known, and stays as it is."""
    return DropDetector(count=count, total=count * low, low=low, measured=10**9)


def wealth(detector: DropDetector) -> float:
    return math.fsum(line.won for line in detector.lines)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.05, 0.95), st.data())
def test_wealth_is_that_of_the_recursion_however_scores_are_put_together(scores, low, data) -> None:
    one, parted = watching(low).after(scores, 0.01, 0.1), watching(low)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(scores)), max_size=3)) | {0, len(scores)})
    for start, end in itertools.pairwise(cuts):
        parted = parted.after(scores[start:end], 0.01 * (end - start) / len(scores), 0.1)
    asked = 0.0
    for stake, share in STAKES.items():
        won = 0.0
        for score in scores:
            won = (won + share * 0.01 / len(scores)) * (1 + stake * (low - score) / (1 - low))
        asked += min(won, 10.0)
    if one.drop is None and parted.drop is None:
        assert wealth(one) == pytest.approx(asked)
        assert wealth(parted) == pytest.approx(asked)


@pytest.mark.parametrize("low", [0.3, 0.8, 0.95])
def test_no_more_wealth_is_expected_than_was_allotted_while_the_mean_is_what_it_was(low: float) -> None:
    """All orders of eight hits and misses, each with its chance."""
    expected = sum(
        low ** sum(hits) * (1 - low) ** (8 - sum(hits)) * wealth(watching(low).after(hits, 1e-12, 2.0))
        for hits in itertools.product((0.0, 1.0), repeat=8)  # so little that no wealth is cut
    )
    assert expected == pytest.approx(1e-12, rel=1e-6)


def test_the_baseline_is_the_highest_lower_end_so_far() -> None:
    detector = DropDetector().after([1.0] * 90 + [0.0] * 10, 0.0, 0.1)
    assert detector.low == pytest.approx(share_interval(90, 100, BASELINE_LEVEL).low)
    assert detector.after([0.0] * 20, 0.0, 0.1).low == detector.low


@pytest.mark.parametrize(("count", "tells"), [(0, False), (50, False), (1000, True)])
def test_few_scores_are_not_enough_to_tell(count: int, tells: bool) -> None:
    detector = DropDetector().after([1.0, 1.0, 1.0, 1.0, 0.0] * (count // 5), 0.0, 0.1)
    assert detector.can_tell(0.1) is tells
    assert 300 < detector.wanted(0.1) < 600


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_a_score_outside_0_to_1_is_refused(score: float) -> None:
    with pytest.raises(ConfigInvalid, match="is not within 0"):
        DropDetector().after([0.5, score], 0.1, 0.1)


def lived(mean: float, hours: int, rng: np.random.Generator, detector: DropDetector) -> tuple[DropDetector, int]:
    """After so many hours, or the first in which a drop is found."""
    for hour in range(hours):
        detector = detector.after(rng.binomial(1, mean, HOURLY).astype(float), PART / HOURS, 0.1)
        if detector.drop:
            return detector, hour + 1
    return detector, hours


@pytest.mark.parametrize(("mean", "days"), [(0.6, 7), (0.8, 3), (0.95, 1)])
def test_a_drop_of_ten_points_is_found_within_a_day(mean: float, days: int) -> None:
    """By the real detector, at 100 scores an hour, so many days after the champion began, in 19 of 20 lives."""
    rng, late = np.random.default_rng(7), 0
    for _ in range(40):
        before, _ = lived(mean, 24 * days, rng, DropDetector())
        after, _ = lived(mean - 0.1, 24, rng, before)
        assert before.drop is None
        late += after.drop is None
    assert late <= 2


def test_a_drop_is_told_with_its_size_and_over_when_the_mean_is_back() -> None:
    rng = np.random.default_rng(3)
    before, _ = lived(0.8, 72, rng, DropDetector())
    fallen, _ = lived(0.6, 24, rng, before)
    assert fallen.drop
    assert fallen.drop.before - fallen.drop.after == pytest.approx(0.2, abs=0.06)
    for _ in range(12):
        fallen = fallen.after(rng.binomial(1, 0.6, HOURLY).astype(float), PART / HOURS, 0.1)
    assert fallen.drop
    for _ in range(24):
        fallen = fallen.after(rng.binomial(1, 0.8, HOURLY).astype(float), PART / HOURS, 0.1)
    assert fallen.drop is None


def test_a_drop_of_four_points_is_left_alone() -> None:
    rng = np.random.default_rng(5)
    before, _ = lived(0.8, 24 * 7, rng, DropDetector())
    assert sum(lived(0.76, 24 * 7, rng, before)[0].drop is not None for _ in range(10)) <= 1


def false_alarms(mean: float, years: int, allotted: float, rng: np.random.Generator) -> int:
    """In so many years of a stream, a day's 2,400 scores at a time."""
    found = 0
    for _ in range(years):
        detector = DropDetector()
        for _ in range(365):
            scores, was = rng.binomial(1, mean, 24 * HOURLY).astype(float), detector.drop
            detector = detector.after(scores, allotted / 365, 0.1)
            found += detector.drop is not None and was is None
    return found


def test_false_alarms_are_at_most_what_was_allotted() -> None:
    """Where 2 a year are allotted and every drop is told, however small: so many that they can be counted."""
    rng, low, found, years = np.random.default_rng(11), 0.8, 0, 60
    for _ in range(years):
        detector = watching(low, 10**6)
        for _ in range(365):
            detector = detector.after(rng.binomial(1, low, 200).astype(float), 2 / 365, 1e-9)
            if detector.drop:
                found, detector = found + 1, watching(low, 10**6)
    assert found <= 2 * years
    assert found > 0


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.6, 0.8, 0.95])
def test_a_tenant_year_has_at_most_one_false_alarm(mean: float) -> None:
    """16 streams of 100 scores an hour are a tenant's year; three of them."""
    assert false_alarms(mean, 3 * 16, PART, np.random.default_rng(13)) <= 3
