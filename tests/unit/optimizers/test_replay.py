"""Replay: what surprises is drawn more often, and what that changes is made up for."""

from __future__ import annotations

import time

import numpy as np
import pytest

from argotune.optimizers.replay import LEAST_SURPRISE, Replay

SURE = np.array([1.0, 1.0, 0.0, 0.0])


def shares(replay: Replay, draws: int = 40_000) -> np.ndarray:
    drawn = replay.draw(draws, 1.0, np.random.default_rng(1)).places
    return np.bincount(drawn, minlength=4) / draws


def test_at_first_confidence_alone_decides_what_is_drawn():
    assert shares(Replay(SURE, exponent=1.0)) == pytest.approx([1 / 3, 1 / 3, 1 / 6, 1 / 6], abs=0.01)


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0])
def test_draws_follow_surprise_by_the_exponent(exponent: float):
    replay = Replay(np.ones(4), exponent)
    replay.surprised(np.array([0, 1, 2, 3]), np.array([0.8, -0.4, 0.0, 0.2]))
    expected = (np.array([0.8, 0.4, 0.0, 0.2]) + LEAST_SURPRISE) ** exponent
    assert shares(replay) == pytest.approx(expected / expected.sum(), abs=0.01)


def test_weighed_means_over_draws_are_those_over_all():
    values, replay = np.array([1.0, 5.0, -2.0, 10.0]), Replay(SURE, exponent=1.0)
    replay.surprised(np.arange(4), np.array([1.0, 0.1, 0.5, 0.05]))
    drawn = replay.draw(400_000, 1.0, np.random.default_rng(2))
    assert np.mean(drawn.weights * values[drawn.places]) == pytest.approx(values.mean(), abs=0.05)
    plain = replay.draw(400_000, 0.0, np.random.default_rng(2))
    assert np.mean(plain.weights * values[plain.places]) != pytest.approx(values.mean(), abs=0.5)


def test_a_draw_of_a_thousand_times_as_many_takes_little_longer():
    few, many = (taken_s(Replay(np.ones(n), 0.6)) for n in (100, 100_000))
    assert many < 8 * few


def taken_s(replay: Replay) -> float:
    rng, began = np.random.default_rng(3), time.process_time()
    for _ in range(300):
        replay.surprised(replay.draw(32, 1.0, rng).places, np.ones(32))
    return time.process_time() - began
