"""Settling: the sums over a program's questions, changed question by question, and what has to be written for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from argotune.data.annotated_spans import AnnotatedSoFar, Judged
from argotune.data.archive import ExperienceLog, example_record
from argotune.data.dataset import ExampleSums
from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.fields import Fields
from argotune.data.label_rule import NoLabel
from argotune.data.question_log import QuestionLog, Summary
from argotune.data.question_rows import BRIDGED, QuestionRow
from argotune.data.questions import Merged, Settled, example_of, settle
from argotune.data.splitting import Bridged, Split, normalised
from argotune.store.port import Record


@dataclass(frozen=True)
class Gathered:
    """What all questions of a program come to. `counts` are answers that are no examples, and what was forgotten;
    `refuted` are the spans, by question, of which people have said that the answer is wrong and nobody what is right.
    """

    sums: ExampleSums
    experiences: int
    counts: Mapping[str, int]
    expired: int
    judged: Mapping[str, Judged]
    refuted: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Beside:
    """What a step changes beside questions: the names of records that list new spans and are taken in, spans that are
    too old, and names of records of days that list nothing any more."""

    fresh: Sequence[str] = ()
    expired: Sequence[str] = ()
    over: Sequence[str] = ()


class Settling:
    """One step: the sums, changed question by question, and what has to be written. `annotated` is changed too."""

    def __init__(self, questions: QuestionLog, fields: Fields, summary: Summary, annotated: AnnotatedSoFar) -> None:
        self._questions, self._fields, self._summary, self._annotated = questions, fields, summary, annotated
        self._experiences, self.forgotten = summary.experiences, 0
        self._reasons, self._sums = Counter(summary.reasons), summary.sums.copied()
        self._gone: set[str] = set()
        self._left: set[str] = set()
        self._new: list[tuple[str, str, str]] = []
        self._records: list[Record] = []

    def change(
        self, id: str, inputs: Mapping[str, str], before: QuestionRow, after: QuestionRow, stored: Example | None
    ) -> None:
        """Put what comes of a question now in the place of what came of it before. `stored` is its example so far, or
        that of an earlier gathering."""
        was, now = (settle(row.answers, split_of(row.place), self._fields) for row in (before, after))
        example = example_of(now, inputs, self._fields) if now.best else None
        self._questions.put(id, after)
        self._experiences += len(after.answers) - len(before.answers)
        self._count(was, -1)
        self._count(now, 1)
        self._annotated.refute(id, now.refuted)
        if stored and was.best:
            self._sums.add(stored, -1)
            self.forgotten += not after.answers
        if example:
            self._sums.add(example)
        self._move(id, stored.split if stored else None, example)
        if example and example != stored:
            self._records.append(example_record(example))
        if stored and not example:
            self._gone.add(id)

    def forget(self, id: str) -> None:
        """Drop an example of an earlier gathering whose question nobody has asked since."""
        self.forgotten += 1
        self._left.add(id)
        self._gone.add(id)

    def _count(self, settled: Settled, sign: int) -> None:
        for reason, count in settled.reasons.items():
            self._reasons[str(reason)] += sign * count
        for span_id, judged in _judged(settled):
            self._annotated.judge(span_id, judged if sign > 0 else None)

    def _move(self, id: str, before: Split | None, example: Example | None) -> None:
        after = example.split if example else None
        if before is not after:
            self._left |= {id} if before else set()
            self._new += [(id, after.value, normalised(query_of(example.inputs)))] if example and after else []

    def committed(
        self, days: Mapping[str, Sequence[str]], log: ExperienceLog, beside: Beside, live: Sequence[Record] = ()
    ) -> Summary:
        """Write everything down, in one step with `live` and what was changed of annotated spans; the summary to go on
        from."""
        chunks = self._questions.change_near(self._summary, frozenset(self._left), self._new)
        pending = {
            **log.collections(self._fields.program, list(beside.expired), sorted(self._gone)),
            self._questions.fresh_collection: list(beside.fresh),
            **self._questions.day_ids(beside.over),
        }
        changes = {
            "experiences": self._experiences,
            "reasons": {reason: count for reason, count in self._reasons.items() if count},
            "sums": self._sums,
            "days": {day: list(names) for day, names in days.items()},
            "chunks": chunks,
            "pending": {collection: ids for collection, ids in pending.items() if ids},
        }
        summary = self._summary.model_copy(update=changes)
        if self._annotated.is_changed:
            summary = self._questions.put_annotated_change(summary, self._annotated.change)
        written = self._questions.commit(summary, [*self._records, *live])
        self._annotated.written()
        return written


def counts_of(reasons: Mapping[str, int], forgotten: int) -> dict[str, int]:
    told = {**reasons, **({Merged.FORGOTTEN.value: forgotten} if forgotten else {})}
    return {reason: told[reason] for reason in sorted(told) if told[reason]}


def name_of(where: Split | Bridged | None) -> str:
    return where.value if isinstance(where, Split) else BRIDGED if where else ""


def split_of(name: str) -> Split | Bridged | None:
    return Split(name) if name not in ("", BRIDGED) else Bridged(frozenset()) if name else None


def _judged(settled: Settled) -> list[tuple[str, Judged]]:
    """Of a trusted label. Test questions are left out, so that nothing is chosen by them, and so are labels that only
    confirm what was answered."""
    if settled.best is None or settled.split is Split.TEST or not settled.best[1].source.is_trusted:
        return []
    answer, label = settled.best
    if answer.tested is NoLabel.CONFIRMED:
        return []
    return [(answer.span_id, Judged(at=answer.at, is_hit=dict(answer.said) == dict(label.expected)))]
