"""Field types: what a field of a program holds, and the one text that each of its values is kept as.

A text of a field that holds texts is itself. Any other value is its canonical text: a number, True, a date as it is
printed, an enum's member by its value, None as null, lists and objects as JSON with sorted keys. What people, LMs and
applications write instead (3.0 for the whole number 3, yes for True, a Python list) is read as the value that it means.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from argotune.data.spans import Json


class NotOfType(ValueError):
    """A value that cannot be read as the type of its field."""


def as_text(value: object) -> str:
    """A value as it is kept and read back: lists and objects as JSON, all else as it is printed.

    Raises ValueError for what cannot be written.
    """
    try:
        plain = value if isinstance(value, list | tuple | Mapping) else as_plain(value)
        if isinstance(plain, str):
            return plain
        return str(plain) if isinstance(plain, bool | int | float) else _json(plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"a value that cannot be written as JSON: {error}") from error


def _json(value: object) -> str:
    plain = dict(value) if isinstance(value, Mapping) else value
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, default=as_plain)


def as_plain(value: object) -> object:
    """A value in the terms of JSON: an enum's member by its value, a date as it is printed, a set in order."""
    if isinstance(value, Enum):
        return as_plain(value.value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    plain = to_jsonable_python(value, by_alias=False, fallback=str)
    return sorted(plain, key=_json) if isinstance(value, set | frozenset) else plain


@dataclass(frozen=True)
class FieldType:
    """The type of a field that does not hold mere texts. Build it by `field_type`."""

    annotation: Any

    def __str__(self) -> str:
        annotation = self.annotation
        is_plain = isinstance(annotation, type) and not get_args(annotation)
        return annotation.__name__ if is_plain else str(annotation).replace("typing.", "")

    def read(self, text: str) -> object:
        """The value that a text means. Raises NotOfType."""
        for candidate in self._candidates(text):
            try:
                return self._meant(candidate)
            except NotOfType:
                continue
        raise NotOfType(f"{text[:60]!r} is not {self}")

    def value(self, said: object) -> object:
        """The value that is meant by what a program returned or JSON holds. Raises NotOfType."""
        if isinstance(said, str) and not isinstance(said, Enum) and not self.holds_texts:
            return self.read(said)
        return self._meant(said)

    def has(self, said: object) -> bool:
        """Whether something is one of its values, or means one."""
        try:
            self.value(said)
        except NotOfType:
            return False
        return True

    def canonical(self, said: object) -> str:
        """The text that a value is kept as. Raises NotOfType."""
        return self._written(self.value(said))

    def canonical_of_text(self, text: str) -> str:
        """The text by which all texts of one meaning are kept. Raises NotOfType."""
        return self._written(self.read(text))

    def as_json(self, text: str) -> Json:
        """The value of a text as JSON. A text that cannot be read is itself."""
        try:
            value = self.read(text)
        except NotOfType:
            return text
        plain: Json = json.loads(_json(as_plain(value)))
        return plain

    def mapped(self, text: str, change: Callable[[str], str]) -> str:
        """The text with each text in its value changed. A whole number is changed as a text is, and is none then;
        labels, shares and dates stay."""
        if labels_of(self.annotation) is not None or self._is_of(float, *_MOMENTS):
            return text
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError):
            return change(text)
        return _json(_leaves_changed(plain, change)) if isinstance(plain, list | dict) else change(text)

    @cached_property
    def is_simple(self) -> bool:
        """Whether it is a closed set, a number or a date, or a list of these: equal values are equally right."""
        return _is_simple(self.annotation)

    @cached_property
    def takes_none(self) -> bool:
        """Whether None is one of its values."""
        return NoneType in _members(self.annotation)

    @cached_property
    def holds_texts(self) -> bool:
        """Whether any text is one of its values, as for `str | None`."""
        return any(member in (str, Any, object) for member in _members(self.annotation))

    def _candidates(self, text: str) -> Iterator[object]:
        """What a text may stand for. Where texts are values too, one in the quotes of JSON is what stands in them."""
        if self.holds_texts:
            yield from _from_json(text)
            yield text
        else:
            yield text
            yield from _from_json(text)
            yield from _from_python(text)

    def _meant(self, said: object) -> object:
        chosen = _chosen(self.annotation, said)
        if chosen is not _NOT_CHOSEN:
            return chosen
        try:
            return self._adapter.validate_python(said, by_alias=True, by_name=True)
        except (ValidationError, RecursionError) as error:
            raise NotOfType(f"{str(said)[:60]!r} is not {self}") from error

    def _written(self, value: object) -> str:
        if isinstance(value, str) and self.holds_texts and not isinstance(value, Enum):
            return value if self._reads_back(value) else json.dumps(value, ensure_ascii=False)
        return as_text(value)

    def _reads_back(self, text: str) -> bool:
        found = self.read(text)
        return isinstance(found, str) and found == text

    def _is_of(self, *types: type) -> bool:
        found = _members(self.annotation)
        return all(isinstance(member, type) and issubclass(member, (*types, NoneType)) for member in found)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.annotation)


