"""Module fields: what a user's module is asked and what it answers, read from its `forward` and its signatures."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MethodType
from typing import Any, get_type_hints

import dspy
from dspy.adapters.types.base_type import Type as DspyType
from pydantic.fields import FieldInfo

from argotune.data.field_types import FieldType, field_type
from argotune.errors import ConfigInvalid
from argotune.programs.returned_names import returned_by
from argotune.programs.signatures import asked_signature

NOT_ANSWERS = frozenset({"reasoning", "confidence"})
"""Outputs that explain an answer; nobody labels them."""

_TYPES_OF_DEFAULTS = (bool, int, float, list, dict)


@dataclass(frozen=True)
class AskedField:
    """One input. `annotation` is None where nothing says what it holds, `default` counts where it is not needed."""

    name: str
    is_needed: bool
    annotation: Any
    default: Any


def asked_fields(name: str, module: dspy.Module) -> list[AskedField]:
    """The inputs of a module: the named parameters of its `forward`; where that takes **kwargs only, or is DSPy's own,
    the inputs of the module's signature, or of the first module in it that has one.

    Raises ConfigInvalid, naming `programs.<name>`.
    """
    inner = innermost(module)
    return _named(name, inner) or _of_signature(name, inner)


def answer_fields(module: dspy.Module) -> dict[str, FieldInfo]:
    """The answers of a module: the outputs of its last predictor that `forward` gives back, as far as its source tells;
    where that gives back none of them, those of other predictors. An agent of DSPy's whose predictor only calls tools
    (dspy.ReActV2) answers what its own signature says."""
    inner = innermost(module)
    outputs = [asked_signature(predictor).output_fields for predictor in reversed(inner.predictors())]
    signature = getattr(inner, "signature", None)
    if outputs and not _is_users(inner) and isinstance(signature, type) and issubclass(signature, dspy.Signature):
        said = signature.output_fields
        if not said.keys() & outputs[0].keys():
            return _answers(said, None)
    returned = returned_by(inner) if _is_users(inner) else None
    names = returned.names if returned else None
    for fields in outputs:
        if found := _answers(fields, names):
            return found
        if names is None:
            break
    return {}


def _answers(fields: Mapping[str, FieldInfo], names: frozenset[str] | None) -> dict[str, FieldInfo]:
    known = {key: field for key, field in fields.items() if names is None or key in names}
    return {key: field for key, field in known.items() if key not in NOT_ANSWERS}


def types_of(module: dspy.Module) -> dict[str, FieldType]:
    """The types of those inputs and answers that hold more than texts."""
    asked = {field.name: field.annotation for field in _asked_if_read(module)}
    said = {name: field.annotation for name, field in answer_fields(module).items()}
    found = {name: typed(annotation) for name, annotation in {**asked, **said}.items()}
    return {name: type_ for name, type_ in found.items() if type_ is not None}


def defaults_of(asked: Iterable[AskedField], types: Mapping[str, FieldType]) -> dict[str, str]:
    """The texts of the defaults of inputs that hold more than texts; one that is no value of its type has none."""
    return {
        field.name: types[field.name].canonical(field.default)
        for field in asked
        if not field.is_needed and field.name in types and types[field.name].has(field.default)
    }


def _asked_if_read(module: dspy.Module) -> list[AskedField]:
    try:
        return asked_fields("", module)
    except ConfigInvalid:
        return []  # whoever says the fields of a program by hand need not have them read


def typed(annotation: Any) -> FieldType | None:
    """The type of a field. DSPy's own types (images, tools, code) are passed on as the texts that it makes of them."""
    return None if DspyType.extract_custom_type_from_annotation(annotation) else field_type(annotation)


def innermost(module: dspy.Module) -> dspy.Module:
    """The module that one of DSPy's wrappers asks (dspy.BestOfN, dspy.Refine), else the module."""
    while not _is_users(module) and not hasattr(module, "signature"):
        inner = getattr(module, "module", None)
        if not isinstance(inner, dspy.Module):
            break
        module = inner
    return module


def is_async_only(module: dspy.Module) -> bool:
    """Whether it can be asked by `acall` alone."""
    return not hasattr(type(module), "forward") and hasattr(type(module), "aforward")


def _is_users(module: dspy.Module) -> bool:
    return not _asked_by(module).__module__.startswith("dspy.")


def _asked_by(module: dspy.Module) -> Any:
    kind = type(module)
    return getattr(kind, "aforward" if is_async_only(module) else "forward", kind)


def _named(name: str, module: dspy.Module) -> list[AskedField]:
    """The named parameters of a user's `forward`."""
    forward = _asked_by(module)
    if forward is type(module):
        raise ConfigInvalid(f"programs.{name}: the module has no method `forward`")
    if not _is_users(module):
        return []
    if inspect.isgeneratorfunction(forward) or inspect.isasyncgenfunction(forward):
        raise ConfigInvalid(f"programs.{name}: forward yields parts of an answer; it must return the whole")
    parameters = inspect.signature(MethodType(forward, module)).parameters.values()
    by_place = next((p.name for p in parameters if p.kind is p.POSITIONAL_ONLY), None)
    if by_place is not None:
        raise ConfigInvalid(f"programs.{name}: forward takes {by_place!r} by its place only; inputs are given by name")
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not named and all(p.kind is not p.VAR_KEYWORD for p in parameters):
        raise ConfigInvalid(f"programs.{name}: forward takes no input by name")
    hints, known = _hints(forward), _known_inputs(module)
    return [AskedField(p.name, p.default is p.empty, _annotation(p, hints, known), p.default) for p in named]


def _hints(forward: Any) -> Mapping[str, Any]:
    """What annotations mean; those that name what cannot be found mean nothing."""
    try:
        return get_type_hints(forward, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {key: said for key, said in forward.__annotations__.items() if not isinstance(said, str)}


def _annotation(parameter: inspect.Parameter, hints: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """By the parameter itself, else by the first predictor that is asked something of its name, else by its default."""
    found = hints.get(parameter.name, known.get(parameter.name))
    if found is None and isinstance(parameter.default, _TYPES_OF_DEFAULTS):
        return type(parameter.default)
    return found


def _known_inputs(module: dspy.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for predictor in module.predictors():
        for name, field in asked_signature(predictor).input_fields.items():
            found.setdefault(name, field.annotation)
    return found


def _of_signature(name: str, module: dspy.Module) -> list[AskedField]:
    signature = next(_signatures(module), None)
    if signature is None:
        raise ConfigInvalid(f"programs.{name}: no module in it has a signature that says what its inputs are")
    return [
        AskedField(key, field.is_required(), field.annotation, field.get_default(call_default_factory=True))
        for key, field in signature.input_fields.items()
    ]


def _signatures(module: dspy.Module) -> Iterator[type[dspy.Signature]]:
    for _, part in module.named_sub_modules(dspy.Module):
        found = getattr(part, "signature", None)
        if isinstance(found, type) and issubclass(found, dspy.Signature):
            yield found
