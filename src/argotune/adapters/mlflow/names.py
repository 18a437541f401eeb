"""What a tenant's experiments and models are called in MLflow."""

from __future__ import annotations

from argotune.adapters.json_http import storable_json
from argotune.runs.tracker import TrackedRun
from argotune.tenants.ids import percent_encoded


def experiment_name(prefix: str, tenant_id: str) -> str:
    """The experiment of a tenant's traces where no binding names another: as the project is called in Phoenix."""
    return f"{prefix}-{tenant_id}-{prefix}.routing"


def results_name(run: TrackedRun) -> str:
    """The experiment, and the dataset, of a tenant's program."""
    return str(storable_json(f"{run.tenant_id}/{run.program}"))


def model_name(run: TrackedRun) -> str:
    """The registered model of a tenant's program: MLflow takes neither a slash nor a colon."""
    return f"argotune.{percent_encoded(run.tenant_id)}.{percent_encoded(run.program)}"
