"""Tenants: added, changed, imported, listed and shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pydantic import JsonValue

from argotune.data.guards.names_model import check_model
from argotune.errors import ConfigInvalid, Conflict
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified, parse_config

Changes = Mapping[str, JsonValue]
"""Fields of a config and their new values; a dot leads into a nested field, e.g. `gate.significance`."""


def add_tenant(store: Store, tenant_id: str, changes: Changes) -> RoutingConfigUnified:
    """A new tenant with the default config but for these fields. Raises ConfigInvalid, and Conflict if it exists."""
    config = _parsed(_changed({"tenant_id": tenant_id}, changes))
    Configs(store).add(config)
    return config


def add_missing(store: Store, configs: Sequence[RoutingConfigUnified]) -> None:
    """Add these tenants, but leave those as they are that exist."""
    for config in configs:
        with suppress(Conflict):
            Configs(store).add(config)


def change_tenant(store: Store, tenant_id: str, changes: Changes) -> None:
    """Change these fields of whatever the config is meanwhile. Raises NotFound, ConfigInvalid and Conflict."""

    def edit(before: RoutingConfigUnified) -> RoutingConfigUnified:
        return _parsed(_changed(before.model_dump(mode="json"), changes))

    Configs(store).change(tenant_id, edit)


def import_tenants(store: Store, given: Sequence[JsonValue]) -> list[RoutingConfigUnified]:
    """Add or replace tenants by whole configs. Nothing is stored where one of them is wrong: raises ConfigInvalid.

    Raises Conflict where somebody changes a config that is being replaced.
    """
    configs = Configs(store)
    parsed = _each_once([_parsed(each) for each in given])
    for config in parsed:
        configs.look(config.tenant_id)  # what is replaced is what was there when the operation began
    for config in parsed:
        configs.save(config)
    return parsed


def get_tenant(store: Store, tenant_id: str) -> RoutingConfigUnified:
    """A tenant's config. Raises NotFound, ConfigInvalid and Corrupt."""
    return Configs(store).get(tenant_id)


def list_tenants(store: Store) -> list[RoutingConfigUnified]:
    """The configs of all tenants that can be read, by tenant id; the others are told."""
    return Configs(store).readable()


def _parsed(data: JsonValue) -> RoutingConfigUnified:
    """A config that this installation can follow. Raises ConfigInvalid."""
    config = parse_config(data)
    check_model(config.masking)
    return config


def _each_once(configs: list[RoutingConfigUnified]) -> list[RoutingConfigUnified]:
    counts = Counter(config.tenant_id for config in configs)
    if twice := next((tenant_id for tenant_id, count in counts.items() if count > 1), None):
        raise ConfigInvalid(f"tenant {twice!r} stands twice", argument="given")
    return configs


def _changed(fields: dict[str, JsonValue], changes: Changes) -> dict[str, JsonValue]:
    """The fields with the changes in it. Raises ConfigInvalid for a path into what has no fields."""
    for path, value in changes.items():
        *parents, last = path.split(".")
        target = fields
        for parent in parents:
            inner = target.get(parent)
            if inner is None:
                inner = target[parent] = {}
            if not isinstance(inner, dict):
                raise ConfigInvalid(f"{path}: {parent} has no fields")
            target = inner
        target[last] = value
    return fields
