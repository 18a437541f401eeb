"""Old marker: the one record in which earlier releases kept where a module stands, and how it becomes four."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from pydantic import Field

from argotune.data.cursor import Cursor, Reading
from argotune.data.masked import Masked
from argotune.decisions.lessons import Lessons
from argotune.decisions.values import CutShort, TrainingHistory
from argotune.errors import Conflict, Corrupt
from argotune.runs.progress import PassState
from argotune.store.collections import Collection
from argotune.store.port import Store
from argotune.store.records import StoredValue, from_text, to_record
from argotune.store.sealing import tag_of


class Marker(StoredValue):
    """Where a module stood. `row_id` is a row of Phoenix, which alone was read; the span `last_span_id` was in row
    `last_span_row`."""

    row_id: int = 0
    settled_row_id: int = 0
    settled_group: str = ""
    settled_labels: int = 0
    label_names: tuple[str, ...] = ()
    pass_id: str | None = None
    again_at: datetime | None = None
    last_run_at: datetime | None = None
    learned: dict[str, str] = Field(default_factory=dict)
    cut_short: dict[str, CutShort] = Field(default_factory=dict)
    history: dict[str, TrainingHistory] = Field(default_factory=dict)
    unusable: dict[str, int] = Field(default_factory=dict)
    masked: dict[str, int] = Field(default_factory=dict)
    masking: str = ""
    first_look_at: datetime | None = None
    read_since: datetime | None = None
    passed_over: int = 0
    last_span_id: str | None = None
    last_span_row: int = 0
    newest_at: datetime | None = None
    doubted_at: datetime | None = None

    @property
    def passes(self) -> PassState:
        settled = self._cursor(self.settled_row_id, 0, "")
        return PassState(settled_cursor=settled, **self._shared(PassState))

    @property
    def reading(self) -> Reading:
        cursor = self._cursor(self.row_id, self.last_span_row, self.last_span_id or "")
        return Reading(cursor=cursor, **self._shared(Reading))

    @property
    def masked_by(self) -> Masked:
        return Masked(rules=self.masking, counts=self.masked)

    @property
    def lessons(self) -> Lessons:
        return Lessons(**self._shared(Lessons))

    def _shared(self, kind: type[StoredValue]) -> dict[str, object]:
        """The fields that both have, by the same name."""
        return {name: getattr(self, name) for name in kind.model_fields.keys() & type(self).model_fields.keys()}

    @staticmethod
    def _cursor(row_id: int, span_row: int, span_id: str) -> Cursor | None:
        """As adapters/phoenix/place.py says."""
        return Cursor(f"phoenix:{row_id}:{span_row}:{span_id}") if row_id else None


def divide(store: Store, tenant_id: str, module: str) -> None:
    """Put the four records in the place of an old one, in one step; nothing happens where there is none.

    Where an older release wrote one after that, only what its passes took in is taken over.
    """
    id = f"module/{module}"
    text = store.read(tenant_id, Collection.MARKERS, id)
    try:
        old = None if text is None else from_text(Marker, text)
    except Corrupt:  # of this release, or damaged, which whoever reads it tells
        old = None
    if text is None or old is None:
        return
    others = {f"reading/{module}": old.reading, f"masked/{module}": old.masked_by, f"lessons/{module}": old.lessons}
    new = {name: value for name, value in others.items() if store.read(tenant_id, Collection.MARKERS, name) is None}
    expect = {(Collection.MARKERS, name): None for name in new} | {(Collection.MARKERS, id): tag_of(text)}
    records = [to_record(Collection.MARKERS, name, value) for name, value in {id: old.passes, **new}.items()]
    with suppress(Conflict):  # somebody else does it
        store.write(tenant_id, records, expect)
