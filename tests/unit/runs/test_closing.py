"""Closing: what a run that is over leaves for the next decision."""

from __future__ import annotations

import pytest
from factories import make_run, make_verdict

from argotune.decisions.values import TrainingHistory
from argotune.promotion.verdicts import Objection, Rejected
from argotune.runs.closing import history_after
from argotune.runs.run import RunState


@pytest.mark.parametrize(
    ("verdict", "disagreement"),
    [
        pytest.param(make_verdict("rejected"), 0.5, id="of this champion's challengers it is known"),
        pytest.param(make_verdict("promoted"), None, id="a new champion met nobody yet"),
        pytest.param(
            Rejected("late", Objection.OVERTAKEN, make_verdict("rejected").numbers),
            None,
            id="the next challenger learned much more: what the overtaken one could show does not stop its training",
        ),
    ],
)
def test_how_often_the_next_two_differ_is_known_of_the_same_kind_alone(verdict, disagreement: float | None):
    run = make_run(state=RunState.JUDGED, verdict=verdict)
    after = history_after(TrainingHistory(compared=120, disagreed=80), run)
    assert after.disagreement == disagreement
