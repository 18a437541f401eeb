"""The ports of traces: where spans and their annotations are read and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from argotune.data.annotations import Annotation
from argotune.data.experiences import Span

if TYPE_CHECKING:
    pass


class TraceSource(Protocol):
    """Where production traces are, and the annotations on them.

    Raises ProjectMissing, Unavailable, RateLimited, AccessDenied or BadAnswer.
    """

    def spans_after(self, tenant_id: str, module: str, row_id: int, since: datetime | None = None) -> Iterator[Span]:
        """Spans of a module with a row id above `row_id`, in order of row id, in constant memory.

        `since` leaves out spans that started earlier; in a first read (`row_id` 0) they lie behind it all the same: row
        ids say how far everything has been given, and the last one is the highest there is. Late and back-dated spans
        have high row ids, so they are found.
        """

    def count_after(
        self,
        tenant_id: str,
        module: str,
        row_id: int,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """How many spans of a module lie above `row_id` and started in [since, until); counting stops at `limit`."""

    def row_of(self, tenant_id: str, span_id: str) -> int | None:
        """The row id of a span, None when it is not there."""

    def annotations(self, tenant_id: str, module: str, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """All annotations with one of these names on a module's spans that started at `since` or later."""

    def count_labels(self, tenant_id: str, module: str, names: Sequence[str], since: datetime | None = None) -> int:
        """How many labels lie on a module's spans that started at `since` or later (None: on all), under that of the
        names which has the most.

        One request for each name, whatever the number of spans. A corrected label counts once, a second opinion twice.
        """

    def annotate(self, tenant_id: str, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier). Raises NotFound, storing nothing, for a span that is gone."""

    def newest(self) -> Mapping[str, datetime]:
        """When each tenant's newest trace ended, or up to two minutes later. Tenants without traces are not in it."""

    def ping(self) -> str:
        """The product's version, when it can be reached and lets us in."""


class TraceSink(Protocol):
    """Where an application writes its decisions: the demo and tests use it, the pipeline never does."""

    def record(self, tenant_id: str, spans: Sequence[Span]) -> None:
        """Send spans and wait until they can be read back."""

    def annotate(self, tenant_id: str, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier)."""
