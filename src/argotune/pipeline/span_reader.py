"""Span reader: a module's spans -> experiences in the store, and the cursor behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from argotune.data.cursor import Cursor, Reading
from argotune.data.executions import in_words_of_contract
from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.guards.masking import Mask, rules_digest
from argotune.data.masked import Masked
from argotune.data.openinference import read_decision
from argotune.data.source import SpanRead
from argotune.data.span_format import UnusableSpan, read_span
from argotune.data.spans import Span
from argotune.pipeline.intake import BEGUN_ANEW, OLDER, begun_anew, is_lost, since_of
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.retention import retention
from argotune.runs.module_book import ModuleBook
from argotune.runs.pass_figures import PassFigures
from argotune.runs.progress import PassState
from argotune.store.moments import AHEAD, believed

BATCH_SPANS = 1000

MOST_ERRORS = 20
OTHER_ERRORS = "other errors"

COUNT_OLDER = 100_000
"""Traces that are passed over are counted this far."""


class SpanReader:
    """Takes a module's spans in, one batch with the cursor behind it at a time. `reading` is as it is stored, `figures`
    are of what was taken in so far."""

    def __init__(self, this: Pass, fields: Sequence[Fields]) -> None:
        self._ports, self._config, self._stream = this.ports, this.config, this.stream
        self._fields_of = {f.program: f for f in fields}
        self._log, self._book = this.archive, ModuleBook(this.store, this.tenant_id, this.module)
        self.reading, self._masked = self._book.read(Reading), self._book.read(Masked)
        self._passes = self._book.read(PassState)
        self._found: dict[str, int] = {}
        self.figures = PassFigures()

    @property
    def counts(self) -> dict[str, int]:
        """What became of the spans, for the run's record."""
        reading = self.reading
        older = {f"span: {OLDER}": reading.passed_over} if reading.passed_over else {}
        unusable = {f"span: {reason}": n for reason, n in reading.unusable.items()}
        failed = {f"the program failed: {error}": n for error, n in reading.failed.items()}
        return {
            **older,
            **unusable,
            **failed,
            **{f"masked: {kind}": n for kind, n in self._masked.counts.items()},
            **self._found,
        }

    def read_new(self) -> None:
        """Read what lies behind the cursor. Raises what the trace source raises; what was stored by then stays."""
        now = self._ports.clock()
        self._begin_anew_if_lost(now)
        self._count_anew_without_a_cursor()
        since = since_of(self._passes, self._config, now)
        count = total = 0
        for batch, cursor in _batches(self._spans_after(self.reading.cursor, since)):
            self._take(batch, cursor=cursor or self.reading.cursor, newest_at=_newest(self.reading, batch, now))
            count += len(batch)
            total = total or count + self._count_ahead(len(batch), since)
            self._ports.progress(f"{self._stream.module}: spans read", count, max(count, total))
        passed = {} if since is None else {"read_since": since, "passed_over": self._count_before(since)}
        kept = retention(self.reading, self._passes.last_run_at, self._config, now)
        self._keep(**passed, doubted_at=kept.doubted_at)

    def read_again(self, since: datetime) -> None:
        """Read everything that started since then, and take in what is not known of it; the cursor stays.

        A span that was refused before, and counted then, may be usable by the tenant's labels now.
        """
        counted_from, taken = self.reading.read_since, 0
        for batch, _ in _batches(self._spans_after(None, since)):
            known = self._known(batch)
            new = [span for span in batch if span.span_id not in known]
            was_read = [span for span in new if counted_from is None or span.started_at >= counted_from]
            taken += len(self._take(new, was_read))
        if counted_from is not None and since < counted_from:
            self._keep(read_since=since, passed_over=self._count_before(since))
        self._found["read again: not known before"] = taken

    def _known(self, batch: Sequence[Span]) -> frozenset[str]:
        """The ids of those that are kept already."""
        ids = [span.span_id for span in batch]
        found = (each for program in self._fields_of for each in self._log.experiences_of(program, ids))
        return frozenset(each.span_id for each in found)

    def _begin_anew_if_lost(self, now: datetime) -> None:
        if is_lost(self._ports.traces, self._stream, self.reading.cursor):
            self._found[BEGUN_ANEW] = 1
            self._passes, self.reading = begun_anew(self._passes, self.reading, now)
            self._masked = self._masked.model_copy(update={"counts": {}})
            self._book.write(self._passes, self.reading, self._masked)

    def _count_anew_without_a_cursor(self) -> None:
        """What a reading counted that was broken off before it had a cursor comes again."""
        if self.reading.cursor is None:
            self.reading = self.reading.model_copy(update={"unusable": {}, "failed": {}})
            self._masked = self._masked.model_copy(update={"counts": {}})

    def _spans_after(self, cursor: Cursor | None, since: datetime | None) -> Iterator[SpanRead]:
        return self._ports.traces.spans_after(self._stream, cursor, since)

    def _count_ahead(self, read: int, since: datetime | None) -> int:
        """How many spans are still to come, for people who wait; not asked where a batch was the last one."""
        if read < BATCH_SPANS or self.reading.cursor is None:
            return 0
        return self._ports.traces.count_after(self._stream, self.reading.cursor, COUNT_OLDER, since)

    def _count_before(self, until: datetime) -> int:
        return self._ports.traces.count_after(self._stream, None, COUNT_OLDER, until=until)

    def _take(self, batch: Sequence[Span], counted: Sequence[Span] = (), **changes: Any) -> set[str]:
        """Store a batch's experiences, count what is unusable (but for `counted`), and move the cursor, in one step;
        the ids of spans that were taken in."""
        mask = Mask(self._config.masking, self._masked.counts)
        found = [(span, self._read(span, mask)) for span in batch]
        experiences = [x for _, x in found if isinstance(x, Experience)]
        skip = {span.span_id for span in counted}
        refused = (x.value for span, x in found if isinstance(x, UnusableSpan) and span.span_id not in skip)
        changes["unusable"] = dict(Counter(self.reading.unusable) + Counter(refused))
        changes["failed"] = _failures(self.reading.failed, (x.failure for x in experiences if x.failure))
        self.reading = self.reading.model_copy(update=changes)
        self._masked = Masked(rules=rules_digest(self._config.masking), counts=dict(mask.counts))
        also = self._book.expecting(self.reading, self._masked)
        self._log.append(experiences, also)
        self._book.written(also)
        self.figures += _figures(len(batch), experiences)
        return {experience.span_id for experience in experiences}

    def _read(self, span: Span, mask: Mask) -> Experience | UnusableSpan | None:
        """What a span says, masked; None where it is another stream's. A number that is masked is none any more: nobody
        could be asked such a question."""
        read = self._said(span)
        if not isinstance(read, Experience):
            return read
        fields = self._fields_of[read.program]
        masked = mask.experience(read, fields)
        is_whole = not fields.types or fields.read_all({**masked.inputs, **masked.answers})
        return masked if is_whole else UnusableSpan.MASKED

    def _said(self, span: Span) -> Experience | UnusableSpan | None:
        if self._stream.is_orchestration:
            (fields,) = self._fields_of.values()
            told = in_words_of_contract(span, self._stream, fields, self._ports.clock())
            return read_span(told, self._config.tenant_id, self._fields_of) if isinstance(told, Span) else told
        if self._stream.binding is None:
            return read_span(span, self._config.tenant_id, self._fields_of)
        if span.started_at > self._ports.clock() + AHEAD:
            return UnusableSpan.FUTURE
        (fields,) = self._fields_of.values()
        return read_decision(span, self._stream, fields)

    def _keep(self, **changes: Any) -> None:
        changed = self.reading.model_copy(update=changes)
        if changed != self.reading:
            self._book.write(changed)
            self.reading = changed


