"""Settling: the sums over a program's questions, changed question by question, and what has to be written for it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from argotune.data.archive import ExperienceLog, example_record
from argotune.data.dataset import ExampleSums
from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.fields import Fields
from argotune.data.label_rule import NoLabel
from argotune.data.question_log import BRIDGED, AnnotatedSpans, Judged, QuestionLog, QuestionRow, Summary
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


class Settling:
    """The sums, changed question by question, and what has to be written for it."""

    def __init__(self, questions: QuestionLog, fields: Fields, summary: Summary, annotated: AnnotatedSpans) -> None:
        self._questions, self._fields, self._summary = questions, fields, summary
        self._experiences, self.forgotten = summary.experiences, 0
        self._reasons, self._sums = Counter(summary.reasons), copy.deepcopy(summary.sums)
        self._judged, self._refuted = dict(annotated.judged), dict(annotated.refuted)
        self.gone: set[str] = set()
        self._left: set[str] = set()
        self._new: list[tuple[str, str, str]] = []
        self._records: list[Record] = []

    def change(
        self, id: str, inputs: Mapping[str, str], before: QuestionRow, after: QuestionRow, stored: Example | None
    ) -> None:
        """Put what comes of a question now in the place of what came of it before. `stored` is its example so far."""
        was, now = (settle(row.answers, split_of(row.place), self._fields) for row in (before, after))
        example = example_of(now, inputs, self._fields) if now.best else None
        self._questions.put(id, after)
        self._experiences += len(after.answers) - len(before.answers)
        self._count(was, -1)
        self._count(now, 1)
        self._refuted.pop(id, None)
        self._refuted |= {id: now.refuted} if now.refuted else {}
        if stored and was.best:
            self._sums.add(stored, -1)
            self.forgotten += not after.answers
        if example:
            self._sums.add(example)
        self._move(id, was.split if was.best else None, example)
        if example and example != stored:
            self._records.append(example_record(example))
        if stored and not example:
            self.gone.add(id)

    def _count(self, settled: Settled, sign: int) -> None:
        for reason, count in settled.reasons.items():
            self._reasons[str(reason)] += sign * count
        for span_id, judged in _judged(settled):
            if sign > 0:
                self._judged[span_id] = judged
            else:
                self._judged.pop(span_id, None)

    def _move(self, id: str, before: Split | None, example: Example | None) -> None:
        after = example.split if example else None
        if before is not after:
            self._left |= {id} if before else set()
            self._new += [(id, after.value, normalised(query_of(example.inputs)))] if example and after else []

    def committed(
        self,
        days: Mapping[str, list[str]],
        states: Mapping[str, str],
        log: ExperienceLog,
        expired: Sequence[str],
        fresh: Iterable[str],
        over: Iterable[str] = (),
    ) -> Gathered:
        """Write everything down. `over` are records of days that list nothing any more."""
        chunks = self._questions.change_near(self._summary, frozenset(self._left), self._new)
        pending = {
            **log.collections(self._fields.program, list(expired), sorted(self.gone)),
            self._questions.fresh_collection: list(fresh),
            **self._questions.day_ids(over),
        }
        summary = Summary(
            edition=self._summary.edition,
            experiences=self._experiences,
            reasons={reason: count for reason, count in self._reasons.items() if count},
            sums=self._sums,
            days=dict(days),
            chunks=chunks,
            pending={collection: ids for collection, ids in pending.items() if ids},
        )
        self._questions.put_annotated(AnnotatedSpans(states=dict(states), judged=self._judged, refuted=self._refuted))
        self._questions.commit(summary, self._records)
        counts = counts_of(summary.reasons, self.forgotten)
        return Gathered(self._sums, self._experiences, counts, len(expired), self._judged, self._refuted)


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
