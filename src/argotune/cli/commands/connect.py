"""`argotune connect`: what is in a project of traces, and the tenant's config that binds its programs to it."""

from __future__ import annotations

import json
import shlex
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import get_args

from argotune.cli.flags import Commands, add_json, add_phoenix, add_store, add_tenant_flag, command, some_text
from argotune.cli.open import settings_of, store_of
from argotune.cli.output import note, say, say_json, table
from argotune.cli.progress import shown_progress
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.connecting import (
    DEFAULT_SAMPLE,
    MOST_SAMPLED,
    Connection,
    Fit,
    FoundField,
    FoundKey,
    FoundProgram,
    FoundRemark,
    SourceName,
    Wanted,
    connect,
    place_named,
    write_connection,
)
from argotune.stats.wording import counted

MOST_SHOWN = 20


def add_commands(commands: Commands) -> None:
    """Add the command of this file."""
    told = "look at a project of DSPy traces, and bind a tenant's programs to what is there"
    parser = command(commands, "connect", _connect, told)
    parser.add_argument("project", type=some_text, help="Phoenix project, or MLflow experiment, by its name")
    parser.add_argument("--source", choices=get_args(SourceName), help="(default: where the settings say)")
    add_tenant_flag(parser)
    parser.add_argument(
        "--program",
        action="append",
        default=[],
        type=_named_path,
        metavar="NAME=PACKAGE.MODULE:NAME",
        help="a program's name, and where its module is; again for another one (default: those of the tenant's config)",
    )
    parser.add_argument(
        "--tenant-key",
        type=some_text,
        help="what says whose a decision is, where tenants share the project: metadata.KEY, user.id, session.id, or an "
        "attribute of the root span",
    )
    parser.add_argument("--tenant-value", type=some_text, help="what is found there (default: the tenant's id)")
    parser.add_argument(
        "--sample",
        type=_sample,
        default=DEFAULT_SAMPLE,
        help=f"how many of the newest spans of modules are looked at (default: {DEFAULT_SAMPLE})",
    )
    parser.add_argument("--yes", action="store_true", help="write the config without asking")
    add_json(parser)
    add_store(parser)
    add_phoenix(parser)