def _figures(spans: int, experiences: Sequence[Experience]) -> PassFigures:
    sure = [x.confidence for x in experiences if x.confidence is not None]
    return PassFigures(spans=spans, experiences=len(experiences), sure=len(sure), confidence=sum(sure))


def _failures(before: Mapping[str, int], more: Iterable[str]) -> dict[str, int]:
    """By error; applications may have any number of them, so what is rare is put together."""
    counted = Counter(before) + Counter(more)
    kept = dict(counted.most_common(MOST_ERRORS))
    rest = sum(counted.values()) - sum(kept.values())
    return kept | ({OTHER_ERRORS: kept.get(OTHER_ERRORS, 0) + rest} if rest else {})


def _newest(reading: Reading, batch: Sequence[Span], now: datetime) -> datetime | None:
    """When the newest span of all started; those in the future tell nothing."""
    started = [span.started_at for span in batch if span.started_at <= now + AHEAD]
    return max([*started, *filter(None, [believed(reading.newest_at, now)])], default=None)


def _batches(found: Iterator[SpanRead]) -> Iterator[tuple[list[Span], Cursor | None]]:
    """Batches, each with the last cursor in it. What lies behind that one is read again by whoever goes on from it."""
    while batch := list(islice(found, BATCH_SPANS)):
        cursors = (read.cursor for read in reversed(batch) if read.cursor is not None)
        yield [read.span for read in batch], next(cursors, None)
