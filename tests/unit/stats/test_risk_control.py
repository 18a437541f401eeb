"""Risk control: against scipy, and by simulations of many held-out sets that no threshold deserved."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest

from argotune.errors import ConfigInvalid
from argotune.stats.risk_control import fixed_sequence, fixed_sequences, mean_p, share_p


@pytest.mark.parametrize(("wins", "losses", "same"), [(5, 0, 20), (9, 3, 0), (4, 4, 4), (0, 6, 1), (40, 22, 300)])
def test_hits_are_judged_by_the_sign_test(wins: int, losses: int, same: int):
    differences = [1.0] * wins + [-1.0] * losses + [0.0] * same
    expected = binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue
    assert mean_p(differences) == pytest.approx(expected)


@pytest.mark.parametrize(("hits", "n", "most"), [(0, 45, 0.05), (5, 200, 0.05), (30, 100, 0.2), (100, 100, 0.5)])
def test_a_share_is_judged_by_the_binomial_test(hits: int, n: int, most: float):
    assert share_p(hits, n, most) == pytest.approx(binomtest(hits, n, most, alternative="less").pvalue)


def test_without_data_nothing_is_rejected():
    assert mean_p([]) == mean_p([], 0.1) == share_p(0, 0, 0.1) == 1.0
    assert mean_p([0.0] * 1000) == 1.0


def test_the_first_p_value_that_is_too_large_ends_the_sequence():
    assert fixed_sequence([0.01, 0.1, 0.11, 0.0], 0.1) == 2
    assert fixed_sequence([0.2, 0.0], 0.1) == 0
    assert fixed_sequence([], 0.1) == 0


def test_a_sequence_that_begins_badly_does_not_end_the_other():
    assert fixed_sequences([0.2, 0.0, 0.05, 0.04, 0.2], [0, 2], 0.1) == 4
    assert fixed_sequences([0.01, 0.2, 0.06, 0.0], [0, 2], 0.1) == 1
    assert fixed_sequences([0.2, 0.0, 0.2, 0.0], [0, 2], 0.1) == 0


def test_p_values_behind_the_end_are_not_computed():
    def told():
        yield 0.5
        raise AssertionError("asked for one too many")

    assert fixed_sequence(told(), 0.1) == 0


@pytest.mark.parametrize("tolerance", [0.0, 0.03])
def test_a_mean_at_its_bound_is_rejected_no_more_often_than_delta(tolerance: float):
    rng, n, rounds = np.random.default_rng(5), 60, 3000
    chances = [0.2 - tolerance / 2, 0.6, 0.2 + tolerance / 2]  # of 1, 0 and -1: the mean is -tolerance
    draws = rng.choice([1.0, 0.0, -1.0], p=chances, size=(rounds, n))
    assert np.mean([mean_p(row.tolist(), tolerance) <= 0.1 for row in draws]) <= 0.1 + 3 * np.sqrt(0.09 / rounds)


def test_the_family_of_thresholds_is_wrong_no_more_often_than_delta():
    """Thresholds on one held-out set: each adds questions on which the student is worse than the LM. The loosest ones
    lose, and few samples may take one of these."""
    rng, delta, rounds, wrong = np.random.default_rng(7), 0.1, 1500, 0
    shares = [0.3, 0.5, 0.7, 0.9, 1.0]
    for _ in range(rounds):
        place = rng.uniform(size=120)  # by falling confidence
        student = rng.uniform(size=120) < 0.95 - 0.7 * place
        lm = rng.uniform(size=120) < 0.6
        both = student.astype(float) - lm
        # Of the answered share s the mean gain is s (0.95 - 0.35 s - 0.6): 0 at s = 1, below it beyond.
        p_values = [mean_p(np.where(place <= share, both, 0.0).tolist()) for share in shares]
        wrong += fixed_sequence(p_values, delta) == len(shares)  # the last, whose gain is none, was taken
    assert wrong / rounds <= delta + 3 * np.sqrt(delta * (1 - delta) / rounds)


def test_more_wins_never_raise_a_p_value():
    assert all(a >= b for a, b in pairwise(mean_p([1.0] * wins + [-1.0] * 5) for wins in range(30)))
    assert all(a >= b for a, b in pairwise(mean_p([0.5] * wins + [-1.0] * 5, 0.1) for wins in range(60)))


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1])
def test_what_is_no_delta_is_refused(delta: float):
    with pytest.raises(ConfigInvalid, match="delta"):
        fixed_sequence([0.1], delta)


@pytest.mark.parametrize("tolerance", [-0.1, 1.0])
def test_what_is_no_tolerance_is_refused(tolerance: float):
    with pytest.raises(ConfigInvalid, match="tolerance"):
        mean_p([0.0], tolerance)


@pytest.mark.parametrize("wrong", [(2, 1, 0.1), (-1, 1, 0.1), (0, 1, 0.0), (0, 1, 1.0)])
def test_counts_that_cannot_be_are_refused(wrong: tuple[int, int, float]):
    with pytest.raises(ConfigInvalid, match="cannot be"):
        share_p(*wrong)
