"""What the model of a tenant's program is called in MLflow."""

from __future__ import annotations

from argotune.runs.tracker import TrackedRun
from argotune.tenants.ids import percent_encoded


def model_name(run: TrackedRun) -> str:
    """The registered model of a tenant's program: MLflow takes neither a slash nor a colon."""
    return f"argotune.{percent_encoded(run.tenant_id)}.{percent_encoded(run.program)}"
