"""A user's own program, found by its import path and tuned by the same loop as those that ship."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import dspy

from argotune.errors import ConfigInvalid
from argotune.experiences import Fields
from argotune.programs.failures import told_as
from argotune.programs.program import Program, labels_of
from argotune.tenants import RoutingConfigUnified

NOT_ANSWERS = frozenset({"reasoning", "confidence"})
"""Outputs that explain an answer; nobody labels them."""


RESERVED = frozenset({"tenant_id", "program", "program_version", "propensity", "processing_time", "confidence"})
"""Span attributes `routing.<name>` that say something else already (docs/traces.md)."""


def own_program(config: RoutingConfigUnified, name: str) -> Program:
    """The program that `config.programs[name]` ("package.module:factory") makes.

    `factory(config)` returns a Program, or a pair (dspy.Module, metric) from which names, inputs and answers
    are read. Raises ConfigInvalid, naming `programs.<name>`, for whatever goes wrong on the way.
    """
    what = f"programs.{name}"
    path = config.programs[name]
    with told_as(ConfigInvalid, f"{what}: {path!r} cannot be loaded"):
        factory = _factory(path)
        made = factory(config)
    if isinstance(made, Program):
        return _without_reserved(_checked(made, name))
    if not _is_pair(made):
        raise ConfigInvalid(f"{what}: {path} returned {type(made).__name__}, not a Program or (dspy.Module, metric)")
    module, metric = made
    with told_as(ConfigInvalid, f"{what}: the fields of {path!r} cannot be read"):
        fields = read_fields(name, module)
    made_program = Program(name=name, module=name, fields=fields, build=lambda: factory(config)[0], metric=metric)
    return _without_reserved(made_program)


def _without_reserved(program: Program) -> Program:
    taken = RESERVED & {*program.fields.inputs, *program.fields.answers}
    if taken:
        raise ConfigInvalid(f"programs.{program.module}: a field cannot be called {sorted(taken)[0]!r}")
    return program


def _factory(path: str) -> Callable[[RoutingConfigUnified], Any]:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _checked(program: Program, name: str) -> Program:
    if program.module != name or program.name.split(".")[0] != name:
        raise ConfigInvalid(
            f"programs.{name}: the Program calls itself {program.name!r} of module {program.module!r}; "
            f"its module must be {name!r} and its name {name!r} or {name + '.…'!r}"
        )
    return program


def _is_pair(made: object) -> bool:
    return isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], dspy.Module) and callable(made[1])


def read_fields(name: str, module: dspy.Module) -> Fields:
    """Inputs and answers of a module that does not say them itself.

    Inputs are the named parameters of `forward`, or the inputs of the first predictor where it takes **kwargs.
    Answers are the outputs of the last predictor; a Literal or a bool gives the labels. Raises ConfigInvalid.
    """
    predictors = module.predictors()
    if not predictors:
        raise ConfigInvalid(f"programs.{name}: the module has no dspy.Predict, so there is nothing to tune")
    parameters = inspect.signature(type(module).forward).parameters.values()
    named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name != "self"]
    inputs = tuple(named or predictors[0].signature.input_fields)
    outputs = predictors[-1].signature.output_fields
    answers = {key: labels_of(field.annotation) for key, field in outputs.items() if key not in NOT_ANSWERS}
    return Fields(name, inputs, answers)
