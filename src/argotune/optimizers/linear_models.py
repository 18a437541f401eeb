"""Linear models of one answer: multinomial logistic regression, how much it is held back, and what it says of examples
that it did not learn from."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from argotune.programs.arrays import Floats
from argotune.programs.student import LabelModel
from argotune.stats.calibration import Numbers, calibration_error, log_loss, probabilities, temperature_of

FOLDS = 5

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse regularisation C that is tried, weakest model first."""

MOST_FOR_STRENGTH = 1_500
"""Examples on which C is chosen at most: it hardly depends on more, and each C is fitted FOLDS times."""

LEAST_WEIGHT = 1e-3
"""An example of no weight at all says nothing of a label that only such examples have."""

UNSEEN = 1e-9
"""The share of a label that a fold did not see, where logits are compared."""


TOLERANCE = 1e-3
"""Of the gradient, shared among the labels: at the start it is of the order of 1/labels already, and a fit that ends
below a fixed one has not begun where there are 150 labels."""


@dataclass(frozen=True)
class LabelledRows:
    """Rows with a label and a weight each."""

    rows: Floats
    labels: tuple[str, ...]
    weights: Numbers

    def __len__(self) -> int:
        return len(self.labels)

    def pick(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> LabelledRows:
        """Those at these places."""
        places = np.arange(len(self))[which]
        return LabelledRows(self.rows[places], tuple(self.labels[n] for n in places), self.weights[places])

    def and_(self, more: LabelledRows | None) -> LabelledRows:
        """These and others."""
        if more is None or not len(more):
            return self
        rows, weights = np.vstack([self.rows, more.rows]), np.concatenate([self.weights, more.weights])
        return LabelledRows(rows, self.labels + more.labels, weights)


@dataclass(frozen=True)
class _Linear:
    labels: tuple[str, ...]
    weights: Floats
    bias: Floats

    def logits(self, rows: Floats, labels: Sequence[str]) -> Numbers:
        """Of these labels; one that it did not see is next to impossible."""
        found = np.full((len(rows), len(labels)), -np.inf)
        found[:, [labels.index(label) for label in self.labels]] = rows @ self.weights.T + self.bias
        return np.where(np.isneginf(found), found.max(axis=1, keepdims=True) + np.log(UNSEEN), found)


def folds_of(labels: Sequence[str], texts: Sequence[str], seed: int) -> NDArray[np.intp]:
    """The fold of each example: labels are spread evenly, and equal texts lie in one fold, so that none is asked what
    it learned by heart."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        groups[text].append(number)
    order = list(groups.values())
    Random(seed).shuffle(order)  # noqa: S311 (nothing secret)
    dealt: dict[str, int] = defaultdict(int)
    folds = np.zeros(len(texts), np.intp)
    for start, group in enumerate(sorted(order, key=lambda group: labels[group[0]])):
        label = labels[group[0]]
        dealt.setdefault(label, start)  # small groups of labels do not all begin in the first fold
        folds[group] = dealt[label] % FOLDS
        dealt[label] += 1
    return folds


def folds_apart(folds: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Which examples are of a fold, and which of the others, that what is said of it goes by; one alone goes by
    itself."""
    for fold in np.unique(folds):
        held = folds == fold
        yield held, held if held.all() else ~held


def held_out_logits(
    data: LabelledRows, strength: float, folds: NDArray[np.intp], taught: LabelledRows | None
) -> Numbers:
    """What models that did not learn from an example say of it, a column for each label in sorted order. All of them
    learn from what is `taught`."""
    labels = sorted(set(data.labels))
    found = np.zeros((len(data), len(labels)))
    for fold in np.unique(folds):
        held = folds == fold
        if not held.all():
            # A label that only the tutor gave is no column: it is right for no held-out example.
            known = data.pick(~held).and_(_of_labels(taught, labels))
            found[held] = _fit(known, strength).logits(data.rows[held], labels)
    return found


def _of_labels(taught: LabelledRows | None, labels: Sequence[str]) -> LabelledRows | None:
    if taught is None:
        return None
    return taught.pick(np.array([label in labels for label in taught.labels], bool))


def best_strength(data: LabelledRows, folds: NDArray[np.intp], taught: LabelledRows | None) -> float:
    """The C whose held-out log loss is least at its own temperature, as temperature is set afterwards anyway."""
    if len(set(data.labels)) < 2 or len(np.unique(folds)) < 2:
        return 1.0
    step = -(-len(data) // MOST_FOR_STRENGTH)
    some, their_folds = data.pick(np.arange(0, len(data), step)), folds[::step]
    right = places_of(some.labels)
    losses: list[float] = []
    for strength in STRENGTHS:
        logits = held_out_logits(some, strength, their_folds, taught)
        temperature = temperature_of(logits, right, some.weights)
        losses.append(log_loss(logits, right, some.weights, temperature))
        if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
            break  # the loss is convex in log C for all practical purposes: stronger models are worse and slower
    return STRENGTHS[int(np.argmin(losses))]


def places_of(labels: Sequence[str]) -> NDArray[np.intp]:
    """The column of each label, columns being the labels in sorted order."""
    order = {label: place for place, label in enumerate(sorted(set(labels)))}
    return np.array([order[label] for label in labels], np.intp)


@dataclass(frozen=True)
class HeldOut:
    """What was said of each example by models that did not learn from it, how sure they were after calibration, and the
    expected calibration error; each fold is calibrated by the others. `temperature` is by all."""

    labels: tuple[str, ...]
    confidences: Numbers
    ece: float
    temperature: float


def held_out(data: LabelledRows, logits: Numbers, folds: NDArray[np.intp]) -> HeldOut:
    """By the logits of `held_out_logits`."""
    columns, right = sorted(set(data.labels)), places_of(data.labels)
    said, sure = logits.argmax(axis=1), np.zeros(len(data))
    for held, by in folds_apart(folds):
        shares = probabilities(logits[held], temperature_of(logits[by], right[by], data.weights[by]))
        sure[held] = shares.max(axis=1)
    ece = calibration_error(sure, (said == right).astype(float), data.weights)
    return HeldOut(tuple(columns[n] for n in said), sure, ece, temperature_of(logits, right, data.weights))


def label_model(data: LabelledRows, strength: float, temperature: float, closed: Sequence[str]) -> LabelModel:
    """The model of one answer by all of its examples. A label that none of them has keeps the share that one more
    example would have, spread over all labels (Laplace)."""
    found = _fit(data, strength)
    unseen = tuple(label for label in closed if label not in found.labels)
    floor = 1.0 / (len(data) + 1) / max(len(closed), len(found.labels))
    return LabelModel(found.labels, found.weights, found.bias, temperature, unseen, floor)


def _fit(data: LabelledRows, strength: float) -> _Linear:
    labels = tuple(sorted(set(data.labels)))
    if len(labels) < 2:
        return _Linear(labels, np.zeros((1, data.rows.shape[1]), np.float32), np.zeros(1, np.float32))
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=500, tol=TOLERANCE / len(labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # one that stopped early is measured as it is
        model.fit(data.rows, np.array(data.labels, object), np.maximum(data.weights, LEAST_WEIGHT))
    weights, bias = np.asarray(model.coef_, np.float32), np.asarray(model.intercept_, np.float32)
    if len(labels) == 2:  # one row of the log odds of the second
        weights, bias = np.vstack([np.zeros_like(weights), weights]), np.concatenate([np.zeros_like(bias), bias])
    return _Linear(labels, weights, bias)
