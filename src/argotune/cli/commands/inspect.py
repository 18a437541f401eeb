"""Commands that look and change nothing: status, runs, evaluate, mask, doctor."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable

from argotune.cli.chosen import modules_of
from argotune.cli.flags import add_json, add_module, add_phoenix, add_store, add_tenant, command, refuse_without
from argotune.cli.open import ports_of, settings_of, store_of
from argotune.cli.output import note, say, say_json, table
from argotune.cli.showing import say_runs
from argotune.errors import Corrupt
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.reports import run_json, unreadable_words
from argotune.store.documents import unreadable
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MaskingRules


def add_commands(commands) -> None:
    """Add the commands of this file."""
    status = command(commands, "status", _status, "champions and latest runs, of one tenant or of all")
    add_tenant(status, required=False)
    runs = command(commands, "runs", _runs, "all runs of a tenant, oldest first")
    add_tenant(runs)
    evaluated = command(commands, "evaluate", _evaluate, "score the champions on the dev split; the test stays sealed")
    add_tenant(evaluated)
    add_module(evaluated)
    masked = command(commands, "mask", _mask, "show what would be masked in a text, or in each line of stdin")
    add_tenant(masked, required=False)
    masked.add_argument("text", nargs="?", help="without one stdin is read")
    doctor = command(commands, "doctor", _doctor, "try store, Phoenix and every LM (a call each), and say what to do")
    add_tenant(doctor, required=False)
    doctor.add_argument("--records", action="store_true", help="look at every stored record instead")
    doctor.add_argument("--repair", action="store_true", help="and make right what can be: lost champions, the list")
    for parser in (status, runs, evaluated, masked, doctor):
        add_store(parser)
        add_json(parser)
    add_phoenix(doctor)


def _status(arguments: Namespace) -> None:
    store = store_of(arguments)
    configs = Configs(store)
    tenants = [configs.get(arguments.tenant_id).tenant_id] if arguments.tenant_id else configs.tenant_ids()
    rows = status_rows(store, tenants)
    names = ("tenant", "program", "champion", "since", "barred", "last_run", "outcome", "sentence")
    if words := unreadable_words(unreadable()):
        note(words)
    if arguments.json:
        return say_json([dict(zip(names, row, strict=True)) for row in rows])
    table([name.upper().replace("_", " ") for name in names], rows)


def status_rows(store: Store, tenant_ids: Iterable[str]) -> list[list[str]]:
    """Champion and latest run of each program. No run is read, however many there are."""
    return [row for id in tenant_ids for row in _status_rows(Registry(store, id), RunBook(store, id))]


def _status_rows(registry: Registry, book: RunBook) -> list[list[str]]:
    champions = {champion.program: champion for champion in registry.champions()}
    latest = {found.program: found.latest for found in book.sums() if found.latest}
    bars = registry.bars()
    rows = []
    for program in sorted(champions | latest):
        champion, run = champions.get(program), latest.get(program)
        rows.append(
            [
                book.tenant_id,
                program,
                champion.version if champion else "as written",
                f"{champion.since:%Y-%m-%d %H:%M}" if champion else "-",
                ", ".join(bar.version for bar in bars if bar.program == program) or "-",
                f"{run.started_at:%Y-%m-%d %H:%M}" if run else "-",
                run.outcome if run else "-",
                run.sentence if run else "-",
            ]
        )
    return rows


def _runs(arguments: Namespace) -> None:
    store = store_of(arguments)
    Configs(store).get(arguments.tenant_id)
    runs = RunBook(store, arguments.tenant_id).runs()
    if arguments.json:
        return say_json([run_json(run) for run in runs])
    say_runs(runs)


def _evaluate(arguments: Namespace) -> None:
    from argotune.cli.doctor import dev_scores

    with ports_of(arguments) as ports:
        config = Configs(ports.store).get(arguments.tenant_id)
        found = [s for module in modules_of(config, arguments.module) for s in dev_scores(ports, config, module)]
    if arguments.json:
        return say_json([vars(score) for score in found])
    rows = [[s.program, s.version, str(s.examples), "-" if s.mean is None else f"{s.mean:.1%}"] for s in found]
    table(["PROGRAM", "VERSION", "DEV EXAMPLES", "MEAN SCORE"], rows)


def _mask(arguments: Namespace) -> None:
    from argotune.data.guards.masking import mask

    if arguments.tenant_id is None:
        refuse_without(arguments, "--tenant", {"store_url"})
    rules = Configs(store_of(arguments)).get(arguments.tenant_id).masking if arguments.tenant_id else MaskingRules()
    lines = sys.stdin if arguments.text is None else [arguments.text]
    masked = (mask(line.rstrip("\n"), rules) for line in lines)
    if arguments.json:
        return say_json([{"text": found.text, "counts": dict(found.counts)} for found in masked])
    for found in masked:
        say(found.text)


def _doctor(arguments: Namespace) -> int:
    from argotune.cli.doctor import check_all, exit_code_of

    if arguments.records or arguments.repair:
        return _look_over(arguments)
    refuse_without(arguments, "--records or --repair", {"tenant_id"})
    checks = check_all(settings_of(arguments))
    if arguments.json:
        say_json([vars(check) for check in checks])
    else:
        for check in checks:
            say(f"{'ok  ' if check.is_ok else 'FAIL'}  {check.what}: {check.detail}")
    return exit_code_of(checks)


def _look_over(arguments: Namespace) -> int:
    """What is wrong with the stored records, and what was mended; 1 where something is left."""
    from argotune.pipeline.mending import look_over

    asked = [arguments.tenant_id] if arguments.tenant_id else []
    found = look_over(store_of(arguments), asked, is_mending=arguments.repair)
    if arguments.json:
        say_json([vars(finding) for finding in found])
    else:
        for finding in found:
            verdict, done = ("ok  ", f": {finding.mended}") if finding.mended else ("FAIL", "")
            say(f"{verdict}  {finding.sentence}{done}")
        say(f"{len(found)} things wrong, {sum(bool(finding.mended) for finding in found)} mended")
    return 0 if all(finding.mended for finding in found) else Corrupt.exit_code
