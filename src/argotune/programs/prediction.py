"""Predictions: what a module returned, as texts and a confidence. Only None is missing: False, 0 and [] are answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import dspy
from dspy.adapters.utils import parse_value

from argotune.data.span_format import as_text
from argotune.lm.lack import Lack
from argotune.programs.program import Program


def returned(module: dspy.Module, inputs: Mapping[str, object]) -> dspy.Prediction:
    """What the module says to one question. Raises TypeError where `forward` returns None or anything else."""
    found = module(**inputs)
    if not isinstance(found, dspy.Prediction):
        raise TypeError(f"forward returned {type(found).__name__}, not a dspy.Prediction")
    return found


def answers_of(program: Program, prediction: dspy.Prediction) -> dict[str, str]:
    """Each answer of the program as a text, "" where there is none."""
    found = {name: prediction.get(name) for name in program.fields.answers}
    return {name: "" if value is None else as_text(value) for name, value in found.items()}


def prediction_of(program: Program, answers: Mapping[str, str]) -> dspy.Prediction:
    """The prediction whose answers were kept as these texts: each read as the program's last predictor types it, as a
    text where that is not possible."""
    types = program.answer_types
    return dspy.Prediction(**{name: _typed(text, types.get(name, str)) for name, text in answers.items()})


def _typed(text: str, annotation: Any) -> object:
    if annotation is str:
        return text
    try:
        return parse_value(text, annotation)
    except (ValueError, TypeError, SyntaxError):
        return text


def lack_in(program: Program, prediction: dspy.Prediction, answers: Mapping[str, str]) -> Lack | None:
    """Why answers cannot be used: what the module says of it, or that they are outside their closed sets."""
    said = None if "lack" in answers else prediction.get("lack")
    if said in list(Lack):
        return Lack(said)
    return None if program.fields.allow(answers) else Lack.OUTSIDE


def confidence_of(prediction: dspy.Prediction) -> float | None:
    """In 0..1, None where the module gave no number."""
    value = prediction.get("confidence")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(max(float(value), 0.0), 1.0)
