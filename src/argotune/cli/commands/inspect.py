"""Commands that look and change nothing: status, runs, evaluate, mask, doctor."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from argotune.cli.flags import (
    Commands,
    add_json,
    add_module,
    add_phoenix,
    add_store,
    add_tenant_flag,
    command,
    refuse_without,
)
from argotune.cli.open import ports_of, settings_of, store_of
from argotune.cli.output import note, say, say_json, table
from argotune.cli.showing import say_runs
from argotune.errors import Corrupt
from argotune.pipeline.operations.inspecting import ServedProgram, runs_of, status_of
from argotune.runs.reports import run_json, unreadable_words
from argotune.stats.wording import counted, percent

if TYPE_CHECKING:
    from argotune.pipeline.operations.masking import MaskedText


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    status = command(commands, "status", _status, "champions and latest runs, of one tenant or of all")
    add_tenant_flag(status, required=False)
    runs = command(commands, "runs", _runs, "all runs of a tenant, oldest first")
    add_tenant_flag(runs)
    evaluated = command(commands, "evaluate", _evaluate, "score the champions on the dev split; the test stays sealed")
    add_tenant_flag(evaluated)
    add_module(evaluated)
    masked = command(commands, "mask", _mask, "show what would be masked in a text, or in each line of stdin")
    add_tenant_flag(masked, required=False)
    masked.add_argument("text", nargs="?", help="without one stdin is read")
    doctor = command(commands, "doctor", _doctor, "try store, traces and every LM (a call each), and say what to do")
    add_tenant_flag(doctor, required=False)
    doctor.add_argument("--records", action="store_true", help="look at every stored record instead")
    doctor.add_argument("--repair", action="store_true", help="and make right what can be: lost champions, the list")
    for parser in (status, runs, evaluated, masked, doctor):
        add_store(parser)
        add_json(parser)
    add_phoenix(doctor)


def _status(arguments: Namespace) -> None:
    found = status_of(store_of(arguments), arguments.tenant_id)
    if words := unreadable_words(found.left_out):
        note(words)
    rows = [_row(status) for status in found.programs]
    if arguments.json:
        also = (_more(each) for each in found.programs)
        return say_json([{**dict(zip(STATUS, row, strict=True)), **more} for row, more in zip(rows, also, strict=True)])
    for row, each in zip(rows, found.programs, strict=True):
        row[STATUS.index("champion")] += " (pooled)" if each.is_pooled else ""
    table([name.upper().replace("_", " ") for name in STATUS], rows)
    for each in found.programs:
        if each.contest:
            say(f"contest of {each.tenant_id} {each.program}: {each.contest}")
        if each.without_lm:
            say(f"without an LM {each.tenant_id} {each.program}: {each.without_lm}")
        for sentence in each.live:
            say(f"live quality of {each.tenant_id} {each.program}: {sentence}")


def _more(each: ServedProgram) -> dict[str, object]:
    """What has no column."""
    return {
        "contest": each.contest or "-",
        "pooled": each.is_pooled,
        "without_lm": each.without_lm or "-",
        "live": list(each.live),
        "degraded": each.is_degraded,
    }


STATUS = ("tenant", "program", "champion", "since", "barred", "last_run", "outcome", "sentence")


def _row(status: ServedProgram) -> list[str]:
    return [
        status.tenant_id,
        status.program,
        status.champion or "as written",
        _minute(status.since),
        ", ".join(status.barred) or "-",
        _minute(status.last_run_at),
        status.outcome or "-",
        status.sentence or "-",
    ]


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"


def _runs(arguments: Namespace) -> None:
    runs = runs_of(store_of(arguments), arguments.tenant_id)
    if arguments.json:
        return say_json([run_json(run) for run in runs])
    say_runs(runs)


def _evaluate(arguments: Namespace) -> None:
    from argotune.pipeline.operations.scoring import champion_scores

    with ports_of(arguments) as ports:
        found = champion_scores(ports, arguments.tenant_id, arguments.module)
    if arguments.json:
        return say_json([vars(score) for score in found])
    rows = [[s.program, s.version, str(s.examples), "-" if s.mean is None else percent(s.mean)] for s in found]
    table(["PROGRAM", "VERSION", "DEV EXAMPLES", "MEAN SCORE"], rows)


def _mask(arguments: Namespace) -> None:
    masked = _masked(arguments)
    if arguments.json:
        return say_json([{"text": found.text, "counts": dict(found.counts)} for found in masked])
    for found in masked:
        say(found.text)


def _masked(arguments: Namespace) -> Iterator[MaskedText]:
    from argotune.pipeline.operations.masking import mask_for_tenant, mask_texts

    texts = (line.rstrip("\n") for line in (sys.stdin if arguments.text is None else [arguments.text]))
    if arguments.tenant_id is not None:
        return mask_for_tenant(store_of(arguments), arguments.tenant_id, texts)
    refuse_without(arguments, "--tenant", {"store_url"})
    return mask_texts(texts)


def _doctor(arguments: Namespace) -> int:
    from argotune.pipeline.operations.checkup import check_all, exit_code_of
    from argotune.wiring import installation_of

    if arguments.records or arguments.repair:
        return _look_over(arguments)
    refuse_without(arguments, "--records or --repair", {"tenant_id"})
    checks = check_all(installation_of(settings_of(arguments)))
    if arguments.json:
        say_json([vars(check) for check in checks])
    else:
        for check in checks:
            say(f"{'ok  ' if check.is_ok else 'FAIL'}  {check.what}: {check.detail}")
    return exit_code_of(checks)


def _look_over(arguments: Namespace) -> int:
    """What is wrong with the stored records, and what was mended; 1 where something is left."""
    from argotune.pipeline.operations.mending import look_over

    asked = [arguments.tenant_id] if arguments.tenant_id else []
    found = look_over(store_of(arguments), asked, is_mending=arguments.repair)
    if arguments.json:
        say_json([vars(finding) for finding in found])
    else:
        for finding in found:
            verdict, done = ("ok  ", f": {finding.mended}") if finding.mended else ("FAIL", "")
            say(f"{verdict}  {finding.sentence}{done}")
        say(f"{counted(len(found), 'thing')} wrong, {sum(bool(finding.mended) for finding in found)} mended")
    return 0 if all(finding.mended for finding in found) else Corrupt.exit_code
