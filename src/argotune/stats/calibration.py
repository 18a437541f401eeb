"""Calibration: are answers right as often as a classifier is sure of them, and by which temperature would they be?

After Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, cited as Guo.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from argotune.errors import ConfigInvalid

Numbers = NDArray[np.float64]

LOWEST, HIGHEST = 0.02, 50.0
"""Temperatures outside say nothing more: all is certain, or all is alike."""

BINS = 10
"""Few, as held-out examples are few: Guo's 15 bins of thousands would hold one each of a hundred."""

LEAST = 1e-12
"""A probability below it counts as it: none is 0."""


def probabilities(logits: Numbers, temperature: float = 1.0) -> Numbers:
    """The softmax of each row at a temperature. A logit of minus infinity has the probability 0.

    Raises ConfigInvalid for a temperature that is not above 0.
    """
    if not 0 < temperature < math.inf:
        raise ConfigInvalid(f"temperature: {temperature:g} is not above 0")
    scaled = np.asarray(logits, float) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    found: Numbers = powers / powers.sum(axis=-1, keepdims=True)
    return found


def log_loss(logits: Numbers, right: NDArray[np.intp], weights: Numbers, temperature: float = 1.0) -> float:
    """The weighted mean of -log p of the right label, in nats; `right` names its column in each row.

    Few examples cannot show that an answer is certain. So the right label counts 1 - e and the others share e, with
    e = 1 / (weight of all + 2): Platt's targets ("Probabilistic Outputs for Support Vector Machines", 1999), for any
    number of labels. Without that, examples that are all answered right would ask for a temperature of 0.
    """
    logs = np.log(np.maximum(probabilities(logits, temperature), LEAST))
    own, others = logs[np.arange(len(right)), right], logs.shape[1] - 1
    spared = 1 / (weights.sum() + 2) if others else 0.0
    rest = (logs.sum(axis=1) - own) / others if others else 0.0
    return float(-np.average((1 - spared) * own + spared * rest, weights=weights))


def temperature_of(logits: Numbers, right: NDArray[np.intp], weights: Numbers) -> float:
    """The temperature at which the right labels are most likely: temperature scaling (Guo, section 4.2).

    Rows must be of examples that the classifier did not learn from. Without a row of any weight it is 1.
    """
    from scipy.optimize import minimize_scalar

    if not len(right) or not weights.sum() > 0:
        return 1.0
    within = (math.log(LOWEST), math.log(HIGHEST))
    found = minimize_scalar(lambda t: log_loss(logits, right, weights, math.exp(t)), bounds=within, method="bounded")
    return math.exp(float(found.x))


def calibration_error(confidences: Numbers, hits: Numbers, weights: Numbers, bins: int = BINS) -> float:
    """The expected calibration error in 0..1: over bins of equal width, the mean distance of how often answers are
    right from how sure of them one was, by the bins' weight (Guo, equation 3). 0 without examples."""
    if not len(confidences) or not weights.sum() > 0:
        return 0.0
    places = np.clip(np.ceil(np.asarray(confidences) * bins).astype(int) - 1, 0, bins - 1)
    apart = np.bincount(places, weights * (np.asarray(hits, float) - confidences), bins)
    return float(np.abs(apart).sum() / weights.sum())
