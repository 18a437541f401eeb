"""Policy learning: from rows of numbers to the arrays of a network, by stochastic steps that stop in time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from argotune.optimizers.policy_loss import Batch, PolicyLoss, Rows
from argotune.optimizers.replay import Drawn, Replay
from argotune.programs.arrays import Floats
from argotune.programs.policy_network import FIXED, NetworkSize, fresh_arrays
from argotune.stats.calibration import Numbers
from argotune.tenants.policy_settings import PolicySettings

SLOWER = 0.5
"""By this the rate falls where half of the patience is over without a gain."""

GAIN = 1e-4
"""A smaller one is none."""

WARM_UP_STEPS = 500
"""Before so many steps nothing has moved far, and what is tried on few experiences goes up and down by chance."""

MOMENTUM = 0.9
"""What a batch leaves of the hidden layer's usual numbers."""


@dataclass(frozen=True)
class LoggedRows:
    """Logged decisions to learn from: with the worth, the propensity and the logger's confidence of each."""

    rows: Rows
    worths: Floats
    propensities: Floats
    confidences: Numbers

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Lesson:
    """What is learned from, either part may be missing, and how good arrays are on what is not learned from: higher is
    better; None where there is nothing to try them on."""

    logged: LoggedRows | None
    labelled: Rows | None
    size: NetworkSize
    score: Callable[[dict[str, Floats]], float] | None


@dataclass(frozen=True)
class LearnedArrays:
    """The best arrays, after how many epochs they were found, and how many there were."""

    arrays: dict[str, Floats]
    best_epoch: int
    epochs: int


def learned_arrays(lesson: Lesson, settings: PolicySettings, seed: int) -> LearnedArrays:
    """Learn until `num_epochs` are over, or `early_stopping_patience` of them brought no gain. The same seed gives the
    same arrays. Memory grows with the rows and not with the epochs: of a gradient's batches one is held at a time."""
    return _Learning(lesson, settings, np.random.default_rng(seed)).learned()


class _Learning:
    def __init__(self, lesson: Lesson, settings: PolicySettings, rng: np.random.Generator) -> None:
        from autograd import grad

        self._lesson, self._settings, self._rng = lesson, settings, rng
        self._loss = PolicyLoss(settings, rng)
        self._gradient: Callable[[dict[str, Floats], Batch], dict[str, Floats]] = grad(self._loss)
        self._arrays = fresh_arrays(lesson.size, rng)
        self._arrays["baseline"] = np.zeros((lesson.size.hidden, 1), np.float32)
        self._arrays["rewards"] = np.zeros((lesson.size.hidden, lesson.size.answers), np.float32)
        self._steps = _Adam(settings.learning_rate)
        confidences = lesson.logged.confidences if lesson.logged else np.zeros(0)
        self._replay = Replay(confidences, settings.priority_exponent)

    def learned(self) -> LearnedArrays:
        best, best_score, best_epoch, epoch = dict(self._arrays), -math.inf, 0, 0
        patience, warm = self._settings.early_stopping_patience, math.ceil(WARM_UP_STEPS / self._steps_an_epoch)
        for epoch in range(1, self._settings.num_epochs + 1):
            self._epoch((epoch - 1) / max(self._settings.num_epochs - 1, 1))
            score = self._lesson.score(self._arrays) if self._lesson.score else float(epoch)
            if score > best_score + GAIN:
                best, best_score, best_epoch = dict(self._arrays), score, epoch
            elif epoch - max(best_epoch, warm) >= patience:
                break
            elif epoch > warm and (epoch - best_epoch) % max(patience // 2, 1) == 0:
                self._steps.rate *= SLOWER
        return LearnedArrays(best, best_epoch, epoch)

    def _epoch(self, progress: float) -> None:
        """As many draws as there are rows; `progress` in 0..1 is how much of the learning is over."""
        beta = self._settings.importance_exponent
        importance = beta + (1 - beta) * progress
        for _ in range(self._steps_an_epoch):
            gradients = [self._of_batch(importance) for _ in range(self._settings.gradient_accumulation_steps)]
            self._arrays = self._steps.moved(self._arrays, _clipped(_mean(gradients), self._settings.gradient_clip))

    @property
    def _steps_an_epoch(self) -> int:
        rows = max(len(self._lesson.logged or ()), len(self._lesson.labelled or ()))
        return math.ceil(rows / (self._settings.batch_size * self._settings.gradient_accumulation_steps))

    def _of_batch(self, importance: float) -> dict[str, Floats]:
        logged = self._lesson.logged
        drawn = self._replay.draw(self._settings.batch_size, importance, self._rng) if logged else None
        found = self._gradient(self._arrays, self._batch(logged, drawn))
        seen = self._loss.seen
        if drawn is not None:
            self._replay.surprised(drawn.places, seen.surprise.astype(np.float64))
        usual = {"mean": seen.sums.mean(axis=0), "variance": seen.sums.var(axis=0)}
        self._arrays |= {name: MOMENTUM * self._arrays[name] + (1 - MOMENTUM) * usual[name] for name in FIXED}
        return found

    def _batch(self, logged: LoggedRows | None, drawn: Drawn | None) -> Batch:
        labelled, nothing = self._lesson.labelled, np.zeros(0, np.float32)
        told = labelled and labelled.at(self._rng.integers(0, len(labelled), self._settings.batch_size))
        if logged is None or drawn is None:
            return Batch(None, nothing, nothing, told)
        rows = logged.rows.at(drawn.places)
        rows = Rows(rows.rows, rows.answers, rows.modalities, rows.counts * drawn.weights.astype(np.float32))
        return Batch(rows, logged.worths[drawn.places], logged.propensities[drawn.places], told)


@dataclass
class _Adam:
    """Kingma and Ba, "Adam", ICLR 2015, algorithm 1."""

    rate: float
    _first: dict[str, Floats] = field(default_factory=dict)
    _second: dict[str, Floats] = field(default_factory=dict)
    _steps: int = 0

    def moved(self, arrays: dict[str, Floats], gradient: dict[str, Floats]) -> dict[str, Floats]:
        self._steps += 1
        return {name: self._one(name, array, gradient) for name, array in arrays.items()}

    def _one(self, name: str, array: Floats, gradient: dict[str, Floats]) -> Floats:
        if name in FIXED:
            return array
        step = gradient[name]
        self._first[name] = first = 0.9 * self._first.get(name, np.zeros_like(step)) + 0.1 * step
        self._second[name] = second = 0.999 * self._second.get(name, np.zeros_like(step)) + 0.001 * step**2
        direction = (first / (1 - 0.9**self._steps)) / (np.sqrt(second / (1 - 0.999**self._steps)) + 1e-8)
        moved: Floats = (array - self.rate * direction).astype(np.float32)
        return moved


def _mean(gradients: list[dict[str, Floats]]) -> dict[str, Floats]:
    if len(gradients) == 1:
        return gradients[0]
    return {name: np.mean([found[name] for found in gradients], axis=0, dtype=np.float32) for name in gradients[0]}


def _clipped(gradient: dict[str, Floats], longest: float) -> dict[str, Floats]:
    """Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013."""
    length = math.sqrt(sum(float((array**2).sum()) for name, array in gradient.items() if name not in FIXED))
    return gradient if length <= longest else {name: array * (longest / length) for name, array in gradient.items()}
