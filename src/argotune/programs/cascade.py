"""Cascade: a student answers what it is sure of, and an LM program the rest. One version, with one threshold.

What may be hoped of the threshold is said where it is chosen (optimizers/cascade.py).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import dspy
import numpy as np

from argotune.errors import Unavailable
from argotune.programs.arrays import Floats, coarse, coarse_array_state, read_array
from argotune.programs.states import FamiliarState
from argotune.programs.student import Student

BY_LM = "lm"
"""What a prediction says in `by` that an LM program made."""

NEXT_TO_NOTHING = 1e-12
"""A confidence has a logarithm from here on."""


class FellThrough(StrEnum):
    """Why the student of a cascade did not answer."""

    UNFAMILIAR = "unfamiliar"
    """The question is unlike those of training: out of scope, in another language, or of a label without examples."""

    UNSURE = "unsure"
    """The student's confidence is below the threshold."""

    NO_VECTOR = "no vector"
    """The embedder lies behind an API that is down."""


@dataclass(frozen=True)
class Familiar:
    """Which questions are like those that training saw: their likeness is at least `least`.

    A linear model is sure of some questions that are like nothing it learned from; the distance to the nearest of those
    tells them (Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022), and better together
    with how sure it is. Without landmarks all questions are familiar.
    """

    landmarks: Floats
    least: float
    sureness: float = 0.0

    def likeness(self, row: Floats, confidence: float) -> float:
        """The cosine of a row's sentence vector with the nearest landmark, and `sureness` times the logarithm of the
        student's confidence."""
        nearest = float((self.landmarks @ row[: self.landmarks.shape[1]]).max())
        return nearest + self.sureness * log_confidence(confidence)

    def has(self, row: Floats, confidence: float) -> bool:
        """Whether the question that a row was read from is like those of training; one without a vector is not."""
        return not len(self.landmarks) or self.likeness(row, confidence) >= self.least


EVERYTHING_FAMILIAR = Familiar(np.zeros((0, 0), np.float32), -1.0)


def log_confidence(confidence: float) -> float:
    """Its logarithm, a finite number."""
    return math.log(max(confidence, NEXT_TO_NOTHING))


@dataclass(frozen=True)
class Trust:
    """From which confidence on a student answers, in 0..1, and the sentence that says why it may."""

    threshold: float
    why: str


class Cascade(dspy.Module):
    """`by` of a prediction says who gave it, `fell_through` why the student did not. The predictors are those of the
    LM program.

    A student whose embedder lies behind an API that is down leaves the question to the LM. Where it is the LM that is
    down, the student goes on with what it is sure of, and other questions raise what the LM raises.
    """

    def __init__(self, student: Student, program: dspy.Module, familiar: Familiar, trust: Trust) -> None:
        dspy.Module.__init__(self)
        self.student = student
        self.program = program
        self.familiar = familiar
        self.trust = trust

    def forward(self, **inputs: object) -> Any:
        said = self.by_student(inputs)
        if isinstance(said, dspy.Prediction):
            return said
        found = self.program(**inputs)
        for name, value in (("by", BY_LM), ("fell_through", said.value)):
            if isinstance(found, dspy.Prediction) and name not in found:
                found[name] = value
        return found

    def by_student(self, inputs: Mapping[str, object]) -> dspy.Prediction | FellThrough:
        """The student's answer, or why it may not answer."""
        try:
            row = self.student.reader.rows([inputs])[0]
        except Unavailable:
            return FellThrough.NO_VECTOR
        said = self.student.said_of(row)
        if not self.familiar.has(row, said["confidence"]):
            return FellThrough.UNFAMILIAR
        return said if said["confidence"] >= self.trust.threshold else FellThrough.UNSURE

    def __deepcopy__(self, memo: dict[int, object]) -> Cascade:
        twin = copy.copy(self)
        twin.program = copy.deepcopy(self.program, memo)
        return twin


def familiar_state(familiar: Familiar) -> FamiliarState:
    """As JSON values."""
    landmarks = coarse_array_state(familiar.landmarks)
    return {"landmarks": landmarks, "least": familiar.least, "sureness": familiar.sureness}


def read_familiar(state: FamiliarState | None) -> Familiar:
    """Of a state; without one all is familiar. Raises KeyError, TypeError or ValueError for what is none."""
    if state is None:
        return EVERYTHING_FAMILIAR
    sureness = float(state.get("sureness", 0.0))
    found = Familiar(coarse(read_array(state["landmarks"])), float(state["least"]), sureness)
    if found.landmarks.ndim != 2 or not np.isfinite([found.least, found.sureness]).all():
        raise ValueError("landmarks are rows of numbers, the least likeness and what sureness counts are numbers")
    return found
