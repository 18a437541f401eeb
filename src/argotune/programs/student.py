"""Student: answers closed sets by linear models on a sentence vector, without an LM.

It learns from labels and from what an LM program answered (optimizers/student.py). All of it is numbers: it loads in
milliseconds, and answers in the time that the sentence embedder takes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import dspy
import numpy as np

from argotune.data.field_types import as_text
from argotune.programs.arrays import Floats, array_state, read_array
from argotune.programs.embedder import Embedders, SentenceEmbedder
from argotune.programs.retrieval import text_of
from argotune.programs.states import LabelModelState, ReaderState, SchoolingState, StudentState
from argotune.stats.calibration import probabilities
from argotune.stats.wording import counted, percent

BY_STUDENT = "student"
"""What a prediction says in `by` that no LM was asked for; any other was answered by an LM program."""


@dataclass(frozen=True)
class QuestionReader:
    """How a question becomes numbers: the sentence vector of its text, then a 1 for each of the values that training
    knew of its other inputs. A value that it did not know is no 1 at all."""

    sentences: SentenceEmbedder
    known: Mapping[str, tuple[str, ...]]

    def rows(self, questions: Sequence[Mapping[str, object]]) -> Floats:
        """A row for each question. Raises what the embedder raises."""
        vectors = self.sentences.vectors([text_of(question) for question in questions])
        return np.hstack([vectors, self.context(questions)]) if self._columns else vectors

    def vectors_in(self, rows: Floats) -> Floats:
        """The sentence vectors of rows, or of one."""
        return rows[..., : rows.shape[-1] - len(self._columns)]

    def context(self, questions: Sequence[Mapping[str, object]]) -> Floats:
        """The part of the rows that is not the sentence vector."""
        rows = np.zeros((len(questions), len(self._columns)), np.float32)
        for row, question in zip(rows, questions, strict=True):
            said = [(name, as_text(question[name])) for name in self.known if question.get(name) is not None]
            row[[self._columns[value] for value in said if value in self._columns]] = 1.0
        return rows

    @property
    def state(self) -> ReaderState:
        """As JSON values."""
        known = {name: list(values) for name, values in self.known.items()}
        return {"embedder": self.sentences.name, "embedder_digest": self.sentences.digest, "known": known}

    @classmethod
    def read(cls, state: ReaderState, embedders: Embedders) -> QuestionReader:
        """The reader of a state. Raises KeyError, TypeError, AttributeError or ValueError for what is none,
        ProgramChanged where another embedder answers to its name by now."""
        sentences = embedders.saved(state["embedder"], state["embedder_digest"])
        return cls(sentences, {str(name): tuple(values) for name, values in state["known"].items()})

    @cached_property
    def _columns(self) -> Mapping[tuple[str, str], int]:
        values = [(name, value) for name, known in self.known.items() for value in known]
        return {value: number for number, value in enumerate(values)}


@dataclass(frozen=True)
class LabelModel:
    """One answer: logits of the labels that training saw, a row of `weights` each, and their temperature. Each label of
    the closed set that it never saw (`unseen`) has the probability `floor`. Of a single label there is nothing to
    compute: it is answered always, and how sure that is says the floor of the others."""

    labels: tuple[str, ...]
    weights: Floats
    bias: Floats
    temperature: float
    unseen: tuple[str, ...]
    floor: float

    def answer(self, row: Floats) -> tuple[str, float]:
        """The most likely label and its probability."""
        logits = np.asarray(self.weights @ row + self.bias, float)
        shares = probabilities(np.nan_to_num(logits), self.temperature) * (1 - self.floor * len(self.unseen))
        best = int(shares.argmax())
        return self.labels[best], float(shares[best])

    @property
    def state(self) -> LabelModelState:
        """As JSON values."""
        return {
            "labels": list(self.labels),
            "weights": array_state(self.weights),
            "bias": array_state(self.bias),
            "temperature": self.temperature,
            "unseen": list(self.unseen),
            "floor": self.floor,
        }

    @classmethod
    def read(cls, state: LabelModelState) -> LabelModel:
        """The model of a state. Raises KeyError, TypeError or ValueError for what is none."""
        found = cls(
            labels=tuple(state["labels"]),
            weights=read_array(state["weights"]),
            bias=read_array(state["bias"]),
            temperature=float(state["temperature"]),
            unseen=tuple(state["unseen"]),
            floor=float(state["floor"]),
        )
        if found.weights.shape[:1] != found.bias.shape or len(found.labels) != len(found.bias):
            raise ValueError("labels, weights and bias do not fit each other")
        return found


@dataclass(frozen=True)
class Schooling:
    """What a student learned from, and how good it was on examples that its folds held out: `accuracy` and the expected
    calibration error `ece`, both in 0..1. `examples` are labelled ones, `taught` answers of a tutor; `notes` are
    sentences on what is unusual."""

    examples: int
    taught: int
    inverse_regularisation: float
    accuracy: float
    ece: float
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """For people."""
        taught = f" and {counted(self.taught, 'answer')} of a tutor" if self.taught else ""
        told = (
            f"learned from {counted(self.examples, 'labelled example')}{taught}; on held-out folds "
            f"{percent(self.accuracy)} right, expected calibration error {percent(self.ece)}; "
            f"C = {self.inverse_regularisation:g}"
        )
        return "; ".join([told, *self.notes])

    @property
    def state(self) -> SchoolingState:
        """As JSON values."""
        return {
            "examples": self.examples,
            "taught": self.taught,
            "inverse_regularisation": self.inverse_regularisation,
            "accuracy": self.accuracy,
            "ece": self.ece,
            "notes": list(self.notes),
        }

    @classmethod
    def read(cls, state: SchoolingState) -> Schooling:
        """The schooling of a state. Raises KeyError, TypeError or ValueError for what is none."""
        return cls(
            examples=int(state["examples"]),
            taught=int(state["taught"]),
            inverse_regularisation=float(state["inverse_regularisation"]),
            accuracy=float(state["accuracy"]),
            ece=float(state["ece"]),
            notes=tuple(map(str, state["notes"])),
        )


class Student(dspy.Module):
    """A module without predictors. Its `confidence` is the calibrated probability of the least certain of its answers.

    Nothing of it changes, so threads and copies share it.
    """

    def __init__(self, reader: QuestionReader, models: Mapping[str, LabelModel], schooling: Schooling) -> None:
        dspy.Module.__init__(self)
        self.reader = reader
        self.models = dict(models)
        self.schooling = schooling

    def forward(self, **inputs: object) -> dspy.Prediction:
        return self.said_of(self.reader.rows([inputs])[0])

    def said_of(self, row: Floats) -> dspy.Prediction:
        """The answers to the question that this row was read from."""
        said = {name: model.answer(row) for name, model in self.models.items()}
        sure = min(confidence for _, confidence in said.values())
        answers = {name: label for name, (label, _) in said.items()}
        return dspy.Prediction(**{"confidence": sure, "by": BY_STUDENT, **answers})

    def __deepcopy__(self, memo: dict[int, object]) -> Student:
        return copy.copy(self)


def student_state(student: Student) -> StudentState:
    """The state of a student as JSON values."""
    return {
        "kind": "student",
        **student.reader.state,
        "answers": {name: model.state for name, model in student.models.items()},
        "schooling": student.schooling.state,
    }


def read_student(state: StudentState, embedders: Embedders) -> Student:
    """The student of a state. Raises as `QuestionReader.read`."""
    models = {name: LabelModel.read(model) for name, model in state["answers"].items()}
    return Student(QuestionReader.read(state, embedders), models, Schooling.read(state["schooling"]))


def student_text(state: StudentState) -> str:
    """What people compare between versions of a student."""
    schooling = Schooling.read(state["schooling"]).sentence
    lines = [f"A linear model on sentence vectors of {state['embedder']}, no LM; {schooling}."]
    lines += [f"It looks at {name} too: {', '.join(values)}." for name, values in state["known"].items()]
    for name, model in state["answers"].items():
        unseen = f"; never seen: {', '.join(model['unseen'])}" if model["unseen"] else ""
        lines.append(f"{name}: {', '.join(model['labels'])} (temperature {model['temperature']:.3g}){unseen}")
    return "\n".join(lines)
