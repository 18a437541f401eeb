"""What is tuned: one file = signature + DSPy module + metric. This dict is the list of what ships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from argotune.errors import ConfigInvalid
from argotune.programs import cross_modal, enhancement, modality, routing, workflow
from argotune.programs.entities import EntityFinder
from argotune.programs.own import own_program
from argotune.programs.program import Program
from argotune.tenants.config import RoutingConfigUnified

__all__ = ["OPTIONAL", "PROGRAMS", "Program", "programs_of"]

PROGRAMS: dict[str, Callable[[RoutingConfigUnified], tuple[Program, ...]]] = {
    "modality": modality.programs,
    "cross_modal": cross_modal.programs,
    "routing": routing.programs,
    "workflow": workflow.programs,
}
"""Of each of config.MODULES."""

OPTIONAL: dict[str, Callable[[RoutingConfigUnified], tuple[Program, ...]]] = {"enhancement": enhancement.programs}
"""Of each of config.OPTIONAL_MODULES. A tenant's own program of that name goes before it."""


def programs_of(config: RoutingConfigUnified, module: str) -> tuple[Program, ...]:
    """The programs of a module, shipped or the tenant's own.

    Raises ConfigInvalid for a module that is neither, and for a program of the tenant's that cannot be loaded.
    """
    model = config.optimizers.ensemble.entity_model
    found = _programs_of(config, module)
    return tuple(replace(program, finder=EntityFinder(model)) for program in found) if model else found


def _programs_of(config: RoutingConfigUnified, module: str) -> tuple[Program, ...]:
    shipped = {**PROGRAMS, **OPTIONAL}
    if module in config.programs:
        return (own_program(config, module),)
    if module in shipped:
        return shipped[module](config)
    raise ConfigInvalid(f"module: {module!r} is neither shipped ({', '.join(shipped)}) nor in the tenant's `programs`")
