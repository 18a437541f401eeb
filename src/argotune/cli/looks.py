"""What the conditions of a tenant's modules are: asked, shown, and left as files for the steps of a workflow."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from argotune.cli.files import write_text
from argotune.cli.open import settings_of, store_of
from argotune.cli.output import escaped, say
from argotune.errors import ArgotuneError, ConfigInvalid, NotFound, ProjectMissing
from argotune.runs.step_outcomes import Look, outcome_of_looks
from argotune.scheduling.next_check import agenda_of
from argotune.scheduling.trigger_check import Conditions
from argotune.store.documents import unreadable
from argotune.store.port import Store
from argotune.tenants.agenda import keep_agenda, place_of
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODULES, RoutingConfigUnified


def modules_of(config: RoutingConfigUnified, asked: str) -> list[str]:
    """`all`, `own` (the tenant's own programs, maybe none) or one module of the tenant. Raises ConfigInvalid."""
    if asked == "all":
        return list(config.modules)
    if asked == "own":
        return [module for module in config.modules if module not in MODULES]
    if asked not in config.modules:
        raise ConfigInvalid(f"--module: {asked!r} is not one of this tenant's modules: {', '.join(config.modules)}")
    return [asked]


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
    from argotune.wiring import open_traces, utc_now

    traces, now, looks = open_traces(settings_of(arguments)), utc_now(), []
    for module in modules_of(config, arguments.module):
        if not is_dry:
            note_first_look(store, config, module, now)
        try:
            looks.append(Look(trigger(store, traces, config, module, forced=arguments.force, now=now)))
        except ProjectMissing as error:
            conditions = without_traces(store, config, module, forced=arguments.force, now=now)
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


def missing_of(looks: Sequence[Look]) -> dict[str, ArgotuneError]:
    """The modules for which nothing was ever sent, and what is said of each."""
    return {look.conditions.module: ProjectMissing(look.missing) for look in looks if look.missing}


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
