"""Degradation rules: how far a champion's live quality may move by itself."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DegradationRules(BaseModel):
    """What is no drop (stats/drops.py). From which size one is: `decisions.performance_degradation_threshold`."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    swing: float = Field(
        0.1, ge=0, le=1, description="how far the mean score may lie below its average, while no week is known"
    )
    drift: float = Field(
        0.005, ge=0, le=1, description="how far an hour of the week may lie below itself in the weeks before"
    )
