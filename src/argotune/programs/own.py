"""A user's own program, found by its import path and tuned by the same loop as those that ship."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

import dspy

from argotune.data.fields import Fields
from argotune.data.span_format import RESERVED, attribute_names
from argotune.errors import ConfigInvalid
from argotune.programs.closed_set import ClosedSetAnswers
from argotune.programs.failures import raising_as
from argotune.programs.program import Program, labels_offered
from argotune.tenants.config import RoutingConfigUnified

NOT_ANSWERS = frozenset({"reasoning", "confidence"})
"""Outputs that explain an answer; nobody labels them."""


def own_program(config: RoutingConfigUnified, name: str) -> Program:
    """The program that `config.programs[name]` ("package.module:factory") makes.

    `factory(config)` returns a Program, or a pair (dspy.Module, metric) from which names, inputs and answers
    are read, or a dspy.Module alone, whose answers people judge by preference. Raises ConfigInvalid, naming
    `programs.<name>`, for whatever goes wrong on the way.
    """
    what = f"programs.{name}"
    path = config.programs[name]
    with raising_as(ConfigInvalid, f"{what}: {path!r} cannot be loaded"):
        factory = _factory(path)
        made = factory(config)
    if isinstance(made, Program):
        return _without_reserved(_checked(made, name))
    if not (isinstance(made, dspy.Module) or _is_pair(made)):
        offered = "a Program, (dspy.Module, metric) or a dspy.Module"
        raise ConfigInvalid(f"{what}: {path} returned {type(made).__name__}, not {offered}")
    module, metric = (made, None) if isinstance(made, dspy.Module) else made
    with raising_as(ConfigInvalid, f"{what}: the fields of {path!r} cannot be read"):
        fields = read_fields(name, module)
    made_program = Program(
        name=name, module=name, fields=fields, build=lambda: _module_of(factory(config)), metric=metric
    )
    return _without_reserved(made_program)


def _module_of(made: Any) -> dspy.Module:
    module: dspy.Module = made if isinstance(made, dspy.Module) else made[0]
    return module


def _without_reserved(program: Program) -> Program:
    """Each field has a span attribute of its own (docs/traces.md)."""
    names = [*program.fields.inputs, *program.fields.answers]
    if taken := sorted(RESERVED & set(names)):
        known = ", ".join(sorted(RESERVED))
        raise ConfigInvalid(f"programs.{program.module}: a field cannot be called {taken[0]!r}, nor any of {known}")
    of_attribute = {attribute_names(name)[0]: name for name in names}
    if twice := [name for name in names if of_attribute[attribute_names(name)[0]] != name or names.count(name) > 1]:
        attribute = attribute_names(twice[0])[0]
        raise ConfigInvalid(f"programs.{program.module}: two fields would be {attribute}, one of them {twice[0]!r}")
    return program


def _factory(path: str) -> Callable[[RoutingConfigUnified], Any]:
    module, _, attribute = path.partition(":")
    found: Callable[[RoutingConfigUnified], Any] = getattr(importlib.import_module(module), attribute)
    return found


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

    Inputs are the named parameters of `forward`; one with a default may be missing. Where it takes **kwargs only, or is
    DSPy's own, they are the inputs of the module's signature, or of the first module in it that has one: the predictors
    of an agent (dspy.ReAct) have more.
    Answers are the outputs of the last predictor; a Literal or a bool gives the labels. Raises ConfigInvalid.
    """
    predictors = module.predictors()
    if not predictors:
        raise ConfigInvalid(f"programs.{name}: the module has no dspy.Predict, so there is nothing to tune")
    inputs = _named(name, module) or _of_signature(module)
    required = None if isinstance(module, ClosedSetAnswers) else tuple(key for key, is_needed in inputs if is_needed)
    optional = frozenset(key for key, is_needed in inputs if not is_needed)
    outputs = predictors[-1].signature.output_fields
    answers = {key: labels_offered(field.annotation) for key, field in outputs.items() if key not in NOT_ANSWERS}
    return Fields(name, tuple(key for key, _ in inputs), answers, required, optional)


def _named(name: str, module: dspy.Module) -> list[tuple[str, bool]]:
    """The named parameters of a user's `forward`, each with whether it must be given."""
    forward = getattr(type(module), "forward", None)
    if forward is None:
        raise ConfigInvalid(f"programs.{name}: the module has no method `forward`")
    if forward.__module__.startswith("dspy."):
        return []
    parameters = inspect.signature(MethodType(forward, module)).parameters.values()
    by_place = next((p.name for p in parameters if p.kind is p.POSITIONAL_ONLY), None)
    if by_place is not None:
        raise ConfigInvalid(f"programs.{name}: forward takes {by_place!r} by its place only; inputs are given by name")
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not named and all(p.kind is not p.VAR_KEYWORD for p in parameters):
        raise ConfigInvalid(f"programs.{name}: forward takes no input by name")
    return [(p.name, p.default is p.empty) for p in named]


def _of_signature(module: dspy.Module) -> list[tuple[str, bool]]:
    inside = (getattr(part, "signature", None) for _, part in module.named_sub_modules(dspy.Module))
    signature = next(found for found in inside if isinstance(found, type) and issubclass(found, dspy.Signature))
    return [(key, field.is_required()) for key, field in signature.input_fields.items()]
