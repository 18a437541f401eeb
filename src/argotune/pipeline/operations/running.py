"""Running: the whole loop for modules of a tenant in this process, due or not, and what its runs came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from argotune.errors import ArgotuneError, Unavailable
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.asked import Overrides, modules_of
from argotune.pipeline.passes import run_module
from argotune.pipeline.ports import Ports
from argotune.runs.reports import ModuleReport
from argotune.runs.step_outcomes import ModuleCheck
from argotune.runs.tenant_report import TenantReport
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified


@dataclass(frozen=True)
class RunRequest:
    """Whose modules to run (as `modules_of` has it). `group` names the occasion: a finished module is not run again for
    it. `is_training_forced`: train even where it would not be worth its price."""

    tenant_id: str
    module: str = "all"
    is_forced: bool = False
    is_training_forced: bool = False
    group: str = ""
    overrides: Overrides = field(default_factory=Overrides)

    @property
    def of_each(self) -> Request:
        hours = self.overrides.lookback_hours
        reach = None if hours is None else timedelta(hours=hours)
        return Request(self.is_forced, is_training_forced=self.is_training_forced, group=self.group, reach=reach)


def run_modules(ports: Ports, asked: RunRequest) -> TenantReport:
    """Run the asked modules, those that are not due only by force; what went wrong of each is in the report.

    Raises NotFound for an unknown tenant and ConfigInvalid, before anything is run.
    """
    config = asked.overrides.over(Configs(ports.store).get(asked.tenant_id))
    return _run(ports, config, modules_of(config, asked.module), asked.of_each)


def run_due(ports: Ports, asked: RunRequest, looks: Sequence[ModuleCheck]) -> TenantReport:
    """Run the modules that a look has found due; the report is about the others too. Raises NotFound, ConfigInvalid."""
    config = asked.overrides.over(Configs(ports.store).get(asked.tenant_id))
    due = [look.conditions.module for look in looks if look.has_step]
    ran = _run(ports, config, due, asked.of_each)
    idle = TenantReport.of_looks(asked.tenant_id, ran.at, [look for look in looks if not look.has_step])
    return TenantReport(
        tenant_id=asked.tenant_id,
        at=ran.at,
        asked=(*idle.asked, *ran.asked),
        modules=(*idle.modules, *ran.modules),
        failures={**idle.failures, **ran.failures},
    )


def _run(ports: Ports, config: RoutingConfigUnified, modules: Sequence[str], request: Request) -> TenantReport:
    """A module that fails stops no other, unless a server is away from all."""
    reports: list[ModuleReport] = []
    failures: dict[str, ArgotuneError] = {}
    for module in modules:
        try:
            report = run_module(ports, config, module, request)
        except ArgotuneError as error:
            failures[module] = error
            if isinstance(error, Unavailable):
                break
        else:
            reports.append(report)
            if report.failure:
                failures[module] = report.failure
    return TenantReport(config.tenant_id, ports.clock(), tuple(modules), tuple(reports), failures)
