"""Which clock is believed: rounds, traces or passes have followed it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import NOON

from argotune.data.cursor import Reading
from argotune.pipeline.retention import is_borne_out, is_followed
from argotune.runs.tallies import RoundRecord

DAY = timedelta(days=1)


def on(day: float | None):
    return None if day is None else NOON + day * DAY


@pytest.mark.parametrize(
    ("rounds", "at", "expected"),
    [
        ((), 0, False),
        (range(8), 8, True),
        (range(3), 3, False),
        (range(8), 400, False),
        ((*range(8), 400), 401, False),
        ((*range(8), 400), 8, False),
        ((0, 1, 2, 7, 8), 8, False),
    ],
)
def test_a_clock_counts_when_rounds_have_followed_it_for_a_week(rounds, at: float, expected: bool) -> None:
    assert is_borne_out(on(at), [RoundRecord(name=f"{day}", started_at=on(day)) for day in rounds]) is expected


@pytest.mark.parametrize(
    ("newest", "doubted", "ran", "expected"),
    [
        pytest.param(-7, None, None, True, id="traces are young"),
        pytest.param(-7.1, None, 0, False, id="traces are old"),
        pytest.param(400, None, 0, False, id="traces of the future"),
        pytest.param(-40, -7, -7, True, id="a week of doubt, and passes since"),
        pytest.param(-40, -6.9, -7, False, id="less than a week of doubt"),
        pytest.param(-40, -7, -7.1, False, id="a week of doubt, and no pass since"),
        pytest.param(-40, -7, None, False, id="a week of doubt without a pass"),
        pytest.param(-40, 7, 0, False, id="doubted in the future"),
        pytest.param(None, None, None, False, id="nothing is known"),
    ],
)
def test_a_clock_is_followed_by_young_traces_or_passes_that_have_doubted_it_for_a_week(newest, doubted, ran, expected):
    assert is_followed(Reading(newest_at=on(newest), doubted_at=on(doubted)), on(ran), NOON) is expected
