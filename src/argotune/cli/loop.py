"""Commands that work the loop: trigger, run, and the four documented scripts over the same functions."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from argotune.cli.argo import add_on_argo, refuse_argo_flags, run_on_argo
from argotune.cli.files import deliver, json_text
from argotune.cli.looks import look_json, looks_of, missing_of, modules_of, say_dry_run, say_look, write_due
from argotune.cli.open import ports_of, store_of
from argotune.cli.output import escaped, note, say, say_json, table
from argotune.cli.parser import (
    Parser,
    add_force,
    add_json,
    add_module,
    add_phoenix,
    add_store,
    add_tenant,
    add_truth,
    command,
    hours,
    refuse_without,
)
from argotune.errors import ArgotuneError, ConfigInvalid, ModuleFailed, ProjectMissing, Unavailable
from argotune.pipeline.ports import Ports
from argotune.runs.book import RunBook
from argotune.runs.reports import ModuleReport, report_json, run_json, summary_json
from argotune.runs.run import Run
from argotune.runs.step_outcomes import STATUSES, Look, failed_modules, links, outcome_of_reports, outcome_of_steps
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified, parse_config


def add_commands(commands) -> None:
    """Add the commands of this file."""
    check = command(commands, "trigger", check_trigger, "is a module of a tenant due? changes nothing")
    run = command(commands, "run", _run, "the whole loop for one tenant, here or on Argo")
    for parser in (check, run):
        add_tenant(parser)
        add_module(parser)
        add_store(parser)
        add_phoenix(parser)
        add_json(parser)
        add_force(parser)
    _add_run_flags(run)
    add_on_argo(run)


def trigger_parser() -> argparse.ArgumentParser:
    """scripts/auto_optimization_trigger.py."""
    parser = Parser(
        prog="auto_optimization_trigger.py", description="Check the conditions of a tenant's modules; run what is due."
    )
    add_tenant(parser, in_pods=True)
    add_module(parser)
    add_store(parser)
    add_phoenix(parser)
    add_force(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--due-dir", help="check only: write what is due into this folder, a file for each module")
    parser.add_argument("--output", help="write the JSON report to this file")
    parser.set_defaults(
        call=trigger_script,
        json=False,
        group="",
        outcome_file=None,
        links_file=None,
        force_training=False,
        lookback_hours=None,
    )
    return parser


def optimization_parser() -> argparse.ArgumentParser:
    """scripts/run_module_optimization.py."""
    parser = Parser(
        prog="run_module_optimization.py",
        description="Optimize modules of one tenant now, due or not; with --force=false only what is due.",
    )
    add_tenant(parser, in_pods=True)
    add_module(parser)
    add_store(parser)
    add_phoenix(parser)
    add_force(parser, default=True)
    _add_run_flags(parser)
    parser.set_defaults(call=run_modules, json=False)
    return parser


def aggregate_parser() -> argparse.ArgumentParser:
    """scripts/aggregate_results.py."""
    parser = Parser(prog="aggregate_results.py", description="Sum up a tenant's run records.")
    add_tenant(parser, in_pods=True)
    add_store(parser)
    parser.add_argument("--group", help="only runs of this group, e.g. a workflow's name")
    parser.add_argument("--since-hours", type=hours, help="only runs that started within these hours")
    parser.add_argument(
        "--status",
        action="append",
        default=[],
        metavar="MODULE=STATUS",
        help="how a step of the workflow ended, in Argo's words; with Failed or Error this ends with 1",
    )
    _add_outcome_flags(parser)
    parser.add_argument("--output", help="write the JSON summary to this file")
    parser.set_defaults(call=aggregate_results)
    return parser


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lookback-hours", type=float, help="read traces that started within these hours, known ones again"
    )
    parser.add_argument("--min-confidence", type=float, help="min_trace_confidence for this run")
    parser.add_argument("--optimizer", help="preferred_optimizer for this run (config: the tenant's own)")
    parser.add_argument("--max-iterations", type=int, help="max_training_iterations for this run")
    add_truth(parser, "--use-synthetic-data", "use_synthetic_data for this run (config: the tenant's own)")
    add_force(parser, "--force-training", help="train even where it would not be worth its price")
    parser.add_argument("--max-lm-calls", help="budget.max_lm_calls for this run (empty: the tenant's own)")
    parser.add_argument(
        "--group", default="", help="name of the occasion, e.g. a workflow; a finished module is not run again for it"
    )
    _add_outcome_flags(parser)
    parser.add_argument("--output", help="write the JSON report to this file")


def _add_outcome_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--outcome-file", help="write the outcome, one line, to this file")
    parser.add_argument("--links-file", help="write the URLs of the comparisons, one a line, to this file")


def check_trigger(arguments: Namespace) -> None:
    """Print the conditions of each module."""
    found = looks_of(arguments, is_dry=True)
    if arguments.json:
        return say_json([look_json(look) for look in found])
    for look in found:
        say_look(look)


def trigger_script(arguments: Namespace) -> None:
    """The documented trigger: check, then run what is due in this process, or leave that to a workflow (--due-dir)."""
    if arguments.due_dir is not None:
        refuse_without(arguments, "a run in this process, not with --due-dir", {"dry_run"})
        return _report_checks(arguments, write_due(arguments))
    looks = looks_of(arguments, is_dry=arguments.dry_run)
    for look in looks:
        say_look(look)
    due = [look.conditions for look in looks if look.is_due]
    if arguments.dry_run:
        for conditions in due:
            say_dry_run(conditions)
        return _report_checks(arguments, looks)
    if not due:
        say("Skipping optimization.")
        return _report_checks(arguments, looks)
    say("Triggering optimization...")
    with ports_of(arguments) as ports:
        config = Configs(ports.store).get(arguments.tenant_id)
        _run_and_show(ports, config, [c.module for c in due], arguments, [look for look in looks if not look.is_due])


def _report_checks(arguments: Namespace, looks: Sequence[Look]) -> None:
    """The report of a check after which nothing was run."""
    from argotune.wiring import utc_now

    data = report_json(arguments.tenant_id, _idle(looks), missing_of(looks), utc_now())
    if lost := deliver([(arguments.output, json_text(data))]):
        raise lost


def _idle(looks: Sequence[Look]) -> list[ModuleReport]:
    """The reports of modules that were looked at only."""
    return [ModuleReport(look.conditions, ()) for look in looks if not look.missing]


def _run(arguments: Namespace) -> int | None:
    if arguments.on_argo:
        return run_on_argo(arguments)
    refuse_argo_flags(arguments)
    return run_modules(arguments)


def run_modules(arguments: Namespace) -> None:
    """Run the pipeline for the asked modules and show what came of it."""
    with ports_of(arguments) as ports:
        config = _for_this_run(Configs(ports.store).get(arguments.tenant_id), arguments)
        _run_and_show(ports, config, modules_of(config, arguments.module), arguments)


def _run_and_show(
    ports: Ports,
    config: RoutingConfigUnified,
    modules: list[str],
    arguments: Namespace,
    looks: Sequence[Look] = (),
) -> None:
    """Run modules and tell of them; `looks` are others that the report is about."""
    reports, failed = _run_each(ports, config, modules, arguments)
    failures = {**missing_of(looks), **failed}
    data = report_json(config.tenant_id, [*_idle(looks), *reports], failures, ports.clock())
    outcome, runs = outcome_of_reports(reports, failures), [run for report in reports for run in report.runs]
    lost = _deliver(arguments, data, outcome, runs, is_printed=arguments.json)
    if arguments.json:
        say_json(data)
    else:
        _say_reports(reports)
    if error := _gravest(failures, is_all=len(failures) == len(modules) + len(looks)):
        raise error
    if lost:
        raise lost


def _run_each(
    ports: Ports, config: RoutingConfigUnified, modules: list[str], arguments: Namespace
) -> tuple[list[ModuleReport], dict[str, ArgotuneError]]:
    """The reports, and what went wrong. A module that fails stops no other, unless a server is away from all."""
    from argotune.pipeline.passes import Request, run_module

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


def _gravest(failures: dict[str, ArgotuneError], *, is_all: bool) -> ArgotuneError | None:
    """What to end with: what is worth a retry first. A module for which nothing was ever sent is told, and counts only
    where that is so of all modules; `is_all`: every module failed."""
    grave = {module: error for module, error in failures.items() if not isinstance(error, ProjectMissing)}
    grave = grave or (failures if is_all else {})
    chosen = max(grave, key=lambda module: grave[module].exit_code, default=None)
    for module, error in failures.items():
        if module != chosen:
            note(f"{module}: {type(error).__name__}: {error}")
    return None if chosen is None else grave[chosen]


def _deliver(
    arguments: Namespace, data: Any, outcome: str, runs: list[Run], *, is_printed: bool = False
) -> ConfigInvalid | None:
    """Write what flags ask for. The error of a file that cannot be written comes back, to be raised at the end."""
    files = [
        (arguments.output, json_text(data)),
        (arguments.outcome_file, escaped(outcome)),
        (arguments.links_file, "\n".join(escaped(link) for link in links(runs))),
    ]
    return deliver(files, is_printed=is_printed)


def aggregate_results(arguments: Namespace) -> None:
    """Sum up run records, whoever ran them and however they ended. Raises ModuleFailed when a step failed."""
    from argotune.runs.totals import keep_tally
    from argotune.wiring import utc_now

    statuses = _statuses(arguments.status)
    store = store_of(arguments)
    Configs(store).get(arguments.tenant_id)
    since = utc_now() - timedelta(hours=arguments.since_hours) if arguments.since_hours is not None else None
    runs = RunBook(store, arguments.tenant_id).runs(group=arguments.group, since=since)
    outcome = outcome_of_steps(statuses, runs)
    lost = _deliver(arguments, _summary(arguments.tenant_id, statuses, outcome, runs), outcome, runs)
    say_runs(runs)
    keep_tally(store, arguments.tenant_id, utc_now())  # a pass that was killed did not get there
    if failed_modules(statuses):
        raise ModuleFailed(f"{outcome}. Read the failed step's message; what is finished is kept")
    say(outcome)
    if lost:
        raise lost


def _summary(tenant_id: str, statuses: dict[str, str], outcome: str, runs: list[Run]) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "outcome": outcome,
        "steps": statuses,
        "summary": summary_json(runs),
        "runs": [run_json(run) for run in runs],
    }


def _statuses(given: list[str]) -> dict[str, str]:
    """Module -> status. Raises ConfigInvalid."""
    statuses = {}
    for text in given:
        module, _, status = text.partition("=")
        if not module or status not in STATUSES:
            raise ConfigInvalid(f"--status: {text[:80]!r} is not MODULE=STATUS with one of {', '.join(STATUSES)}")
        if module in statuses:
            raise ConfigInvalid(f"--status: {module[:80]!r} is given twice")
        statuses[module] = status
    return statuses


def _for_this_run(config: RoutingConfigUnified, arguments: Namespace) -> RoutingConfigUnified:
    flags = {
        "phoenix_lookback_hours": arguments.lookback_hours,
        "min_trace_confidence": arguments.min_confidence,
        "preferred_optimizer": None if arguments.optimizer == "config" else arguments.optimizer,
        "max_training_iterations": arguments.max_iterations,
        "use_synthetic_data": arguments.use_synthetic_data,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    data = config.model_dump(mode="json")
    if arguments.max_lm_calls:
        data["budget"]["max_lm_calls"] = arguments.max_lm_calls
    return parse_config({**data, **given})


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
