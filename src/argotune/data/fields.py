"""Fields: the inputs and answers of a program, and what is meant by a label that somebody gave."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from argotune.data.preferences import CHOICES, preference_name


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
    """

    program: str
    inputs: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...] | None]
    required: tuple[str, ...] | None = field(default=None, compare=False)
    optional: frozenset[str] = frozenset()
    by_preference: bool = field(default=False, compare=False)

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
        """What the program is asked, from the inputs that were given."""
        return {name: given.get(name, "") for name in self.inputs if name in given or name not in self.optional}

    def missing(self, given: Mapping[str, str]) -> list[str]:
        """The inputs without which there is no question."""
        required = self.required if self.required is not None else {"query"}.intersection(self.inputs)
        lacking = [name for name in self.inputs if name in required and name not in given]
        return lacking if given else lacking or list(self.inputs)

    def meant(self, name: str, said: str) -> str | None:
        """The answer that is meant by what somebody said, None where it is none: see `meant`."""
        return meant(said, self.answers[name])

    def allow(self, answers: Mapping[str, str]) -> bool:
        """Whether every answer field has a value that it may take."""
        for name, labels in self.answers.items():
            if name not in answers or (labels is not None and answers[name] not in labels):
                return False
        return True

    @cached_property
    def sliced(self) -> str | None:
        """The answer whose labels are slices of the data: that of a program with one answer, from a closed set."""
        closed = [name for name, labels in self.answers.items() if labels is not None]
        return closed[0] if len(self.answers) == len(closed) == 1 else None
