"""Commands that work the loop: trigger, run, and the four documented scripts over the same functions."""

from __future__ import annotations

import argparse
from argparse import Namespace
from datetime import timedelta

from argotune.cli.open import ports_of, settings_of, store_of
from argotune.cli.output import note, say, say_json, table, write_json
from argotune.cli.parser import add_json, add_module, add_phoenix, add_store, add_tenant, command
from argotune.conditions import Conditions
from argotune.configs import Configs
from argotune.errors import ConfigInvalid
from argotune.ports import Ports
from argotune.reports import ModuleReport, report_json, run_json, summary_json
from argotune.runs import Run, RunBook
from argotune.tenants import RoutingConfigUnified, parse_config


def add_commands(commands) -> None:
    """Add the commands of this file."""
    check = command(commands, "trigger", check_trigger, "is a module of a tenant due? changes nothing")
    run = command(commands, "run", run_modules, "the whole loop for one tenant")
    for parser in (check, run):
        add_tenant(parser)
        add_module(parser)
        add_store(parser)
        add_phoenix(parser)
        add_json(parser)
        parser.add_argument("--force", action="store_true", help="pass over interval, trace count and the off switch")
    _add_run_flags(run)


def trigger_parser() -> argparse.ArgumentParser:
    """scripts/auto_optimization_trigger.py."""
    parser = argparse.ArgumentParser(
        prog="auto_optimization_trigger.py", description="Check the conditions of a tenant's modules; run what is due."
    )
    add_tenant(parser)
    add_module(parser)
    add_store(parser)
    add_phoenix(parser)
    parser.add_argument("--force", action="store_true", help="pass over interval, trace count and the off switch")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--output", help="write the JSON report to this file")
    parser.set_defaults(call=trigger_script, json=False, group="")
    return parser


def optimization_parser() -> argparse.ArgumentParser:
    """scripts/run_module_optimization.py."""
    parser = argparse.ArgumentParser(
        prog="run_module_optimization.py",
        description="Optimize modules of one tenant now; whether they are due was the trigger's question.",
    )
    add_tenant(parser)
    add_module(parser)
    add_store(parser)
    add_phoenix(parser)
    _add_run_flags(parser)
    parser.set_defaults(call=run_modules, force=True, json=False)
    return parser


def aggregate_parser() -> argparse.ArgumentParser:
    """scripts/aggregate_results.py."""
    parser = argparse.ArgumentParser(prog="aggregate_results.py", description="Sum up a tenant's run records.")
    add_tenant(parser)
    add_store(parser)
    parser.add_argument("--group", help="only runs of this group, e.g. a workflow's name")
    parser.add_argument("--since-hours", type=float, help="only runs that started within these hours")
    parser.add_argument("--output", help="write the JSON summary to this file")
    parser.set_defaults(call=aggregate_results)
    return parser


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lookback-hours", type=float, help="phoenix_lookback_hours for this run")
    parser.add_argument("--min-confidence", type=float, help="min_trace_confidence for this run")
    parser.add_argument("--optimizer", help="preferred_optimizer for this run")
    parser.add_argument("--max-iterations", type=int, help="max_training_iterations for this run")
    parser.add_argument("--group", default="", help="a name that ties runs together, e.g. a workflow's")
    parser.add_argument("--output", help="write the JSON report to this file")


def check_trigger(arguments: Namespace) -> None:
    """Print the conditions of each module."""
    found = _conditions(arguments)
    if arguments.json:
        return say_json([_conditions_json(c) for c in found])
    for conditions in found:
        _say_conditions(conditions)


def trigger_script(arguments: Namespace) -> None:
    """The documented trigger: check, then run what is due in this process."""
    found = _conditions(arguments)
    for conditions in found:
        _say_conditions(conditions)
    due = [conditions for conditions in found if conditions.is_due]
    if arguments.dry_run:
        for conditions in due:
            _say_dry_run(conditions)
        return
    if not due:
        return say("Skipping optimization.")
    say("Triggering optimization...")
    with ports_of(arguments) as ports:
        config = Configs(ports.store).get(arguments.tenant_id)
        _run_and_show(ports, config, [c.module for c in due], arguments)


def run_modules(arguments: Namespace) -> None:
    """Run the pipeline for the asked modules and show what came of it."""
    with ports_of(arguments) as ports:
        config = _for_this_run(Configs(ports.store).get(arguments.tenant_id), arguments)
        _run_and_show(ports, config, modules_of(config, arguments.module), arguments)


