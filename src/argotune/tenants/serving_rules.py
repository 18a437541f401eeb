"""Serving rules: how an application that serves a tenant's champions answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)


class ExplorationRules(_Rules):
    """How often an answer is drawn at random in place of the champion's, to see what others would have brought.

    Defaults of "Optimization Module" (exploration_epsilon, epsilon_decay, min_epsilon, update_frequency).
    """

    enabled: bool = False
    epsilon: float = Field(0.1, ge=0, le=1, description="share of the answers that is drawn at first")
    decay: float = Field(0.995, ge=0, le=1, description="what is left of it after each step")
    floor: float = Field(0.05, ge=0, le=1, description="share that is drawn for good")
    decisions_per_step: int = Field(
        10, ge=1, le=1_000_000, description="decisions of the program, as passes have read them, in a step"
    )

    @model_validator(mode="after")
    def _falls(self) -> ExplorationRules:
        if self.floor > self.epsilon:
            raise ValueError(f"floor must not be above epsilon: {self.floor:g} > {self.epsilon:g}")
        return self


class ServingRules(_Rules):
    """What a tenant may set of serving."""

    exploration: ExplorationRules = Field(default_factory=ExplorationRules)
