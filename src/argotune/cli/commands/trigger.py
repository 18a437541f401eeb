"""`argotune trigger` and the documented script like it: is a module of a tenant due? The script runs what is."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from argotune.cli.files import deliver, json_text, write_text
from argotune.cli.flags import (
    Commands,
    Parser,
    add_force,
    add_json,
    add_pass,
    command,
    refuse_without,
)
from argotune.cli.open import ports_of, settings_of, store_of
from argotune.cli.output import say, say_json
from argotune.cli.showing import show_report
from argotune.errors.lines import escaped
from argotune.runs.step_outcomes import ModuleCheck
from argotune.scheduling.trigger_check import Conditions
from argotune.tenants.config import MODULES

if TYPE_CHECKING:
    from argotune.pipeline.operations.triggering import LookRequest
    from argotune.runs.tenant_report import TenantReport


def add_commands(commands: Commands) -> None:
    """Add the command of this file."""
    check = command(commands, "trigger", check_trigger, "is a module of a tenant due? changes nothing")
    add_pass(check)
    add_json(check)
    add_force(check)


def trigger_parser() -> argparse.ArgumentParser:
    """scripts/auto_optimization_trigger.py."""
    parser = Parser(
        prog="auto_optimization_trigger.py", description="Check the conditions of a tenant's modules; run what is due."
    )
    add_pass(parser, in_pods=True)
    add_force(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--due-dir", help="check only: write what is due into this folder, a file for each module")
    parser.add_argument("--output", help="write the JSON report to this file")
    parser.set_defaults(call=trigger_script, json=False, outcome_file=None, links_file=None)
    return parser


def check_trigger(arguments: Namespace) -> None:
    """Print the conditions of each module."""
    found = _look(arguments, is_dry=True)
    if arguments.json:
        return say_json([look_json(look) for look in found])
    for look in found:
        say_look(look)


def _look(arguments: Namespace, *, is_dry: bool) -> list[ModuleCheck]:
    from argotune.pipeline.operations.triggering import look_at
    from argotune.wiring import open_traces, utc_now

    store, traces = store_of(arguments), open_traces(settings_of(arguments))
    return look_at(store, traces, _asked(arguments, is_dry=is_dry), utc_now())


def _asked(arguments: Namespace, *, is_dry: bool) -> LookRequest:
    from argotune.pipeline.operations.triggering import LookRequest

    return LookRequest(arguments.tenant_id, arguments.module, is_forced=arguments.force, is_dry=is_dry)


def trigger_script(arguments: Namespace) -> None:
    """The documented trigger: check, then run what is due in this process, or leave that to a workflow (--due-dir)."""
    if arguments.due_dir is not None:
        refuse_without(arguments, "a run in this process, not with --due-dir", {"dry_run"})
        return _leave_due(arguments)
    looks = _look(arguments, is_dry=arguments.dry_run)
    for look in looks:
        say_look(look)
    due = [look for look in looks if look.has_step]
    if due and not arguments.dry_run:
        return _run_due(arguments, looks)
    for look in due:
        say_dry_run(look.conditions)
    if not due and not arguments.dry_run:
        say("Skipping optimization.")
    _report_checks(arguments, looks)


def _run_due(arguments: Namespace, looks: Sequence[ModuleCheck]) -> None:
    from argotune.pipeline.operations.running import RunRequest, run_due

    say("Triggering optimization...")
    asked = RunRequest(arguments.tenant_id, arguments.module, is_forced=arguments.force)
    with ports_of(arguments) as ports:
        report = run_due(ports, asked, looks)
    due = [look.conditions.module for look in looks if look.has_step]
    show_report(report, [each for each in report.modules if each.conditions.module in due], arguments)


def _report_checks(arguments: Namespace, looks: Sequence[ModuleCheck]) -> None:
    """The report of a check after which nothing was run."""
    from argotune.runs.tenant_report import TenantReport
    from argotune.wiring import utc_now

    _write_report(arguments, TenantReport.of_looks(arguments.tenant_id, utc_now(), looks))


def _write_report(arguments: Namespace, report: TenantReport) -> None:
    if lost := deliver([(arguments.output, json_text(report.as_json()))]):
        raise lost


def _leave_due(arguments: Namespace) -> None:
    """What the trigger's step leaves for the steps after it: a file of `true` or `false` each, and one line."""
    from argotune.pipeline.operations.triggering import find_due
    from argotune.wiring import open_traces, utc_now

    store, traces = store_of(arguments), open_traces(settings_of(arguments))
    found = find_due(store, traces, _asked(arguments, is_dry=False), utc_now())
    for name in (*MODULES, "own"):
        write_text(f"{arguments.due_dir}/{name}", str(name in found.steps).lower())
    write_text(f"{arguments.due_dir}/outcome", escaped(found.outcome))
    write_text(f"{arguments.due_dir}/any", str(bool(found.steps)).lower())  # the last: it opens the way to the others
    say(found.outcome)
    _write_report(arguments, found.report)


def say_look(look: ModuleCheck) -> None:
    """The three conditions and what follows from them, as people read them."""
    conditions = look.conditions
    say(f"Checking auto-optimization conditions of {conditions.module}...")
    say(f"  Auto-optimization enabled: {conditions.is_enabled}")
    say(f"  Time interval met: {conditions.is_period_over} (last run: {conditions.last_run_text})")
    enough = f"{conditions.traces_text} traces, min: {conditions.traces_needed}"
    say(f"  Sufficient traces: {conditions.has_traces} ({enough})")
    for remark in conditions.remarks:
        say(f"  Note: {remark}")
    if look.missing:
        return say(f"  -> {look.words}")
    verdict = "due (forced)" if conditions.is_forced else "due (unfinished)" if conditions.is_unfinished else "due"
    say(f"  -> {verdict if conditions.is_due else 'not due: ' + conditions.why_not}")


def say_dry_run(conditions: Conditions) -> None:
    """What a run would be about."""
    say("[DRY RUN] Would trigger optimization with:")
    say(f"  Tenant: {conditions.tenant_id}")
    say(f"  Module: {conditions.module}")
    say(f"  Traces: {conditions.traces_text}")
    say(f"  Last run: {conditions.last_run_text}")


def look_json(look: ModuleCheck) -> dict[str, object]:
    """The same for programs."""
    conditions = look.conditions
    return {
        "tenant_id": conditions.tenant_id,
        "module": conditions.module,
        "due": look.is_due,
        "why_not": look.missing or conditions.why_not or None,
        "enabled": conditions.is_enabled,
        "interval_met": conditions.is_period_over,
        "last_run_at": conditions.last_run_at.isoformat() if conditions.last_run_at else None,
        "traces": conditions.traces,
        "traces_needed": conditions.traces_needed,
        "traces_older": conditions.older,
        "remarks": conditions.remarks,
    }
