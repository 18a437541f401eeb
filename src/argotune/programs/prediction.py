"""Predictions: what a module returned, as values, texts and a confidence. Only None is missing: False, 0 and [] are
answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback

from argotune.data.field_types import NotOfType, as_text
from argotune.errors import ArgotuneError
from argotune.lm.lack import Lack
from argotune.programs.cascade import FellThrough
from argotune.programs.failures import stopping_error
from argotune.programs.program import Program
from argotune.programs.student import BY_STUDENT


def returned(program: Program, module: dspy.Module, inputs: Mapping[str, object]) -> dspy.Prediction:
    """What the module says to one question.

    Raises TypeError where `forward` returns nothing that can be an answer, and what a module that catches everything
    (dspy.BestOfN) would hide: an error of an LM that is about more than this question.
    """
    watch = _Stopping()
    with watch, dspy.context(trace=[], callbacks=[*dspy.settings.get("callbacks", []), watch]):
        return as_prediction(program, module(**inputs))


class _Stopping(BaseCallback, AbstractContextManager[None]):
    """Remembers the first error of an LM that ends the work; whatever else fails in the block then is that error."""

    stopping: ArgotuneError | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.stopping is not None and isinstance(error, Exception):
            raise self.stopping from error

    def on_lm_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:  # noqa: ARG002
        self.stopping = self.stopping or stopping_error(exception)


def as_prediction(program: Program, found: object) -> dspy.Prediction:
    """What a module returned, its answers as values of their types where they can be read as such.

    A value by itself is the answer of a program that has one, and what is in a dict are answers by their names. Raises
    TypeError for None and anything else.
    """
    if isinstance(found, dict) and program.fields.answers.keys() <= found.keys():
        found = dspy.Prediction(**found)
    elif _is_bare_answer(program, found):
        found = dspy.Prediction(**dict.fromkeys(program.fields.answers, found))
    if not isinstance(found, dspy.Prediction):
        raise TypeError(f"forward returned {type(found).__name__}, not a dspy.Prediction")
    for name in program.typed_fields.types.keys() & program.fields.answers.keys() & set(found.keys()):
        found[name] = _value(program, name, found[name])
    return found


def _is_bare_answer(program: Program, found: object) -> bool:
    """One answer needs no name. Only its own type's values are taken for it, or texts and what JSON holds."""
    if len(program.fields.answers) != 1 or isinstance(found, dspy.Example):
        return False
    type_ = program.typed_fields.types.get(next(iter(program.fields.answers)))
    return isinstance(found, str | bool | int | float | list | tuple | dict) or (type_ is not None and type_.has(found))


def _value(program: Program, name: str, said: object) -> object:
    fields = program.typed_fields
    try:
        return None if said is None else fields.types[name].value(said)
    except NotOfType:
        return said


def answers_of(program: Program, prediction: dspy.Prediction) -> dict[str, str]:
    """Each answer of the program as the text that it is kept as, "" where there is none."""
    texts = {name: kept_text(program, name, prediction) for name in program.fields.answers}
    return dict(program.typed_fields.in_one_order(texts)) if program.fields.unordered else texts


def kept_text(program: Program, name: str, values: dspy.Example) -> str:
    """A field as the text that it is kept as, "" where there is none."""
    if name not in values:
        return ""
    try:
        return program.typed_fields.kept(name, values[name])
    except NotOfType:
        return as_text(values[name])


def prediction_of(program: Program, answers: Mapping[str, str]) -> dspy.Prediction:
    """The prediction whose answers were kept as these texts: each of its type, or a text where it is not."""
    return dspy.Prediction(**program.typed_fields.values(answers))


def lack_in(program: Program, prediction: dspy.Prediction, answers: Mapping[str, str]) -> Lack | None:
    """Why answers cannot be used: what the module says of it, or that they are outside their closed sets or none of
    their types."""
    said = None if "lack" in answers else prediction.get("lack")
    if said in list(Lack):
        return Lack(said)
    fields = program.typed_fields
    if fields.allow(answers):
        return None
    is_outside = any(labels is not None and answers[name] not in labels for name, labels in fields.answers.items())
    return Lack.OUTSIDE if is_outside else Lack.FORM


def is_by_student(program: Program, prediction: dspy.Prediction) -> bool:
    """Whether it was made without an LM."""
    return "by" not in program.fields.answers and prediction.get("by") == BY_STUDENT


def fell_through_of(program: Program, prediction: dspy.Prediction) -> str:
    """Why the student of a cascade left it to an LM, "" where none did."""
    said = None if "fell_through" in program.fields.answers else prediction.get("fell_through")
    return said if isinstance(said, str) and said in list(FellThrough) else ""


def confidence_of(prediction: dspy.Prediction) -> float | None:
    """In 0..1, None where the module gave no number."""
    value = prediction.get("confidence")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(max(float(value), 0.0), 1.0)
