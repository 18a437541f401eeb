"""Policy settings: what a tenant may set of the optimizer `policy`. Names and defaults are those of "GEPA
(Experience-Guided Policy Adaptation)" of the auto-optimization workflow, where it has them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Estimator = Literal["self_normalised", "clipped", "doubly_robust"]
"""How logged decisions are weighed: stats/off_policy.py has each."""


class RewardShaping(BaseModel):
    """What the parts of an outcome are worth. A part of which nothing is known counts neither for nor against."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    success: float = Field(10.0, ge=0, le=1000, description="the agent did its job")
    failure: float = Field(-5.0, ge=-1000, le=0, description="it did not")
    satisfaction: float = Field(5.0, ge=0, le=1000, description="the user was satisfied")
    latency: float = Field(2.0, ge=0, le=1000, description="the answer came fast")
    modality: float = Field(3.0, ge=0, le=1000, description="the agent is one for what was asked for")
    satisfied_from: float = Field(0.8, ge=0, le=1, description="user satisfaction from which on one is satisfied")
    fast_below_s: float = Field(1.0, gt=0, le=86_400, description="seconds of an answer that is fast")
    agent_modalities: dict[str, str] = Field(
        default_factory=dict,
        max_length=100,
        description="answer -> modality that it is for; those not named are read from their names",
    )

    @model_validator(mode="after")
    def _some_reward(self) -> RewardShaping:
        if self.success + self.satisfaction + self.modality <= 0:
            raise ValueError("success, satisfaction and modality are all 0: no outcome would be better than another")
        return self


class PolicySettings(BaseModel):
    """Learning from experiences with rewards (optimizers/policy.py)."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    rewards: RewardShaping = Field(default_factory=RewardShaping)
    experience_buffer_size: int = Field(1000, ge=10, le=1_000_000, description="experiences that are learned from")
    max_answer_share: float = Field(0.5, gt=0, le=1, description="of the buffer, for experiences of one answer")
    max_repeats: int = Field(3, ge=1, le=1000, description="experiences of one answer to nearly the same question")
    priority_exponent: float = Field(0.6, ge=0, le=1, description="0: all are drawn alike; 1: as much as they surprise")
    importance_exponent: float = Field(
        0.4, ge=0, le=1, description="how far that is made up for at first; 1 at the end"
    )
    batch_size: int = Field(32, ge=1, le=10_000)
    learning_rate: float = Field(0.001, gt=0, le=1)
    discount_factor: float = Field(0.99, ge=0, le=1, description="what the next decision of a session counts")
    exploration_rate: float = Field(0.1, ge=0, lt=1, description="share of decisions by lot that the policy allows for")
    num_epochs: int = Field(50, ge=1, le=10_000, description="times as many draws as there are experiences")
    gradient_accumulation_steps: int = Field(1, ge=1, le=1000, description="batches of which one step is made")
    gradient_clip: float = Field(1.0, gt=0, description="longest gradient, in the norm of all of it")
    early_stopping_patience: int = Field(5, ge=1, le=1000, description="epochs without a gain until it stops")
    validation_split: float = Field(0.2, gt=0, lt=1, description="the latest part, which stops the training")
    hidden_size: int = Field(64, ge=1, le=4096)
    dropout: float = Field(0.1, ge=0, lt=1)
    estimator: Estimator = "self_normalised"
    weight_cap: float = Field(10.0, ge=1, le=1e6, description="largest weight of a logged decision")
    label_weight: float = Field(1.0, ge=0, le=1000, description="what labelled examples count beside experiences")