def field_type(annotation: Any) -> FieldType | None:
    """The type that an annotation says, None where it says nothing, holds mere texts, or is none of pydantic's."""
    bare = _bare(annotation)
    if bare in (str, Any, object, None) or ((labels := _literal(bare)) and all(isinstance(x, str) for x in labels)):
        return None
    try:
        TypeAdapter(annotation)
    except (PydanticUserError, NameError, TypeError, RecursionError):
        return None
    return FieldType(annotation)


_NOT_CHOSEN = object()


def _chosen(annotation: Any, said: object) -> object:
    """The member of a Literal or an enum (or of one of either, or None) that is meant."""
    for member in _members(annotation):
        if (options := _literal(member)) is not None:
            found = next((x for x in options if x == said and type(x) is type(said)), _NOT_CHOSEN)
            found = found if found is not _NOT_CHOSEN else _by_text(options, said)
        elif isinstance(member, type) and issubclass(member, Enum):
            found = said if isinstance(said, member) else _of_enum(member, said)
        else:
            continue
        if found is not _NOT_CHOSEN:
            return found
    return _NOT_CHOSEN


def _by_text(options: tuple[Any, ...], said: object) -> object:
    try:
        wanted = as_text(said).strip()
    except ValueError:
        return _NOT_CHOSEN
    exact = [x for x in options if as_text(x) == wanted]
    alike = exact or [x for x in options if isinstance(x, bool) and as_text(x).casefold() == wanted.casefold()]
    return alike[0] if alike else _NOT_CHOSEN


def _of_enum(enum: type[Enum], said: object) -> object:
    """By value, else by name, as `name` or `Enum.name`."""
    found = _by_text(tuple(enum), said)
    name = str(said).strip().removeprefix(f"{enum.__name__}.")
    return enum.__members__.get(name, _NOT_CHOSEN) if found is _NOT_CHOSEN else found


def _from_json(text: str) -> Iterator[object]:
    try:
        yield json.loads(text)
    except (ValueError, RecursionError):
        return


_PYTHON = re.compile(r"\s*(?:[\[({'\"][^\\]*|True|False|None)\s*")
"""A literal that JSON cannot read. A backslash is none of it: Python warns of one that escapes nothing."""


def _from_python(text: str) -> Iterator[object]:
    if _PYTHON.fullmatch(text):
        try:
            yield ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return


def _leaves_changed(plain: Any, change: Callable[[str], str]) -> Any:
    if isinstance(plain, list):
        return [_leaves_changed(part, change) for part in plain]
    if isinstance(plain, dict):
        return {name: _leaves_changed(part, change) for name, part in plain.items()}
    if isinstance(plain, str) or (isinstance(plain, int) and not isinstance(plain, bool)):
        changed = change(str(plain))
        return changed if isinstance(plain, str) or changed != str(plain) else plain
    return plain


def _bare(annotation: Any) -> Any:
    """Without what Annotated, NewType and `type X = ...` say of it."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif not isinstance(annotation, type) and hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif not isinstance(annotation, type) and hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return annotation


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    bare = _bare(annotation)
    if get_origin(bare) in (Union, UnionType):
        return tuple(found for member in get_args(bare) for found in _members(member))
    return (bare,)


def _literal(annotation: Any) -> tuple[Any, ...] | None:
    return get_args(annotation) if get_origin(annotation) is Literal else None


def labels_of(annotation: Any) -> tuple[str, ...] | None:
    """The closed set of a Literal, bool or enum as texts, with null where None is allowed; None for any other type."""
    found: list[str] = []
    for member in _members(annotation):
        options = (None,) if member is NoneType else _options(member)
        if options is None:
            return None
        found += [as_text(option) for option in options]
    return tuple(dict.fromkeys(found)) if found != ["null"] else None


def _options(member: Any) -> tuple[Any, ...] | None:
    if member is bool:
        return (True, False)
    return tuple(member) if isinstance(member, type) and issubclass(member, Enum) else _literal(member)


_MOMENTS = (date, time, timedelta)
"""With datetime, which is a date."""


def _is_simple(annotation: Any) -> bool:
    bare = _bare(annotation)
    if get_origin(bare) in (list, tuple, set, frozenset):
        return all(part is Ellipsis or _is_simple(part) for part in get_args(bare))
    scalars = (int, float, Decimal, NoneType, *_MOMENTS)
    return all(
        labels_of(member) is not None or (isinstance(member, type) and issubclass(member, scalars))
        for member in _members(bare)
    )
