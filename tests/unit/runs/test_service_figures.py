"""What the service says of itself: a line of figures, and how far the work for a tenant is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import NOON

from argotune.runs.pass_figures import PassFigures
from argotune.runs.service_figures import Lateness, ServiceFigures, WorkNow


@pytest.mark.parametrize(
    ("done", "total", "minutes", "told"),
    [
        (0, 100, 5, "acme: routing: training"),
        (30, 100, 0, "acme: routing: training"),
        (30, 100, 3, "acme: routing: training: 30 of 100, 10 a minute, about 7 min left"),
        (100, 100, 5, "acme: routing: training: 100 of 100, 20 a minute"),
        (30, 0, 3, "acme: routing: training: 30, 10 a minute"),
    ],
)
def test_work_is_told_with_its_rate_and_the_time_that_is_left_where_they_are_known(
    done: int, total: int, minutes: int, told: str
):
    assert WorkNow("acme", "routing: training", done, total, NOON).told(NOON + timedelta(minutes=minutes)) == told


def test_figures_are_one_line():
    late = {"spans": Lateness().with_visit(2).with_visit(7.4)}
    found = ServiceFigures({"at work": 1, "idle": 2}, {"failed": 1, "done": 3}, late, PassFigures(spans=1, labels=2))
    assert found.sentence == (
        "tenants: 1 at work, 2 idle; visits: 3 done, 1 failed, at most 7 s late; 1 span read, 2 labels taken in"
    )


def test_figures_of_passes_add_up_and_no_confidence_is_none():
    assert PassFigures().mean_confidence is None
    both = PassFigures(spans=2, sure=1, confidence=0.5) + PassFigures(spans=3, sure=1, confidence=0.9, asked=4)
    assert (both.spans, both.asked, both.mean_confidence) == (5, 4, pytest.approx(0.7))
