"""Archive: a tenant's experiences and examples in the store, and how far its traces were read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import islice
from typing import Any

from argotune.data.examples import Example, example_from_json, example_to_json
from argotune.data.experiences import Experience
from argotune.data.question_log import fresh_record
from argotune.errors import Corrupt
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import readable
from argotune.store.sealing import seal, unseal

BATCH_EXPERIENCES = 1000

READ_AT_ONCE = 400
"""Of many that are named, so many are in memory at a time."""


class ExperienceLog:
    """The experiences and examples of one tenant."""

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store = store
        self._tenant_id = tenant_id

    def append(self, batch: Sequence[Experience], also: Mapping[Record, str | None]) -> None:
        """Store a batch in one step with `also`, the cursor behind it: records with the tags of what is there of them.

        Storing an experience again changes nothing. Raises Conflict when another reader moved the cursor.
        """
        records = [*map(_record, batch), *_fresh(batch), *also]
        expect = {(record.collection, record.id): tag for record, tag in also.items()}
        self._store.write(self._tenant_id, records, expect)

    def replace_experiences(self, experiences: Iterable[Experience]) -> None:
        """Store changed experiences in place of what is known of their spans, some at a time."""
        rest = iter(experiences)
        while batch := list(islice(rest, BATCH_EXPERIENCES)):
            self._store.write(self._tenant_id, [_record(experience) for experience in batch])

    def experiences(self, program: str) -> Iterator[Experience]:
        """All stored experiences of a program that can be read, in no particular order."""
        stored = self._store.scan(self._tenant_id, _collection(Collection.EXPERIENCES, program))
        return readable(self._tenant_id, stored, lambda text: _experience(unseal("experience", text)))

    def span_ids(self, program: str) -> Iterator[str]:
        """Those of all stored experiences of a program, damaged ones too."""
        return (record.id for record in self._store.scan(self._tenant_id, _collection(Collection.EXPERIENCES, program)))

    def experience(self, program: str, span_id: str) -> Experience | None:
        """One stored experience, None when it was forgotten or cannot be read."""
        return next(self.experiences_of(program, [span_id]), None)

    def experiences_of(self, program: str, span_ids: Iterable[str]) -> Iterator[Experience]:
        """The experiences of these spans, in their order; those that were forgotten or cannot be read are left out."""
        stored = self._named(_collection(Collection.EXPERIENCES, program), span_ids)
        return readable(self._tenant_id, stored, lambda text: _experience(unseal("experience", text)))

    def example(self, program: str, id: str) -> Example | None:
        """One stored example, None where there is none. Raises Corrupt."""
        text = self._store.read(self._tenant_id, _collection(Collection.EXAMPLES, program), id)
        return None if text is None else read_example(text)

    def examples_of(self, program: str, ids: Iterable[str]) -> Iterator[Example]:
        """The examples of these ids, in their order; those that are gone or cannot be read are left out."""
        stored = self._named(_collection(Collection.EXAMPLES, program), ids)
        return readable(self._tenant_id, stored, read_example)

    def example_texts(self, program: str, ids: Iterable[str]) -> dict[str, str]:
        """The examples of these ids that are there, for `read_example`; all are in memory."""
        return {record.id: record.text for record in self._named(_collection(Collection.EXAMPLES, program), ids)}

    def _named(self, collection: str, ids: Iterable[str]) -> Iterator[Record]:
        names = iter(ids)
        while some := list(islice(names, READ_AT_ONCE)):
            found = self._store.read_many(self._tenant_id, collection, some)
            yield from (Record(collection, id, found[id]) for id in some if id in found)

    def collections(self, program: str, experiences: list[str], examples: list[str]) -> dict[str, list[str]]:
        """The ids by the collection in which they lie."""
        return {
            _collection(Collection.EXPERIENCES, program): experiences,
            _collection(Collection.EXAMPLES, program): examples,
        }

    def examples(self, program: str) -> list[Example]:
        """All stored examples of a program that can be read."""
        return list(self.each_example(program))

    def each_example(self, program: str) -> Iterator[Example]:
        """The same, one after the other."""
        stored = self._store.scan(self._tenant_id, _collection(Collection.EXAMPLES, program))
        return readable(self._tenant_id, stored, read_example)

    def replace_examples(self, program: str, examples: Iterable[Example], known: Iterable[Example]) -> None:
        """Make the stored examples equal to `examples`, writing and removing only what differs from `known`.

        In steps, so that a Redis answers others between them: done again after a crash it ends the same.
        """
        collection = _collection(Collection.EXAMPLES, program)
        before = {example.id: example for example in known}
        after = {example.id: example for example in examples}
        changed = [e for id, e in after.items() if before.get(id) != e]
        records = [example_record(e) for e in changed]
        for start in range(0, len(records), BATCH_EXPERIENCES):
            self._store.write(self._tenant_id, records[start : start + BATCH_EXPERIENCES])
        gone = [id for id in before if id not in after]
        if gone:
            self._store.remove(self._tenant_id, collection, gone)


def read_example(text: str) -> Example:
    """What `example_record` wrote. Raises Corrupt."""
    return example_from_json(unseal("example", text))


def example_record(example: Example) -> Record:
    """The record under which an example is kept, for writing it together with others."""
    collection = _collection(Collection.EXAMPLES, example.program)
    return Record(collection, example.id, seal("example", dict(example_to_json(example))))


def _collection(kind: str, program: str) -> str:
    return f"{kind}.{program}"


def _fresh(batch: Sequence[Experience]) -> Iterator[Record]:
    """The names of a batch's spans, by which the next gathering finds them."""
    by_program: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for experience in batch:
        by_program[experience.program].append((experience.span_id, experience.at))
    for program, spans in by_program.items():
        yield fresh_record(program, spans)


_SCALARS = [field.name for field in fields(Experience) if field.name not in ("at", "inputs", "answers")]


def _record(experience: Experience) -> Record:
    return Record(_collection(Collection.EXPERIENCES, experience.program), experience.span_id, _sealed(experience))


def _sealed(experience: Experience) -> str:
    body: dict[str, Any] = {name: value for name in _SCALARS if (value := getattr(experience, name)) is not None}
    body |= {"at": experience.at.isoformat(), "inputs": dict(experience.inputs), "answers": dict(experience.answers)}
    return seal("experience", body)


_KNOWN = frozenset(field.name for field in fields(Experience))


def _experience(body: Mapping[str, Any]) -> Experience:
    """Fields of later releases are left out. Raises Corrupt."""
    try:
        known = {name: value for name, value in body.items() if name in _KNOWN}
        return Experience(**{**known, "at": datetime.fromisoformat(body["at"])})
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise Corrupt(f"an experience cannot be read: {error!r}") from error
