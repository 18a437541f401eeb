"""Platt scaling by steps: it finds how often one is right, keeps the order, and is nobody's certainty."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from argotune.stats.platt import Platt, _logit

CHANCE = Random(5)
SAID = [CHANCE.uniform(0.5, 1.0) for _ in range(2000)]
BOASTED = [(confidence, CHANCE.random() < 0.4 + confidence / 3) for confidence in SAID]
"""Who says 0.5 to 1 and is right in 0.57 to 0.73."""


@given(st.floats(0.001, 0.999))
def test_untaught_the_confidence_is_the_probability(confidence):
    assert Platt().probability(confidence) == pytest.approx(confidence)


def test_steps_end_where_logistic_regression_does():
    found = Platt().taught(BOASTED, 0.01, 200, Random(1))
    asked = [[_logit(confidence)] for confidence, _ in BOASTED]
    oracle = LogisticRegression(C=1e9).fit(asked, [hit for _, hit in BOASTED])
    for confidence in (0.55, 0.75, 0.95):
        told = oracle.predict_proba([[_logit(confidence)]])[0, 1]
        assert found.probability(confidence) == pytest.approx(told, abs=0.03)


def test_a_smaller_learning_rate_goes_less_far():
    far = [abs(Platt().taught(BOASTED, rate, 50, Random(1)).slope - 1) for rate in (0.0001, 0.001)]
    assert far[0] < far[1]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30), st.floats(0.001, 1), st.integers(1, 40))
def test_whatever_is_taught_probabilities_are_in_range_and_in_order(pairs, rate, batch):
    found = Platt().taught(pairs, rate, batch, Random(2))
    shares = [found.probability(n / 10) for n in range(11)]
    assert all(0 <= share <= 1 for share in shares)
    assert shares == sorted(shares)
