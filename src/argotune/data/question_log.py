"""Question log: what a program was asked, in a form in which a pass reads only the questions that something is new of.

Beside the experiences and examples lie, in one collection of the program: a summary; the questions with the labels of
their answers, in records by the beginning of their ids; the sketches of all examples, by which near-duplicates are
found; the spans of each day, by which old ones are forgotten; and the annotated spans. The names of new spans lie in a
collection of their own until they are taken in. All of it can be made anew from experiences, examples and annotations.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from argotune.data.annotated_spans import AnnotatedChange, AnnotatedSoFar, AnnotatedSpans, change_names, read_changes
from argotune.data.annotations import LabelSource
from argotune.data.dataset import ExampleSums
from argotune.data.experiences import shared
from argotune.data.label_rule import Labelled, NoLabel
from argotune.data.near_texts import NearTexts, Sketches, is_wide
from argotune.data.questions import PastAnswer
from argotune.errors import Corrupt
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import StoredValue, find_renewable, renewable, to_record
from argotune.store.sealing import digest, seal, unseal

WRITE_AT_ONCE = 1000
"""Records of one step: more would keep a Redis from answering others. A step of several is marked as begun, and made
anew when it does not come to its end."""

CHUNK = 1000
"""Sketches of one record."""

BRIDGED = "bridged"


class Summary(StoredValue):
    """What all questions of a program come to under the rules with the digest `edition`, "" while they are made anew.

    `reasons` counts answers that are no examples, `days` names the records that list a day's spans, `chunks` counts
    records of narrow and wide sketches, and `pending` is what is to be removed now: ids by collection. `is_anew`:
    examples of an earlier gathering are there whose questions may not have been settled since. `changes` of annotated
    spans lie beside what is kept of them.
    """

    edition: str
    experiences: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)
    sums: ExampleSums = Field(default_factory=ExampleSums)
    days: dict[str, list[str]] = Field(default_factory=dict)
    chunks: dict[str, int] = Field(default_factory=dict)
    pending: dict[str, list[str]] = Field(default_factory=dict)
    is_anew: bool = False
    changes: int = 0


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question as it is kept: where it was placed (a split, BRIDGED, or "") and its answers, oldest first."""

    place: str = ""
    answers: tuple[PastAnswer, ...] = ()


@dataclass
class _Chunk:
    name: str
    ids: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    words: bytearray = field(default_factory=bytearray)

    @property
    def record(self) -> dict[str, Any]:
        return {"ids": self.ids, "splits": self.splits, "sizes": self.sizes, "words": b64encode(self.words).decode()}

    def put(self, new: Sequence[tuple[str, str, str]]) -> None:
        """Put examples, (id, split, normalised text), into it."""
        sketches = Sketches.of([text for _, _, text in new])
        self.ids += [id for id, _, _ in new]
        self.splits += [split for _, split, _ in new]
        self.sizes += sketches.sizes
        self.words += sketches.words()

    def without(self, gone: frozenset[str]) -> _Chunk:
        kept = [n for n, id in enumerate(self.ids) if id not in gone]
        width = len(self.words) // max(len(self.ids), 1)
        words = bytearray().join(self.words[n * width : (n + 1) * width] for n in kept)
        return _Chunk(
            self.name, [self.ids[n] for n in kept], [self.splits[n] for n in kept], [self.sizes[n] for n in kept], words
        )


