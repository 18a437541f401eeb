"""Cascade: a student answers what it is sure of, and an LM program the rest. One version, with one threshold.

What may be hoped of the threshold is said where it is chosen (optimizers/cascade.py).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dspy
import numpy as np

from argotune.errors import Unavailable
from argotune.programs.arrays import Floats, array_state, read_array
from argotune.programs.states import FamiliarState
from argotune.programs.student import Student

BY_LM = "lm"
"""What a prediction says in `by` that an LM program made."""


@dataclass(frozen=True)
class Familiar:
    """Which questions are like those that training saw: the cosine of their sentence vector with one of `landmarks` is
    at least `least`. A linear model is sure of some questions that are like nothing it learned from, as ones in another
    language; distance tells these (Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022).
    """

    landmarks: Floats
    least: float

    def likeness(self, vector: Floats) -> float:
        """The cosine with the nearest landmark, in -1..1."""
        return float((self.landmarks @ vector).max()) if len(self.landmarks) else 1.0

    def has(self, row: Floats) -> bool:
        """Whether the question that a row was read from is like those of training."""
        return not len(self.landmarks) or self.likeness(row[: self.landmarks.shape[1]]) >= self.least


@dataclass(frozen=True)
class Trust:
    """From which confidence on a student answers, in 0..1, and the sentence that says why it may."""

    threshold: float
    why: str


class Cascade(dspy.Module):
    """`by` of a prediction says who gave it. The predictors are those of the LM program.

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
        if said is not None:
            return said
        found = self.program(**inputs)
        if isinstance(found, dspy.Prediction) and "by" not in found:
            found["by"] = BY_LM
        return found

    def by_student(self, inputs: Mapping[str, object]) -> dspy.Prediction | None:
        """The student's answer where it may answer, else None."""
        try:
            row = self.student.reader.rows([inputs])[0]
        except Unavailable:
            return None
        said = self.student.said_of(row)
        return said if said["confidence"] >= self.trust.threshold and self.familiar.has(row) else None

    def __deepcopy__(self, memo: dict[int, object]) -> Cascade:
        twin = copy.copy(self)
        twin.program = copy.deepcopy(self.program, memo)
        return twin


def familiar_state(familiar: Familiar) -> FamiliarState:
    """As JSON values."""
    return {"landmarks": array_state(familiar.landmarks), "least": familiar.least}


def read_familiar(state: FamiliarState) -> Familiar:
    """Of a state. Raises KeyError, TypeError or ValueError for what is none."""
    found = Familiar(read_array(state["landmarks"]), float(state["least"]))
    if found.landmarks.ndim != 2 or not np.isfinite(found.least):
        raise ValueError("landmarks are rows of numbers, and the least likeness a number")
    return found
