"""`argotune trigger` and the documented script like it: is a module of a tenant due? The script runs what is."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Sequence

from argotune.cli.files import deliver, json_text, write_text
from argotune.cli.flags import (
    Parser,
    add_force,
    add_json,
    add_module,
    add_phoenix,
    add_store,
    add_tenant,
    command,
    refuse_without,
)
from argotune.cli.open import ports_of, settings_of, store_of
from argotune.cli.output import escaped, say, say_json
from argotune.cli.showing import idle, missing_of, run_and_show
from argotune.errors import NotFound, ProjectMissing
from argotune.pipeline.operations.asked import modules_of
from argotune.runs.reports import report_json
from argotune.runs.step_outcomes import Look, outcome_of_looks
from argotune.scheduling.next_check import agenda_of
from argotune.scheduling.trigger_check import Conditions
from argotune.store.documents import unreadable
from argotune.store.port import Store
from argotune.tenants.agenda import keep_agenda, place_of
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODULES, RoutingConfigUnified


def add_commands(commands) -> None:
    """Add the command of this file."""
    check = command(commands, "trigger", check_trigger, "is a module of a tenant due? changes nothing")
    add_tenant(check)
    add_module(check)
    add_store(check)
    add_phoenix(check)
    add_json(check)
    add_force(check)


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
        run_and_show(ports, config, [c.module for c in due], arguments, [look for look in looks if not look.is_due])


def _report_checks(arguments: Namespace, looks: Sequence[Look]) -> None:
    """The report of a check after which nothing was run."""
    from argotune.wiring import utc_now

    data = report_json(arguments.tenant_id, idle(looks), missing_of(looks), utc_now())
    if lost := deliver([(arguments.output, json_text(data))]):
        raise lost


def write_due(arguments: Namespace) -> list[Look]:
    """What the trigger's step leaves for the steps after it: a file of `true` or `false` each, and one line.

    A tenant that was removed after a round had found it is nothing to do; a forced run names a tenant that must exist.
    """
    store = store_of(arguments)
    place = place_of(store, arguments.tenant_id)
    try:
        config = Configs(store).get(arguments.tenant_id)
    except NotFound:
        if arguments.force:
            raise
        _write_looks(arguments.due_dir, [], f"tenant {arguments.tenant_id!r} has no routing config any more")
        return []
    looks = _looks(arguments, store, config, is_dry=False)
    if arguments.module == "all":
        now = looks[0].conditions.now
        keep_agenda(store, agenda_of(config.tenant_id, [look.conditions for look in looks], now), place)
    _write_looks(arguments.due_dir, looks, outcome_of_looks(looks, unreadable(config.tenant_id)))
    return looks


def _write_looks(folder: str, looks: list[Look], outcome: str) -> None:
    modules = [look.conditions.module for look in looks if look.is_due]
    due = {module if module in MODULES else "own" for module in modules}
    for name in (*MODULES, "own"):
        write_text(f"{folder}/{name}", str(name in due).lower())
    write_text(f"{folder}/outcome", escaped(outcome))
    write_text(f"{folder}/any", str(bool(due)).lower())  # the last: it opens the way to the others
    say(outcome)


def _looks(arguments: Namespace, store: Store, config: RoutingConfigUnified, *, is_dry: bool) -> list[Look]:
    from argotune.pipeline.stages.trigger import note_first_look, trigger, without_traces
    from argotune.runs.book import RunBook
    from argotune.wiring import open_traces, utc_now

    traces, now, looks = open_traces(settings_of(arguments)), utc_now(), []
    book = RunBook(store, config.tenant_id)
    for module in modules_of(config, arguments.module):
        if not is_dry:
            note_first_look(book, module, now)
        marker, _ = book.marker(module)
        try:
            looks.append(Look(trigger(marker, traces, config, module, forced=arguments.force, now=now)))
        except ProjectMissing as error:
            conditions = without_traces(marker, config, module, forced=arguments.force, now=now)
            looks.append(Look(conditions, missing=str(error)))
    return looks


def looks_of(arguments: Namespace, *, is_dry: bool) -> list[Look]:
    """Of each module that is asked for; a dry look is not remembered.

    Raises what the trace source raises, ProjectMissing where nothing was ever sent for any of them.
    """
    store = store_of(arguments)
    found = _looks(arguments, store, Configs(store).get(arguments.tenant_id), is_dry=is_dry)
    if found and all(look.missing for look in found):
        raise ProjectMissing(found[0].missing)
    return found


def say_look(look: Look) -> None:
    """The three conditions and what follows from them, as people read them."""
    conditions = look.conditions
    say(f"Checking auto-optimization conditions of {conditions.module}...")
    say(f"  Auto-optimization enabled: {conditions.is_enabled}")
    say(f"  Time interval met: {conditions.is_interval_met} (last run: {conditions.last_run_text})")
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


def look_json(look: Look) -> dict[str, object]:
    """The same for programs."""
    conditions = look.conditions
    return {
        "tenant_id": conditions.tenant_id,
        "module": conditions.module,
        "due": look.is_due,
        "why_not": look.missing or conditions.why_not or None,
        "enabled": conditions.is_enabled,
        "interval_met": conditions.is_interval_met,
        "last_run_at": conditions.last_run_at.isoformat() if conditions.last_run_at else None,
        "traces": conditions.traces,
        "traces_needed": conditions.traces_needed,
        "traces_older": conditions.older,
        "remarks": conditions.remarks,
    }
