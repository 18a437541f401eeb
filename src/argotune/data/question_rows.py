"""Question rows: a program's questions with the labels of their answers, in records by the beginning of their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TypedDict

from argotune.data.annotations import LabelSource
from argotune.data.experiences import shared
from argotune.data.label_rule import Labelled, NoLabel
from argotune.data.questions import PastAnswer
from argotune.store.port import Record, Store
from argotune.store.records import readable
from argotune.store.sealing import seal, unseal

BRIDGED = "bridged"

RECORDS_AT_ONCE = 64
"""Of the 4,096 that all questions lie in, so many are in memory while all are looked through."""


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question as it is kept: where it was placed (a split, BRIDGED, or "") and its answers, oldest first."""

    place: str = ""
    answers: tuple[PastAnswer, ...] = ()


_Said = dict[str, str]

_KeptLabel = str | tuple[str, float, str, _Said | None]
"""The name of a NoLabel; or source, weight, when, and what is right, None where that is what was said."""

_KeptAnswer = tuple[
    str, str, _Said, _KeptLabel, _KeptLabel | None, str | None, str | None, *tuple[_Said | str | None, ...]
]
"""An answer: span, when, what was said, its label, that on test where it is another one, modality, language; then what
is refuted, and by whom it is counted, as far as there is any. JSON makes lists of tuples."""


class _KeptRow(TypedDict):
    """A row as JSON."""

    place: str
    answers: list[_KeptAnswer]


class QuestionRows:
    """The rows of one program in its collection `gathered`, for one pass. The records that were read for them are held
    until `let_go`; what is `put` is to be written as `records`."""

    def __init__(self, store: Store, tenant_id: str, gathered: str, is_begun: Callable[[], bool]) -> None:
        """`is_begun` tells whether anything was written; nothing is read before."""
        self._store, self._tenant_id, self._gathered, self._is_begun = store, tenant_id, gathered, is_begun
        self._texts: dict[str, str | None] = {}
        self._put: dict[str, dict[str, QuestionRow]] = {}

    def of(self, ids: Iterable[str]) -> dict[str, QuestionRow]:
        """Questions as they were when the last changes were written; an empty one for each that was never asked."""
        by_record: dict[str, list[str]] = {}
        for id in ids:
            by_record.setdefault(id[:3], []).append(id)
        self._read(by_record)
        return {id: row for name, some in by_record.items() for id, row in self._rows_in(name, some)}

    def _rows_in(self, name: str, ids: Iterable[str]) -> list[tuple[str, QuestionRow]]:
        kept = self._kept(name)
        return [(id, _row(kept[id]) if id in kept else QuestionRow()) for id in ids]

    def put(self, question_id: str, row: QuestionRow) -> None:
        """Keep a question in its new state; one without answers is forgotten."""
        self._put.setdefault(question_id[:3], {})[question_id] = row

    def records(self) -> list[Record]:
        """What is to be written of the rows that were put."""
        self._read(self._put)
        return [
            Record(self._gathered, f"asked/{name}", seal("asked", self._changed(name))) for name in sorted(self._put)
        ]

    def written(self) -> None:
        """The records are there."""
        self._put = {}
        self.let_go()

    def each(self) -> Iterator[tuple[str, QuestionRow]]:
        """All questions that can be read, in the order of their ids. The records of some are in memory at a time."""
        names = (f"asked/{number:03x}" for number in range(16**3))
        while some := list(islice(names, RECORDS_AT_ONCE)):
            found = self._store.read_many(self._tenant_id, self._gathered, some)
            records = (Record(self._gathered, name, found[name]) for name in some if name in found)
            for kept in readable(self._tenant_id, records, partial(unseal, "asked")):
                yield from ((id, _row(kept[id])) for id in sorted(kept))

    def let_go(self) -> None:
        """Hold no records any more."""
        self._texts = {}

    def _kept(self, name: str) -> dict[str, _KeptRow]:
        """The text is held and not what is in it, which is several times as large."""
        text = self._texts[name]
        return dict(unseal("asked", text)) if text else {}

    def _read(self, names: Iterable[str]) -> None:
        missing = {name: f"asked/{name}" for name in names if name not in self._texts}
        is_asked = missing and self._is_begun()
        found = self._store.read_many(self._tenant_id, self._gathered, missing.values()) if is_asked else {}
        self._texts |= {name: found.get(id) for name, id in missing.items()}

    def _changed(self, name: str) -> dict[str, _KeptRow]:
        kept = self._kept(name)
        for id, row in self._put[name].items():
            if row.answers:
                kept[id] = {"place": row.place, "answers": [_answer_json(answer) for answer in row.answers]}
            else:
                kept.pop(id, None)
        return kept


def _row(kept: _KeptRow) -> QuestionRow:
    return QuestionRow(kept["place"], tuple(map(_answered, kept["answers"])))


def _answer_json(answer: PastAnswer) -> _KeptAnswer:
    label, tested = _label_json(answer.label, answer.said), None
    if answer.tested is not answer.label:
        tested = _label_json(answer.tested, answer.said)
    refuted = dict(answer.refuted) if answer.refuted else None
    more = (refuted, answer.counted) if answer.counted else (refuted,) if refuted else ()
    at, said = answer.at.isoformat(), dict(answer.said)
    return (answer.span_id, at, said, label, tested, answer.modality, answer.language, *more)


def _label_json(label: Labelled | NoLabel, said: Mapping[str, str]) -> _KeptLabel:
    if isinstance(label, NoLabel):
        return label.name
    expected = None if label.expected == said else dict(label.expected)
    return label.source, label.weight, label.at.isoformat(), expected


def _answered(row: _KeptAnswer) -> PastAnswer:
    span_id, at, given, label, tested, modality, language, *more = row
    refuted = next((each for each in more if isinstance(each, dict)), None)
    counted = next((each for each in more if isinstance(each, str)), "")
    said = shared(*given.items())
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


def _label(found: _KeptLabel, said: Mapping[str, str]) -> Labelled | NoLabel:
    if isinstance(found, str):
        return NoLabel[found]
    source, weight, at, expected = found
    right = said if expected is None else shared(*expected.items())
    return Labelled(right, LabelSource(source), weight, datetime.fromisoformat(at))