class QuestionLog:
    """The questions of one program of one tenant, for one pass: what it changes is written by `commit`."""

    def __init__(self, store: Store, tenant_id: str, program: str) -> None:
        self._store, self._tenant_id = store, tenant_id
        self._gathered = f"{Collection.GATHERED}.{program}"
        self.fresh_collection = f"{Collection.FRESH}.{program}"
        self._shards: dict[str, str | None] = {}
        self._rows: dict[str, dict[str, QuestionRow]] = {}
        self._changed: dict[str, Record] = {}
        self._tag: str | None = None
        self.is_annotated_lost = False

    def summary(self) -> Summary | None:
        """None where there is none that can be gone on from. What was left to be removed is removed."""
        found, self._tag = find_renewable(self._store, self._tenant_id, self._gathered, "summary", Summary)
        if found is None or not found.edition:
            return None
        return self._cleared(found)

    def _cleared(self, summary: Summary) -> Summary:
        if not summary.pending:
            return summary
        for collection, ids in summary.pending.items():
            self._store.remove(self._tenant_id, collection, ids)
        clean = summary.model_copy(update={"pending": {}})
        self._write([], clean)
        return clean

    def annotated(self) -> AnnotatedSpans:
        """The annotated spans as they were taken in last; none where something of it cannot be read, which makes it
        `is_annotated_lost`."""
        found = _annotated(self._store, self._tenant_id, self._gathered)
        self.is_annotated_lost = found is None
        return found or AnnotatedSpans()

    def fresh_names(self) -> list[str]:
        """The names of the records that list spans which are not taken in yet, those of the earliest spans first."""
        found = self._store.scan(self._tenant_id, self.fresh_collection)
        earliest = [(unseal("fresh", record.text).get("earliest", ""), record.id) for record in found]
        return [name for _, name in sorted(earliest)]

    def fresh_spans(self, name: str) -> list[str]:
        """The spans that such a record lists."""
        text = self._store.read(self._tenant_id, self.fresh_collection, name)
        return list(unseal("fresh", text)["spans"]) if text else []

    def fresh(self) -> Iterator[str]:
        """All of those spans."""
        for record in self._store.scan(self._tenant_id, self.fresh_collection):
            yield from unseal("fresh", record.text)["spans"]

    def list_fresh(self, program: str, spans: Sequence[tuple[str, datetime]]) -> str:
        """List spans, with their times, as new at once; the name of the record."""
        record = fresh_record(program, spans)
        self._store.write(self._tenant_id, [record])
        return record.id

    def forget_fresh(self, names: Sequence[str]) -> None:
        """Forget such records at once."""
        if names:
            self._store.remove(self._tenant_id, self.fresh_collection, names)

    def clear(self) -> None:
        """Forget everything, to begin anew."""
        self._store.remove(self._tenant_id, self._gathered)
        self._tag, self._shards, self._rows, self._changed = None, {}, {}, {}

    # Questions

    def rows(self, ids: Iterable[str]) -> dict[str, QuestionRow]:
        """Questions as they were when the last changes were written; an empty one for each that was never asked. The
        records in which they lie are held until then."""
        found, by_shard = dict[str, QuestionRow](), dict[str, list[str]]()
        for id in ids:
            by_shard.setdefault(id[:3], []).append(id)
        self._read_shards(by_shard)
        for name, some in by_shard.items():
            asked = self._shard(name)
            for id in some:
                row = asked.get(id)
                found[id] = QuestionRow(row["place"], tuple(map(_answered, row["answers"]))) if row else QuestionRow()
        return found

    def put(self, question_id: str, row: QuestionRow) -> None:
        """Keep a question in its new state; one without answers is forgotten."""
        self._rows.setdefault(question_id[:3], {})[question_id] = row

    def _shard(self, name: str) -> dict[str, Any]:
        """The text is held and not what is in it, which is several times as large."""
        self._read_shards([name])
        text = self._shards[name]
        return dict(unseal("asked", text)) if text else {}

    def _read_shards(self, names: Iterable[str]) -> None:
        missing = {name: f"asked/{name}" for name in names if name not in self._shards}
        is_begun = self._tag is not None
        found = self._store.read_many(self._tenant_id, self._gathered, missing.values()) if missing and is_begun else {}
        self._shards |= {name: found.get(id) for name, id in missing.items()}

    def _changed_shard(self, name: str) -> dict[str, Any]:
        asked = self._shard(name)
        for id, row in self._rows[name].items():
            if row.answers:
                asked[id] = {"place": row.place, "answers": [_answer_json(answer) for answer in row.answers]}
            else:
                asked.pop(id, None)
        return asked

    def day(self, name: str) -> list[tuple[str, datetime]]:
        """The spans that a record lists, with their times."""
        text = self._store.read(self._tenant_id, self._gathered, f"day/{name}")
        return [(id, datetime.fromisoformat(at)) for id, at in unseal("day", text)] if text else []

    def put_day(self, name: str, spans: Iterable[tuple[str, datetime]]) -> None:
        """List the spans of a day under a name."""
        self._change(f"day/{name}", "day", [[id, at.isoformat()] for id, at in spans])

    def put_annotated_change(self, summary: Summary, change: AnnotatedChange) -> Summary:
        """Keep what was changed of the annotated spans; the summary that tells of it."""
        record = to_record(self._gathered, change_names(summary.changes + 1)[-1], change)
        self._changed[record.id] = record
        return summary.model_copy(update={"changes": summary.changes + 1})

    def put_annotated(self, summary: Summary, annotated: AnnotatedSpans) -> Summary:
        """Keep all that is known of the annotated spans in place of the changes; the summary that tells of it."""
        record = to_record(self._gathered, "annotated", annotated)
        self._changed[record.id] = record
        pending = {self._gathered: change_names(summary.changes)} if summary.changes else {}
        return summary.model_copy(update={"changes": 0, "pending": pending})

    def day_ids(self, names: Iterable[str]) -> dict[str, list[str]]:
        """What is to be removed of days that are over, by collection."""
        return {self._gathered: [f"day/{name}" for name in names]}

    # Sketches

    def near(self, summary: Summary, read: Callable[[str], str]) -> NearTexts:
        """The index of all examples by split; `read` gives the normalised text of one by its id."""
        found = NearTexts(read=read)
        for name in _chunk_names(summary):
            chunk = self._chunk(name)
            if chunk.ids:
                found.add_known(chunk.ids, chunk.splits, Sketches.read(chunk.sizes, bytes(chunk.words)))
        return found

    def change_near(
        self, summary: Summary, gone: frozenset[str], new: Sequence[tuple[str, str, str]]
    ) -> dict[str, int]:
        """Take examples out of the index and put new ones, (id, split, normalised text), into it; the new `chunks`."""
        changed: dict[str, _Chunk] = {}
        for name in _chunk_names(summary) if gone else ():
            chunk = self._chunk(name)
            if not gone.isdisjoint(chunk.ids):
                changed[name] = chunk.without(gone)
        counts = dict(summary.chunks)
        for kind, wide in (("narrow", False), ("wide", True)):
            counts[kind] = self._append(changed, kind, counts.get(kind, 0), [x for x in new if is_wide(x[2]) is wide])
        for name, chunk in changed.items():
            self._change(name, "near", chunk.record)
        return counts

    def _append(self, changed: dict[str, _Chunk], kind: str, count: int, new: Sequence[tuple[str, str, str]]) -> int:
        rest = list(new)
        while rest:
            name, is_there = f"near/{kind}/{max(count - 1, 0):05}", count > 0
            if name not in changed:
                changed[name] = self._chunk(name) if is_there else _Chunk(name)
            chunk = changed[name]
            some, rest = rest[: CHUNK - len(chunk.ids)], rest[CHUNK - len(chunk.ids) :]
            if some:
                chunk.put(some)
            count = max(count, 1)
            if rest:
                count += 1
                changed[f"near/{kind}/{count - 1:05}"] = _Chunk(f"near/{kind}/{count - 1:05}")
        return count

    def _chunk(self, name: str) -> _Chunk:
        text = self._store.read(self._tenant_id, self._gathered, name)
        if text is None:
            raise Corrupt(f"{self._gathered}: {name} is gone")
        body = unseal("near", text)
        return _Chunk(name, body["ids"], body["splits"], body["sizes"], bytearray(b64decode(body["words"])))

    # Writing

    def _change(self, name: str, kind: str, body: Any) -> None:
        self._changed[name] = Record(self._gathered, name, seal(kind, body))

    def commit(self, summary: Summary, also: Sequence[Record] = ()) -> Summary:
        """Write all changes, `also` and the summary, then remove what it says; the summary that is there then. In one
        step, or marked as begun.

        Raises Conflict when somebody else went on from the same summary.
        """
        for name in sorted(self._rows):
            self._change(f"asked/{name}", "asked", self._changed_shard(name))
        records = [*also, *self._changed.values()]
        if len(records) > WRITE_AT_ONCE:
            self._write([], Summary(edition=""))
            while len(records) > WRITE_AT_ONCE:
                self._store.write(self._tenant_id, records[:WRITE_AT_ONCE])
                records = records[WRITE_AT_ONCE:]
        self._write(records, summary)
        self._rows, self._changed = {}, {}
        self.let_go()
        return self._cleared(summary)

    def let_go(self) -> None:
        """Hold no records any more that were read for `rows`."""
        self._shards = {}

    def _write(self, records: Sequence[Record], summary: Summary) -> None:
        record = to_record(self._gathered, "summary", summary)
        self._store.write(self._tenant_id, [*records, record], {(record.collection, record.id): self._tag})
        self._tag = record.text[9:73]


