"""Showing: how runs and what a trigger found are shown, and the files that are asked for about them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from argotune.cli.files import deliver, json_text
from argotune.cli.output import escaped, note, say, say_json, table
from argotune.errors import ArgotuneError, ConfigInvalid, ProjectMissing, Unavailable
from argotune.pipeline.ports import Ports
from argotune.runs.reports import ModuleReport, report_json
from argotune.runs.run import Run
from argotune.runs.step_outcomes import Look, links, outcome_of_reports
from argotune.tenants.config import RoutingConfigUnified


def run_and_show(
    ports: Ports,
    config: RoutingConfigUnified,
    modules: list[str],
    arguments: Namespace,
    looks: Sequence[Look] = (),
) -> None:
    """Run modules and tell of them; `looks` are others that the report is about."""
    reports, failed = _run_each(ports, config, modules, arguments)
    failures = {**missing_of(looks), **failed}
    data = report_json(config.tenant_id, [*idle(looks), *reports], failures, ports.clock())
    outcome, runs = outcome_of_reports(reports, failures), [run for report in reports for run in report.runs]
    lost = deliver_outcome(arguments, data, outcome, runs, is_printed=arguments.json)
    if arguments.json:
        say_json(data)
    else:
        _say_reports(reports)
    if error := gravest(failures, is_all=len(failures) == len(modules) + len(looks)):
        raise error
    if lost:
        raise lost


def missing_of(looks: Sequence[Look]) -> dict[str, ArgotuneError]:
    """The modules for which nothing was ever sent, and what is said of each."""
    return {look.conditions.module: ProjectMissing(look.missing) for look in looks if look.missing}


def idle(looks: Sequence[Look]) -> list[ModuleReport]:
    """The reports of modules that were looked at only."""
    return [ModuleReport(look.conditions, ()) for look in looks if not look.missing]


def _run_each(
    ports: Ports, config: RoutingConfigUnified, modules: list[str], arguments: Namespace
) -> tuple[list[ModuleReport], dict[str, ArgotuneError]]:
    """The reports, and what went wrong. A module that fails stops no other, unless a server is away from all."""
    from argotune.pipeline.module_pass import Request
    from argotune.pipeline.passes import run_module

    request = Request(
        arguments.force,
        is_training_forced=arguments.force_training,
        group=arguments.group,
        reach=None if arguments.lookback_hours is None else timedelta(hours=arguments.lookback_hours),
    )
    reports, failures = [], {}
    for module in modules:
        try:
            report = run_module(ports, config, module, request)
            reports.append(report)
            if report.failure:
                failures[module] = report.failure
        except ArgotuneError as error:
            failures[module] = error
            if isinstance(error, Unavailable):
                break
    return reports, failures


def gravest(failures: dict[str, ArgotuneError], *, is_all: bool) -> ArgotuneError | None:
    """What to end with: what is worth a retry first. A module for which nothing was ever sent is told, and counts only
    where that is so of all modules; `is_all`: every module failed."""
    grave = {module: error for module, error in failures.items() if not isinstance(error, ProjectMissing)}
    grave = grave or (failures if is_all else {})
    chosen = max(grave, key=lambda module: grave[module].exit_code, default=None)
    for module, error in failures.items():
        if module != chosen:
            note(f"{module}: {type(error).__name__}: {error}")
    return None if chosen is None else grave[chosen]


def deliver_outcome(
    arguments: Namespace, data: Any, outcome: str, runs: list[Run], *, is_printed: bool = False
) -> ConfigInvalid | None:
    """Write what flags ask for. The error of a file that cannot be written comes back, to be raised at the end."""
    files = [
        (arguments.output, json_text(data)),
        (arguments.outcome_file, escaped(outcome)),
        (arguments.links_file, "\n".join(escaped(link) for link in links(runs))),
    ]
    return deliver(files, is_printed=is_printed)


def _say_reports(reports: list[ModuleReport]) -> None:
    for report in reports:
        for line in report.lines:
            say(line)
        for run in report.runs:
            if run.synthetic:
                say(f"  {run.synthetic.sentence}")
            if run.comparison_link:
                say(f"  {run.comparison_link}")


def say_runs(runs: list[Run]) -> None:
    """A table of runs."""
    rows = [[r.id, r.program, r.outcome, f"{r.started_at:%Y-%m-%d %H:%M}", r.sentence] for r in runs]
    table(["RUN", "PROGRAM", "OUTCOME", "STARTED", "WHAT CAME OF IT"], rows)
