"""Bound config: a tenant's config that reads its programs where they are traced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from argotune.errors import ConfigInvalid
from argotune.tenants.binding import TraceBinding
from argotune.tenants.config import RoutingConfigUnified, parse_config
from argotune.tenants.remark_names import RemarkMeaning


def rebound(
    before: RoutingConfigUnified | None,
    tenant_id: str,
    paths: Mapping[str, str],
    binding: TraceBinding,
    meanings: Mapping[str, RemarkMeaning],
) -> RoutingConfigUnified:
    """A tenant's config with these programs (name -> import path) as modules, read by the binding, and with what
    annotations of these names mean; `before` None: a new tenant's. What is said there stays: other programs bound to
    the same project, what is left out, other modules, names that are explained already.

    Raises ConfigInvalid for what no config can hold, and where another program would lose its traces.
    """
    data: dict[str, Any] = {"tenant_id": tenant_id, "modules": []} if before is None else before.model_dump(mode="json")
    data["programs"] = {**data.get("programs", {}), **paths}
    data["modules"] = list(dict.fromkeys([*data["modules"], *paths]))
    data["traces"] = _joined(before.traces if before else None, binding).model_dump(mode="json")
    annotation = data.setdefault("annotation", {})
    explained = {name: meaning.model_dump(mode="json") for name, meaning in meanings.items()}
    annotation["remarks"] = explained | annotation.get("remarks", {})
    return parse_config(data)


def changes_between(before: RoutingConfigUnified | None, after: RoutingConfigUnified) -> dict[str, JsonValue]:
    """What `rebound` has changed, by the names of the fields; defaults are left out."""
    found: dict[str, JsonValue] = {}
    if before is None or before.programs != after.programs:
        found["programs"] = dict(after.programs)
    if before is None or before.modules != after.modules:
        found["modules"] = list(after.modules)
    if after.traces and (before is None or before.traces != after.traces):
        found["traces"] = after.traces.model_dump(mode="json", exclude_defaults=True)
    remarks = after.annotation.remarks
    if remarks and (before is None or before.annotation.remarks != remarks):
        found["annotation.remarks"] = {n: m.model_dump(mode="json", exclude_defaults=True) for n, m in remarks.items()}
    return found


def _joined(before: TraceBinding | None, binding: TraceBinding) -> TraceBinding:
    if before is None:
        return binding
    lost = sorted(before.programs.keys() - binding.programs.keys())
    if lost and before.place != binding.place:
        told = f"{', '.join(map(repr, lost))} of project {before.project!r} would lose their traces"
        raise ConfigInvalid(f"traces.programs: {told}: a tenant's programs are in one project, so name them too")
    kept = {"leave_out_tags": before.leave_out_tags, "needs_session": before.needs_session}
    return binding.model_copy(update={**kept, "programs": {**before.programs, **binding.programs}})
