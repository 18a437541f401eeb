"""Chosen: which of a tenant's modules --module means."""

from __future__ import annotations

from argotune.errors import ConfigInvalid
from argotune.tenants.config import MODULES, RoutingConfigUnified


def modules_of(config: RoutingConfigUnified, asked: str) -> list[str]:
    """`all`, `own` (the tenant's own programs, maybe none) or one module of the tenant. Raises ConfigInvalid."""
    if asked == "all":
        return list(config.modules)
    if asked == "own":
        return [module for module in config.modules if module not in MODULES]
    if asked not in config.modules:
        raise ConfigInvalid(f"--module: {asked!r} is not one of this tenant's modules: {', '.join(config.modules)}")
    return [asked]
