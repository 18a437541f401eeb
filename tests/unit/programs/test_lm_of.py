"""Which LM answers a program: one that scores labels where labels are all that is asked for, else what writes."""

from __future__ import annotations

from typing import Literal

import dspy
import pytest

from argotune.data.fields import Fields
from argotune.lm.port import LMs
from argotune.programs.program import Program

Team = Literal["billing", "shipping"]


def program(*modules: dspy.Module) -> Program:
    def build() -> dspy.Module:
        whole = dspy.Module()
        for number, module in enumerate(modules):
            setattr(whole, f"part{number}", module)
        return whole

    return Program("route", "route", Fields("route", ("message",), {"team": ("billing", "shipping")}), build, max)


LABELS = dspy.Predict(dspy.Signature("message -> team: Team", custom_types={"Team": Team}))
NUMBER = dspy.Predict(dspy.Signature("message -> team: Team, confidence: float", custom_types={"Team": Team}))
YES_OR_NO = dspy.Predict("message -> is_urgent: bool")
TEXT = dspy.Predict("message -> reply")
REASONED = dspy.ChainOfThought("message -> is_urgent: bool")


@pytest.mark.parametrize(
    ("modules", "lm"),
    [
        ([LABELS], "scorer"),
        ([LABELS, YES_OR_NO], "scorer"),
        ([NUMBER], "writer"),
        ([LABELS, TEXT], "writer"),
        ([REASONED], "writer"),
    ],
)
def test_a_program_that_asks_for_more_than_labels_is_answered_by_what_writes(modules: list[dspy.Module], lm: str):
    asked = program(*modules)
    assert asked.lm_of(LMs("scorer", None, None, {}, writer="writer")) == lm
    assert asked.lm_of(LMs("task", None, None, {})) == "task"
