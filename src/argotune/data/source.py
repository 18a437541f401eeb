"""The ports of traces: where spans and their annotations are read and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from argotune.data.annotations import Annotation
from argotune.data.cursor import Cursor
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.tenants.binding import TraceProject


class SpanRead(NamedTuple):
    """A span, and the cursor behind it: None where going on from there would leave something out."""

    span: Span
    cursor: Cursor | None


class TraceSource(Protocol):
    """Where production traces are, and the annotations on them.

    Raises ProjectMissing, Unavailable, RateLimited, AccessDenied or BadAnswer.
    """

    def spans_after(self, stream: Stream, cursor: Cursor | None, since: datetime | None = None) -> Iterator[SpanRead]:
        """Spans of a stream that the source got after those up to `cursor` (None: all), in constant memory.

        Each comes with the cursor behind it: whoever goes on there is given all that is not given yet, late and
        back-dated spans too; what came meanwhile may come again. `since` leaves out spans that started earlier: they
        lie behind the last cursor all the same.
        """

    def count_after(
        self,
        stream: Stream,
        cursor: Cursor | None,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """How many spans of a stream came after `cursor` and started in [since, until); counting stops at `limit`."""

    def holds(self, stream: Stream, cursor: Cursor) -> bool:
        """Whether a cursor is of what is there now: not of another source, nor of a database that was replaced.

        A source may notice this by a span that is gone or elsewhere, so where that one was deleted it is False too.
        """

    def annotations(self, stream: Stream, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """All annotations with one of these names that say something, by label, score or explanation, on a stream's
        spans that started at `since` or later."""

    def count_labels(self, stream: Stream, names: Sequence[str], since: datetime | None = None) -> int:
        """How many labels lie on a stream's spans that started at `since` or later (None: on all), under that of the
        names which has the most.

        One request for each name, whatever the number of spans. A corrected label counts once, a second opinion twice.
        """

    def annotate(self, stream: Stream, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier) in the stream's project. Raises NotFound, storing nothing, for
        a span that is gone."""

    def newest(self, bound: Mapping[str, TraceProject]) -> Mapping[str, datetime]:
        """When each tenant's newest trace ended, or up to two minutes later, in the project by its name and in that to
        which it is `bound`. Tenants without traces are not in it."""

    def ping(self) -> str:
        """The product's version, when it can be reached and lets us in."""


class TraceSink(Protocol):
    """Where an application writes its decisions: the demo and tests use it, the pipeline never does."""

    def record(self, tenant_id: str, spans: Sequence[Span], project: TraceProject | None = None) -> None:
        """Send spans to a project, None: the one by the tenant's name, and wait until they can be read back."""

    def annotate(self, stream: Stream, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier)."""
