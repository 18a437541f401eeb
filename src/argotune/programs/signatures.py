"""Signatures: what a predictor asks, and the form in which a stored version remembers it."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import dspy


def asked_signature(predictor: dspy.Predict) -> type[dspy.Signature]:
    """What a predictor asks as it is tuned. Raises TypeError for one without a signature, which DSPy would allow."""
    if predictor.signature is None:
        raise TypeError("the predictor has no signature")
    return predictor.signature


def shape_of(signature: type[dspy.Signature]) -> dict[str, list[list[Any]]]:
    """Names and types of the inputs and outputs of a predictor, in order."""
    sides = {"inputs": signature.input_fields, "outputs": signature.output_fields}
    return {
        side: [[name, _type_name(field.annotation)] for name, field in fields.items()] for side, fields in sides.items()
    }


def is_named_only(annotation: Any) -> bool:
    """Whether the shape tells a type by its name alone: all but a Literal and bool, whose labels it has."""
    return annotation is not bool and get_origin(annotation) is not Literal


def _type_name(annotation: Any) -> str | list[str]:
    if annotation is bool:
        return ["False", "True"]
    if not is_named_only(annotation):
        return sorted(str(value) for value in get_args(annotation))
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
