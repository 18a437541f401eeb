"""Reading and writing pydantic values as sealed records of a store. Collections are listed in collections.py.

One record that cannot be read stops nothing but itself: reading many leaves it out and tells of it once (`unreadable`),
reading one says which it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from argotune.errors import ConfigInvalid, Corrupt, NewerRecord, first_problem
from argotune.store.port import ANY, Record, Store
from argotune.store.sealing import seal, tag_of, unseal

log = logging.getLogger(__name__)


class StoredValue(BaseModel):
    """A frozen value that can be stored. What this release writes has known fields only; what it reads may be of a
    later release of the same schema, whose further fields are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sealed_as: ClassVar[str] = ""
    """The kind under which records of the value are sealed, where that is not the name of its class."""


D = TypeVar("D", bound=BaseModel)


@dataclass(frozen=True)
class Unreadable:
    """A record that was left out, and why. `tenant_id` may be collections.EVERYONE."""

    tenant_id: str
    collection: str
    id: str
    why: str

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.collection} {self.id!r} of tenant {self.tenant_id!r}: {self.why}"


MAX_TOLD = 1000
_told: dict[Unreadable, None] = {}


def tell(found: Unreadable) -> None:
    """Log a record that was left out, once for this process, and remember it for `unreadable`."""
    if found not in _told and len(_told) < MAX_TOLD:
        _told[found] = None
        log.warning("left out, as it cannot be read: %s", found.sentence)


def unreadable(tenant_id: str | None = None) -> tuple[Unreadable, ...]:
    """What this process has left out so far, of one tenant or of all: at most MAX_TOLD records."""
    return tuple(found for found in _told if tenant_id in (None, found.tenant_id))


def kind_of(value: type[BaseModel]) -> str:
    """The kind that stands in the sealed records of a value."""
    return getattr(value, "sealed_as", "") or value.__name__


def to_record(collection: str, id: str, value: BaseModel) -> Record:
    """The sealed record of a value."""
    return Record(collection, id, seal(kind_of(type(value)), value.model_dump(mode="json")))


def from_text(kind: type[D], text: str) -> D:
    """The value in a sealed record; fields that this release does not know are left out. Raises Corrupt."""
    try:
        return kind.model_validate(unseal(kind_of(kind), text), extra="ignore")
    except (ValidationError, ConfigInvalid) as error:
        detail = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise Corrupt(f"a {kind_of(kind)} record cannot be read: {detail}") from error


def find(store: Store, tenant_id: str, collection: str, id: str, kind: type[D]) -> tuple[D, str] | tuple[None, None]:
    """The value and its tag, or (None, None). Raises Corrupt that says which record cannot be read."""
    text = store.read(tenant_id, collection, id)
    try:
        return (None, None) if text is None else (from_text(kind, text), tag_of(text))
    except Corrupt as error:
        raise type(error)(Unreadable(tenant_id, collection, id, str(error)).sentence) from error


def find_renewable(
    store: Store, tenant_id: str, collection: str, id: str, kind: type[D]
) -> tuple[D, str] | tuple[None, str | None]:
    """As `find`, for what can be made anew: a damaged record is told and nothing, and may be written over.

    Raises NewerRecord: that one is whole, and not this release's to overwrite.
    """
    return renewable(tenant_id, collection, id, kind, store.read(tenant_id, collection, id))


def renewable(
    tenant_id: str, collection: str, id: str, kind: type[D], text: str | None
) -> tuple[D, str] | tuple[None, str | None]:
    """The same, of what was read there."""
    try:
        return (None, None) if text is None else (from_text(kind, text), tag_of(text))
    except NewerRecord as error:
        raise NewerRecord(Unreadable(tenant_id, collection, id, str(error)).sentence) from error
    except Corrupt as error:
        tell(Unreadable(tenant_id, collection, id, str(error)))
        return None, tag_there(text)


def tag_there(text: str | None) -> str | None:
    """The tag that a change of a record must expect, whole or damaged; None where there is none."""
    if text is None:
        return None
    head = text[:73]  # where stores count bytes these are characters too, so that all of them find the same
    return head[9:] if head.isascii() and head.isprintable() else ANY


def find_all(store: Store, tenant_id: str, collection: str, kind: type[D]) -> Iterator[D]:
    """All values of a collection that can be read, in no particular order."""
    return (value for value, _ in find_tagged(store, tenant_id, collection, kind))


def find_tagged(store: Store, tenant_id: str, collection: str, kind: type[D]) -> Iterator[tuple[D, str]]:
    """All values of a collection that can be read, each with the tag that a change must expect."""
    return readable(tenant_id, store.scan(tenant_id, collection), lambda text: (from_text(kind, text), tag_of(text)))


T = TypeVar("T")


def readable(tenant_id: str, records: Iterable[Record], read: Callable[[str], T]) -> Iterator[T]:
    """What `read` makes of the records' texts; those at which it raises Corrupt are told and left out."""
    for record in records:
        try:
            found = read(record.text)
        except Corrupt as error:
            tell(Unreadable(tenant_id, record.collection, record.id, str(error)))
            continue
        yield found
