"""Tenant report: what came of one request for a tenant, module by module, and which of its failures it ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argotune.errors import ArgotuneError, ProjectMissing
from argotune.runs.pass_figures import PassFigures
from argotune.runs.reports import ModuleReport, report_json
from argotune.runs.run import Run
from argotune.runs.step_outcomes import ModuleCheck, outcome_of_reports


@dataclass(frozen=True)
class TenantReport:
    """`failures` are the errors of modules of which a part or nothing was done; a module that is in neither of both was
    asked for and not begun, as a server was away."""

    tenant_id: str
    at: datetime
    asked: tuple[str, ...]
    modules: tuple[ModuleReport, ...]
    failures: Mapping[str, ArgotuneError]

    @classmethod
    def of_looks(cls, tenant_id: str, at: datetime, looks: Sequence[ModuleCheck]) -> TenantReport:
        """Of modules that were looked at only."""
        asked = tuple(look.conditions.module for look in looks)
        idle = tuple(ModuleReport(look.conditions, ()) for look in looks if not look.missing)
        missing = {look.conditions.module: ProjectMissing(look.missing) for look in looks if look.missing}
        return cls(tenant_id, at, asked, idle, missing)

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(run for report in self.modules for run in report.runs)

    @property
    def figures(self) -> PassFigures:
        """What the passes of all modules took in."""
        return sum((report.figures for report in self.modules), PassFigures())

    @property
    def outcome(self) -> str:
        """One line over what was run; what failed comes first."""
        return outcome_of_reports(self.modules, self.failures)

    @property
    def gravest(self) -> str | None:
        """The module with the failure to end with, None where all is well: what is worth a retry first.

        A module for which nothing was ever sent is told, and counts only where that is so of all modules.
        """
        grave = {module: e for module, e in self.failures.items() if not isinstance(e, ProjectMissing)}
        has_all_failed = self.failures.keys() >= set(self.asked)
        grave = grave or (dict(self.failures) if has_all_failed else {})
        return max(grave, key=lambda module: grave[module].exit_code, default=None)

    def as_json(self) -> dict[str, Any]:
        """The documented report."""
        return report_json(self.tenant_id, self.modules, self.failures, self.at)
