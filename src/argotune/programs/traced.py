"""Traced: by which spans a program's decisions are known."""

from __future__ import annotations

import dspy

from argotune.data.found_programs import OF_DSPY, UNNAMED
from argotune.errors import ConfigInvalid
from argotune.programs.adapted import Adapted
from argotune.programs.program import Program
from argotune.tenants.binding import BoundProgram


def traced_as(program: Program) -> BoundProgram:
    """The class of its module; of one of DSPy's own also the signature that it asks, where that has a name.

    Raises ConfigInvalid for a class whose spans no binding can name.
    """
    module = program.build()
    if isinstance(module, Adapted):
        module = module.program
    name = type(module).__name__
    if not name.isidentifier():
        raise ConfigInvalid(f"programs.{program.module}: {name!r} is no name of a class that spans can be known by")
    return BoundProgram(span=name, signature=_signature(module) if name in OF_DSPY else None)


def _signature(module: dspy.Module) -> str | None:
    """The name of what it asks first."""
    first = next((predictor.signature for predictor in module.predictors()), None)
    name = getattr(first, "__name__", UNNAMED)
    return name if name != UNNAMED and name.isidentifier() else None
