"""Answering: one question to one module, as serving asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dspy

from argotune.lm.port import LMs
from argotune.programs.cascade import BY_LM
from argotune.programs.enhanced import NOTHING_FILLED, Filling, filling_of
from argotune.programs.failures import missed
from argotune.programs.prediction import answers_of, confidence_of, fell_through_of, is_by_student, lack_in, returned
from argotune.programs.program import Program
from argotune.programs.student import BY_STUDENT
from argotune.programs.unmetered import SeesOwnLMs


@dataclass(frozen=True)
class ProgramAnswer:
    """The answers, and how sure the module is in 0..1. `lack` says why they cannot be used: then they may be "".
    `filling` is what an enhancement filled in, and nothing where the version has none. `by` says who
    gave them: a student, without an LM, or an LM program; `fell_through` why a student left it to the LM."""

    answers: dict[str, str]
    confidence: float | None
    lack: str = ""
    filling: Filling = NOTHING_FILLED
    by: str = BY_LM
    fell_through: str = ""


def answer(module: dspy.Module, program: Program, inputs: Mapping[str, str], lms: LMs) -> ProgramAnswer:
    """What the module answers. A question that an LM refuses, or on which the program fails, has no answers.

    Raises Unavailable, AccessDenied and their like, which are about more than this question.
    """
    callbacks = [*dspy.settings.callbacks, SeesOwnLMs(lms)]
    with dspy.context(**program.asked_of(lms), callbacks=callbacks):
        try:
            prediction = returned(program, module, program.typed_fields.values(inputs))
        except Exception as error:  # noqa: BLE001 - a user's program may raise anything
            return ProgramAnswer(dict.fromkeys(program.fields.answers, ""), None, missed(error)[1])
    answers = answers_of(program, prediction)
    filling, lack = filling_of(prediction), _lack(program, prediction, answers)
    by = BY_STUDENT if is_by_student(program, prediction) else BY_LM
    fell_through = fell_through_of(program, prediction)
    return ProgramAnswer(answers, confidence_of(prediction), lack, filling, by, fell_through)


def _lack(program: Program, prediction: dspy.Prediction, answers: Mapping[str, str]) -> str:
    """Why the answers cannot be used; a text without a letter is none."""
    lack = lack_in(program, prediction, answers)
    empty = next((name for name, text in answers.items() if not text.strip()), None)
    return str(lack) if lack else f"no answer to {empty}" if empty else ""