def _named_path(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ArgumentTypeError(f"{text[:80]!r} is not of the form name=package.module:name")
    return name, path


def _sample(text: str) -> int:
    if text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= MOST_SAMPLED:
        return int(text)
    raise ArgumentTypeError(f"{text[:40]!r} is no number from 1 to {MOST_SAMPLED}")


def _connect(arguments: Namespace) -> None:
    from argotune.wiring import open_survey

    settings = settings_of(arguments)
    wanted, store = _wanted(arguments, settings.source_of_traces), store_of(arguments)
    with shown_progress() as progress:
        connection = connect(store, open_survey(settings, wanted.place.source), wanted, progress)
    if arguments.yes:
        write_connection(store, connection)
    if arguments.json:
        return say_json({**_as_json(connection), "is_written": arguments.yes})
    _show(connection)
    is_written = arguments.yes or (bool(connection.changes) and _is_agreed(arguments.tenant_id))
    if is_written and not arguments.yes:
        write_connection(store, connection)
    _say_end(connection, arguments, is_written=is_written)


def _wanted(arguments: Namespace, usual: SourceName) -> Wanted:
    names = [name for name, _ in arguments.program]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigInvalid(f"{twice!r} is given twice", argument="program")
    if arguments.tenant_value is not None and arguments.tenant_key is None:
        raise ConfigInvalid("only with --tenant-key", argument="tenant_value")
    return Wanted(
        place_named(arguments.source or usual, arguments.project),
        arguments.tenant_id,
        dict(arguments.program),
        arguments.tenant_key,
        arguments.tenant_value,
        arguments.sample,
    )


def _is_agreed(tenant_id: str) -> bool:
    """Asked of people alone."""
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        return False
    note(f"Write what is proposed to the config of {tenant_id}? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _show(connection: Connection) -> None:
    sight = connection.sight
    spans = "" if sight.spans is None else f"{counted(sight.spans, 'span')}; "
    own = "" if sight.own == sight.decisions else f", {sight.own} of them this tenant's"
    say(
        f"{sight.place.project} ({sight.place.source}): {spans}"
        f"of the newest {sight.sampled} of modules {sight.decisions} are decisions{own}"
    )
    for program in sight.programs[:MOST_SHOWN]:
        _show_program(program, sight.of_class.get(program.span))
    if len(sight.programs) > MOST_SHOWN:
        _part(f"and {len(sight.programs) - MOST_SHOWN} programs more (--json shows all)")
    _show_keys(sight.keys)
    _show_remarks(sight.remarks)
    if 0 < sight.with_session < sight.own:
        told = (
            f"{sight.own - sight.with_session} of {sight.own} decisions have no session. Where these are evaluations:"
        )
        _part(f"{told} traces.needs_session=true")
    for fit in connection.fits:
        _show_fit(fit)


def _part(title: str) -> None:
    say()
    say(title)


def _show_program(program: FoundProgram, in_all: int | None) -> None:
    counts = [counted(program.decisions, "decision")]
    counts += [f"{program.failures} failed"] if program.failures else []
    counts += [f"{program.changed} with other fields than the newest"] if program.changed else []
    counts += [f"{counted(in_all, f'span of {program.span}', f'spans of {program.span}')} in all"] if in_all else []
    oldest, newest = (f"{at:%Y-%m-%d %H:%M}" for at in (program.oldest, program.newest))
    _part(f"{program.title}: {', '.join(counts)}; {oldest} to {newest}")
    rows = [_field_row("asked", field) for field in program.inputs]
    rows += [_field_row("answers", field) for field in program.answers]
    if rows:
        table(["", "FIELD", "TYPE", "IN", "FOR EXAMPLE"], rows)
    for why, count in program.left_out.items():
        say(f"  not to be read: {why}: {count}")


def _field_row(side: str, field: FoundField) -> list[str]:
    type_ = f"one of {', '.join(field.labels)}" if field.labels else field.type
    return [f"  {side}", field.name, type_, f"{field.share:.0%}", " · ".join(field.samples)]


def _show_keys(keys: Sequence[FoundKey]) -> None:
    if keys:
        _part("What could say whose a decision is (--tenant-key):")
        table(
            ["  KEY", "IN", "VALUES", "MOST FREQUENT"],
            [[f"  {k.key}", f"{k.share:.0%}", str(k.different), _with_counts(k.values)] for k in keys[:MOST_SHOWN]],
        )


def _show_remarks(remarks: Sequence[FoundRemark]) -> None:
    if remarks:
        _part("What was said of spans, by the name of annotations:")
        table(
            ["  NAME", "NUMBER", "OF", "LOOKS LIKE", "WOULD MEAN", "FOR EXAMPLE"],
            [_remark_row(remark) for remark in remarks[:MOST_SHOWN]],
        )


def _remark_row(remark: FoundRemark) -> list[str]:
    meaning = remark.meaning
    means = remark.advice if meaning is None else f"{meaning.means} {meaning.field or ''}".strip()
    means += f": {remark.refuting} say that an answer is wrong" if remark.refuting else ""
    scores = "" if remark.scores is None else f"scores {remark.scores[0]:g} to {remark.scores[1]:g}"
    example = ", ".join(filter(None, [_with_counts(remark.labels), scores]))
    return [f"  {remark.name}", str(remark.count), _with_counts(remark.kinds), remark.looks, means, example]


def _with_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _show_fit(fit: Fit) -> None:
    failed = f", {fit.failed} of them failed" if fit.failed else ""
    judged = "people say which of two answers is better" if fit.by_preference else "answers are compared with labels"
    _part(f"{fit.name} = {fit.path}: {counted(fit.read, 'decision')} can be read{failed}; {judged}")
    for difference in fit.differences:
        say(f"  {difference}")
    for why, count in fit.left_out.items():
        say(f"  left out: {why}: {count}")


def _say_end(connection: Connection, arguments: Namespace, *, is_written: bool) -> None:
    tenant, is_new = arguments.tenant_id, connection.before is None
    if connection.config is None:
        _part("To bind them, say which module of yours each program is:")
        return say(f"  {_again(arguments)} --program NAME=PACKAGE.MODULE:CLASS")
    if not connection.changes:
        return _part(f"The config of {tenant} says so already")
    _part(f"{'Written' if is_written else 'Proposed'} for the {'new tenant' if is_new else 'config of'} {tenant}:")
    for name, value in connection.changes.items():
        say(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    if not is_written:
        say("To write it:")
        say(f"  {_again(arguments)} --yes")


def _again(arguments: Namespace) -> str:
    """The same command once more."""
    words = ["argotune", "connect", arguments.project, "--tenant", arguments.tenant_id]
    words += ["--source", arguments.source] if arguments.source else []
    for name, path in arguments.program:
        words += ["--program", f"{name}={path}"]
    for flag in ("tenant_key", "tenant_value", "store_url", "phoenix_endpoint"):
        value = getattr(arguments, flag)
        words += [f"--{flag.replace('_', '-')}", value] if value else []
    words += ["--sample", str(arguments.sample)] if arguments.sample != DEFAULT_SAMPLE else []
    return shlex.join(words)


def _as_json(connection: Connection) -> dict[str, object]:
    sight = asdict(connection.sight)
    sight["place"] = connection.sight.place.model_dump(mode="json")
    for program in sight["programs"]:
        program["oldest"], program["newest"] = program["oldest"].isoformat(), program["newest"].isoformat()
    for remark in sight["remarks"]:
        meaning = remark["meaning"]
        remark["meaning"] = meaning and meaning.model_dump(mode="json", exclude_defaults=True)
    fits = [
        {**asdict(fit), "bound": fit.bound.model_dump(mode="json", exclude_defaults=True)} for fit in connection.fits
    ]
    return {**sight, "fits": fits, "is_new_tenant": connection.before is None, "changes": dict(connection.changes)}
