"""Policy rows: from experiences and labelled examples to the numbers that a policy learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import dspy
import numpy as np

from argotune.data.episodes import Step
from argotune.errors import ConfigInvalid
from argotune.optimizers.policy_learning import LoggedRows
from argotune.optimizers.policy_loss import UNKNOWN, Rows
from argotune.programs.policy import PolicyAnswers
from argotune.programs.prediction import kept_text
from argotune.programs.program import Program
from argotune.programs.student import QuestionReader

MOST_CHOICES = 200
"""Of more choices each would have too few experiences."""

MOST_HEADS = 8

MIN_OF_MODALITY = 20
"""A modality with fewer experiences has no head of its own."""

NO_CONFIDENCE = 0.5


def choices_of(program: Program) -> PolicyAnswers:
    """All that the program may answer. Raises ConfigInvalid for an answer that is no closed set, and for too many."""
    closed = {name: labels for name, labels in program.fields.answers.items() if labels is not None}
    if len(closed) < len(program.fields.answers):
        raise ConfigInvalid(f"{program.name}: a policy answers closed sets only, and an answer of it is free text")
    found = tuple(product(*(tuple(labels) for labels in closed.values())))
    if len(found) > MOST_CHOICES:
        raise ConfigInvalid(f"{program.name}: a policy chooses among {MOST_CHOICES} answers at most, not {len(found)}")
    return PolicyAnswers(tuple(closed), found)


def heads_of(steps: Sequence[Step]) -> tuple[str, ...]:
    """The modalities that get a head of their own; one head for all where fewer than two have enough experiences."""
    counts = Counter(step.experience.modality for step in steps if step.experience.modality)
    found = [name for name, count in counts.most_common(MOST_HEADS) if count >= MIN_OF_MODALITY]
    return tuple(sorted(found)) if len(found) > 1 else ("",)


@dataclass(frozen=True)
class RowMaker:
    """Makes rows: by what reads a question, by the choices and the heads that there are."""

    program: Program
    reader: QuestionReader
    answers: PolicyAnswers
    heads: tuple[str, ...]

    def of_steps(self, steps: Sequence[Step]) -> LoggedRows:
        """Logged decisions, each counting as many as it stands for. Without a propensity it is 1."""
        experiences = [step.experience for step in steps]
        rows = Rows(
            rows=self.reader.rows([self._values(x.inputs) for x in experiences]),
            answers=np.array([self._code(x.answers) for x in experiences], np.intp),
            modalities=np.array([self._head(x.modality) for x in experiences], np.intp),
            counts=np.array([step.stands_for for step in steps], np.float32),
        )
        sure = [NO_CONFIDENCE if x.confidence is None else x.confidence for x in experiences]
        return LoggedRows(
            rows,
            worths=np.array([step.worth for step in steps], np.float32),
            propensities=np.array([x.propensity or 1.0 for x in experiences], np.float32),
            confidences=np.array(sure, float),
        )

    def of_examples(self, examples: Sequence[dspy.Example], weights: Sequence[float]) -> Rows:
        """Labelled examples with their weights; those that are labelled with no choice are left out."""
        said = [{name: kept_text(self.program, name, example) for name in self.answers.names} for example in examples]
        codes = [self.answers.number(answers) for answers in said]
        known = [place for place, code in enumerate(codes) if code is not None]
        return Rows(
            rows=self.reader.rows([examples[place].inputs().toDict() for place in known]),
            answers=np.array([codes[place] for place in known], np.intp),
            modalities=np.full(len(known), UNKNOWN, np.intp),
            counts=np.array([weights[place] for place in known], np.float32),
        )

    def _values(self, inputs: Mapping[str, str]) -> Mapping[str, object]:
        return self.program.typed_fields.values(inputs)

    def _code(self, answers: Mapping[str, str]) -> int:
        code = self.answers.number(answers)
        assert code is not None  # steps_of left out what is not offered
        return code

    def _head(self, modality: str | None) -> int:
        return self.heads.index(modality) if modality in self.heads else UNKNOWN
