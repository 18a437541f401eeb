"""`argotune tenants`: add, list, show, set, import, remove."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from argotune.cli.flags import Commands, add_json, add_store, command
from argotune.cli.open import store_of
from argotune.cli.output import say, say_json, table
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.tenants import add_tenant, change_tenant, get_tenant, import_tenants, list_tenants
from argotune.stats.wording import counted
from argotune.tenants.config import RoutingConfigUnified


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    tenants = commands.add_parser("tenants", help="tenants and their routing configs")
    verbs = tenants.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = command(verbs, "add", _add, "add a tenant with the default config")
    change = command(verbs, "set", _set, "change fields of a tenant's config")
    for parser, number in ((add, "*"), (change, "+")):
        parser.add_argument("tenant_id")
        parser.add_argument(
            "fields", nargs=number, metavar="field=value", help="dotted for nested fields; JSON or text"
        )
    shown = command(verbs, "show", _show, "a tenant's whole config as JSON")
    removed = command(verbs, "remove", _remove, "remove a tenant and everything that is stored of it")
    for parser in (shown, removed):
        parser.add_argument("tenant_id")
    imported = command(verbs, "import", _import, "add or replace tenants from a JSON file: one config or a list")
    imported.add_argument("file")
    listed = command(verbs, "list", _list, "all tenants")
    add_json(listed)
    for parser in (add, change, shown, removed, imported, listed):
        add_store(parser)


def _add(arguments: Namespace) -> None:
    config = add_tenant(store_of(arguments), arguments.tenant_id, changes_of(arguments.fields))
    say(f"added {config.tenant_id}")


def _set(arguments: Namespace) -> None:
    change_tenant(store_of(arguments), arguments.tenant_id, changes_of(arguments.fields))
    say(f"changed {arguments.tenant_id}")


def _show(arguments: Namespace) -> None:
    say_json(get_tenant(store_of(arguments), arguments.tenant_id).model_dump(mode="json"))


def _remove(arguments: Namespace) -> None:
    from argotune.pipeline.operations.removal import remove_tenant
    from argotune.wiring import utc_now

    removed = remove_tenant(store_of(arguments), arguments.tenant_id, utc_now())
    say(f"removed {arguments.tenant_id}: {counted(removed, 'record')}")


def _import(arguments: Namespace) -> None:
    imported = import_tenants(store_of(arguments), read_json_list(arguments.file))
    say(f"imported {counted(len(imported), 'tenant')}")


def read_json_list(path: str) -> list[JsonValue]:
    """The objects in a JSON file that holds one or a list. Raises ConfigInvalid."""
    try:
        data = read_json(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigInvalid(f"file: {path!r} is not readable JSON: {error}") from error
    return data if isinstance(data, list) else [data]


def read_json(text: str) -> JsonValue:
    """What a JSON text says, if it can be kept. Raises ValueError, for one name twice in an object too."""
    try:
        found: JsonValue = json.loads(text, object_pairs_hook=_named_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def _named_once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:80]!r} stands twice in one object")
    return dict(pairs)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def _list(arguments: Namespace) -> None:
    found = list_tenants(store_of(arguments))
    if arguments.json:
        return say_json([config.model_dump(mode="json") for config in found])
    table(["TENANT", "AUTO", "EVERY", "MIN TRACES", "OPTIMIZER", "MODULES"], [_row(config) for config in found])


def _row(config: RoutingConfigUnified) -> list[str]:
    return [
        config.tenant_id,
        "on" if config.enable_auto_optimization else "off",
        f"{config.optimization_interval_seconds} s",
        str(config.min_samples_for_optimization),
        config.preferred_optimizer,
        ",".join(config.modules),
    ]


def changes_of(fields: Sequence[str]) -> dict[str, JsonValue]:
    """FIELD=VALUE texts as changes. Raises ConfigInvalid for one that is none and for a field that is given twice."""
    changes: dict[str, JsonValue] = {}
    for field in fields:
        path, equals, value = field.partition("=")
        if path in changes:
            raise ConfigInvalid(f"{path}: is given twice")
        if not equals:
            raise ConfigInvalid(f"{field!r} is not of the form field=value")
        changes[path] = _value(value)
    return changes


def _value(text: str) -> JsonValue:
    with suppress(ValueError):
        return read_json(text)
    return text
