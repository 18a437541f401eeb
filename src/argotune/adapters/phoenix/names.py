"""What a tenant's project and the spans of its modules are called in Phoenix."""

from __future__ import annotations


def project_name(prefix: str, tenant_id: str) -> str:
    """The Phoenix project of a tenant."""
    return f"{prefix}-{tenant_id}-{prefix}.routing"


def tenant_of(prefix: str, project: str) -> str | None:
    """The tenant whose project this is, None when it is nobody's."""
    head, tail = f"{prefix}-", f"-{prefix}.routing"
    is_ours = project.startswith(head) and project.endswith(tail) and len(project) > len(head) + len(tail)
    return project[len(head) : -len(tail)] if is_ours else None
