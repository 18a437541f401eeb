"""Asked: which tenants, modules and programs an argument means, what it has instead of the config, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from argotune.errors import ConfigInvalid
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODULES, RoutingConfigUnified, parse_config

if TYPE_CHECKING:
    from argotune.programs.program import Program

MAX_WHO_CHARS = 100


@dataclass(frozen=True)
class Overrides:
    """Fields of the tenant's config for this run only; None: as the config has them.

    Each is checked as that field is: a number may come as a text. With `lookback_hours` traces that earlier passes
    passed over are read again.
    """

    lookback_hours: float | None = None
    min_confidence: float | None = None
    optimizer: str | None = None
    max_iterations: int | None = None
    use_synthetic_data: bool | None = None
    max_lm_calls: int | str | None = None
    confidence_threshold: float | None = None
    min_annotations: int | None = None
    min_effect: float | None = None

    def over(self, config: RoutingConfigUnified) -> RoutingConfigUnified:
        """The config with these fields. Raises ConfigInvalid."""
        fields = {
            "phoenix_lookback_hours": self.lookback_hours,
            "min_trace_confidence": self.min_confidence,
            "preferred_optimizer": self.optimizer,
            "max_training_iterations": self.max_iterations,
            "use_synthetic_data": self.use_synthetic_data,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        data = config.model_dump(mode="json")
        for group, name, value in (
            ("budget", "max_lm_calls", self.max_lm_calls),
            ("annotation", "confidence_threshold", self.confidence_threshold),
            ("annotation", "min_annotations_for_optimization", self.min_annotations),
            ("gate", "min_effect", self.min_effect),
        ):
            if value is not None:
                data[group][name] = value
        return parse_config({**data, **given})


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
