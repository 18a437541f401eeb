"""Fields: the inputs and answers of a program, and what is meant by a label that somebody gave."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from argotune.data.field_types import FieldType, NotOfType, as_text
from argotune.data.preferences import CHOICES, preference_name
from argotune.data.spans import Json


def meant(said: str, labels: Collection[str] | None) -> str | None:
    """The label that is meant: exactly that, else the one that differs in outer white space or in how its characters
    are composed only. None where there is none such. Without labels the text in that form.

    The one rule by which labels are compared, whoever gave them and however a tenant has spelled its own.
    """
    if labels is None:
        return _composed(said) or None
    return said if said in labels else next((label for label in labels if _composed(label) == _composed(said)), None)


def _composed(label: str) -> str:
    return unicodedata.normalize("NFC", label).strip()


@dataclass(frozen=True)
class Fields:
    """The inputs and answers of one program, and the labels each answer may take (None: free text).

    An input that is missing is "", or left out where it is one of the `optional` ones: the program has a default.
    `required` are those that an application must give; None: the query, or any where there is no query.
    `by_preference`: people say which of two answers is better, not what is right.
    `types` are those of the fields that hold more than texts; each of their values is kept as its canonical text.
    `defaults` are the texts of what such an input is where it is left out.
    `members` are the labels that the parts of a list may be. `unordered`: lists whose order says nothing where another
    answer is this one.
    """

    program: str
    inputs: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...] | None]
    required: tuple[str, ...] | None = field(default=None, compare=False)
    optional: frozenset[str] = frozenset()
    by_preference: bool = field(default=False, compare=False)
    types: Mapping[str, FieldType] = field(default_factory=dict, compare=False)
    defaults: Mapping[str, str] = field(default_factory=dict, compare=False)
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    unordered: Mapping[str, tuple[str, str]] = field(default_factory=dict, compare=False)

    @property
    def asks(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names of its inputs and answers, by which spans of one class tell programs apart."""
        return frozenset(self.inputs), frozenset(self.answers)

    @property
    def preference(self) -> str:
        """The name of annotations that say which of two answers is better."""
        return preference_name(self.program)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of all annotations that say something of this program's answers."""
        return (*self.answers, self.preference) if self.by_preference else tuple(self.answers)

    @property
    def compared(self) -> Fields:
        """What annotators are compared on: what they choose of two answers where people do."""
        return Fields(self.program, self.inputs, {self.preference: CHOICES}) if self.by_preference else self

    def asked(self, given: Mapping[str, str]) -> dict[str, str]:
        """What the program is asked, from the inputs that were given. No text says that a value of a type is missing;
        one that is the default asks what is asked without it."""
        left_out = self.optional | self.types.keys()
        said = [name for name in self.inputs if name in given or name not in left_out]
        return {name: given.get(name, "") for name in said if given.get(name, "") != self.defaults.get(name)}

    def in_one_order(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        """Answers, with lists whose order says nothing in the one in which all equal ones are kept."""
        found = dict(texts)
        for name, (other, label) in self.unordered.items():
            value = self._value_or_text(name, found[name]) if found.get(other) == label and name in found else None
            if isinstance(value, list):
                found[name] = self.kept(name, sorted(set(value)))
        return found

    def missing(self, given: Mapping[str, str]) -> list[str]:
        """The inputs without which there is no question."""
        required = self.required if self.required is not None else {"query"}.intersection(self.inputs)
        lacking = [name for name in self.inputs if name in required and name not in given]
        return lacking if given else lacking or list(self.inputs)

    def meant(self, name: str, said: str) -> str | None:
        """The answer that is meant by what somebody said, None where it is none: see `meant`, else by its type."""
        labels, type_ = self.answers[name], self.types.get(name)
        found = None if labels is None and type_ else meant(said, labels)
        if found is not None or type_ is None or not said.strip():
            return found
        try:
            text = type_.canonical_of_text(_composed(said))
        except NotOfType:
            return None
        return text if labels is None or text in labels else None

    def kept(self, name: str, value: object) -> str:
        """The text that a value of a field is kept as, whoever gave it; "" where it is missing.

        Raises NotOfType for one that is not of the field's type, ValueError for one that cannot be written.
        """
        type_ = self.types.get(name)
        if value is None:
            return "null" if self.takes_none(name) else ""
        return type_.canonical(value) if type_ else as_text(value)

    def takes_none(self, name: str) -> bool:
        """Whether None is a value of a field, and not the lack of one."""
        return name in self.types and self.types[name].takes_none

    def value(self, name: str, text: str) -> object:
        """The value of a text that was kept. Raises NotOfType."""
        type_ = self.types.get(name)
        return type_.read(text) if type_ else text

    def values(self, texts: Mapping[str, str]) -> dict[str, object]:
        """The value of each text; one that cannot be read is itself."""
        return {name: self._value_or_text(name, text) for name, text in texts.items()}

    def _value_or_text(self, name: str, text: str) -> object:
        try:
            return self.value(name, text)
        except NotOfType:
            return text

    def as_json(self, texts: Mapping[str, str]) -> dict[str, Json]:
        """The value of each text as JSON; a text that cannot be read is itself."""
        return {name: type_.as_json(t) if (type_ := self.types.get(name)) else t for name, t in texts.items()}

    def read_all(self, texts: Mapping[str, str]) -> bool:
        """Whether each text can be read as its field's type."""
        return all(self._reads(name, texts[name]) for name in self.types if name in texts)

    def _reads(self, name: str, text: str) -> bool:
        try:
            self.value(name, text)
        except NotOfType:
            return False
        return True

    def allow(self, answers: Mapping[str, str]) -> bool:
        """Whether every answer field has a value that it may take."""
        for name, labels in self.answers.items():
            if name not in answers or (labels is not None and answers[name] not in labels):
                return False
        return self.read_all(answers)

    @cached_property
    def sliced(self) -> str | None:
        """The answer whose labels are slices of the data: that of a program with one answer, from a closed set."""
        closed = [name for name, labels in self.answers.items() if labels is not None]
        return closed[0] if len(self.answers) == len(closed) == 1 else None
