"""Answers from closed sets, asked of any LM: signature, DSPy module and metric that the shipped programs share.

An LM that scores labels (a DSPy decision client) is asked for the probability of each label, so it cannot
answer outside the set. An LM that writes text gets the labels as a Literal and a `confidence` to fill in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

import dspy
from dspy.adapters.decision import record_evidence
from dspy.adapters.types.decision import Choice, decision_type
from dspy.signatures.signature import make_signature
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from argotune.data.field_types import as_text
from argotune.programs.failures import NO_ANSWER, missed
from argotune.programs.program import Metric
from argotune.programs.signatures import asked_signature

SignatureField = tuple[Any, FieldInfo]
"""What a signature's field holds, and what DSPy is told of it. DSPy asks for a type, which a Literal is not."""

NOTHING_KNOWN = 0.5
"""Confidence of an LM that gave none, or gave something that is no number."""


@dataclass(frozen=True)
class ClosedSet:
    """One answer: what is asked, and the labels with what each is for ("" where the label says it all)."""

    about: str
    labels: Mapping[str, str]


def signature_of(
    instructions: str, inputs: Mapping[str, str], answers: Mapping[str, ClosedSet]
) -> type[dspy.Signature]:
    """A signature of text inputs (name -> description) and closed answers, with the labels as decision criteria."""
    fields: dict[str, SignatureField] = {n: (str, dspy.InputField(desc=about)) for n, about in inputs.items()}
    for name, answer in answers.items():
        criteria = Choice.__class_getitem__(tuple((label, about or None) for label, about in answer.labels.items()))
        fields[name] = (Annotated[Literal[tuple(answer.labels)], criteria], dspy.OutputField(desc=answer.about))
    return make_signature(fields, instructions)


def scores_labels(lm: Any) -> bool:
    """Whether an LM is one of DSPy's decision clients, which score labels and write no text."""
    return getattr(lm, "supports_decision_requests", False) is True


class ClosedSetAnswers(dspy.Module):
    """Answers every output of the signature from its closed set, and says with which `confidence` in 0..1.

    An LM that gives no usable answer makes all answers "" with confidence 0, and `lack` and `lack_told` say why: a
    miss, never an exception. Inputs that are not given are "".
    """

    def __init__(self, signature: type[dspy.Signature]) -> None:
        dspy.Module.__init__(self)
        self.answer = dspy.Predict(signature)

    def forward(self, **inputs: str) -> dspy.Prediction:
        signature = asked_signature(self.answer)
        filled = {**dict.fromkeys(signature.input_fields, ""), **inputs}
        lm = self.answer.lm or dspy.settings.lm
        ask = self._scored if scores_labels(lm) else self._written
        try:
            return ask(filled)
        except NO_ANSWER as error:
            nothing = dict.fromkeys(signature.output_fields, "")
            lack, told = missed(error)
            return dspy.Prediction(**nothing, confidence=0.0, lack=str(lack), lack_told=told)

    def _scored(self, inputs: Mapping[str, str]) -> dspy.Prediction:
        """By a decision LM. The confidence is the probability of the least certain of the chosen labels."""
        with record_evidence() as evidence:
            prediction = self.answer(**inputs)
        answers = prediction.toDict()
        chosen = [_share(found["probabilities"], answers[name]) for _, name, found in evidence]
        return dspy.Prediction(**answers, confidence=min(chosen, default=NOTHING_KNOWN))

    def _written(self, inputs: Mapping[str, str]) -> dspy.Prediction:
        """By a generative LM. A labelled demonstration without a confidence is shown as certain."""
        demos = [{"confidence": 1.0, **demo} for demo in self.answer.demos]
        said: dspy.Prediction = self.answer(
            **inputs, demos=demos, signature=written_signature(asked_signature(self.answer))
        )
        return said


def _share(probabilities: Mapping[str, float], label: str) -> float:
    return probabilities[label] / sum(probabilities.values())


class Confidence(float):
    """A number in 0..1 as LMs write it. Garbage becomes NOTHING_KNOWN, so it never spoils the answer beside it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_before_validator_function(read_confidence, core_schema.float_schema())


Confidence.__name__ = "float"  # LMs are shown the names of types


def read_confidence(value: object) -> float:
    """The first number in what an LM wrote, percent understood, clamped to 0..1."""
    found = re.search(r"(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)\s*(%?)", str(value))
    if found is None:
        return NOTHING_KNOWN
    number = float(found[1]) / (100 if found[2] else 1)
    return min(max(number, 0.0), 1.0) if math.isfinite(number) else NOTHING_KNOWN


@lru_cache(maxsize=128)
def written_signature(signature: type[dspy.Signature]) -> type[dspy.Signature]:
    """The same question for an LM that writes: criteria become text, and `confidence` is asked last."""
    fields: dict[str, SignatureField] = {n: (field.annotation, field) for n, field in signature.input_fields.items()}
    for name, field in signature.output_fields.items():
        fields[name] = (field.annotation, dspy.OutputField(desc=with_labels(field)))
    fields["confidence"] = (Confidence, dspy.OutputField(desc="How sure the answer is right, from 0 to 1"))
    return make_signature(fields, signature.instructions)


def with_labels(field: FieldInfo) -> str:
    """The description of an answer of a signature, with a line for each label that says what it is for."""
    about = field.json_schema_extra["desc"] if isinstance(field.json_schema_extra, dict) else ""
    kind = decision_type(field)
    criteria = (kind.criteria() if kind else None) or {}
    lines = [f"- {label}: {purpose}" for label, purpose in criteria.items() if purpose]
    return "\n".join([str(about), *lines])


def share_right(*answers: str) -> Metric:
    """A metric: the share of these answers that are what was expected, 1.0 when all are. A bool or number is its text,
    as labels are."""

    def metric(example: dspy.Example, prediction: dspy.Prediction) -> float:
        return sum(_is_right(name, prediction, example[name]) for name in answers) / len(answers)

    return metric


def _is_right(name: str, prediction: dspy.Prediction, expected: object) -> bool:
    if name not in prediction or prediction[name] is None or expected is None:
        return name in prediction and prediction[name] is expected
    return as_text(prediction[name]) == as_text(expected)
