"""Rewards: how good the outcome of an experience was."""

from __future__ import annotations

from argotune.data.experiences import Experience
from argotune.tenants.config import RewardWeights


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
