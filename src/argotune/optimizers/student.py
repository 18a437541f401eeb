"""Student: linear models on sentence vectors that answer closed sets without an LM.

Multinomial logistic regression for each answer, on the vector of the query and on inputs with few values; how much it
is held back (C) by cross-validation, calibrated by temperature scaling on the held-out folds (stats/calibration.py).

It learns from labels, each with its weight, and from what an LM program, its tutor, answers to recent requests that
nobody labelled: distillation (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015). These
answers are kept only where the labelled examples that a fold held out are answered better with them. The folds are all
that chooses here, so examples of the dev split teach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dspy
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from argotune.data.field_types import as_text
from argotune.errors import ConfigInvalid
from argotune.optimizers.linear_models import (
    LEAST_WEIGHT,
    HeldOut,
    LabelledRows,
    best_strength,
    folds_of,
    held_out,
    held_out_logits,
    label_model,
)
from argotune.optimizers.task import TrainingTask, metric_of
from argotune.optimizers.tutor import TutorAnswer, answers_by, tutor_of
from argotune.programs.arrays import Floats
from argotune.programs.prediction import kept_text, prediction_of
from argotune.programs.retrieval import text_of
from argotune.programs.student import LabelModel, QuestionReader, Schooling, Student
from argotune.stats.calibration import Numbers
from argotune.stats.wording import counted, percent
from argotune.tenants.optimizer_settings import OptimizerSettings

MOST_VALUES = 20
"""Inputs with more values are texts: they are no reason for an answer."""

MOST_VALUE_CHARS = 40

CLOSED_SHARE = 0.8
"""Of the values of an input, so many must be met again, or it is a text."""


@dataclass(frozen=True)
class FittedStudent:
    """A student with what its folds said of the training examples: how sure, and with which score. `rows` and `folds`
    are those of the examples."""

    student: Student
    rows: Floats
    folds: NDArray[np.intp]
    confidences: Numbers
    scores: Numbers


def compile(task: TrainingTask) -> dspy.Module:
    """The student. Raises ConfigInvalid for a program with an answer that is free text, or without examples."""
    most = task.settings.student.tutor_queries
    asked = list(task.unlabelled)[:most]
    taught = answers_by(task, tutor_of(task), asked) if asked else []
    return fitted_student(task, taught).student


def unlabelled(settings: OptimizerSettings) -> int:
    """How many requests without a label it can learn from."""
    return settings.student.tutor_queries


def fitted_student(task: TrainingTask, taught: Sequence[TutorAnswer]) -> FittedStudent:
    """The student of the labelled examples, and of what it is `taught` where that helps. Raises as `compile`."""
    if not task.program.is_closed:
        raise ConfigInvalid(f"{task.program.name}: a student answers closed sets only, and it answers free text")
    if not task.train:
        raise ConfigInvalid(f"{task.program.name}: a student has nothing to learn from without an example")
    with threadpool_limits(1):  # threads that wait for each other on small matrices take 10 times as long
        return _Fitting(task).fitted(taught)


def known_values(questions: Sequence[dspy.Example]) -> dict[str, tuple[str, ...]]:
    """The inputs that have few short values, beside the query, with those that were met more than once."""
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted({name for question in questions for name in question.inputs().keys()} - {"query"}):  # noqa: SIM118
        texts = [as_text(question[name]) for question in questions if question.get(name) is not None]
        counts = Counter(text for text in texts if text)
        again = sorted(value for value, n in counts.items() if n > 1 and len(value) <= MOST_VALUE_CHARS)
        is_closed = 1 < len(again) <= MOST_VALUES and sum(counts[v] for v in again) >= CLOSED_SHARE * counts.total()
        found |= {name: tuple(again)} if is_closed else {}
    return found


@dataclass(frozen=True)
class _Way:
    """One way to learn: with or without a tutor's answers, by answer of the program."""

    taught: Mapping[str, LabelledRows]
    strengths: Mapping[str, float]
    held: Mapping[str, HeldOut]
    scores: Numbers

    def mean(self, weights: Numbers) -> float:
        return float(np.average(self.scores, weights=weights))


