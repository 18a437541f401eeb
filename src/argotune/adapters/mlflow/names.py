"""What the experiment and the model of a tenant's program are called in MLflow."""

from __future__ import annotations

from argotune.adapters.json_http import storable_json
from argotune.runs.tracker import OpenTotals, TrackedRun
from argotune.tenants.ids import percent_encoded


def results_name(run: TrackedRun | OpenTotals) -> str:
    """The experiment, and the dataset, of a tenant's program."""
    return str(storable_json(f"{run.tenant_id}/{run.program}"))


def model_name(run: TrackedRun) -> str:
    """The registered model of a tenant's program: MLflow takes neither a slash nor a colon."""
    return f"argotune.{percent_encoded(run.tenant_id)}.{percent_encoded(run.program)}"
