"""Commands on versions: versions, explain, rollback, promote --override."""

from __future__ import annotations

from argparse import Namespace

from argotune.cli.flags import Commands, add_json, add_store, add_tenant_flag, command, some_text
from argotune.cli.open import store_of
from argotune.cli.output import say, say_json, table
from argotune.cli.who import who_of
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.asked import Deed
from argotune.pipeline.operations.versions import (
    VersionStanding,
    explain_version,
    lift,
    list_versions,
    override,
    roll_back,
)


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    listed = command(commands, "versions", _versions, "versions of a tenant's programs, and the champions' history")
    listed.add_argument("--program", type=some_text, help="only this program, e.g. routing or modality.video")
    explained = command(commands, "explain", _explain, "why a version was made, and promoted or not")
    explained.add_argument("version", type=some_text)
    back = command(commands, "rollback", _rollback, "let the champion before the present one serve again")
    back.add_argument("version", nargs="?", help="the version to leave; named, a repetition changes nothing")
    back.add_argument("--program", type=some_text, required=True)
    lifted = command(commands, "lift", _lift, "let the gate promote a version again that was rolled back")
    lifted.add_argument("version")
    forced = command(commands, "promote", _promote, "let a version serve past the gate; needs --override and --reason")
    forced.add_argument("version", type=some_text)
    forced.add_argument("--override", action="store_true", help="yes, without the gate")
    for parser in (back, lifted, forced):
        parser.add_argument("--reason", required=True, help="kept in the history")
        parser.add_argument("--who", default=None, help="kept in the history (default: the user's login name)")
    for parser in (listed, explained, back, lifted, forced):
        add_tenant_flag(parser)
        add_store(parser)
    for parser in (listed, explained):
        add_json(parser)


def _versions(arguments: Namespace) -> None:
    found = list_versions(store_of(arguments), arguments.tenant_id, arguments.program)
    if arguments.json:
        return say_json([_version_json(each) for each in found])
    table(["VERSION", "PROGRAM", "", "OPTIMIZER", "PARENT", "MADE"], [_row(each) for each in found])


def _version_json(found: VersionStanding) -> dict[str, object]:
    return {**found.version.model_dump(mode="json"), "champion": found.is_champion, "barred": found.is_barred}


def _row(found: VersionStanding) -> list[str]:
    version, lineage = found.version, found.version.lineage
    return [
        version.id,
        version.program,
        "champion" if found.is_champion else "barred" if found.is_barred else "",
        lineage.optimizer,
        lineage.parent or "-",
        f"{lineage.created_at:%Y-%m-%d %H:%M}",
    ]


def _explain(arguments: Namespace) -> None:
    found = explain_version(store_of(arguments), arguments.tenant_id, arguments.version)
    if arguments.json:
        return say_json(found.as_json())
    for line in found.lines():
        say(line)


def _rollback(arguments: Namespace) -> None:
    from argotune.wiring import utc_now

    store, deed = store_of(arguments), _deed(arguments)
    found = roll_back(store, arguments.tenant_id, arguments.program, deed, utc_now(), leaving=arguments.version)
    before, serving = found.change.previous, f"{found.champion.program}: {found.champion.version}"
    if found.is_new:
        return say(f"{serving} serves again (before: {before}, which the gate promotes no more until `argotune lift`)")
    say(f"{serving} serves already: {before} was rolled back at {found.change.at:%Y-%m-%d %H:%M} by {found.change.who}")


def _lift(arguments: Namespace) -> None:
    from argotune.wiring import utc_now

    bar = lift(store_of(arguments), arguments.tenant_id, arguments.version, _deed(arguments), utc_now())
    say(f"{bar.program}: the gate may promote {bar.version} again")


def _promote(arguments: Namespace) -> None:
    from argotune.wiring import utc_now

    if not arguments.override:
        raise ConfigInvalid("promote: only the gate promotes; a person's decision past it needs --override")
    champion = override(store_of(arguments), arguments.tenant_id, arguments.version, _deed(arguments), utc_now())
    say(f"{champion.program}: {champion.version} serves by override (before: {champion.previous})")


def _deed(arguments: Namespace) -> Deed:
    return Deed(who_of(arguments), arguments.reason)
