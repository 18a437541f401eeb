"""Traces in MLflow 3: decisions and assessments of an experiment, over its REST API.

MLflow keeps no order of arrival. So reading goes on some time before the newest trace that was read (overlap.py), and a
trace that arrives longer than that after it began is not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from argotune.adapters.json_http import segment
from argotune.adapters.mlflow.assessments import annotation_of, assessment_body, is_same, session_of
from argotune.adapters.mlflow.connection import TRACES, V2, V3, MlflowHttp, objects, text, traces_of
from argotune.adapters.mlflow.overlap import Overlap, Track, overlap_of
from argotune.adapters.mlflow.reader import TRACES_AT_ONCE, Experiment, Found
from argotune.adapters.mlflow.runs import RUN_PREFIX
from argotune.adapters.mlflow.spans import EPOCH, SpanPlace, TraceInfo, info_of, ms_of, place_of_span
from argotune.adapters.project_names import project_name, tenant_of
from argotune.data.annotations import Annotation
from argotune.data.cursor import Cursor
from argotune.data.source import SpanRead
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import Corrupt, NotFound, ProjectMissing
from argotune.tenants.binding import TraceProject

OVERLAP = timedelta(hours=1)

EXPERIMENTS_AT_ONCE = 1000
INFOS_AT_ONCE = 500


class MlflowTraces:
    """TraceSource on one MLflow server. A decision is as old as its trace: by that it is read and counted."""

    def __init__(
        self,
        http: MlflowHttp,
        prefix: str,
        overlap: timedelta = OVERLAP,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`overlap`: how long after it began a trace may arrive and is seen still."""
        self._http, self._prefix, self._overlap, self._clock = http, prefix, overlap, clock

    def spans_after(self, stream: Stream, cursor: Cursor | None, since: datetime | None = None) -> Iterator[SpanRead]:
        """Spans behind a cursor in order of their traces' time. The last span of each 50 traces has a cursor.

        Raises Corrupt for a cursor that MLflow did not give.
        """
        known = _overlap(cursor)
        experiment = self._experiment(stream)
        track = Track(experiment.id, self._overlap // timedelta(milliseconds=1), ms_of(self._clock()))
        unread = _unread(experiment.found(_from_ms(known, since)), known, track)
        while batch := list(islice(unread, TRACES_AT_ONCE)):
            yield from _with_cursor(_taken(experiment, batch, track, since), track)

    def count_after(
        self,
        stream: Stream,
        cursor: Cursor | None,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """The number of traces behind a cursor that hold a decision and began in [since, until), `limit` at most. Spans
        are read only of those whose first span does not tell."""
        known = _overlap(cursor)
        experiment = self._experiment(stream)
        found = experiment.found(_from_ms(known, since), None if until is None else ms_of(until))
        new = (each for each in found if known is None or not known.knows(each.info.id))
        return sum(1 for _ in islice(experiment.holding(new), limit))

    def holds(self, stream: Stream, cursor: Cursor) -> bool:
        """Whether the stream's experiment holds the trace, or run, of the cursor. Two requests at most."""
        place = overlap_of(cursor)
        if place is None or place.experiment_id != self._http.experiment_id(self._name_of(stream)):
            return False
        run_id = place.last.removeprefix(RUN_PREFIX)
        try:
            if run_id != place.last:
                self._http.get(f"{V2}/runs/get", {"run_id": run_id})
            else:
                self._http.get(f"{V3}/traces/{segment(place.last)}")
        except NotFound:
            return False
        return True

    def annotations(self, stream: Stream, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """What assessments with one of the names say of the decisions of traces that began at `since` or later.

        One on a span inside a decision is of that one; one on its whole trace, or on a span above, is of the decision
        where there is one alone. One on a session is of all decisions in it, as far back.
        """
        if not names:
            return
        experiment = self._experiment(stream)
        for found, decisions in experiment.with_decisions(experiment.assessed(names, ms_of(since))):
            rows = _named(found.info, names)
            for row in (row for row in rows if session_of(row) is None):
                span_id = decisions.assessed_by(row)
                if span_id is not None and (annotation := annotation_of(row, span_id)) is not None:
                    yield annotation
            yield from self._of_sessions(experiment, rows, ms_of(since))

    def _of_sessions(
        self, experiment: Experiment, rows: Sequence[Mapping[str, Any]], from_ms: int
    ) -> Iterator[Annotation]:
        by_session: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            if (session := session_of(row)) is not None:
                by_session.setdefault(session, []).append(row)
        for session, said in by_session.items():
            for _, decisions in experiment.with_decisions(experiment.in_session(session, from_ms)):
                both = ((row, id) for row in said for id in decisions.ids)
                yield from filter(None, (annotation_of(row, id) for row, id in both))

    def count_labels(self, stream: Stream, names: Sequence[str], since: datetime | None = None) -> int:
        """The number of assessments since then under the name that has the most."""
        said = (a for a in self.annotations(stream, names, since or EPOCH) if not a.is_of_session)
        found = {(a.span_id, a.name, a.identifier) for a in said}
        return max(Counter(name for _, name, _ in found).values(), default=0)

    def annotate(self, stream: Stream, annotations: Sequence[Annotation]) -> None:
        """Feedback on spans, which replaces what the same annotator said before under that name.

        Raises NotFound when a trace is not in the stream's experiment, or is a run, which takes no assessment.
        """
        name = self._name_of(stream)
        experiment_id = self._http.experiment_id(name)
        for start in range(0, len(annotations), INFOS_AT_ONCE):
            batch = [(_place_of(each), each) for each in annotations[start : start + INFOS_AT_ONCE]]
            there = self._assessments({place.trace_id for place, _ in batch}, experiment_id)
            absent = [place.id for place, _ in batch if place.trace_id not in there]
            if absent:
                raise NotFound(f"MLflow: {len(absent)} spans are not in experiment {name!r}, e.g. {min(absent)!r}")
            for place, annotation in batch:
                self._upsert(place, annotation, there[place.trace_id])

    def newest(self, bound: Mapping[str, TraceProject]) -> dict[str, datetime]:
        """When the newest trace of each tenant ended: of its own experiment, and of the one that it is bound to."""
        found: dict[str, datetime] = {}
        for tenant_id, experiment_id in self._experiments_of(bound):
            ended_at = self._newest_in(experiment_id)
            if ended_at is not None:
                found[tenant_id] = max(ended_at, found.get(tenant_id, ended_at))
        return found

    def ping(self) -> str:
        """MLflow's version, when it can be reached and lets us in."""
        return self._http.version()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _experiment(self, stream: Stream) -> Experiment:
        name = self._name_of(stream)
        id = self._http.experiment_id(name)
        if id is None:
            told_by = "traces.project" if stream.binding else "PHOENIX_PROJECT_PREFIX and the tenant id"
            raise ProjectMissing(f"MLflow has no experiment {name!r}: check {told_by}, and that traces are sent")
        return Experiment(self._http, id, stream, stream.span_names(self._prefix))

    def _name_of(self, stream: Stream) -> str:
        return stream.binding.project if stream.binding else project_name(self._prefix, stream.tenant_id)

    def _assessments(self, trace_ids: set[str], experiment_id: str | None) -> dict[str, Sequence[Mapping[str, Any]]]:
        """What is said of each trace that is in the experiment."""
        if experiment_id is None:
            return {}
        path = f"{V3}/traces/batchGetInfos"
        answer = self._http.post(path, {"trace_ids": [*sorted(trace_ids)], "experiment_ids": [experiment_id]})
        return {info.id: info.assessments for info in map(info_of, objects(answer, "trace_infos", path))}

    def _upsert(self, place: SpanPlace, annotation: Annotation, there: Sequence[Mapping[str, Any]]) -> None:
        path, body = f"{V3}/traces/{segment(place.trace_id)}/assessments", assessment_body(annotation, place)
        known = next((row for row in there if is_same(row, annotation, place)), None)
        if known is None:
            self._http.post(path, {"assessment": body}, can_repeat=False)
        else:
            id = segment(text(known, "assessment_id", path))
            self._http.patch(f"{path}/{id}", {"assessment": body, "update_mask": "feedback,rationale,metadata"})

    def _experiments_of(self, bound: Mapping[str, TraceProject]) -> Iterator[tuple[str, str]]:
        """Tenants and the experiments in which their traces may be."""
        path = f"{V2}/experiments/search"
        for rows in self._http.pages(path, {"view_type": "ACTIVE_ONLY"}, "experiments", EXPERIMENTS_AT_ONCE):
            for row in rows:
                name, id = text(row, "name", path), text(row, "experiment_id", path)
                if tenant_id := tenant_of(self._prefix, name):
                    yield tenant_id, id
                yield from ((tenant_id, id) for tenant_id, place in bound.items() if place.project == name)

    def _newest_in(self, experiment_id: str) -> datetime | None:
        answer = self._http.post(TRACES, {**traces_of(experiment_id, "DESC"), "max_results": 1})
        rows = objects(answer, "traces", TRACES)
        return info_of(rows[0]).ended_at if rows else None


def _unread(found: Iterable[Found], known: Overlap | None, track: Track) -> Iterator[Found]:
    """Those that were not read up to the known; of the others the track is told."""
    for each in found:
        if known is not None and known.knows(each.info.id):
            track.add(each.at_ms, each.info.id)
        else:
            yield each


def _taken(experiment: Experiment, batch: Sequence[Found], track: Track, since: datetime | None) -> Iterator[Span]:
    for found, spans in experiment.with_spans(iter(batch)):
        track.add(found.at_ms, found.info.id)
        yield from (span for span in spans if since is None or span.started_at >= since)


def _with_cursor(spans: Iterator[Span], track: Track) -> Iterator[SpanRead]:
    """The last of a batch with the cursor that is behind all of it."""
    read = list(spans)
    for span in read[:-1]:
        yield SpanRead(span, None)
    if read:
        yield SpanRead(read[-1], track.cursor)


def _named(info: TraceInfo, names: Sequence[str]) -> list[Mapping[str, Any]]:
    return [row for row in info.assessments if row.get("assessment_name") in names]


def _overlap(cursor: Cursor | None) -> Overlap | None:
    known = overlap_of(cursor) if cursor else None
    if cursor and known is None:
        raise Corrupt(f"the cursor {cursor[:80]!r} is none of MLflow's")
    return known


def _place_of(annotation: Annotation) -> SpanPlace:
    place = place_of_span(annotation.span_id)
    if place is None or place.trace_id.startswith(RUN_PREFIX):
        raise NotFound(f"MLflow: {annotation.span_id[:80]!r} is no span of a trace, and nothing else is assessed")
    return place


def _from_ms(known: Overlap | None, since: datetime | None) -> int:
    return max(known.from_ms if known else 0, ms_of(since) if since else 0)
