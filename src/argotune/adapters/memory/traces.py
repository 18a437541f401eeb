"""Traces and results in memory: the twins of the Phoenix adapters, for tests and embedded use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from argotune.data.annotations import Annotation
from argotune.data.experiences import Span
from argotune.errors import ArgotuneError, NotFound, ProjectMissing
from argotune.runs.tracker import TrackedLinks, TrackedRun


@dataclass
class MemoryTraces:
    """TraceSource and TraceSink. While `fail_with` is set every read raises it, as if the server were down."""

    prefix: str = "cogniverse"
    fail_with: ArgotuneError | None = None
    _spans: dict[str, dict[str, Span]] = field(default_factory=dict)
    _annotations: dict[str, dict[tuple[str, str, str], Annotation]] = field(default_factory=dict)
    _last_row_id: int = 0

    def spans_after(self, tenant_id: str, module: str, row_id: int, since: datetime | None = None) -> Iterator[Span]:
        """Spans of a module behind a row id, in order of row id. The last of a first read has the highest there is."""
        behind = [span for span in self._module(tenant_id, module) if span.row_id > row_id]
        found = [span for span in behind if since is None or span.started_at >= since]
        if found and since is not None and not row_id:
            newest = max(span.row_id for span in self._spans[tenant_id].values())
            found[-1] = replace(found[-1], row_id=newest)
        yield from found

    def count_after(
        self,
        tenant_id: str,
        module: str,
        row_id: int,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """Spans of a module behind a row id that started in [since, until), at most `limit`."""
        found = (span for span in self._module(tenant_id, module) if span.row_id > row_id)
        at = [span.started_at for span in found]
        return min(sum((since is None or since <= t) and (until is None or t < until) for t in at), limit)

    def row_of(self, tenant_id: str, span_id: str) -> int | None:
        """The row id of a span, None when it is not there."""
        self.ping()
        span = self._spans.get(tenant_id, {}).get(span_id)
        return None if span is None else span.row_id

    def annotations(self, tenant_id: str, module: str, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """Annotations of these names, with a label, on the module's spans since then."""
        spans = {span.span_id for span in self._module(tenant_id, module) if span.started_at >= since}
        found = self._annotations.get(tenant_id, {}).values()
        yield from [a for a in found if a.label and a.name in names and a.span_id in spans]

    def count_labels(self, tenant_id: str, module: str, names: Sequence[str], since: datetime | None = None) -> int:
        """Labels on the module's spans since then under the name that has the most."""
        spans = {s.span_id for s in self._module(tenant_id, module) if since is None or s.started_at >= since}
        found = [a for a in self._annotations.get(tenant_id, {}).values() if a.label and a.span_id in spans]
        return max((sum(a.name == name for a in found) for name in names), default=0)

    def newest(self) -> dict[str, datetime]:
        """When each tenant's newest span ended."""
        self.ping()
        return {
            tenant_id: max(span.ended_at or span.started_at for span in spans.values())
            for tenant_id, spans in self._spans.items()
            if spans
        }

    def ping(self) -> str:
        """Raises what `fail_with` says."""
        if self.fail_with:
            raise self.fail_with
        return "memory"

    def record(self, tenant_id: str, spans: Sequence[Span]) -> None:
        """Store spans; known span ids keep their first state."""
        project = self._spans.setdefault(tenant_id, {})
        for span in spans:
            if span.span_id not in project:
                self._last_row_id += 1
                project[span.span_id] = replace(span, row_id=self._last_row_id)

    def annotate(self, tenant_id: str, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier). Raises NotFound when a span is not there."""
        absent = {a.span_id for a in annotations} - set(self._spans.get(tenant_id, {}))
        if absent:
            raise NotFound(f"{len(absent)} spans are not there, e.g. {min(absent)!r}")
        project = self._annotations.setdefault(tenant_id, {})
        project.update({(a.span_id, a.name, a.identifier): a for a in annotations})

    def _module(self, tenant_id: str, module: str) -> list[Span]:
        self.ping()
        if tenant_id not in self._spans:
            raise ProjectMissing(f"no project of tenant {tenant_id!r}")
        return [span for span in self._spans[tenant_id].values() if span.name == f"{self.prefix}.{module}"]


@dataclass
class MemoryTracker:
    """Tracker: keeps what was published, by run id."""

    runs: dict[str, TrackedRun] = field(default_factory=dict)

    def publish(self, run: TrackedRun) -> TrackedLinks:
        """Keep a run; publishing it again replaces it with itself."""
        self.runs[run.run_id] = run
        return TrackedLinks(f"memory://datasets/{run.program}", f"memory://compare/{run.run_id}")

    def project_link(self, _tenant_id: str) -> str | None:
        """There is no page."""

    def ping(self) -> str:
        """Always there."""
        return "memory"
