"""`argotune tenants`: add, list, show, set, import, remove."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from argotune.cli.flags import add_json, add_store, command
from argotune.cli.open import store_of
from argotune.cli.output import say, say_json, table
from argotune.errors import ConfigInvalid
from argotune.pipeline.removal import remove_tenant
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified, parse_config


def add_commands(commands) -> None:
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
    configs = Configs(store_of(arguments))
    config = parse_config(_with_fields({"tenant_id": arguments.tenant_id}, arguments.fields))
    configs.add(config)
    say(f"added {config.tenant_id}")


def _set(arguments: Namespace) -> None:
    def changed(before: RoutingConfigUnified) -> RoutingConfigUnified:
        return parse_config(_with_fields(before.model_dump(mode="json"), arguments.fields))

    Configs(store_of(arguments)).change(arguments.tenant_id, changed)
    say(f"changed {arguments.tenant_id}")


def _show(arguments: Namespace) -> None:
    say_json(Configs(store_of(arguments)).get(arguments.tenant_id).model_dump(mode="json"))


def _remove(arguments: Namespace) -> None:
    from argotune.wiring import utc_now

    removed = remove_tenant(store_of(arguments), arguments.tenant_id, utc_now())
    say(f"removed {arguments.tenant_id}: {removed} records")


def _import(arguments: Namespace) -> None:
    configs = Configs(store_of(arguments))
    parsed = _each_once([parse_config(item) for item in read_json_list(arguments.file)])
    for config in parsed:
        configs.look(config.tenant_id)  # what is replaced is what was there when the command began
    for config in parsed:
        configs.save(config)
    say(f"imported {len(parsed)} tenants")


def read_json_list(path: str) -> list[Any]:
    """The objects in a JSON file that holds one or a list. Raises ConfigInvalid."""
    try:
        data = read_json(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigInvalid(f"file: {path!r} is not readable JSON: {error}") from error
    return data if isinstance(data, list) else [data]


def read_json(text: str) -> Any:
    """What a JSON text says, if it can be kept. Raises ValueError, for one name twice in an object too."""
    try:
        return json.loads(text, object_pairs_hook=_named_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:80]!r} stands twice in one object")
    return dict(pairs)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def _each_once(configs: list[RoutingConfigUnified]) -> list[RoutingConfigUnified]:
    counts = Counter(config.tenant_id for config in configs)
    if twice := next((tenant_id for tenant_id, count in counts.items() if count > 1), None):
        raise ConfigInvalid(f"file: tenant {twice!r} stands twice")
    return configs


def _list(arguments: Namespace) -> None:
    found = Configs(store_of(arguments)).readable()
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


def _with_fields(data: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    paths = [field.partition("=")[0] for field in fields]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise ConfigInvalid(f"{twice}: is given twice")
    for field in fields:
        path, equals, value = field.partition("=")
        if not equals:
            raise ConfigInvalid(f"{field!r} is not of the form field=value")
        *parents, last = path.split(".")
        target = data
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise ConfigInvalid(f"{path}: {parent} has no fields")
        target[last] = _value(value)
    return data


def _value(text: str) -> Any:
    with suppress(ValueError):
        return read_json(text)
    return text
