"""Commands on versions: versions, explain, rollback, promote --override."""

from __future__ import annotations

from argparse import Namespace

from argotune.cli.flags import add_json, add_store, add_tenant, command, some_text
from argotune.cli.open import store_of
from argotune.cli.output import say, say_json, table
from argotune.cli.who import who_of
from argotune.errors import ConfigInvalid
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.tenants.catalog import Configs


def add_commands(commands) -> None:
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
        add_tenant(parser)
        add_store(parser)
    for parser in (listed, explained):
        add_json(parser)


def _registry(arguments: Namespace) -> Registry:
    store = store_of(arguments)
    Configs(store).get(arguments.tenant_id)
    return Registry(store, arguments.tenant_id)


def _versions(arguments: Namespace) -> None:
    registry = _registry(arguments)
    versions = registry.versions(arguments.program)
    champions = {champion.program: champion.version for champion in registry.champions()}
    barred = {bar.version for bar in registry.bars()}
    if arguments.json:
        stands = [{"champion": champions.get(v.program) == v.id, "barred": v.id in barred} for v in versions]
        return say_json([{**v.model_dump(mode="json"), **stand} for v, stand in zip(versions, stands, strict=True)])
    rows = [
        [
            v.id,
            v.program,
            "champion" if champions.get(v.program) == v.id else "barred" if v.id in barred else "",
            v.lineage.optimizer,
            v.lineage.parent or "-",
            f"{v.lineage.created_at:%Y-%m-%d %H:%M}",
        ]
        for v in versions
    ]
    table(["VERSION", "PROGRAM", "", "OPTIMIZER", "PARENT", "MADE"], rows)


def _explain(arguments: Namespace) -> None:
    from argotune.runs.explain import explain

    store = store_of(arguments)
    Configs(store).get(arguments.tenant_id)
    found = explain(Registry(store, arguments.tenant_id), RunBook(store, arguments.tenant_id), arguments.version)
    if arguments.json:
        return say_json(found.as_json())
    for line in found.lines():
        say(line)


def _rollback(arguments: Namespace) -> None:
    from argotune.wiring import utc_now

    found = _registry(arguments).roll_back(
        arguments.program, leaving=arguments.version, who=who_of(arguments), reason=_reason(arguments), now=utc_now()
    )
    before, serving = found.change.previous, f"{found.champion.program}: {found.champion.version}"
    if found.is_new:
        return say(f"{serving} serves again (before: {before}, which the gate promotes no more until `argotune lift`)")
    say(f"{serving} serves already: {before} was rolled back at {found.change.at:%Y-%m-%d %H:%M} by {found.change.who}")


def _lift(arguments: Namespace) -> None:
    from argotune.wiring import utc_now

    registry = _registry(arguments)
    bar = registry.lift(arguments.version, who=who_of(arguments), reason=_reason(arguments), now=utc_now())
    say(f"{bar.program}: the gate may promote {bar.version} again")


def _promote(arguments: Namespace) -> None:
    from argotune.wiring import utc_now

    if not arguments.override:
        raise ConfigInvalid("promote: only the gate promotes; a person's decision past it needs --override")
    reason, registry = _reason(arguments), _registry(arguments)
    champion = registry.override(
        registry.version(arguments.version).program,
        arguments.version,
        who=who_of(arguments),
        reason=reason,
        now=utc_now(),
    )
    say(f"{champion.program}: {champion.version} serves by override (before: {champion.previous})")


def _reason(arguments: Namespace) -> str:
    if not arguments.reason.strip():
        raise ConfigInvalid("--reason: must say why")
    return arguments.reason
