"""Annotated spans: what was believed of them when their questions were settled, kept whole and as the changes since.

A step writes what it has changed, so that many labels take as much writing as there are labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, TypeVar

from pydantic import Field

from argotune.errors import Corrupt, NewerRecord
from argotune.store.port import Store
from argotune.store.records import StoredValue, Unreadable, from_text, tell

T = TypeVar("T")

MOST_CHANGES = 16
"""Changes that lie beside the whole, one of a pass; with more, or after a pass of several, it is written anew."""


class Judged(StoredValue):
    """Whether the decision of a span met the trusted label that its example has."""

    at: datetime
    is_hit: bool


class AnnotatedSpans(StoredValue):
    """The annotated spans: a digest of what is believed of each, "" for those of other programs; and those judged.
    `refuted`: by question the spans whose answers people say are wrong, where nobody says what is right."""

    sealed_as: ClassVar[str] = "Annotated"

    states: dict[str, str] = Field(default_factory=dict)
    judged: dict[str, Judged] = Field(default_factory=dict)
    refuted: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class AnnotatedChange(StoredValue):
    """What a step changed of them; None, or no spans, of what is not known any more."""

    states: dict[str, str | None] = Field(default_factory=dict)
    judged: dict[str, Judged | None] = Field(default_factory=dict)
    refuted: dict[str, tuple[str, ...]] = Field(default_factory=dict)


@dataclass
class AnnotatedSoFar:
    """What is known of annotated spans, changed as their questions are settled. `change` since it was written."""

    states: dict[str, str]
    judged: dict[str, Judged]
    refuted: dict[str, tuple[str, ...]]
    change: AnnotatedChange = field(default_factory=AnnotatedChange)

    @classmethod
    def of(cls, annotated: AnnotatedSpans, changes: Iterable[AnnotatedChange] = ()) -> AnnotatedSoFar:
        """What was known, after these changes of it."""
        found = cls(dict(annotated.states), dict(annotated.judged), dict(annotated.refuted))
        for change in changes:
            _put(found.states, change.states)
            _put(found.judged, change.judged)
            _put(found.refuted, {id: spans or None for id, spans in change.refuted.items()})
        return found

    @property
    def all(self) -> AnnotatedSpans:
        """What is known, as it is kept."""
        return AnnotatedSpans(states=self.states, judged=self.judged, refuted=self.refuted)

    @property
    def is_changed(self) -> bool:
        """Whether something is not written yet."""
        return bool(self.change.states or self.change.judged or self.change.refuted)

    def written(self) -> None:
        """What was changed is kept."""
        self.change = AnnotatedChange()

    def believe(self, states: Mapping[str, str | None]) -> None:
        """This is believed of spans, None of those that are not annotated any more."""
        changed = {id: state for id, state in states.items() if self.states.get(id) != state}
        self.change.states.update(changed)
        _put(self.states, changed)

    def judge(self, span_id: str, judged: Judged | None) -> None:
        """What came of a span's decision, None where nothing is to be said of it."""
        if self.judged.get(span_id) != judged:
            self.change.judged[span_id] = judged
            _put(self.judged, {span_id: judged})

    def refute(self, question_id: str, span_ids: tuple[str, ...]) -> None:
        """These are all spans of a question of which only is known that the answer is wrong."""
        if self.refuted.get(question_id, ()) != span_ids:
            self.change.refuted[question_id] = span_ids
            _put(self.refuted, {question_id: span_ids or None})


def read_changes(store: Store, tenant_id: str, gathered: str, count: int) -> list[AnnotatedChange] | None:
    """So many changes, the first first; None where one of them cannot be read, which is told. Raises NewerRecord."""
    names = change_names(count)
    texts = store.read_many(tenant_id, gathered, names) if names else {}
    try:
        return [from_text(AnnotatedChange, texts.get(name, "")) for name in names]
    except NewerRecord:
        raise
    except Corrupt as error:
        tell(Unreadable(tenant_id, gathered, "annotated", str(error)))
        return None


def change_names(count: int) -> list[str]:
    """The ids of the records of so many changes."""
    return [f"annotated/{number}" for number in range(count)]


def _put(known: dict[str, T], changed: Mapping[str, T | None]) -> None:
    for id, value in changed.items():
        if value is None:
            known.pop(id, None)
        else:
            known[id] = value
