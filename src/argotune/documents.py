"""Reading and writing pydantic values as sealed records of a store. Collections are listed in records.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from argotune.errors import ConfigInvalid, Corrupt
from argotune.ports import Record, Store
from argotune.records import seal, tag_of, unseal
from argotune.tenants import first_problem


class Document(BaseModel):
    """A frozen value that can be stored. Unknown fields are refused: an old release never half-reads a new record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


D = TypeVar("D", bound=BaseModel)


def to_record(collection: str, id: str, value: BaseModel) -> Record:
    """The sealed record of a value."""
    return Record(collection, id, seal(type(value).__name__, value.model_dump(mode="json")))


def from_text(kind: type[D], document: str) -> D:
    """The value in a sealed document. Raises Corrupt."""
    try:
        return kind.model_validate(unseal(kind.__name__, document))
    except (ValidationError, ConfigInvalid) as error:
        detail = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise Corrupt(f"a {kind.__name__} record cannot be read: {detail}") from error


def find(store: Store, tenant_id: str, collection: str, id: str, kind: type[D]) -> tuple[D, str] | tuple[None, None]:
    """The value and its tag, or (None, None)."""
    document = store.read(tenant_id, collection, id)
    return (None, None) if document is None else (from_text(kind, document), tag_of(document))


def find_all(store: Store, tenant_id: str, collection: str, kind: type[D]) -> Iterator[D]:
    """All values of a collection, in no particular order."""
    return (from_text(kind, record.document) for record in store.scan(tenant_id, collection))


def find_tagged(store: Store, tenant_id: str, collection: str, kind: type[D]) -> Iterator[tuple[D, str]]:
    """All values of a collection, each with the tag that a change must expect."""
    for record in store.scan(tenant_id, collection):
        yield from_text(kind, record.document), tag_of(record.document)
