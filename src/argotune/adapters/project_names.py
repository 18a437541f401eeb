"""What the projects, experiments and datasets of tenants are called in products: of traces, where no binding names
another, and of results."""

from __future__ import annotations

from argotune.runs.tracker import OpenTotals, TrackedRun
from argotune.store.texts import storable


def project_name(prefix: str, tenant_id: str) -> str:
    """The project of a tenant's traces."""
    return f"{prefix}-{tenant_id}-{prefix}.routing"


def tenant_of(prefix: str, project: str) -> str | None:
    """The tenant whose project this is, None when it is nobody's."""
    head, tail = f"{prefix}-", f"-{prefix}.routing"
    is_ours = project.startswith(head) and project.endswith(tail) and len(project) > len(head) + len(tail)
    return project[len(head) : -len(tail)] if is_ours else None


def results_name(run: TrackedRun | OpenTotals) -> str:
    """The dataset of a tenant's program, and the experiment where there is one for all its contests."""
    return storable(f"{run.tenant_id}/{run.program}")
