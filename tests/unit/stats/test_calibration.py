"""Calibration: against scikit-learn's log loss, closed forms, and labels that are drawn as a temperature says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as oracle

from argotune.errors import ConfigInvalid
from argotune.stats.calibration import calibration_error, log_loss, probabilities, temperature_of

RNG = np.random.default_rng(3)


def drawn(n: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn with the chances that these logits have at a temperature."""
    logits = RNG.normal(size=(n, 4)) * 4
    chances = probabilities(logits, temperature)
    return logits, np.array([RNG.choice(4, p=row) for row in chances])


def test_log_loss_is_scikit_learns_where_many_examples_leave_nothing_to_spare():
    logits, right = drawn(500, 1.0)
    weights = RNG.uniform(1e5, 1e6, 500)  # so heavy that the share of wrong labels is next to nothing
    expected = oracle(right, probabilities(logits, 2.0), sample_weight=weights, labels=[0, 1, 2, 3])
    assert log_loss(logits, right, weights, 2.0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_that_labels_were_drawn_with(true: float):
    logits, right = drawn(6000, true)
    assert temperature_of(logits, right, np.ones(6000)) == pytest.approx(true, rel=0.1)


def test_examples_that_are_all_right_do_not_make_one_certain():
    logits = np.tile([[2.0, 0.0]], (20, 1))
    temperature = temperature_of(logits, np.zeros(20, int), np.ones(20))
    assert probabilities(logits, temperature)[0, 0] == pytest.approx(21 / 22, abs=1e-3)  # Platt's target


def test_without_an_example_the_temperature_is_one():
    assert temperature_of(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0)) == 1.0


def test_calibration_error_is_the_mean_distance_of_bins():
    sure = np.array([0.95, 0.95, 0.55, 0.55])
    hits = np.array([1.0, 0.0, 1.0, 1.0])
    assert calibration_error(sure, hits, np.ones(4)) == pytest.approx((0.45 * 2 + 0.45 * 2) / 4)
    assert calibration_error(sure, hits, np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(0.45)


def test_who_is_right_as_often_as_sure_has_next_to_no_calibration_error():
    sure = RNG.uniform(0.3, 1, 20_000)
    assert calibration_error(sure, (RNG.uniform(size=20_000) < sure).astype(float), np.ones(20_000)) < 0.02


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8), st.floats(0.02, 50))
def test_probabilities_are_shares(logits: list[float], temperature: float):
    found = probabilities(np.array(logits), temperature)
    assert math.isclose(found.sum(), 1)
    assert found.min() >= 0


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_is_none_is_refused(temperature: float):
    with pytest.raises(ConfigInvalid, match="temperature"):
        probabilities(np.zeros(2), temperature)
