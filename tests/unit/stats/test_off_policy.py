"""Off-policy: estimators against a bandit whose outcomes are all enumerated, and coverage by simulation."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.stats.calibration import Numbers
from argotune.stats.interval import Interval
from argotune.stats.off_policy import (
    MIN_EFFECTIVE,
    Logged,
    NoSupport,
    OffPolicyValue,
    RewardModel,
    checked,
    doubly_robust,
    effective_size,
    inverse_propensity,
    policy_value,
    self_normalised,
    value_interval,
)

EXACT = 1e-12
CONTEXTS = np.array([0.3, 0.7])
LOGGER = np.array([[0.8, 0.15, 0.05], [0.1, 0.6, 0.3]])
POLICY = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
REWARDS = np.array([[0.2, 0.5, 0.9], [0.7, 0.1, 0.4]])
"""How often an action is rewarded with 1."""
TRUTH = float(CONTEXTS @ (POLICY * REWARDS).sum(axis=1))


def outcomes() -> Iterator[tuple[float, int, int, float]]:
    """All that one decision can be: its probability, context, action, reward."""
    for x, a, r in itertools.product(range(2), range(3), (0.0, 1.0)):
        chance = REWARDS[x, a] if r else 1 - REWARDS[x, a]
        yield float(CONTEXTS[x] * LOGGER[x, a] * chance), x, a, r


def one(x: int, a: int, r: float) -> Logged:
    return checked([r], [LOGGER[x, a]], [POLICY[x, a]])


def mean_over(estimate: Callable[[int, int, Logged], float]) -> float:
    return math.fsum(p * estimate(x, a, one(x, a, r)) for p, x, a, r in outcomes())


def test_unclipped_inverse_propensity_is_unbiased_on_every_outcome_of_a_bandit():
    found = mean_over(lambda x, a, log: inverse_propensity(log.rewards, log.weights()))
    assert found == pytest.approx(TRUTH, abs=EXACT)
    assert abs(mean_over(lambda x, a, log: float(log.rewards[0])) - TRUTH) > 0.1  # what the logger earned is not


@pytest.mark.parametrize("cap", [0.5, 2.0, 5.0])
def test_clipping_takes_exactly_what_lies_above_the_cap(cap: float):
    kept = np.minimum(POLICY / LOGGER, cap) * LOGGER
    expected = float(CONTEXTS @ (kept * REWARDS).sum(axis=1))
    found = mean_over(lambda x, a, log: inverse_propensity(log.rewards, log.weights(cap)))
    assert found == pytest.approx(expected, abs=EXACT)
    assert found < TRUTH


def of_model(model: np.ndarray, x: int, a: int, log: Logged, *, right: bool = True) -> float:
    expected = np.array([float(POLICY[x] @ model[x])])
    weights = log.weights() if right else np.array([0.3])
    return doubly_robust(log.rewards, weights, np.array([model[x, a]]), expected)


def test_doubly_robust_is_unbiased_where_either_the_propensities_or_the_model_are_right():
    wrong = np.array([[0.9, 0.0, 0.1], [0.2, 0.8, 0.8]])
    found = mean_over(lambda x, a, log: of_model(wrong, x, a, log))
    assert found == pytest.approx(TRUTH, abs=EXACT)
    found = mean_over(lambda x, a, log: of_model(REWARDS, x, a, log, right=False))
    assert found == pytest.approx(TRUTH, abs=EXACT)
    assert abs(mean_over(lambda x, a, log: of_model(wrong, x, a, log, right=False)) - TRUTH) > 0.1


weights_of = st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 20)), min_size=1, max_size=50)


@given(weights_of)
def test_self_normalised_lies_within_the_rewards_and_is_their_mean_for_equal_weights(pairs: list[tuple[float, float]]):
    rewards, weights = (np.array(side) for side in zip(*pairs, strict=True))
    found = self_normalised(rewards, weights)
    assert found is not None
    assert rewards.min() - EXACT <= found <= rewards.max() + EXACT
    assert self_normalised(rewards, np.full(len(rewards), 3.0)) == pytest.approx(float(rewards.mean()))
    assert 1 - 1e-9 <= effective_size(weights) <= len(weights) + 1e-9
    assert effective_size(np.full(len(weights), 3.0)) == pytest.approx(len(weights))
    nothing = np.zeros(len(rewards))
    assert doubly_robust(rewards, weights, nothing, nothing) == inverse_propensity(rewards, weights)
    assert (self_normalised(rewards, nothing), effective_size(nothing)) == (None, 0.0)


def drawn(n: int, rng: np.random.Generator, logger: Numbers = LOGGER, policy: Numbers = POLICY) -> Logged:
    x = rng.choice(2, n, p=CONTEXTS)
    a = np.array([rng.choice(3, p=logger[context]) for context in x])
    return Logged((rng.random(n) < REWARDS[x, a]).astype(float), logger[x, a], policy[x, a])


def test_estimates_from_a_biased_logger_come_near_the_truth_and_the_mean_reward_does_not():
    log = drawn(20_000, np.random.default_rng(3))
    found = policy_value(log, cap=20.0)
    assert isinstance(found, OffPolicyValue)
    assert found.inverse_propensity == pytest.approx(TRUTH, abs=0.05)
    assert found.self_normalised == pytest.approx(TRUTH, abs=0.05)
    assert found.covered == pytest.approx(1.0, abs=0.05)
    assert found.interval.contains(TRUTH)
    assert found.interval.high - found.interval.low < 0.12
    assert abs(float(log.rewards.mean()) - TRUTH) > 0.1
    assert (found.n, found.clipped, found.doubly_robust) == (20_000, 0, None)


def test_a_good_model_takes_most_of_the_variance():
    rng, errors = np.random.default_rng(4), {"plain": [], "robust": []}
    for _ in range(60):
        x = rng.choice(2, 500, p=CONTEXTS)
        a = np.array([rng.choice(3, p=LOGGER[context]) for context in x])
        log = Logged(REWARDS[x, a], LOGGER[x, a], POLICY[x, a])  # rewards without noise: the model knows all
        model = RewardModel(REWARDS[x, a], (POLICY * REWARDS).sum(axis=1)[x])
        found = policy_value(log, cap=100.0, model=model)
        assert isinstance(found, OffPolicyValue)
        errors["plain"].append(found.inverse_propensity - TRUTH)
        errors["robust"].append(found.doubly_robust - TRUTH)
    assert np.std(errors["robust"]) < np.std(errors["plain"]) / 5


NEVER = np.array([[0.9, 0.1, 0.0], [0.3, 0.4, 0.3]])
"""A logger that never makes the policy's best choice."""


