"""Policy trials: what a policy does on what it did not learn from, labelled examples or logged decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import dspy
import numpy as np

from argotune.data.episodes import steps_of
from argotune.data.experiences import Experience
from argotune.optimizers.policy_learning import LoggedRows
from argotune.optimizers.policy_loss import Codes, Rows
from argotune.optimizers.policy_rows import RowMaker
from argotune.programs.policy import Policy
from argotune.programs.program import Program
from argotune.stats.calibration import Numbers, calibration_error
from argotune.stats.interval import Interval
from argotune.stats.off_policy import NoSupport, OffPolicyValue, checked, policy_value
from argotune.stats.wording import each_counted
from argotune.tenants.policy_settings import PolicySettings

LEVEL = 0.05
"""Of the interval in which a policy's value is told to lie."""


@dataclass(frozen=True)
class PolicyMetrics:
    """What a policy did on `n` decisions or examples, shares in 0..1, None where that cannot be known.

    Of labelled examples: `accuracy`, and the expected `calibration_error` of its confidence. Of experiences:
    `agreement` is how often it answers as was answered then, `logged_reward` what that earned in the mean, `value` what
    the policy would have earned (self-normalised, by the logged propensities), within `value_interval` with a
    confidence of 95 %. `reason` says why there is no value, and what was left out.
    """

    n: int
    accuracy: float | None = None
    calibration_error: float | None = None
    agreement: float | None = None
    logged_reward: float | None = None
    value: float | None = None
    value_interval: Interval | None = None
    effective_size: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Hits:
    """How often labelled rows were answered right, and how far confidence was from that."""

    accuracy: float
    calibration_error: float


def hits_of(rows: Rows, chances: Numbers) -> Hits:
    """By the chances of all answers to each row."""
    hits, sure = (chances.argmax(axis=1) == rows.answers).astype(float), chances.max(axis=1)
    return Hits(float(hits.mean()), calibration_error(sure, hits, np.ones(len(rows))))


def on_examples(policy: Policy, program: Program, examples: Sequence[dspy.Example]) -> PolicyMetrics:
    """What a policy does on labelled examples; a label that is no answer of its own is a miss."""
    rows = _maker(policy, program).of_examples(examples, [1.0] * len(examples))
    if not len(rows):
        return PolicyMetrics(len(examples), accuracy=0.0, reason="no label is among the policy's answers")
    found = hits_of(rows, policy.chances(rows.rows))
    share = len(rows) / len(examples)
    return PolicyMetrics(len(examples), found.accuracy * share, found.calibration_error)


def on_experiences(
    policy: Policy, program: Program, experiences: Sequence[Experience], settings: PolicySettings
) -> PolicyMetrics:
    """What a policy does, and would have earned, where others decided."""
    found = steps_of(experiences, program.typed_fields, settings.rewards, settings.discount_factor)
    left_out = each_counted(found.left_out)
    if not found.steps:
        return PolicyMetrics(0, reason=f"no experience can be used: {left_out}")
    logged = _maker(policy, program).of_steps(found.steps)
    said = policy.chances(logged.rows.rows).argmax(axis=1)
    n, lacking = len(found.steps), sum(step.experience.propensity is None for step in found.steps)
    known = PolicyMetrics(
        n,
        agreement=float((said == logged.rows.answers).mean()),
        logged_reward=float(logged.worths.mean()),
        reason=f"left out: {left_out}" if left_out else "",
    )
    if lacking:
        return replace(known, reason=f"{lacking} of {n} have no propensity")
    value = served_value(logged, said)
    if isinstance(value, NoSupport):
        return replace(known, reason=value.reason, value_interval=value.interval)
    told, size = value.self_normalised, value.effective_size
    return replace(known, value=told, value_interval=value.interval, effective_size=size)


def _maker(policy: Policy, program: Program) -> RowMaker:
    return RowMaker(program, policy.reader, policy.answers, ("",))


def served_value(logged: LoggedRows, said: Codes, level: float = LEVEL) -> OffPolicyValue | NoSupport:
    """What would have been earned by always answering what is `said`, a code for each decision. Each counts once: the
    interval is of decisions, not of what they stand for. No weight is clipped, as nothing is learned from it."""
    chances = (said == logged.rows.answers).astype(float)
    worths, propensities = np.clip(logged.worths.astype(float), 0, 1), logged.propensities.astype(float)
    return policy_value(checked(worths.tolist(), propensities.tolist(), chances.tolist()), math.inf, level)
