"""Traces and results in memory: the twins of the adapters of products, for tests and embedded use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import NamedTuple

from argotune.data.ancestry import MOST_BELOW, Link, decision_around, placed
from argotune.data.annotations import Annotation
from argotune.data.cursor import Cursor
from argotune.data.openinference import KIND, is_decision, is_module, signature_in
from argotune.data.source import SpanRead
from argotune.data.spans import MOST_TREE_SPANS, TREE_KINDS, Ancestor, Span, TreeSpan, agent_named
from argotune.data.stream import Stream
from argotune.data.tenancy import SESSION
from argotune.errors import ArgotuneError, NotFound, ProjectMissing
from argotune.runs.tracker import OpenTotals, TrackedLinks, TrackedRun
from argotune.stats.wording import counted
from argotune.tenants.binding import TraceProject


class _NumberedSpan(NamedTuple):
    number: int
    span: Span

    @property
    def cursor(self) -> Cursor:
        return Cursor(f"{self.number}:{self.span.span_id}")


@dataclass
class MemoryTraces:
    """TraceSource, TraceSink and ProjectSurvey. While `fail_with` is set every read raises it: the server is down."""

    prefix: str = "cogniverse"
    fail_with: ArgotuneError | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _spans: dict[str | TraceProject, dict[str, _NumberedSpan]] = field(default_factory=dict)
    _annotations: dict[str | TraceProject, dict[tuple[str, str, str], Annotation]] = field(default_factory=dict)
    _count: int = 0

    def spans_after(self, stream: Stream, cursor: Cursor | None, since: datetime | None = None) -> Iterator[SpanRead]:
        """Spans of a stream behind a cursor, in the order in which they came. That of the last one is behind all."""
        behind = self._behind(stream, cursor)
        found = [kept for kept in behind if since is None or kept.span.started_at >= since]
        settled = list(self._settled(stream, found))
        newest = next(reversed(self._spans.get(_place(stream), {}).values()), None)
        for number, kept in enumerate(settled, 1):
            yield SpanRead(kept.span, newest.cursor if newest and number == len(found) else kept.cursor)

    def _settled(self, stream: Stream, found: Sequence[_NumberedSpan]) -> Iterator[_NumberedSpan]:
        """Up to the first one that something above may still be sent of, each of a bound stream in its place."""
        if not stream.reads_around:
            yield from found
            return
        project, now = self._spans[_place(stream)], self.clock()
        for kept, each in zip(found, placed([kept.span for kept in found], partial(_links, project)), strict=True):
            is_whole = each.is_whole and not stream.is_orchestration
            if not replace(each, is_whole=is_whole).is_settled(now):
                return
            asked = _signature(project, kept.span) if stream.bound and stream.bound.signature else None
            tree = _tree(project, kept.span) if stream.is_orchestration else ()
            yield _NumberedSpan(kept.number, replace(each.span, signature=asked, tree=tree))

    def count_after(
        self,
        stream: Stream,
        cursor: Cursor | None,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """Spans of a stream behind a cursor that started in [since, until), at most `limit`."""
        spans = [kept.span for kept in self._settled(stream, self._behind(stream, cursor))]
        at = [span.started_at for span in spans if is_decision(span, stream)]
        return min(sum((since is None or since <= t) and (until is None or t < until) for t in at), limit)

    def holds(self, stream: Stream, cursor: Cursor) -> bool:
        """Whether the cursor's span is there, at its place."""
        self.ping()
        kept = self._spans.get(_place(stream), {}).get(cursor.partition(":")[2])
        return kept is not None and kept.cursor == cursor

    def annotations(self, stream: Stream, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """Annotations of these names, with a label, a score or an explanation, on the stream's spans since then; of a
        bound stream those beside its decisions too."""
        spans = {k.span.span_id for k in self._module(stream) if k.span.started_at >= since}
        found = self._annotations.get(_place(stream), {}).values()
        said = [a for a in found if a.says_something and a.name in names]
        if stream.binding is None:
            yield from [a for a in said if a.span_id in spans]
            return
        around = self._decisions_around(stream)
        yield from [replace(a, span_id=id) for a in said if not a.is_of_session and (id := around(a.span_id)) in spans]
        of_sessions = self._decisions_in_sessions(stream)
        session_of = {id: kept.span.attributes.get(SESSION) for id, kept in self._spans[_place(stream)].items()}
        for each in (a for a in said if a.is_of_session):
            decisions = of_sessions.get(session_of[each.span_id], ())
            yield from [replace(each, span_id=id) for id in decisions if id in spans]

    def _decisions_in_sessions(self, stream: Stream) -> dict[object, list[str]]:
        """An annotation of a session is kept on one of its spans."""
        found: dict[object, list[str]] = {}
        for kept in self._settled(stream, self._module(stream)):
            if is_decision(kept.span, stream) and (session := kept.span.attributes.get(SESSION)):
                found.setdefault(session, []).append(kept.span.span_id)
        return found

    def _decisions_around(self, stream: Stream) -> Callable[[str], str | None]:
        project = {id: kept.span for id, kept in self._spans[_place(stream)].items()}
        parents = {id: span.parent_id for id, span in project.items()}
        decisions: dict[str | None, list[str]] = {}
        for kept in self._settled(stream, self._module(stream)):
            if is_decision(kept.span, stream):
                decisions.setdefault(kept.span.trace_id, []).append(kept.span.span_id)
        return lambda id: decision_around(id, parents, decisions.get(project[id].trace_id, []))

    def count_labels(self, stream: Stream, names: Sequence[str], since: datetime | None = None) -> int:
        """Labels on the stream's spans since then under the name that has the most."""
        kept = [k.span for k in self._module(stream)]
        spans = {span.span_id for span in kept if since is None or span.started_at >= since}
        given = self._annotations.get(_place(stream), {}).values()
        found = [a for a in given if a.label and a.span_id in spans and not a.is_of_session]
        return max((sum(a.name == name for a in found) for name in names), default=0)

    def newest(self, bound: Mapping[str, TraceProject]) -> dict[str, datetime]:
        """When each tenant's newest span ended."""
        self.ping()
        ends = {
            place: max(kept.span.ended_at or kept.span.started_at for kept in spans.values())
            for place, spans in self._spans.items()
            if spans
        }
        own = {place: end for place, end in ends.items() if isinstance(place, str)}
        theirs = {id: ends[place] for id, place in bound.items() if place in ends}
        return own | {id: max(end, own.get(id, end)) for id, end in theirs.items()}

    def ping(self) -> str:
        """Raises what `fail_with` says."""
        if self.fail_with:
            raise self.fail_with
        return "memory"

    def record(self, tenant_id: str, spans: Sequence[Span], project: TraceProject | None = None) -> None:
        """Store spans, in a project that is not by the tenant's name where one is given; known span ids keep their
        first state."""
        kept = self._spans.setdefault(project or tenant_id, {})
        for span in spans:
            if span.span_id not in kept:
                self._count += 1
                kept[span.span_id] = _NumberedSpan(self._count, span)

    def annotate(self, stream: Stream, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier). Raises NotFound when a span is not there."""
        absent = {a.span_id for a in annotations} - set(self._spans.get(_place(stream), {}))
        if absent:
            raise NotFound(f"{counted(len(absent), 'span is', 'spans are')} not there, e.g. {min(absent)!r}")
        project = self._annotations.setdefault(_place(stream), {})
        project.update({(a.span_id, a.name, a.identifier): a for a in annotations})

    def count_spans(self, place: TraceProject, names: Sequence[str] = ()) -> int | None:
        """How many there are, or how many have one of these names."""
        return sum(not names or kept.span.name in names for kept in self._project(place).values())

    def newest_modules(self, place: TraceProject, limit: int) -> Iterator[Span]:
        """Those that started last, the last one first."""
        project = self._project(place)
        found = [kept.span for kept in project.values() if is_module(kept.span.name, kept.span.attributes.get(KIND))]
        newest = sorted(found, key=lambda span: span.started_at, reverse=True)[:limit]
        for each in placed(newest, partial(_links, project)):
            yield replace(each.span, signature=_signature(project, each.span))

    def newest_remarks(self, place: TraceProject, limit: int) -> Iterator[Annotation]:
        """Those that were said last."""
        counts = Counter[str]()
        self._project(place)
        said = sorted(self._annotations.get(place, {}).values(), key=lambda a: a.updated_at, reverse=True)
        for annotation in said:
            counts[annotation.name] += 1
            if counts[annotation.name] <= limit:
                yield annotation

    def _project(self, place: TraceProject) -> dict[str, _NumberedSpan]:
        self.ping()
        if place not in self._spans:
            there = ", ".join(repr(each.project) for each in self._spans if isinstance(each, TraceProject))
            raise ProjectMissing(f"there is no project {place.project!r}; there are: {there or 'none'}")
        return self._spans[place]

    def _module(self, stream: Stream) -> list[_NumberedSpan]:
        self.ping()
        if _place(stream) not in self._spans:
            raise ProjectMissing(f"no project of tenant {stream.tenant_id!r}")
        kept, names = self._spans[_place(stream)].values(), stream.span_names(self.prefix)
        return [each for each in kept if each.span.name in names]

    def _behind(self, stream: Stream, cursor: Cursor | None) -> list[_NumberedSpan]:
        number = int(cursor.partition(":")[0]) if cursor else 0
        return [each for each in self._module(stream) if each.number > number]


def _links(project: Mapping[str, _NumberedSpan], ids: Collection[str]) -> dict[str, Link]:
    spans = (project[id].span for id in ids if id in project)
    return {
        span.span_id: Link(Ancestor(span.name, str(span.attributes.get(KIND, "")), span.attributes), span.parent_id)
        for span in spans
    }


def _tree(project: Mapping[str, _NumberedSpan], root: Span) -> tuple[TreeSpan, ...]:
    """The other spans of a request's trace that tell how it was orchestrated."""
    spans = (kept.span for kept in project.values() if kept.span.trace_id == root.trace_id)
    others = (x for x in spans if x.span_id != root.span_id and x.attributes.get(KIND) in TREE_KINDS)
    return tuple(islice(map(_tree_span, others), MOST_TREE_SPANS + 1))


def _tree_span(span: Span) -> TreeSpan:
    kind, named = str(span.attributes.get(KIND)), agent_named(span.attributes)
    return TreeSpan(span.span_id, span.parent_id, span.name, kind, span.started_at, span.ended_at, named)


def _signature(project: Mapping[str, _NumberedSpan], module: Span) -> str | None:
    """That of the first span in a module, at most MOST_BELOW levels down, whose name has one."""
    parents, found = {module.span_id}, list[Span]()
    for _ in range(MOST_BELOW):
        below = [kept.span for kept in project.values() if kept.span.parent_id in parents]
        parents = {span.span_id for span in below}
        found += [span for span in below if signature_in(span.name)]
    first = min(found, key=lambda span: span.started_at, default=None)
    return signature_in(first.name) if first else None


def _place(stream: Stream) -> str | TraceProject:
    """Where a stream's spans lie: in the project by its tenant's name, or in the one that it is bound to."""
    return stream.binding.place if stream.binding else stream.tenant_id


@dataclass
class MemoryTracker:
    """Tracker: keeps what was published, by run id, and the totals of open contests by tenant and program."""

    runs: dict[str, TrackedRun] = field(default_factory=dict)
    open: dict[tuple[str, str], OpenTotals] = field(default_factory=dict)

    def publish(self, run: TrackedRun) -> TrackedLinks:
        """Keep a run; publishing it again replaces it with itself."""
        self.runs[run.run_id] = run
        self.open.pop((run.tenant_id, run.program), None)
        return TrackedLinks(f"memory://datasets/{run.program}", f"memory://compare/{run.run_id}")

    def show_open(self, totals: OpenTotals) -> None:
        """Keep the totals of a program's open contest."""
        self.open[totals.tenant_id, totals.program] = totals

    def project_link(self, _tenant_id: str) -> str | None:
        """There is no page."""

    def ping(self) -> str:
        """Always there."""
        return "memory"
