"""Metric trial: a metric that compares what can never be equal is found before an LM is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import dspy

from argotune.data.examples import Example
from argotune.errors import ArgotuneError, ConfigInvalid, ProgramFailed
from argotune.errors.lines import one_line
from argotune.programs.evaluation import to_dspy
from argotune.programs.failures import raising_as
from argotune.programs.program import Program

TRIED = 20
"""Examples whose right answer is tried; the first hit ends it."""

MAX_SHOWN_CHARS = 60


def try_metric(program: Program, examples: Sequence[Example]) -> None:
    """Give the metric right answers as if a program had said them, until one of them is a hit.

    Raises ConfigInvalid, naming fields, values and types, where all of them are worth 0, or less than they are where
    one value of a field is its text, as in `3 == "3"`. A metric that is not plain, or fails on answers alone, is left
    to those who can show it whole predictions.
    """
    if program.metric is None or not program.is_metric_plain:
        return
    known, best = [to_dspy(program, example) for example in examples[:TRIED]], -1.0
    for example in known:
        best = max(best, _worth(program, example, _said(program, example)))
        if best >= 1.0:
            return
    for example in known if best >= 0 else []:
        _refuse_types(program, example, best)
    if best == 0:
        raise ConfigInvalid(f"{_begun(program, best)}: {', '.join(_told(known[0], program.fields.answers))}")


def _said(program: Program, example: dspy.Example) -> dict[str, object]:
    return {name: example[name] for name in program.fields.answers if name in example}


def _worth(program: Program, example: dspy.Example, said: Mapping[str, object]) -> float:
    """-1 where the metric cannot tell."""
    with suppress(ArgotuneError), raising_as(ProgramFailed, f"{program.name}: its metric failed"):
        return program.worth(example, dspy.Prediction(**said))
    return -1.0


def _refuse_types(program: Program, example: dspy.Example, best: float) -> None:
    """Raise what a field says that is worth more as a text, on one side or on both."""
    said = _said(program, example)
    for name in said.keys() & program.typed_fields.types.keys():
        text = program.typed_fields.kept(name, example[name])
        for side, expected, answer in _sides(text, example[name]):
            changed = example.copy(**{name: expected})
            if _worth(program, changed, {**said, name: answer}) > best:
                only = f"more only where {side} is {text!r} (str)"
                raise ConfigInvalid(f"{_begun(program, best)}: {', '.join(_told(example, [name]))}; it gives {only}")


def _sides(text: str, value: object) -> Iterator[tuple[str, object, object]]:
    yield "the example's", text, value
    yield "the prediction's", value, text
    yield "each of them", text, text


def _begun(program: Program, best: float) -> str:
    return f"{program.name}: its metric gives {best} to the right answer itself"


def _told(example: dspy.Example, names: Sequence[str] | Mapping[str, object]) -> Iterator[str]:
    for name in names:
        if name in example:
            value = example[name]
            shown = one_line(repr(value), MAX_SHOWN_CHARS)
            yield f"{name} of example and prediction is {shown} ({type(value).__name__})"
