"""Module book: the records that say where a module of a tenant stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from argotune.data.cursor import Reading
from argotune.data.masked import Masked
from argotune.decisions.degradation import Degradations
from argotune.decisions.lessons import Lessons
from argotune.runs.old_marker import divide
from argotune.runs.progress import ModuleState, PassState
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import StoredValue, find_renewable, to_record
from argotune.store.sealing import tag_of

K = TypeVar("K", PassState, Reading, Masked, Lessons, Degradations)

_NAMES: Mapping[type[StoredValue], str] = {
    PassState: "module",
    Reading: "reading",
    Masked: "masked",
    Lessons: "lessons",
    Degradations: "degradations",
}
"""How the ids of each kind begin."""


class ModuleBook:
    """How far a module was read, what was masked in it, what its passes took in and taught, and how champions do.

    A damaged record is a new one: the module is due, its traces are read again, which stores nothing twice. What is
    written is written in place of what this book read or wrote last; what somebody else wrote meanwhile stays, and is
    a Conflict. Stores of earlier releases are brought into this form by the first look.
    """

    def __init__(self, store: Store, tenant_id: str, module: str) -> None:
        self._store, self._tenant_id, self._module = store, tenant_id, module
        self._tags: dict[str, str | None] = {}
        self._is_divided = False

    @property
    def state(self) -> ModuleState:
        """Where the module stands. Raises NewerRecord."""
        return ModuleState(self.read(PassState), self.read(Reading), self.read(Lessons), self.read(Degradations))

    def read(self, kind: type[K]) -> K:
        """What is stored of a kind, or a new one. Raises NewerRecord."""
        if not self._is_divided:
            divide(self._store, self._tenant_id, self._module)
            self._is_divided = True
        id = self._id(kind)
        found, self._tags[id] = find_renewable(self._store, self._tenant_id, Collection.MARKERS, id, kind)
        return found or kind()

    def has(self, kind: type[K]) -> bool:
        """Whether something is stored of a kind that was read."""
        return self._tags.get(self._id(kind)) is not None

    def change(self, kind: type[K], **changes: Any) -> None:
        """Change fields of what is stored of a kind. Raises Conflict."""
        self.write(kind.model_validate({**self.read(kind).model_dump(), **changes}))

    def write(self, *values: StoredValue) -> None:
        """Store values of several kinds in one step. Raises Conflict."""
        expect = self.expecting(*values)
        self._store.write(
            self._tenant_id, list(expect), {(record.collection, record.id): tag for record, tag in expect.items()}
        )
        self.written(expect)

    def expecting(self, *values: StoredValue) -> dict[Record, str | None]:
        """The records of values, each with the tag of what it is to be written in place of."""
        records = [to_record(Collection.MARKERS, self._id(type(value)), value) for value in values]
        return {record: self._tags.get(record.id) for record in records}

    def written(self, records: Mapping[Record, str | None]) -> None:
        """Take note that records were written, together with something else."""
        self._tags |= {record.id: tag_of(record.text) for record in records}

    def _id(self, kind: type[StoredValue]) -> str:
        return f"{_NAMES[kind]}/{self._module}"
