"""Program: one tunable DSPy program, as every stage sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import dspy
from dspy.adapters.decision_state import decision_type

from argotune.data.fields import Fields
from argotune.lm.port import LMs
from argotune.programs.entities import EntityFinder
from argotune.programs.likeness import likeness
from argotune.programs.module_fields import types_of
from argotune.programs.signatures import asked_signature, shape_of
from argotune.store.sealing import digest

Metric = Callable[[dspy.Example, dspy.Prediction], float]
"""What it gives may be anything that is a number for `float()`: a dspy.Prediction with `score` and `feedback`, too."""


@dataclass(frozen=True)
class Appraisal:
    """How good an answer is, in 0..1, and why, for an LM that is to do better; "" where nobody says it."""

    score: float
    feedback: str = ""


@dataclass(frozen=True)
class Program:
    """What is tuned. `metric` gives 0..1, and 1.0 is a hit; `build` gives a fresh, untuned module each time. Without a
    metric people say which of two answers is better, and training chooses by what is like the better ones, or by
    `rubric`, where an LM was shown to score answers as people do.

    `is_metric_plain`: the metric is a function of the example and the answers in the prediction, so that equal answers
    are equally right whatever is right. One that is not, as it draws by chance, asks an LM or looks at more than the
    answers, needs a label for every question that is to judge.
    `named_types` are the answers whose labels were read from a type that versions remember by its name. `good_from`:
    from which score on an answer may be shown as an example of how it is done. `refuted` appraises answers to questions
    of which people have said only what is wrong, and says None of others; it is there in training alone.
    `finder` finds entities for an ensemble where the tenant has a model for that.
    """

    name: str
    module: str
    fields: Fields
    build: Callable[[], dspy.Module]
    metric: Metric | None
    is_metric_plain: bool = True
    named_types: frozenset[str] = frozenset()
    rubric: Callable[[dspy.Example, dspy.Prediction], Appraisal] | None = None
    good_from: float = 1.0
    refuted: Callable[[dspy.Example, dspy.Prediction], Appraisal | None] | None = None
    finder: EntityFinder | None = None

    def __post_init__(self) -> None:
        if self.is_by_preference and not self.fields.by_preference:
            object.__setattr__(self, "fields", replace(self.fields, by_preference=True))

    @property
    def is_by_preference(self) -> bool:
        return self.metric is None

    def worth(self, example: dspy.Example, prediction: dspy.Prediction) -> float:
        """What the metric gives."""
        return self.appraisal(example, prediction).score

    def appraisal(self, example: dspy.Example, prediction: dspy.Prediction) -> Appraisal:
        """What the metric gives, with its feedback where it has some (as metrics for dspy.GEPA have)."""
        if self.refuted is not None and (known := self.refuted(example, prediction)) is not None:
            return known
        if self.metric is not None:
            found = self.metric(example, prediction)
            return Appraisal(float(found), str(getattr(found, "feedback", None) or ""))
        if self.rubric is not None:
            return self.rubric(example, prediction)
        return Appraisal(likeness(example, prediction, self.fields.answers))

    @cached_property
    def typed_fields(self) -> Fields:
        """The fields with their types, which those that somebody else wrote down may lack."""
        return self.fields if self.fields.types else replace(self.fields, types=types_of(self.build()))

    @property
    def is_closed(self) -> bool:
        """Whether each of its answers is from a closed set."""
        return all(self.fields.answers.values())

    @cached_property
    def asks_for_labels_alone(self) -> bool:
        """Whether an LM that scores labels, and writes nothing, can answer all of it: every output of every predictor
        is from a closed set."""
        outputs = [field for p in self.build().predictors() for field in asked_signature(p).output_fields.values()]
        return all(decision_type(field) is not None for field in outputs)

    @cached_property
    def shows_examples(self) -> bool:
        """Whether one of its predictors can show an example as it is. DSPy leaves out a demonstration that has none of
        a predictor's inputs, or none of its outputs (dspy/adapters/base.py), and says nothing of it: of a module that
        asks one thing after another each predictor may lack a half."""
        asked = [asked_signature(predictor) for predictor in self.build().predictors()]
        return any(
            not self.fields.answers.keys().isdisjoint(signature.output_fields)
            and not set(self.fields.inputs).isdisjoint(signature.input_fields)
            for signature in asked
        )

    def lm_of(self, lms: LMs) -> Any:
        """The LM that answers: what writes in the place of one that scores labels, where that is not enough."""
        return lms.task if lms.writer is None or self.asks_for_labels_alone else lms.writer

    def asked_of(self, lms: LMs) -> Mapping[str, Any]:
        """DSPy's settings under which it answers: its LM, and the one that writes where that only scores labels."""
        return {"lm": self.lm_of(lms), "adapter": lms.adapter, "writer": lms.writer}

    @cached_property
    def signature_hash(self) -> str:
        """What a stored version must have been made for: names, order, types and labels of all fields.

        Instructions and descriptions are not in it, nor is the order in which labels are listed.
        """
        predictors = [[name, shape_of(predictor.signature)] for name, predictor in self.build().named_predictors()]
        told = {name: None if name in self.named_types else labels for name, labels in self.fields.answers.items()}
        answers = [[name, labels and sorted(labels)] for name, labels in told.items()]
        return digest([self.name, list(self.fields.inputs), answers, predictors])


def dspy_example(values: Mapping[str, Any], inputs: Iterable[str]) -> dspy.Example:
    """DSPy's example of these fields. `inputs` names those that are asked, the others are its labels."""
    marked: dspy.Example = dspy.Example(dict(values)).with_inputs(*inputs)
    return marked
