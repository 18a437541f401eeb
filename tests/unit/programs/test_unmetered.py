"""Unmetered: an LM that a module brings itself is seen, and the one that it is given is not taken for one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import dspy
import pytest
from scripted_lm import json_answers, scripted_writer
from small_routing import ROUTING, example

from argotune.lm.effort import Effort
from argotune.lm.port import LMs
from argotune.programs.evaluation import ask_side_by_side


class Asks(dspy.Module):
    """Asks `lm`, None: nobody; else the one that is given."""

    def __init__(self, lm: Callable[[], dspy.LM] | None) -> None:
        super().__init__()
        self.lm = lm

    def forward(self, query: str, **_more: str) -> dspy.Prediction:
        if self.lm:
            with dspy.context(lm=self.lm()):
                dspy.Predict("query -> agent")(query=query)
        return dspy.Prediction(agent="video")


@pytest.mark.parametrize(
    ("lm", "effort"),
    [
        pytest.param(None, Effort(1.0, 0, 0.0, 0), id="nobody"),
        pytest.param(lambda: dspy.settings.lm, Effort(1.0, 0, 0.0, 0), id="the LM that it is given"),
        pytest.param(lambda: dspy.settings.lm.copy(temperature=0.5), Effort(1.0, 0, 0.0, 0), id="a copy of that"),
        pytest.param(lambda: scripted_writer(json_answers(agent="a"))[0], Effort(1.0), id="an LM of its own"),
    ],
)
def test_what_an_answer_takes_is_unknown_where_its_module_asks_an_lm_of_its_own(lm, effort):
    given, _ = scripted_writer(json_answers(agent="video"))  # no meter is told by it
    ticks = count(step=1.0)
    lms = LMs(given, None, dspy.JSONAdapter(), {})
    asked = ask_side_by_side([Asks(lm)], ROUTING, [example("a")], lms, lambda: next(ticks))
    assert asked.rows[0][0].effort == effort
