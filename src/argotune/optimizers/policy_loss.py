"""Policy loss: what a step of learning makes smaller, on a batch of logged decisions and one of labelled examples.

Policy gradient with a learned baseline (REINFORCE: Williams, Mach. Learn. 8 (1992)), off-policy by importance weights
that are clipped (Degris, White and Sutton, "Off-policy actor-critic", ICML 2012: what follows a decision in its session
is taken as the logger went on) and self-normalised (Swaminathan and Joachims, NeurIPS 2015) or doubly robust (Dudik,
Langford and Li, ICML 2011). Labels add the cross-entropy, and known modalities that of the attention over the heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argotune.programs.arrays import Floats
from argotune.programs.policy_network import Arrays, attention_of, hidden_of, log_shares, logits_of
from argotune.tenants.policy_settings import PolicySettings

Codes = NDArray[np.intp]

UNKNOWN = -1
"""Of a modality that nobody said."""


@dataclass(frozen=True)
class Rows:
    """Questions as numbers; of each the code of its answer, or of what is right, its modality, and what it counts."""

    rows: Floats
    answers: Codes
    modalities: Codes
    counts: Floats

    def __len__(self) -> int:
        return len(self.answers)

    def at(self, places: Codes) -> Rows:
        """Those at these places."""
        return Rows(self.rows[places], self.answers[places], self.modalities[places], self.counts[places])


@dataclass(frozen=True)
class Batch:
    """A draw of logged decisions, with what each was worth and its propensity, and one of labelled examples."""

    logged: Rows | None
    worths: Floats
    propensities: Floats
    labelled: Rows | None


@dataclass(frozen=True)
class Lost:
    """How far the baseline was from what decisions were worth, and the sums that reached the hidden layer."""

    surprise: Floats
    sums: Floats


class PolicyLoss:
    """The loss of a batch as a function of arrays, for autograd. `seen` is what the last call met beside it."""

    def __init__(self, settings: PolicySettings, rng: np.random.Generator) -> None:
        import autograd.numpy
        from autograd.tracer import getval

        self._xp: Any = autograd.numpy
        self._plain: Any = getval
        self._settings, self._rng = settings, rng
        self.seen = Lost(np.zeros(0, np.float32), np.zeros((0, 0), np.float32))

    def __call__(self, arrays: Arrays, batch: Batch) -> Any:
        """The loss. Draws which part of the hidden layer drops out."""
        rows = [part for part in (batch.logged, batch.labelled) if part is not None]
        numbers = np.concatenate([part.rows for part in rows])
        sums = numbers @ arrays["in"]
        hidden = self._dropped(self._hidden(arrays, sums))
        logits = log_shares(self._xp, logits_of(self._xp, arrays, numbers, hidden))
        attention = log_shares(self._xp, attention_of(arrays, hidden))
        n = 0 if batch.logged is None else len(batch.logged)
        self.seen = Lost(np.zeros(0, np.float32), self._plain(sums))
        loss = _cross_entropy(self._xp, attention, np.concatenate([part.modalities for part in rows]), None)
        if batch.logged is not None:
            loss = loss + self._of_logged(arrays, batch, batch.logged, hidden[:n], logits[:n])
        if batch.labelled is not None:
            told = batch.labelled
            loss = loss + self._settings.label_weight * _cross_entropy(self._xp, logits[n:], told.answers, told.counts)
        return loss

    def _hidden(self, arrays: Arrays, sums: Any) -> Any:
        mean = self._xp.mean(sums, axis=0)
        return hidden_of(self._xp, arrays, sums, mean, self._xp.mean((sums - mean) ** 2, axis=0))

    def _dropped(self, hidden: Any) -> Any:
        """Srivastava et al., "Dropout", JMLR 15 (2014)."""
        kept = 1.0 - self._settings.dropout
        return hidden * ((self._rng.random(hidden.shape) < kept) / kept).astype(np.float32)

    def _of_logged(self, arrays: Arrays, batch: Batch, logged: Rows, hidden: Any, logs: Any) -> Any:
        xp, plain, places = self._xp, self._plain, np.arange(len(logged))
        chances = as_served(xp.exp(logs), self._settings.exploration_rate)
        chosen = chances[places, logged.answers]
        weights = np.minimum(plain(chosen) / batch.propensities, self._settings.weight_cap)
        baseline = xp.reshape(plain(hidden) @ arrays["baseline"], (-1,))
        surprise = batch.worths - plain(baseline)
        self.seen = Lost(surprise, self.seen.sums)
        fitting = xp.sum(logged.counts * (batch.worths - baseline) ** 2) / logged.counts.sum()
        if self._settings.estimator != "doubly_robust":
            total = weights if self._settings.estimator == "self_normalised" else np.ones_like(weights)
            gain = xp.sum(logged.counts * weights * surprise * xp.log(chosen)) / max(float(total @ logged.counts), 1e-6)
            return fitting - gain
        predicted = plain(hidden) @ arrays["rewards"]
        said = predicted[places, logged.answers]
        fitting = fitting + xp.sum(logged.counts * (batch.worths - said) ** 2) / logged.counts.sum()
        missed = weights * (batch.worths - plain(said))
        gain = xp.sum(chances * plain(predicted), axis=1) + missed * xp.log(chosen)
        return fitting - xp.sum(logged.counts * gain) / logged.counts.sum()


def as_served(chances: Any, share: float) -> Any:
    """The chances of all answers where a share of the decisions is by lot."""
    return (1 - share) * chances + share / chances.shape[1]


def _cross_entropy(xp: Any, logs: Any, right: Codes, counts: Floats | None) -> Any:
    """The weighted mean of -log p of what is right, where that is known."""
    weights = (right != UNKNOWN).astype(np.float32) if counts is None else counts
    said = logs[np.arange(len(right)), np.maximum(right, 0)]
    return -xp.sum(weights * said) / max(float(weights.sum()), 1e-6)
