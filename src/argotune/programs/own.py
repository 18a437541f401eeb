"""A user's own program, found by its import path and tuned by the same loop as those that ship."""

from __future__ import annotations

import importlib
import inspect
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import dspy
from dspy.adapters.types.base_type import Type as DspyType

from argotune.data.field_types import labels_of
from argotune.data.fields import Fields
from argotune.data.span_format import RESERVED, attribute_names
from argotune.errors import ConfigInvalid
from argotune.programs.adapted import adapted
from argotune.programs.closed_set import ClosedSetAnswers, share_right
from argotune.programs.failures import raising_as
from argotune.programs.module_fields import (
    NOT_ANSWERS,
    answer_fields,
    asked_fields,
    defaults_of,
    innermost,
    types_of,
)
from argotune.programs.program import Metric, Program
from argotune.programs.returned_names import returned_by
from argotune.programs.signatures import is_named_only
from argotune.tenants.config import RoutingConfigUnified


def own_program(config: RoutingConfigUnified, name: str) -> Program:
    """The program that `config.programs[name]` ("package.module:name") is or makes.

    A factory, which is called with the config (or with nothing, where it takes nothing), returns a Program, or a pair
    (dspy.Module, metric) from which names, inputs and answers are read, or a dspy.Module alone, whose answers people
    judge by preference. A dspy.Module, its class where it can be built without arguments, or a dspy.Signature needs no
    factory; its metric is `metric_by_types`. Raises ConfigInvalid, naming `programs.<name>`, for whatever goes wrong.
    """
    what, path = f"programs.{name}", config.programs[name]
    with raising_as(ConfigInvalid, f"{what}: {path!r} cannot be loaded"):
        source = _source(path, config)
        made = source.make()
    if isinstance(made, Program):
        return _with_rubric(_checked(replace(made, fields=made.typed_fields), name), config)
    if not (isinstance(made, dspy.Module) or _is_pair(made)):
        offered = "a Program, (dspy.Module, metric) or a dspy.Module"
        raise ConfigInvalid(f"{what}: {path} returned {type(made).__name__}, not {offered}")
    module, metric = (made, None) if isinstance(made, dspy.Module) else made
    with raising_as(ConfigInvalid, f"{what}: the fields of {path!r} cannot be read"):
        fields = read_fields(name, module)
        named_types = _named_types(module)
    program = Program(
        name=name,
        module=name,
        fields=fields,
        build=lambda: adapted(_module_of(source.make())),
        metric=metric if source.is_factory else metric_by_types(fields),
        named_types=named_types,
    )
    return _with_rubric(program, config)


def _with_rubric(program: Program, config: RoutingConfigUnified) -> Program:
    """The program, whose answers a rubric is to score where there is one. Raises ConfigInvalid where that would say
    nothing."""
    others = [n for n in config.annotation.rubrics if n != program.name and n.split(".")[0] == program.module]
    if others:
        raise ConfigInvalid(
            f"annotation.rubrics: {others[0]!r} is no program, that of {program.module} is {program.name}"
        )
    if program.name in config.annotation.rubrics and not program.is_by_preference:
        raise ConfigInvalid(f"annotation.rubrics.{program.name}: the program has a metric, so its rubric says nothing")
    return program


def why_not_tunable(module: dspy.Module) -> str | None:
    """Why a module cannot be tuned, in a sentence that names what is in the way; None where it can be."""
    try:
        with raising_as(ConfigInvalid, "its fields cannot be read"):
            read_fields("_", module)
    except ConfigInvalid as error:
        return str(error).removeprefix("programs._: ")
    return None


def refuse_without_deno(program: Program) -> None:
    """A part of a program that has an LM write Python runs it by Deno, unless it has an interpreter of its own: without
    Deno each answer would be paid for and fail. Raises ConfigInvalid, naming the part."""
    if dspy.settings.get("interpreter_factory") or find_spec("deno") or shutil.which("deno"):
        return
    for name, part in program.build().named_sub_modules():
        if getattr(part, "_interpreter_factory", None) is dspy.PythonInterpreter:
            where = f"{type(part).__name__} ({name.removeprefix('self.')})" if name != "self" else type(part).__name__
            told = "runs the code that it writes by Deno, which is not here: pip install 'dspy[deno]'"
            raise ConfigInvalid(f"programs.{program.module}: its {where} {told}")


def metric_by_types(fields: Fields) -> Metric | None:
    """The share of answers that are what was expected, where equal answers are all that can be right: labels, numbers,
    dates and lists of these. None where an answer is free text: then people judge."""
    is_simple = [
        labels is not None or (name in fields.types and fields.types[name].is_simple)
        for name, labels in fields.answers.items()
    ]
    return share_right(*fields.answers) if all(is_simple) else None


@dataclass(frozen=True)
class _Source:
    """What makes a fresh module each time, or what a factory returns."""

    make: Callable[[], Any]
    is_factory: bool


