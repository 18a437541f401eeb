"""The gradient of the loss against the true one: of a policy's value on a bandit of which all is enumerated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from autograd import grad

from argotune.optimizers.policy_loss import UNKNOWN, Batch, PolicyLoss, Rows
from argotune.programs.policy_network import NetworkSize, fresh_arrays, hidden_of, log_shares, logits_of
from argotune.tenants.policy_settings import PolicySettings

CONTEXTS, ACTIONS = 4, 3
RNG = np.random.default_rng(5)
QUESTIONS = RNG.standard_normal((CONTEXTS, 6))
LOGGER = np.array([[0.8, 0.15, 0.05], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2], [0.05, 0.05, 0.9]])
WORTH = RNG.random((CONTEXTS, ACTIONS))
PAIRS = np.array(list(itertools.product(range(CONTEXTS), range(ACTIONS))))
PLAIN = PolicySettings(dropout=0.0, exploration_rate=0.0, weight_cap=1e6)


def arrays(heads: int = 2) -> dict[str, np.ndarray]:
    found = fresh_arrays(NetworkSize(6, 5, ACTIONS, heads), RNG)
    found = {name: (RNG.standard_normal(array.shape) * 0.3).astype(np.float64) for name, array in found.items()}
    return found | {"baseline": RNG.standard_normal((5, 1)), "rewards": RNG.standard_normal((5, ACTIONS))}


def enumerated() -> Batch:
    """Every context with every action, counting as often as the logger meets it."""
    x, a = PAIRS.T
    counts = LOGGER[x, a] / CONTEXTS
    rows = Rows(QUESTIONS[x], a, np.full(len(a), UNKNOWN), counts)
    return Batch(rows, WORTH[x, a], LOGGER[x, a], None)


def chances(found: dict[str, np.ndarray], exploring: float) -> np.ndarray:
    """Of all actions in each context, with the hidden layer normalised over the batch as in learning."""
    rows = QUESTIONS[PAIRS[:, 0]]
    sums = rows @ found["in"]
    hidden = hidden_of(np, found, sums, sums.mean(axis=0), sums.var(axis=0))
    shares = np.exp(log_shares(np, logits_of(np, found, rows, hidden)))[::ACTIONS]
    return (1 - exploring) * shares + exploring / ACTIONS


def value(found: dict[str, np.ndarray], exploring: float = 0.0) -> float:
    return float((chances(found, exploring) * WORTH).sum() / CONTEXTS)


def slope(found: dict[str, np.ndarray], name: str, exploring: float) -> np.ndarray:
    """Of the value, by finite differences."""
    array, wide = found[name], 1e-5
    result = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        ends = []
        for step in (wide, -wide):
            moved = array.copy()
            moved[place] += step
            ends.append(value({**found, name: moved}, exploring))
        result[place] = (ends[0] - ends[1]) / (2 * wide)
    return result


@pytest.mark.parametrize("estimator", ["clipped", "self_normalised", "doubly_robust"])
@pytest.mark.parametrize("exploring", [0.0, 0.2])
def test_over_all_that_the_logger_may_do_the_gradient_is_that_of_the_policys_value(estimator: str, exploring: float):
    settings = PLAIN.model_copy(update={"estimator": estimator, "exploration_rate": exploring})
    found = arrays()
    # What fits baseline and model to the outcomes goes through the hidden layer alone: it is the same without a policy.
    fitting = {name: found[name] * 0 for name in ("baseline",)} if estimator != "doubly_robust" else {}
    found |= fitting
    gradient = grad(PolicyLoss(settings, RNG))(found, enumerated())
    for name in ("bias", "direct", "heads", "attention"):
        assert gradient[name] == pytest.approx(-slope(found, name, exploring), abs=1e-6), name


def test_a_baseline_that_is_wrong_moves_no_gradient_and_a_clipped_weight_does():
    found = arrays()
    first = grad(PolicyLoss(PLAIN, RNG))(found, enumerated())
    other = grad(PolicyLoss(PLAIN, RNG))({**found, "baseline": found["baseline"] + 3.0}, enumerated())
    assert first["direct"] == pytest.approx(other["direct"], abs=1e-6)
    clipped = grad(PolicyLoss(PLAIN.model_copy(update={"weight_cap": 1.0}), RNG))(found, enumerated())
    assert clipped["direct"] != pytest.approx(first["direct"], abs=1e-3)


def test_the_gradient_of_labels_is_that_of_their_weighted_cross_entropy():
    found, settings = arrays(heads=1), PLAIN.model_copy(update={"label_weight": 2.0})
    right, counts = np.array([0, 2, 1, 1]), np.array([1.0, 0.5, 0.0, 1.0])
    told = Rows(QUESTIONS, right, np.full(4, UNKNOWN), counts)
    gradient = grad(PolicyLoss(settings, RNG))(found, Batch(None, np.zeros(0), np.zeros(0), told))
    sums = QUESTIONS @ found["in"]
    hidden = hidden_of(np, found, sums, sums.mean(axis=0), sums.var(axis=0))
    shares = np.exp(log_shares(np, logits_of(np, found, QUESTIONS, hidden)))
    by_hand = ((shares - np.eye(ACTIONS)[right]) * counts[:, None]).sum(axis=0) / counts.sum()
    assert gradient["bias"] == pytest.approx(2.0 * by_hand, abs=1e-9)


def test_known_modalities_teach_the_attention_and_unknown_ones_do_not():
    found, nothing = arrays(), np.zeros(0)
    slopes = []
    for modalities in (np.array([UNKNOWN] * 4), np.array([0, 1, 1, UNKNOWN])):
        told = Rows(QUESTIONS, np.zeros(4, int), modalities, np.zeros(4))
        slopes.append(grad(PolicyLoss(PLAIN, RNG))(found, Batch(None, nothing, nothing, told))["attention_bias"])
    assert not slopes[0].any()
    assert slopes[1][0] == pytest.approx(-slopes[1][1])
    assert slopes[1].any()


def test_dropout_silences_a_share_of_the_hidden_layer():
    loss = PolicyLoss(PLAIN.model_copy(update={"dropout": 0.25}), np.random.default_rng(1))
    found = loss._dropped(np.ones((400, 50), np.float32))
    assert (found == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert found.mean() == pytest.approx(1.0, abs=0.02)
