"""discover: the tenants that have a routing config and want optimization."""

from __future__ import annotations

from argotune.store.port import Store
from argotune.tenants.catalog import Configs


def discover(store: Store) -> list[str]:
    """Their ids, sorted. An empty list means that there are none; an outage raises Unavailable.

    Reads the list of tenants only: a damaged config is found by that tenant's run and disturbs no other.
    """
    return [entry.tenant_id for entry in Configs(store).entries() if entry.is_enabled]
