"""How fast work goes, in words: the rate in the shortest time that does one, and the time that is left."""

from __future__ import annotations

import pytest

from argotune.stats.pace import Pace, duration_told, rate_told


@pytest.mark.parametrize(
    ("pace", "parts"),
    [
        (Pace(0, 100, 5), []),
        (Pace(7, 100, 5, begun_with=7), []),
        (Pace(30, 100, 0), []),
        (Pace(30, 100, 15), ["30 of 100", "2 a second", "about 35 s left"]),
        (Pace(40, 100, 10, begun_with=20), ["40 of 100", "2 a second", "about 30 s left"]),
        (Pace(3, 1003, 180), ["3 of 1,003", "1 a minute", "about 17 h left"]),
        (Pace(2000, 0, 10), ["2,000", "200 a second"]),
        (Pace(100, 100, 10), ["100 of 100", "10 a second"]),
    ],
    ids=str,
)
def test_what_is_not_known_is_not_told(pace: Pace, parts: list[str]):
    assert pace.parts == parts


@pytest.mark.parametrize(("per_second", "told"), [(1200, "1,200 a second"), (0.5, "30 a minute"), (0.001, "4 an hour")])
def test_a_rate_is_told_by_the_shortest_time_that_does_one(per_second: float, told: str):
    assert rate_told(per_second) == told


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (9000, "2 h")])
def test_a_time_is_told_in_the_longest_unit_of_which_there_are_two(seconds: float, told: str):
    assert duration_told(seconds) == told