def decisions_taken_in(store: Store, tenant_id: str, program: str) -> int:
    """How many decisions of a program the passes so far have kept; 0 where none has, or that is damaged. Only reads."""
    found, _ = find_renewable(store, tenant_id, f"{Collection.GATHERED}.{program}", "summary", Summary)
    return found.experiences if found else 0


def refuted_questions_of(store: Store, tenant_id: str, program: str) -> int:
    """Of how many questions the passes so far know only which answers are wrong. Only reads."""
    found = _annotated(store, tenant_id, f"{Collection.GATHERED}.{program}")
    return len(found.refuted) if found else 0


def _annotated(store: Store, tenant_id: str, gathered: str) -> AnnotatedSpans | None:
    """What is kept of the annotated spans with all changes, None where some of it cannot be read."""
    texts = store.read_many(tenant_id, gathered, ("summary", "annotated"))
    summary, _ = renewable(tenant_id, gathered, "summary", Summary, texts.get("summary"))
    whole, tag = renewable(tenant_id, gathered, "annotated", AnnotatedSpans, texts.get("annotated"))
    changes = read_changes(store, tenant_id, gathered, summary.changes if summary else 0)
    is_lost = changes is None or (whole is None and tag is not None)
    return None if is_lost else AnnotatedSoFar.of(whole or AnnotatedSpans(), changes or ()).all