class _Fitting:
    def __init__(self, task: TrainingTask) -> None:
        self._task = task
        sentences = task.embedders.sentences()
        self._reader = QuestionReader(sentences, known_values(task.train))
        self._rows = self._reader.rows([question.inputs().toDict() for question in task.train])
        self._weights = np.maximum(np.array(task.weights or np.ones(len(task.train)), float), LEAST_WEIGHT)
        self._data = {name: self._labelled(name) for name in task.program.fields.answers}
        labels = zip(*(data.labels for data in self._data.values()), strict=True)
        texts = [text_of(question.inputs().toDict()) for question in task.train]
        self._folds = folds_of(["\n".join(each) for each in labels], texts, task.seed)

    def fitted(self, taught: Sequence[TutorAnswer]) -> FittedStudent:
        best, notes = self._choice({}), []
        if taught:
            other, before = self._choice(self._taught(taught)), best.mean(self._weights)
            helps = other.mean(self._weights) > before
            verdict = "learned from" if helps else "left out, no gain"
            numbers = f"{percent(other.mean(self._weights))} with and {percent(before)} without them"
            notes.append(f"{counted(len(taught), 'answer')} of the tutor {verdict}: {numbers} on held-out folds")
            best = other if helps else best
        models = {name: self._model(name, best) for name in self._data}
        told = [*notes, *self._unusual(best)]
        schooling = Schooling(
            examples=len(self._rows),
            taught=len(taught) if best.taught else 0,
            inverse_regularisation=max(best.strengths.values()),
            accuracy=best.mean(self._weights),
            ece=float(np.mean([held.ece for held in best.held.values()])),
            notes=tuple(told),
        )
        sure = np.min([held.confidences for held in best.held.values()], axis=0)
        return FittedStudent(Student(self._reader, models, schooling), self._rows, self._folds, sure, best.scores)

    def _labelled(self, name: str) -> LabelledRows:
        labels = tuple(kept_text(self._task.program, name, example) for example in self._task.train)
        return LabelledRows(self._rows, labels, self._weights)

    def _taught(self, taught: Sequence[TutorAnswer]) -> dict[str, LabelledRows]:
        rows = self._reader.rows([each.question.inputs().toDict() for each in taught])
        weights = np.full(len(taught), self._task.settings.student.tutor_weight)
        return {name: LabelledRows(rows, tuple(each.answers[name] for each in taught), weights) for name in self._data}

    def _choice(self, taught: Mapping[str, LabelledRows]) -> _Way:
        strengths, held = {}, {}
        for name, data in self._data.items():
            more = taught.get(name)
            strengths[name] = best_strength(data, self._folds, more)
            held[name] = held_out(data, held_out_logits(data, strengths[name], self._folds, more), self._folds)
        metric = metric_of(self._task)
        said = [{name: held[name].labels[n] for name in self._data} for n in range(len(self._rows))]
        asked = zip(self._task.train, said, strict=True)
        scores = [metric(example, prediction_of(self._task.program, answers)) for example, answers in asked]
        return _Way(taught, strengths, held, np.array(scores, float))

    def _model(self, name: str, best: _Way) -> LabelModel:
        data, closed = self._data[name].and_(best.taught.get(name)), self._task.program.fields.answers[name]
        return label_model(data, best.strengths[name], best.held[name].temperature, closed or ())

    def _unusual(self, best: _Way) -> list[str]:
        """What a person should know who reads that this version is to serve."""
        found = []
        for name, data in self._data.items():
            sure = best.held[name].confidences
            if len(set(data.labels)) == 1:
                found.append(f"{name} is always {data.labels[0]!r}: training knows no other label")
            elif len(sure) and float(np.ptp(sure)) < 1e-3:
                found.append(f"it is as sure of any answer to {name} as of any other: its confidence says nothing")
        return found
