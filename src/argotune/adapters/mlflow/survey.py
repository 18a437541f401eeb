"""What is in an MLflow experiment before anything is bound to it: its newest modules' spans and assessments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from argotune.adapters.mlflow.assessments import annotation_of
from argotune.adapters.mlflow.connection import TRACES, V2, MlflowHttp, text, traces_of
from argotune.adapters.mlflow.reader import PAGE_ROWS, Experiment, Found
from argotune.adapters.mlflow.spans import SpanPlace, TraceInfo, info_of, spans_of_modules
from argotune.data.annotations import Annotation
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import ProjectMissing
from argotune.errors.lines import told
from argotune.tenants.binding import TraceProject

MOST_NAMES = 50
"""So many names of assessments are looked at, and of experiments told."""

_ANY = Stream("any", "any")
"""Stands for a stream: whole traces are read, whatever is in them."""

TRACES_FOR_REMARKS = 5000
"""So many of the newest traces are looked at for assessments: MLflow does not search for their names."""


class MlflowSurvey:
    """ProjectSurvey on one MLflow server."""

    def __init__(self, http: MlflowHttp) -> None:
        self._http = http

    def count_spans(self, place: TraceProject, _names: Sequence[str] = ()) -> int | None:
        """MLflow does not count. Raises ProjectMissing all the same."""
        self._experiment_id(place)
        return None

    def newest_modules(self, place: TraceProject, limit: int) -> Iterator[Span]:
        """Of the newest `limit` traces, in order of their traces; 50 traces are in memory at once."""
        experiment = Experiment(self._http, self._experiment_id(place), _ANY, ())
        whole = (Found(info) for info in islice(self._newest(experiment.id), limit) if info.is_whole)
        spans = (span for each, trace in experiment.with_traces(whole) for span in spans_of_modules(trace, each.info))
        return islice(spans, limit)

    def newest_remarks(self, place: TraceProject, limit: int) -> Iterator[Annotation]:
        """Of the newest TRACES_FOR_REMARKS traces; of the first MOST_NAMES names `limit` each at most."""
        counts = Counter[str]()
        for info in islice(self._newest(self._experiment_id(place)), TRACES_FOR_REMARKS):
            for row in info.assessments:
                place_of = SpanPlace(info.id, str(row.get("span_id") or ""))
                annotation = annotation_of(row, place_of.id)
                if annotation is None or (annotation.name not in counts and len(counts) == MOST_NAMES):
                    continue
                counts[annotation.name] += 1
                if counts[annotation.name] <= limit:
                    yield annotation

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _newest(self, experiment_id: str) -> Iterator[TraceInfo]:
        """Traces, the newest first. Those that come meanwhile move the pages: what comes twice is left out."""
        last: set[str] = set()
        for rows in self._http.pages(TRACES, traces_of(experiment_id, "DESC"), "traces", PAGE_ROWS):
            infos = [info_of(row) for row in rows]
            yield from (info for info in infos if info.id not in last)
            last = {info.id for info in infos}

    def _experiment_id(self, place: TraceProject) -> str:
        id = self._http.experiment_id(place.project)
        if id is not None:
            return id
        path = f"{V2}/experiments/search"
        pages = self._http.pages(path, {"view_type": "ACTIVE_ONLY"}, "experiments", MOST_NAMES)
        there = ", ".join(repr(text(row, "name", path)) for row in next(pages, []))
        raise ProjectMissing(told(f"MLflow has no experiment {place.project!r}; there are: {there or 'none'}", 1000))
