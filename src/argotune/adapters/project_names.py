"""What the project, or experiment, of a tenant's traces is called where no binding names another."""

from __future__ import annotations


def project_name(prefix: str, tenant_id: str) -> str:
    """The project of a tenant's traces."""
    return f"{prefix}-{tenant_id}-{prefix}.routing"


def tenant_of(prefix: str, project: str) -> str | None:
    """The tenant whose project this is, None when it is nobody's."""
    head, tail = f"{prefix}-", f"-{prefix}.routing"
    is_ours = project.startswith(head) and project.endswith(tail) and len(project) > len(head) + len(tail)
    return project[len(head) : -len(tail)] if is_ours else None
