"""Rewards: how good the outcome of an experience was, for what it counts as an example and for what a policy learns."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from argotune.data.experiences import Experience
from argotune.tenants.config import MODALITIES, RewardWeights
from argotune.tenants.policy_settings import RewardShaping


def reward(experience: Experience, weights: RewardWeights) -> float | None:
    """How well an experience went, in 0..1, None where no outcome was recorded.

    search_quality * w_sq + agent_success * w_as + user_satisfaction * w_us - time penalty
    ("Optimization Module", record_routing_experience). Weights of missing signals are shared among
    the present ones, so that a silent user counts neither for nor against.
    """
    success = None if experience.agent_success is None else float(experience.agent_success)
    signals = (
        (experience.search_quality, weights.search_quality_weight),
        (success, weights.agent_success_weight),
        (experience.user_satisfaction, weights.user_satisfaction_weight),
    )
    present = [(value * weight, weight) for value, weight in signals if value is not None and weight > 0]
    if not present:
        return None
    level = sum([value for value, _ in present]) / sum([weight for _, weight in present])
    slowness = min((experience.processing_time_s or 0.0) / weights.processing_time_scale_s, 1.0)
    return min(max(level - weights.processing_time_penalty * slowness, 0.0), 1.0)


@dataclass(frozen=True)
class OutcomeParts:
    """What is known of an outcome, part by part; None where nobody said."""

    success: bool | None
    satisfied: bool | None
    fast: bool | None
    right_modality: bool | None


def parts_of(experience: Experience, shaping: RewardShaping) -> OutcomeParts:
    """The parts of an experience's outcome. Whether the modality is right is known where the answer is for one, and
    the span says which one was asked for."""
    satisfaction, took_s = experience.user_satisfaction, experience.processing_time_s
    asked, given = experience.modality, _modality(experience.answers, shaping.agent_modalities)
    return OutcomeParts(
        success=experience.agent_success,
        satisfied=None if satisfaction is None else satisfaction >= shaping.satisfied_from,
        fast=None if took_s is None else took_s <= shaping.fast_below_s,
        right_modality=None if asked is None or given is None else asked == given,
    )


def _modality(answers: Mapping[str, str], known: Mapping[str, str]) -> str | None:
    """The modality that an answer is for: as it was set, else the one that its words name."""
    named = [known[answer] for answer in answers.values() if answer in known]
    words = [word for answer in answers.values() for word in re.split(r"[^a-z]+", answer.lower())]
    return next(iter([*named, *(word for word in words if word in MODALITIES)]), None)


def shaped_reward(parts: OutcomeParts, shaping: RewardShaping) -> float | None:
    """What an outcome is worth, from `failure` to the sum of all that is good; None where nothing but its speed is
    known. "Reward Shaping" of the auto-optimization workflow: +10, +5, +2, +3, -5.

    Where all parts are known it is their sum. Else those that are not count as much as the known ones do between their
    worst and their best, so that a silent user counts neither for nor against.
    """
    known = _known(parts, shaping)
    if parts.success is parts.satisfied is parts.right_modality is None:
        return None
    earned, worst, best = (math.fsum(part[side] for part in known) for side in range(3))
    if best <= worst:
        return None
    level = (earned - worst) / (best - worst)
    least, most = reward_range(shaping)
    return least + level * (most - least)


def _known(parts: OutcomeParts, shaping: RewardShaping) -> list[tuple[float, float, float]]:
    """What each known part earned, and what it could have at worst and at best."""
    bonuses = (
        (parts.satisfied, shaping.satisfaction),
        (parts.fast, shaping.latency),
        (parts.right_modality, shaping.modality),
    )
    known = [(bonus if said else 0.0, 0.0, bonus) for said, bonus in bonuses if said is not None]
    if parts.success is not None:
        known.append((shaping.success if parts.success else shaping.failure, shaping.failure, shaping.success))
    return known


def reward_range(shaping: RewardShaping) -> tuple[float, float]:
    """The least and the most that an outcome can be worth."""
    return shaping.failure, shaping.success + shaping.satisfaction + shaping.latency + shaping.modality
