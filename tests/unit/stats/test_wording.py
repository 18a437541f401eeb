"""Wording: how numbers are told to people."""

from __future__ import annotations

import pytest

from argotune.stats.interval import Interval
from argotune.stats.wording import chance, confidence, counted, percent, percent_between, points


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (counted(1, "label"), "1 label"),
        (counted(0, "label"), "0 labels"),
        (counted(2400, "label"), "2,400 labels"),
        (counted(1, "span waits", "spans wait"), "1 span waits"),
        (counted(2, "span waits", "spans wait"), "2 spans wait"),
        (percent(0.71), "71.0 %"),
        (percent(0.0), "0.0 %"),
        (percent(1.0), "100.0 %"),
        (percent_between(Interval(0.8912, 0.9788)), "89.1 % to 97.9 %"),
        (points(0.075), "+7.5"),
        (points(-0.1273, 2), "-12.73"),
        (points(0.0), "+0.0"),
        (confidence(0.05), "95 %"),
        (confidence(0.000003), "99.9997 %"),
        (confidence(0.0304), "97 %"),
    ],
)
def test_shares_points_and_confidence_are_told_in_one_way(told: str, text: str):
    assert told == text


@pytest.mark.parametrize(
    ("p", "shown"),
    [(1.0, "1"), (0.999, "1"), (0.5, "0.50"), (1e-6, "0.0000010"), (9.4e-7, "9.4e-07"), (0.0, "0")],
)
def test_chances_are_shown_without_an_exponent_as_long_as_zeros_can_be_counted(p: float, shown: str):
    assert chance(p) == shown
