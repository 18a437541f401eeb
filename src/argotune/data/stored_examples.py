"""Stored examples: those of one program, all of them one after the other, some by their ids, or what tells them apart
without their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from argotune.data.archive import ExperienceLog
from argotune.data.dataset import Examples, read_of
from argotune.data.examples import Example
from argotune.data.fields import Fields
from argotune.data.question_log import QuestionLog
from argotune.data.question_rows import QuestionRow
from argotune.data.questions import settle
from argotune.data.reading_list import Listed
from argotune.data.settling import split_of
from argotune.data.splitting import Split
from argotune.store.sealing import digest


class StoredExamples(Examples):
    """As they were gathered last."""

    def __init__(self, log: ExperienceLog, questions: QuestionLog, fields: Fields) -> None:
        self._log, self._questions, self._fields = log, questions, fields

    def each(self) -> Iterator[Example]:
        return self._log.each_example(self._fields.program)

    def of(self, ids: Iterable[str]) -> Iterator[Example]:
        return self._log.examples_of(self._fields.program, ids)

    def listed(self) -> Iterator[Listed]:
        for id, row in self._questions.each_row():
            if found := self._listed(id, row):
                yield found

    def _listed(self, id: str, row: QuestionRow) -> Listed | None:
        settled = settle(row.answers, split_of(row.place), self._fields)
        if settled.best is None or settled.split is None:
            return None
        label, last = settled.best[1], row.answers[-1]
        return Listed(id, settled.split, digest(dict(label.expected)), label.source.is_trusted, last.at)

    def readable(self, most: int) -> Mapping[Split, tuple[str, ...]]:
        """Ids of those that a pass reads, of their stored splits."""
        summary = self._questions.summary()
        return read_of(self, summary.sums.count() if summary else 0, most)
