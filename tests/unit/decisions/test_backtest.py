"""The interval of a backtest against SciPy's t-tests, for any tenants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from argotune.decisions.backtest import SIGNIFICANCE, _interval, level_of_look
from argotune.stats.interval import Interval

NUMBERS = st.floats(-5, 5, width=32)
LEVELS = st.floats(0.0001, 0.5)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=40), st.integers(1, 9), LEVELS)
def test_where_every_tenant_cost_the_same_it_is_the_paired_t_interval_of_scipy(
    gains: list[tuple[float, float]], calls: int, level: float
):
    """Gain per call is the mean gain over the calls then. Sums of the same numbers, so equal but for rounding."""
    differences = np.array([model - rules for model, rules in gains]) / calls
    assume(differences.std() > 1e-6)
    oracle = stats.ttest_1samp(differences, 0).confidence_interval(1 - level)
    found = _interval([(model, calls, rules, calls) for model, rules in gains], level)
    assert found == _about(1000 * oracle.low, 1000 * oracle.high)


TENANT = st.tuples(NUMBERS, st.integers(1, 900), NUMBERS, st.integers(1, 900))


@given(st.lists(TENANT, min_size=3, max_size=40), LEVELS)
def test_it_is_the_t_interval_of_the_difference_linearised_at_the_totals(
    tenants: list[tuple[float, int, float, int]], level: float
):
    """The slopes are those of the difference of ratios by finite differences, not by the formula of the code."""
    table = np.array(tenants, dtype=float)

    def difference(totals: np.ndarray) -> float:
        return totals[0] / totals[1] - totals[2] / totals[3]

    totals = table.sum(axis=0)
    steps = np.eye(4) * np.maximum(abs(totals), 1) * 1e-6
    slopes = [(difference(totals + s) - difference(totals - s)) / (2 * s.sum()) for s in steps]
    parts = len(table) * (table @ np.array(slopes))
    assume(parts.std() > 1e-6)
    oracle = stats.t.interval(1 - level, len(table) - 1, difference(totals), stats.sem(parts))
    assert _interval(tenants, level) == _about(*(1000 * end for end in oracle), rel=1e-5)


def test_the_looks_of_a_year_spend_no_more_than_the_significance():
    """The levels are terms of a series whose sum is known; a hundred thousand of them leave less than 1e-6."""
    spent = sum(level_of_look(number) for number in range(1, 100_001))
    assert SIGNIFICANCE - 1e-6 < spent < SIGNIFICANCE


def _about(low: float, high: float, rel: float = 1e-7) -> Interval:
    slack = rel * (abs(low) + abs(high) + 1)
    return Interval(pytest.approx(low, abs=slack), pytest.approx(high, abs=slack))
