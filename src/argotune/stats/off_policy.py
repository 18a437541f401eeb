"""Off-policy: what a policy would have earned on requests that another one, the logger, decided.

Of each logged decision three numbers are known: its reward r in 0..1, the propensity mu with which the logger chose as
it did, and the chance pi with which the policy in question would have chosen the same. The weight w = pi / mu makes up
for what the logger chose too often or too seldom (Horvitz and Thompson, "A generalization of sampling without
replacement from a finite universe", J. Amer. Statist. Assoc. 47 (1952)).

What is asked of the data: that propensities are true, and that the logger sometimes chose all that the policy would.
Where it did not, no estimate is made (`NoSupport`); the interval holds all the same, and is wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from argotune.errors import ConfigInvalid
from argotune.stats.betting import Bets, lowest_mean
from argotune.stats.calibration import Numbers
from argotune.stats.interval import Interval
from argotune.stats.wording import counted, percent

MIN_EFFECTIVE = 30.0
"""Of a smaller effective sample a single decision moves the estimate by more than 3 points."""

MAX_UNCOVERED = 0.1
"""Share of the policy's choices that the logger may lack, or that clipping may leave out."""

_ERRORS = 3.0
_WEIGHTS = Interval(0.0, math.inf)
_VALUES = Interval(0.0, 1.0)


@dataclass(frozen=True)
class Logged:
    """Logged decisions, an entry for each in all three: `checked` makes it."""

    rewards: Numbers
    propensities: Numbers
    chances: Numbers

    def __len__(self) -> int:
        return len(self.rewards)

    def weights(self, cap: float = math.inf) -> Numbers:
        """w = min(pi / mu, cap): Ionides, "Truncated importance sampling", J. Comput. Graph. Statist. 17 (2008).

        A cap bounds the variance, and leaves out a part of what the policy earns. Raises ConfigInvalid for a cap
        that is not above 0.
        """
        if not cap > 0:
            raise ConfigInvalid(f"cap: {cap:g} is not above 0")
        return np.minimum(self.chances / self.propensities, cap)


def checked(rewards: Sequence[float], propensities: Sequence[float], chances: Sequence[float]) -> Logged:
    """Logged decisions whose numbers can be. Raises ConfigInvalid that names the first that cannot: a propensity must
    be above 0 and at most 1, rewards and chances within 0..1."""
    found = [np.asarray(numbers, dtype=np.float64) for numbers in (rewards, propensities, chances)]
    if len({numbers.shape for numbers in found}) != 1 or found[0].ndim != 1:
        lengths = ", ".join(str(numbers.size) for numbers in found)
        raise ConfigInvalid(f"rewards, propensities, chances: {lengths} numbers; there must be one of each a decision")
    for name, numbers in zip(("rewards", "propensities", "chances"), found, strict=True):
        is_above = numbers > 0 if name == "propensities" else numbers >= 0
        if (bad := numbers[~(is_above & (numbers <= 1))]).size:
            wanted = "above 0 and at most 1" if name == "propensities" else "within 0..1"
            raise ConfigInvalid(f"{name}: {bad[0]} is not {wanted}")
    return Logged(*found)


def inverse_propensity(rewards: Numbers, weights: Numbers) -> float:
    """The mean of w r: unbiased where weights are not clipped, and never above the truth in the mean where they are."""
    return float(np.mean(rewards * weights))


def self_normalised(rewards: Numbers, weights: Numbers) -> float | None:
    """sum w r / sum w: Swaminathan and Joachims, "The self-normalized estimator for counterfactual learning", NeurIPS
    2015. Within the range of the rewards, and consistent; None where all weights are 0."""
    total = float(weights.sum())
    return float(rewards @ weights) / total if total > 0 else None


def doubly_robust(rewards: Numbers, weights: Numbers, predicted: Numbers, expected: Numbers) -> float:
    """The mean of q(x, pi) + w (r - q(x, a)): Dudik, Langford and Li, "Doubly robust policy evaluation and learning",
    ICML 2011, equation 3.

    `predicted` is what a model says of the reward of what was chosen, `expected` of what the policy would choose.
    Unbiased where propensities or the model are right, and of less variance the better the model is. The model must
    not have been fitted on these decisions.
    """
    return float(np.mean(expected + weights * (rewards - predicted)))