def _source(path: str, config: RoutingConfigUnified) -> _Source:
    """Raises ConfigInvalid for what is neither a factory nor a module, and what importing raises."""
    module, _, attribute = path.partition(":")
    found: Any = reduce(getattr, attribute.split("."), _imported(module))
    if isinstance(found, type) and issubclass(found, dspy.Signature):
        return _Source(lambda: dspy.Predict(found), is_factory=False)
    if isinstance(found, dspy.Module):
        return _Source(found.deepcopy, is_factory=False)
    if isinstance(found, type) and issubclass(found, dspy.Module):
        return _of_class(found, path, config)
    if not callable(found):
        offered = "a factory, a dspy.Module or a dspy.Signature"
        raise ConfigInvalid(f"{path!r} is a value of type {type(found).__name__}, not {offered}")
    takes_nothing = inspect.isfunction(found) and not inspect.signature(found).parameters
    return _Source(found if takes_nothing else lambda: found(config), is_factory=True)


def _imported(module: str) -> ModuleType:
    """Raises what importing it raises; where it is not there, with what to do."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        told = f"there is no {error.name!r} here: install it, or set PYTHONPATH to the folder that holds it"
        raise ModuleNotFoundError(told, name=error.name) from None


def _of_class(kind: type[dspy.Module], path: str, config: RoutingConfigUnified) -> _Source:
    """A class that asks for the config is a factory like any other."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    if any("conf" in p.name.lower() and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters[:1]):
        return _Source(lambda: kind(config), is_factory=True)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variable]
    if needed:
        told = f"{', '.join(needed)} to be built: name a factory that builds it"
        raise ConfigInvalid(f"{path!r} cannot be loaded: {kind.__name__} needs {told}")
    return _Source(kind, is_factory=False)


def _module_of(made: Any) -> dspy.Module:
    module: dspy.Module = made if isinstance(made, dspy.Module) else made[0]
    return module


def _checked(program: Program, name: str) -> Program:
    if program.module != name or program.name.split(".")[0] != name:
        raise ConfigInvalid(
            f"programs.{name}: the Program calls itself {program.name!r} of module {program.module!r}; "
            f"its module must be {name!r} and its name {name!r} or {name + '.…'!r}"
        )
    _check_names(program.module, program.fields)
    return program


def _check_names(name: str, fields: Fields) -> None:
    """Each field has a span attribute of its own (docs/traces.md)."""
    names = [*fields.inputs, *fields.answers]
    if taken := sorted(RESERVED & set(names)):
        known = ", ".join(sorted(RESERVED))
        raise ConfigInvalid(f"programs.{name}: a field cannot be called {taken[0]!r}, nor any of {known}")
    attributes = [attribute_names(field)[0] for field in names]
    for field, attribute in zip(names, attributes, strict=True):
        if attributes.count(attribute) > 1:
            raise ConfigInvalid(f"programs.{name}: two fields would be {attribute}, one of them {field!r}")


def _is_pair(made: object) -> bool:
    return isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], dspy.Module) and callable(made[1])


def read_fields(name: str, module: dspy.Module) -> Fields:
    """Inputs and answers of a module that does not say them itself, with their types.

    Inputs are the named parameters of `forward`, of which one with a default may be missing, or those of a signature
    (`asked_fields`). Answers are outputs of the last predictor (`answer_fields`); a Literal, a bool or an enum gives
    the labels. Raises ConfigInvalid.
    """
    if not module.predictors():
        raise ConfigInvalid(f"programs.{name}: the module has no dspy.Predict, so there is nothing to tune")
    inputs, outputs = asked_fields(name, module), answer_fields(module)
    if not outputs:
        raise ConfigInvalid(f"programs.{name}: {_why_no_answer(module)}")
    if shown := [key for key, field in outputs.items() if _is_no_text(field.annotation)]:
        raise ConfigInvalid(f"programs.{name}: the answer {shown[0]!r} is of a type of DSPy's that no text can keep")
    types = types_of(module)
    fields = Fields(
        name,
        tuple(field.name for field in inputs),
        {key: labels_of(field.annotation) for key, field in outputs.items()},
        None if isinstance(module, ClosedSetAnswers) else tuple(field.name for field in inputs if field.is_needed),
        frozenset(field.name for field in inputs if not field.is_needed),
        types=types,
        defaults=defaults_of(inputs, types),
    )
    _check_names(name, fields)
    return fields


def _why_no_answer(module: dspy.Module) -> str:
    returned = returned_by(innermost(module))
    names = sorted(returned.names - NOT_ANSWERS) if returned else []
    if not names:
        return "its last predictor gives no answer, only what explains one"
    told = "no predictor's output is called so; name it so, or write a factory that returns a Program"
    return f"forward gives back {', '.join(names)}: {told}"


def _named_types(module: dspy.Module) -> frozenset[str]:
    return frozenset(key for key, field in answer_fields(module).items() if is_named_only(field.annotation))


def _is_no_text(annotation: Any) -> bool:
    return any(
        kind not in (dspy.Code, dspy.Reasoning) for kind in DspyType.extract_custom_type_from_annotation(annotation)
    )
