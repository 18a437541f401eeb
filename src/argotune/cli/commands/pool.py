"""`argotune pool`: the pooled programs of an installation, trained anew on what tenants that share have, or listed."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from argotune.cli.files import deliver
from argotune.cli.flags import Commands, add_json, add_outcome_file, add_store, command, refuse_without
from argotune.cli.open import ports_of, store_of
from argotune.cli.output import note, say, say_json, table
from argotune.runs.reports import unreadable_words
from argotune.stats.wording import counted

if TYPE_CHECKING:
    from argotune.pipeline.operations.pooling import Pooling


def add_commands(commands: Commands) -> None:
    """Add the command of this file."""
    parser = command(commands, "pool", _pool, "train pooled programs on the examples of tenants that share")
    parser.add_argument("--examples", type=int, help="of a tenant for a program at most (default: 2000)")
    parser.add_argument("--list", action="store_true", help="only show what there is")
    add_outcome_file(parser)
    add_store(parser)
    add_json(parser)


def _pool(arguments: Namespace) -> None:
    from argotune.pipeline.operations.pooling import MAX_EXAMPLES, Pooling, pool_programs, pooled_versions

    if arguments.list:
        refuse_without(arguments, "no --list", {"examples", "outcome_file"})
        return _tell(arguments, Pooling(tuple(pooled_versions(store_of(arguments))), {}, 0))
    with ports_of(arguments) as ports:
        found = pool_programs(ports, MAX_EXAMPLES if arguments.examples is None else arguments.examples)
    if words := unreadable_words(found.unreadable):
        note(words)
    lost = deliver([(arguments.outcome_file, found.outcome)])
    _tell(arguments, found)
    if lost:
        raise lost


def _tell(arguments: Namespace, found: Pooling) -> None:
    rows = [
        [
            v.version.program,
            v.version.id,
            str(v.tenants),
            str(v.examples),
            f"{v.version.lineage.created_at:%Y-%m-%d %H:%M}",
        ]
        for v in found.versions
    ]
    if arguments.json:
        pooled = [dict(zip(("program", "version", "tenants", "examples", "at"), row, strict=True)) for row in rows]
        return say_json({"pooled": pooled, "left_out": dict(found.left_out), "gone": found.gone})
    table(["PROGRAM", "VERSION", "TENANTS", "EXAMPLES", "AT"], rows)
    for name, why in sorted(found.left_out.items()):
        say(f"{name}: not pooled: {why}")
    if found.gone:
        say(f"{counted(found.gone, 'pooled program')} of before went")
