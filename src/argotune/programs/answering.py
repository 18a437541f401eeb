"""Answering: one question to one module, as serving asks it."""

from __future__ import annotations

from collections.abc import Mapping

import dspy

from argotune.errors import ArgotuneError
from argotune.ports import LMs
from argotune.programs.failures import NO_ANSWER, told_as
from argotune.programs.program import Program


def answer(
    module: dspy.Module, program: Program, inputs: Mapping[str, str], lms: LMs
) -> tuple[dict[str, str], float | None]:
    """The answers, and how sure the module is in 0..1; empty answers where the LM gave none that can be used.

    Raises Unavailable and its like when the LM cannot be reached.
    """
    with dspy.context(lm=lms.task, adapter=lms.adapter), told_as(ArgotuneError, program.name):
        try:
            prediction = module(**inputs)
        except NO_ANSWER:
            return dict.fromkeys(program.fields.answers, ""), None
    answers = {name: str(prediction.get(name) or "") for name in program.fields.answers}
    confidence = prediction.get("confidence")
    return answers, float(confidence) if isinstance(confidence, int | float) else None