@pytest.mark.parametrize(
    ("logger", "cap"), [(LOGGER, 100.0), (LOGGER, 2.0), (NEVER, 100.0)], ids=["whole", "clipped", "without support"]
)
def test_the_interval_covers_the_truth_as_often_as_it_says_even_where_support_is_lacking(logger: Numbers, cap: float):
    rng, runs, missed = np.random.default_rng(5), 300, 0
    for _ in range(runs):
        log = drawn(150, rng, logger)
        missed += not value_interval(log.rewards, log.weights(cap), 0.1).contains(TRUTH)
    assert missed / runs <= 0.1


def test_more_decisions_make_the_interval_narrow_and_none_leave_it_open():
    rng = np.random.default_rng(6)
    ends = [value_interval(log.rewards, log.weights(), 0.05) for log in (drawn(n, rng) for n in (100, 10_000))]
    assert ends[1].high - ends[1].low < (ends[0].high - ends[0].low) / 3
    assert value_interval(np.zeros(0), np.zeros(0), 0.05) == Interval(0.0, pytest.approx(1.0))


def test_a_log_that_lacks_what_the_policy_would_choose_is_refused_in_a_sentence():
    found = policy_value(drawn(3_000, np.random.default_rng(7), NEVER), cap=100.0)
    assert isinstance(found, NoSupport)
    assert re.match(r"the log speaks of (79|8\d)\.\d % of what the policy would choose", found.reason)
    assert found.interval.contains(TRUTH)
    assert isinstance(policy_value(drawn(3_000, np.random.default_rng(7)), cap=100.0), OffPolicyValue)


def test_a_cap_that_leaves_out_much_of_the_policy_is_refused_as_that():
    found = policy_value(drawn(3_000, np.random.default_rng(7)), cap=1.5)
    assert isinstance(found, NoSupport)
    assert re.match(r"with weights clipped at 1.5 the log speaks of \d\d.\d % of what .*: they leave out", found.reason)
    assert found.interval.contains(TRUTH)


@pytest.mark.parametrize("n", [0, 1, int(MIN_EFFECTIVE) - 1])
def test_few_decisions_are_refused(n: int):
    found = policy_value(checked([0.5] * n, [0.5] * n, [0.5] * n), cap=10.0)
    assert isinstance(found, NoSupport)
    assert "30 are needed" in found.reason


def test_many_decisions_of_which_few_agree_with_the_policy_are_refused():
    chances = [1.0] * 10 + [0.0] * 990
    found = policy_value(checked([1.0] * 1000, [0.01] * 1000, chances), cap=1000.0)
    assert isinstance(found, NoSupport)
    assert found.reason == ("1,000 logged decisions tell as much as 10 would by the policy itself, 30 are needed")


@pytest.mark.parametrize(
    ("rewards", "propensities", "chances", "told"),
    [
        ([0.5], [0.0], [0.5], "propensities: 0.0 is not above 0 and at most 1"),
        ([0.5], [1.01], [0.5], "propensities: 1.01 is not above 0 and at most 1"),
        ([0.5], [math.nan], [0.5], "propensities: nan is not above 0 and at most 1"),
        ([0.5], [-0.2], [0.5], "propensities: -0.2 is not above 0 and at most 1"),
        ([math.nan], [0.5], [0.5], "rewards: nan is not within 0..1"),
        ([1.5], [0.5], [0.5], "rewards: 1.5 is not within 0..1"),
        ([0.5], [0.5], [math.inf], "chances: inf is not within 0..1"),
        ([0.5, 0.5], [0.5], [0.5], "rewards, propensities, chances: 2, 1, 1 numbers; there must be one of each"),
    ],
)
def test_numbers_that_cannot_be_are_refused_by_name(rewards, propensities, chances, told):
    with pytest.raises(ConfigInvalid) as refused:
        checked(rewards, propensities, chances)
    assert str(refused.value).startswith(told)


@pytest.mark.parametrize("cap", [0.0, -1.0, math.nan])
def test_a_cap_that_is_not_above_0_is_refused(cap: float):
    with pytest.raises(ConfigInvalid, match="cap"):
        policy_value(checked([0.5], [0.5], [0.5]), cap=cap)
