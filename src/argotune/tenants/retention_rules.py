"""Retention rules: how long a tenant's records are kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RetentionRules(BaseModel):
    """How long records are kept that nothing needs any more (pipeline/stages/forget.py says what is needed)."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    run_days: float = Field(
        365, ge=30, le=36600, description="judged runs, and versions, ledger rows and ended contests that no run needs"
    )
    skipped_run_days: float = Field(90, ge=1, le=36600, description="runs that ended before anything was trained")
    changes_kept: int = Field(
        1000,
        ge=10,
        le=1_000_000,
        description="changes of each program's champion; what only older ones need may go",
    )
    vectors_kept: int = Field(
        5_000, ge=0, le=10_000_000, description="vectors of texts for later runs; the oldest go first, 0: none"
    )
    live_days_kept: int = Field(90, ge=1, le=36600, description="days of which it is kept what live answers scored")