def _run_and_show(ports: Ports, config: RoutingConfigUnified, modules: list[str], arguments: Namespace) -> None:
    from argotune.pipeline import Request, run_module

    request = Request(is_forced=arguments.force, group=arguments.group)
    reports = [run_module(ports, config, module, request) for module in modules]
    data = report_json(config.tenant_id, reports, ports.clock())
    if arguments.output:
        write_json(arguments.output, data)
    if arguments.json:
        return say_json(data)
    _say_reports(reports)


def aggregate_results(arguments: Namespace) -> None:
    """Sum up run records, whoever ran them and however they ended."""
    from argotune.wiring import utc_now

    store = store_of(arguments)
    Configs(store).get(arguments.tenant_id)
    since = utc_now() - timedelta(hours=arguments.since_hours) if arguments.since_hours is not None else None
    runs = RunBook(store, arguments.tenant_id).runs(group=arguments.group, since=since)
    data = {"tenant_id": arguments.tenant_id, "summary": summary_json(runs), "runs": [run_json(r) for r in runs]}
    if arguments.output:
        write_json(arguments.output, data)
    say_runs(runs)


def modules_of(config: RoutingConfigUnified, asked: str) -> list[str]:
    """`all` or one module of the tenant. Raises ConfigInvalid."""
    if asked == "all":
        return list(config.modules)
    if asked not in config.modules:
        raise ConfigInvalid(f"--module: {asked!r} is not one of this tenant's modules: {', '.join(config.modules)}")
    return [asked]


def _for_this_run(config: RoutingConfigUnified, arguments: Namespace) -> RoutingConfigUnified:
    flags = {
        "phoenix_lookback_hours": arguments.lookback_hours,
        "min_trace_confidence": arguments.min_confidence,
        "preferred_optimizer": arguments.optimizer,
        "max_training_iterations": arguments.max_iterations,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    return parse_config({**config.model_dump(mode="json"), **given})


def _conditions(arguments: Namespace) -> list[Conditions]:
    from argotune.stages.trigger import trigger
    from argotune.wiring import open_traces, utc_now

    store, traces = store_of(arguments), open_traces(settings_of(arguments))
    config = Configs(store).get(arguments.tenant_id)
    modules = modules_of(config, arguments.module)
    return [trigger(store, traces, config, m, forced=arguments.force, now=utc_now()) for m in modules]


def _say_conditions(conditions: Conditions) -> None:
    say(f"Checking auto-optimization conditions of {conditions.module}...")
    say(f"  Auto-optimization enabled: {conditions.is_enabled}")
    say(f"  Time interval met: {conditions.is_interval_met} (last run: {conditions.last_run_text})")
    enough = f"{conditions.traces_text} traces, min: {conditions.traces_needed}"
    say(f"  Sufficient traces: {conditions.has_traces} ({enough})")
    verdict = "due (forced)" if conditions.is_forced else "due (unfinished)" if conditions.is_unfinished else "due"
    say(f"  -> {verdict if conditions.is_due else 'not due: ' + conditions.why_not}")


def _say_dry_run(conditions: Conditions) -> None:
    say("[DRY RUN] Would trigger optimization with:")
    say(f"  Tenant: {conditions.tenant_id}")
    say(f"  Module: {conditions.module}")
    say(f"  Traces: {conditions.traces_text}")
    say(f"  Last run: {conditions.last_run_text}")


def _conditions_json(conditions: Conditions) -> dict[str, object]:
    return {
        "tenant_id": conditions.tenant_id,
        "module": conditions.module,
        "due": conditions.is_due,
        "why_not": conditions.why_not or None,
        "enabled": conditions.is_enabled,
        "interval_met": conditions.is_interval_met,
        "last_run_at": conditions.last_run_at.isoformat() if conditions.last_run_at else None,
        "traces": conditions.traces,
        "traces_needed": conditions.traces_needed,
    }


def _say_reports(reports: list[ModuleReport]) -> None:
    for report in reports:
        for line in report.lines:
            say(line)
        for run in report.runs:
            if run.comparison_link:
                say(f"  {run.comparison_link}")


def say_runs(runs: list[Run]) -> None:
    """A table of runs."""
    rows = [[r.id, r.program, r.outcome, f"{r.started_at:%Y-%m-%d %H:%M}", r.sentence] for r in runs]
    table(["RUN", "PROGRAM", "OUTCOME", "STARTED", "WHAT CAME OF IT"], rows)
