"""Question log: what a program was asked, in a form in which a pass reads only the questions that something is new of.

Beside the experiences and examples lie, in one collection of the program: a summary; the questions with the labels of
their answers (question_rows.py); the sketches of all examples (near_log.py); the spans of each day, by which old ones
are forgotten; and the annotated spans. The names of new spans lie in a collection of their own until they are taken in.
All of it can be made anew from experiences, examples and annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from pydantic import Field

from argotune.data.annotated_spans import AnnotatedChange, AnnotatedSoFar, AnnotatedSpans, change_names, read_changes
from argotune.data.dataset import ExampleSums
from argotune.data.near_log import NearLog
from argotune.data.near_texts import NearTexts
from argotune.data.question_rows import QuestionRow, QuestionRows
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import StoredValue, find_renewable, renewable, to_record
from argotune.store.sealing import digest, seal, tag_of, unseal

WRITE_AT_ONCE = 1000
"""Records of one step: more would keep a Redis from answering others. A step of several is marked as begun, and made
anew when it does not come to its end."""


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


class QuestionLog:
    """The questions of one program of one tenant, for one pass: what it changes is written by `commit`."""

    def __init__(self, store: Store, tenant_id: str, program: str) -> None:
        self._store, self._tenant_id = store, tenant_id
        self._gathered = f"{Collection.GATHERED}.{program}"
        self.fresh_collection = f"{Collection.FRESH}.{program}"
        self._rows = QuestionRows(store, tenant_id, self._gathered, lambda: self._tag is not None)
        self._sketches = NearLog(store, tenant_id, self._gathered)
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
        self._rows.written()
        self._tag, self._changed = None, {}

    # Questions, and the sketches of examples

    def rows(self, ids: Iterable[str]) -> dict[str, QuestionRow]:
        """Questions as they were when the last changes were written; an empty one for each that was never asked. The
        records in which they lie are held until then."""
        return self._rows.of(ids)

    def each_row(self) -> Iterator[tuple[str, QuestionRow]]:
        """All questions that can be read, in the order of their ids."""
        return self._rows.each()

    def put(self, question_id: str, row: QuestionRow) -> None:
        """Keep a question in its new state; one without answers is forgotten."""
        self._rows.put(question_id, row)

    def let_go(self) -> None:
        """Hold no records any more that were read for `rows`."""
        self._rows.let_go()

    def near(self, summary: Summary, read: Callable[[str], str]) -> NearTexts:
        """The index of all examples by split; `read` gives the normalised text of one by its id."""
        return self._sketches.index(summary.chunks, read)

    def change_near(
        self, summary: Summary, gone: frozenset[str], new: Sequence[tuple[str, str, str]]
    ) -> dict[str, int]:
        """Take examples out of the index and put new ones, (id, split, normalised text), into it; the new `chunks`."""
        counts, records = self._sketches.changed(summary.chunks, gone, new)
        self._changed |= {record.id: record for record in records}
        return counts

    # Days, and annotated spans

    def day(self, name: str) -> list[tuple[str, datetime]]:
        """The spans that a record lists, with their times."""
        text = self._store.read(self._tenant_id, self._gathered, f"day/{name}")
        return [(id, datetime.fromisoformat(at)) for id, at in unseal("day", text)] if text else []

    def put_day(self, name: str, spans: Iterable[tuple[str, datetime]]) -> None:
        """List the spans of a day under a name."""
        listed = [[id, at.isoformat()] for id, at in spans]
        self._changed[f"day/{name}"] = Record(self._gathered, f"day/{name}", seal("day", listed))

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

    # Writing

    def commit(self, summary: Summary, also: Sequence[Record] = ()) -> Summary:
        """Write all changes, `also` and the summary, then remove what it says; the summary that is there then. In one
        step, or marked as begun.

        Raises Conflict when somebody else went on from the same summary.
        """
        records = [*also, *self._changed.values(), *self._rows.records()]
        if len(records) > WRITE_AT_ONCE:
            self._write([], Summary(edition=""))
            while len(records) > WRITE_AT_ONCE:
                self._store.write(self._tenant_id, records[:WRITE_AT_ONCE])
                records = records[WRITE_AT_ONCE:]
        self._write(records, summary)
        self._changed = {}
        self._rows.written()
        return self._cleared(summary)

    def _write(self, records: Sequence[Record], summary: Summary) -> None:
        record = to_record(self._gathered, "summary", summary)
        self._store.write(self._tenant_id, [*records, record], {(record.collection, record.id): self._tag})
        self._tag = tag_of(record.text)


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
