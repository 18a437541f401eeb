"""Asked: which tenants, modules and programs an argument means, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from argotune.errors import ConfigInvalid
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODULES, RoutingConfigUnified

if TYPE_CHECKING:
    from argotune.programs.program import Program

MAX_WHO_CHARS = 100


def tenant_ids_of(store: Store, tenant_id: str | None) -> list[str]:
    """That tenant, or all of them, sorted. Raises NotFound for one without a config."""
    configs = Configs(store)
    return configs.tenant_ids() if tenant_id is None else [configs.get(tenant_id).tenant_id]


def modules_of(config: RoutingConfigUnified, asked: str) -> list[str]:
    """`all`, `own` (the tenant's own programs, maybe none) or one module of the tenant. Raises ConfigInvalid."""
    if asked == "all":
        return list(config.modules)
    if asked == "own":
        return [module for module in config.modules if module not in MODULES]
    if asked not in config.modules:
        known = ", ".join(config.modules)
        raise ConfigInvalid(f"{asked!r} is not one of this tenant's modules: {known}", argument="module")
    return [asked]


def programs_named(config: RoutingConfigUnified, name: str | None) -> dict[str, Program]:
    """The tenant's programs by name, all or that one. Raises ConfigInvalid for one that it does not have."""
    from argotune.programs import programs_of  # brings DSPy, which most of what asks for tenants does without

    found = {program.name: program for module in config.modules for program in programs_of(config, module)}
    if name is not None and name not in found:
        known = ", ".join(found)
        raise ConfigInvalid(f"{name!r} is not one of this tenant's programs: {known}", argument="program")
    return found if name is None else {name: found[name]}


def checked_who(who: str) -> str:
    """A name that can stand beside what was done. Raises ConfigInvalid."""
    if not who.strip() or len(who) > MAX_WHO_CHARS or not who.isprintable():
        told = f"{who[:60]!r} is empty, longer than {MAX_WHO_CHARS} characters or not printable"
        raise ConfigInvalid(told, argument="who")
    if who.startswith("argotune"):
        raise ConfigInvalid(f"{who[:60]!r} would be taken for Argotune itself", argument="who")
    return who.strip()


@dataclass(frozen=True)
class Deed:
    """Who changes what serves, and why, as the history keeps it. Raises ConfigInvalid where either says nothing."""

    who: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ConfigInvalid("must say why", argument="reason")
        object.__setattr__(self, "who", checked_who(self.who))