def effective_size(weights: Numbers) -> float:
    """How many decisions of equal weight tell as much: (sum w)^2 / sum w^2 (Kish, "Survey sampling", 1965)."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def value_interval(rewards: Numbers, weights: Numbers, level: float) -> Interval:
    """Where the policy's value lies, with a confidence of 1 - `level`, however often one looks.

    What it earns is at least E[w r], and what it misses at least E[w (1 - r)]: clipping and choices that the logger
    never makes only take from both. So each end is a bet on products that are not below 0 (stats/betting.py), and no
    largest weight has to be known: Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro, "Anytime-valid off-policy
    inference for contextual bandits", ACM/JMS J. Data Sci. 1 (2024). Raises ConfigInvalid for a level outside 0..1.
    """
    low = lowest_mean(Bets((rewards * weights).tolist(), _WEIGHTS), level / 2, _VALUES)
    missed = lowest_mean(Bets(((1 - rewards) * weights).tolist(), _WEIGHTS), level / 2, _VALUES)
    return Interval(min(low, 1 - missed), max(low, 1 - missed))


@dataclass(frozen=True)
class NoSupport:
    """Why the log cannot tell what the policy is worth; the interval says as much as it can."""

    reason: str
    interval: Interval


@dataclass(frozen=True)
class OffPolicyValue:
    """What the policy would have earned a decision, in 0..1, by each estimator; `doubly_robust` is None without a
    model. `covered` is the mean weight: the share of the policy's choices that the log speaks of."""

    n: int
    inverse_propensity: float
    self_normalised: float
    doubly_robust: float | None
    interval: Interval
    effective_size: float
    covered: float
    clipped: int


@dataclass(frozen=True)
class RewardModel:
    """What a model says of the rewards: of what was chosen, and of what the policy would choose."""

    predicted: Numbers
    expected: Numbers


def policy_value(
    logged: Logged, cap: float, level: float = 0.05, model: RewardModel | None = None
) -> OffPolicyValue | NoSupport:
    """The policy's value by all estimators, with an interval of confidence 1 - `level`; or why the log cannot tell.

    Refused are logs whose effective size is below MIN_EFFECTIVE, and those whose mean weight lies three standard errors
    below 1 - MAX_UNCOVERED: it is 1 where the logger sometimes chooses all that the policy would, and no weight is
    clipped. Raises ConfigInvalid for a cap or a level that cannot be.
    """
    weights, unclipped = logged.weights(cap), logged.weights()
    interval = value_interval(logged.rewards, weights, level)
    if reason := _lack(unclipped) or _lack(weights, f"with weights clipped at {cap:g} "):
        return NoSupport(reason, interval)
    normalised = self_normalised(logged.rewards, weights)
    assert normalised is not None
    return OffPolicyValue(
        n=len(logged),
        inverse_propensity=inverse_propensity(logged.rewards, weights),
        self_normalised=normalised,
        doubly_robust=None
        if model is None
        else doubly_robust(logged.rewards, weights, model.predicted, model.expected),
        interval=interval,
        effective_size=effective_size(weights),
        covered=float(weights.mean()),
        clipped=int((unclipped > cap).sum()),
    )


def _lack(weights: Numbers, how: str = "") -> str:
    told = effective_size(weights)
    if told < MIN_EFFECTIVE:
        return (
            f"{counted(len(weights), 'logged decision')} tell as much as {told:.0f} would by the policy itself, "
            f"{MIN_EFFECTIVE:.0f} are needed"
        )
    covered, error = float(weights.mean()), float(weights.std(ddof=1)) / math.sqrt(len(weights))
    if covered + _ERRORS * error < 1 - MAX_UNCOVERED:
        rest = "they leave out the rest" if how else "the logger never chose the rest"
        return f"{how}the log speaks of {percent(covered)} of what the policy would choose: {rest}"
    return ""
