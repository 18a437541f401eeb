"""discover: the tenants that have a routing config and want optimization."""

from __future__ import annotations

from argotune.configs import Configs
from argotune.ports import Store
from argotune.tenants import RoutingConfigUnified


def discover(store: Store) -> list[RoutingConfigUnified]:
    """Their configs, by tenant id. An empty list means that there are none; an outage raises Unavailable."""
    configs = Configs(store)
    found = [configs.get(tenant_id) for tenant_id in configs.tenant_ids()]
    return [config for config in found if config.enable_auto_optimization]