def fresh_record(program: str, spans: Sequence[tuple[str, datetime]]) -> Record:
    """That these spans, with their times, are to be taken in, for writing it with them."""
    ids, earliest = [id for id, _ in spans], min(at for _, at in spans).astimezone(UTC).isoformat()
    return Record(
        f"{Collection.FRESH}.{program}", digest(ids)[:24], seal("fresh", {"spans": ids, "earliest": earliest})
    )


def _chunk_names(summary: Summary) -> list[str]:
    return [f"near/{kind}/{n:05}" for kind, count in summary.chunks.items() for n in range(count)]


def _answer_json(answer: PastAnswer) -> list[Any]:
    label, tested = _label_json(answer.label, answer.said), None
    if answer.tested is not answer.label:
        tested = _label_json(answer.tested, answer.said)
    return [
        answer.span_id,
        answer.at.isoformat(),
        dict(answer.said),
        label,
        tested,
        answer.modality,
        answer.language,
        *([dict(answer.refuted) if answer.refuted else None] if answer.refuted or answer.counted else []),
        *([answer.counted] if answer.counted else []),
    ]


def _label_json(label: Labelled | NoLabel, said: Mapping[str, str]) -> Any:
    if isinstance(label, NoLabel):
        return label.name
    expected = None if label.expected == said else dict(label.expected)
    return [label.source, label.weight, label.at.isoformat(), expected]


def _answered(row: Sequence[Any]) -> PastAnswer:
    span_id, at, said, label, tested, modality, language, *rest = row
    refuted, counted = rest[0] if rest else None, rest[1] if len(rest) > 1 else ""
    said = shared(*said.items())
    found = _label(label, said)
    return PastAnswer(
        span_id,
        datetime.fromisoformat(at),
        said,
        found,
        found if tested is None else _label(tested, said),
        modality,
        language,
        shared(*refuted.items()) if refuted else None,
        counted,
    )


def _label(found: Any, said: Mapping[str, str]) -> Labelled | NoLabel:
    if isinstance(found, str):
        return NoLabel[found]
    source, weight, at, expected = found
    right = said if expected is None else shared(*expected.items())
    return Labelled(right, LabelSource(source), weight, datetime.fromisoformat(at))
