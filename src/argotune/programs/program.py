"""Program: one tunable DSPy program, as every stage sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args, get_origin

import dspy

from argotune.data.fields import Fields
from argotune.programs.likeness import likeness
from argotune.store.sealing import digest

Metric = Callable[[dspy.Example, dspy.Prediction], float]


@dataclass(frozen=True)
class Program:
    """What is tuned. `metric` gives 0..1, and 1.0 is a hit; `build` gives a fresh, untuned module each time. Without a
    metric people say which of two answers is better, and training chooses by what is like the better ones.

    `is_metric_plain`: the metric is a function of the example and the answers in the prediction, so that equal answers
    are equally right whatever is right. One that is not, as it draws by chance, asks an LM or looks at more than the
    answers, needs a label for every question that is to judge.
    """

    name: str
    module: str
    fields: Fields
    build: Callable[[], dspy.Module]
    metric: Metric | None
    is_metric_plain: bool = True

    def __post_init__(self) -> None:
        if self.is_by_preference and not self.fields.by_preference:
            object.__setattr__(self, "fields", replace(self.fields, by_preference=True))

    @property
    def is_by_preference(self) -> bool:
        return self.metric is None

    def worth(self, example: dspy.Example, prediction: dspy.Prediction) -> float:
        """What the metric gives."""
        if self.metric is None:
            return likeness(example, prediction, self.fields.answers)
        return float(self.metric(example, prediction))

    @cached_property
    def answer_types(self) -> Mapping[str, Any]:
        """How the last predictor types each of its outputs."""
        predictors = self.build().predictors()
        fields = predictors[-1].signature.output_fields if predictors else {}
        return {name: field.annotation for name, field in fields.items()}

    @cached_property
    def signature_hash(self) -> str:
        """What a stored version must have been made for: names, order, types and labels of all fields.

        Instructions and descriptions are not in it, nor is the order in which labels are listed.
        """
        predictors = [[name, shape_of(predictor.signature)] for name, predictor in self.build().named_predictors()]
        answers = [[name, labels and sorted(labels)] for name, labels in self.fields.answers.items()]
        return digest([self.name, list(self.fields.inputs), answers, predictors])


def shape_of(signature: type[dspy.Signature]) -> dict[str, list[list[Any]]]:
    """Names and types of the inputs and outputs of a predictor, in order."""
    sides = {"inputs": signature.input_fields, "outputs": signature.output_fields}
    return {
        side: [[name, _type_name(field.annotation)] for name, field in fields.items()] for side, fields in sides.items()
    }


def dspy_example(values: Mapping[str, Any], inputs: Iterable[str]) -> dspy.Example:
    """DSPy's example of these fields. `inputs` names those that are asked, the others are its labels."""
    marked: dspy.Example = dspy.Example(dict(values)).with_inputs(*inputs)
    return marked


def signature_in(predictor: dspy.Predict) -> type[dspy.Signature]:
    """What a predictor asks as it is tuned. Raises TypeError for one without a signature, which DSPy would allow."""
    if predictor.signature is None:
        raise TypeError("the predictor has no signature")
    return predictor.signature


def labels_offered(annotation: Any) -> tuple[str, ...] | None:
    """The closed set of a Literal or bool as texts, None for any other type."""
    if annotation is bool:
        return ("True", "False")
    return tuple(str(value) for value in get_args(annotation)) if get_origin(annotation) is Literal else None


def _type_name(annotation: Any) -> str | list[str]:
    labels = labels_offered(annotation)
    if labels is not None:
        return sorted(labels)
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
