"""A project is seen alike on every adapter of ProjectSurvey, as an ordinary DSPy application has left it there."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow_in_tests import MlflowInTests
from shop import FILES, spans_of, under_other_ids

from argotune.adapters.memory.traces import MemoryTraces
from argotune.adapters.mlflow.connection import MlflowHttp
from argotune.adapters.mlflow.survey import MlflowSurvey
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.survey import PhoenixSurvey
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.data.annotations import Annotation
from argotune.data.found_programs import OF_DSPY, class_of
from argotune.data.openinference import is_outermost
from argotune.data.project_survey import ProjectSurvey
from argotune.data.stream import Stream
from argotune.errors import ProjectMissing
from argotune.tenants.binding import BoundProgram, TraceBinding, TraceProject

MLFLOW = Path(__file__).parents[1] / "data/spans/mlflow/03_traces_get_with_spans.json"
ADAPTERS = ["memory", pytest.param("phoenix", marks=pytest.mark.phoenix)]
ALL = [*ADAPTERS, pytest.param("mlflow", marks=pytest.mark.mlflow)]


class Seen:
    """A project on one adapter, and who looks at it."""

    def __init__(self, look: ProjectSurvey, place: TraceProject) -> None:
        self.look, self.place = look, place

    def classes(self, limit: int = 1000) -> Counter[str]:
        """The outermost modules; those of DSPy's own with the signature that each asks first."""
        found = (span for span in self.look.newest_modules(self.place, limit) if is_outermost(span))
        return Counter(f"{s.name} {s.signature}" if class_of(s) in OF_DSPY else s.name for s in found)


def on_phoenix(adapter: str, get: Callable[[str], Any], now: Any) -> Seen:
    place = TraceProject(project=f"look {os.urandom(6).hex()}")
    spans = under_other_ids(spans_of(*FILES), place.project)
    traces = MemoryTraces() if adapter == "memory" else PhoenixTraces(PhoenixHttp(get("phoenix_url")), "contract")
    traces.record("", spans, place)
    stream = Stream("", "any", TraceBinding(**place.model_dump(), programs={"any": BoundProgram(span="Predict")}))
    first, *_, last = (s for s in spans if s.name == "Predict.forward" and s.parent_id is None)
    thumb = Annotation(first.span_id, 'thumb\'s "up"', "👍", "HUMAN", "kim", now)
    note = Annotation(last.span_id, "hint", "", "LLM", "judge", now, "it is about billing")
    scores = [Annotation(id, "score", "", "CODE", "test", now, score=0.5) for id in (first.span_id, last.span_id)]
    traces.annotate(stream, [thumb, note, *scores])
    return Seen(traces if isinstance(traces, MemoryTraces) else PhoenixSurvey(PhoenixHttp(get("phoenix_url"))), place)


def on_mlflow(mlflow: MlflowInTests, url: str) -> Seen:
    place = TraceProject(source="mlflow", project=f"look {os.urandom(6).hex()}")
    for trace in json.loads(MLFLOW.read_text()).values():
        mlflow.writer.replay(place.project, trace)
    return Seen(MlflowSurvey(MlflowHttp(url)), place)


@pytest.fixture(scope="module")
def seen_on(request: pytest.FixtureRequest, now: Any) -> Callable[[str], Seen]:
    made: dict[str, Seen] = {}

    def on(adapter: str) -> Seen:
        if adapter not in made:
            get = request.getfixturevalue
            is_mlflow = adapter == "mlflow"
            made[adapter] = on_mlflow(get("mlflow"), get("mlflow_url")) if is_mlflow else on_phoenix(adapter, get, now)
        return made[adapter]

    return on


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_modules_are_seen_with_their_signature_and_what_is_above_them(adapter: str, seen_on) -> None:
    seen = seen_on(adapter)
    classes = seen.classes()
    assert classes["Predict.forward RouteTicket"] == 21
    assert classes["RewriteThenClassify.forward"] == 5
    assert classes["RewriteThenClassify.aforward"] == classes["Predict.aforward RouteTicket"] == 1
    assert sum(classes.values()) == 41
    below = [s for s in seen.look.newest_modules(seen.place, 1000) if s.above and s.above[-1].name == "POST /tickets"]
    assert {span.above[-1].attributes["tenant.id"] for span in below} == {"acme"}
    (metadata,) = {s.attributes.get("metadata.tenant") for s in seen.look.newest_modules(seen.place, 1000)} - {None}
    assert metadata == "acme"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_newest_come_first_and_no_more_than_asked_for(adapter: str, seen_on) -> None:
    seen = seen_on(adapter)
    at = [span.started_at for span in seen.look.newest_modules(seen.place, 1000)]
    assert at == sorted(at, reverse=True)
    assert [span.started_at for span in seen.look.newest_modules(seen.place, 7)] == at[:7]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_spans_are_counted(adapter: str, seen_on) -> None:
    seen = seen_on(adapter)
    spans = spans_of(*FILES)
    names = ["ReAct.forward", "ReAct.aforward"]
    counts = (len(spans), sum(span.name in names for span in spans))
    assert (seen.look.count_spans(seen.place), seen.look.count_spans(seen.place, names)) == counts


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_annotations_are_seen_whatever_they_say_and_a_bounded_number_of_each_name(adapter: str, seen_on) -> None:
    seen = seen_on(adapter)
    found = list(seen.look.newest_remarks(seen.place, 10))
    said = {(a.name, a.label, a.score, a.explanation, a.kind) for a in found}
    assert said == {
        ('thumb\'s "up"', "👍", None, "", "HUMAN"),
        ("hint", "", None, "it is about billing", "LLM"),
        ("score", "", 0.5, "", "CODE"),
    }
    assert Counter(a.name for a in seen.look.newest_remarks(seen.place, 1))["score"] == 1


@pytest.mark.phoenix
def test_annotations_of_sessions_are_seen(phoenix_url: str) -> None:
    project, session = f"sessions {os.urandom(6).hex()}", os.urandom(6).hex()
    http = PhoenixHttp(phoenix_url)
    span = next(s for s in spans_of("06_session_user_metadata_tags") if s.parent_id is None)
    place = TraceProject(project=project)
    sent = under_other_ids([replace(span, attributes={**span.attributes, "session.id": session})], project)
    PhoenixTraces(http, "contract").record("", sent, place)
    said = {"session_id": session, "name": "csat", "annotator_kind": "HUMAN", "result": {"label": "👍"}}
    http.post("v1/session_annotations", {"data": [said]}, {"sync": "true"})
    found = list(PhoenixSurvey(http).newest_remarks(place, 10))
    assert [(a.name, a.label, a.is_of_session) for a in found] == [("csat", "👍", True)]


@pytest.mark.mlflow
def test_modules_and_assessments_of_an_experiment_are_seen(seen_on) -> None:
    seen = seen_on("mlflow")
    classes = seen.classes()
    assert classes["Predict.forward RouteTicket"] >= 2
    assert classes["RewriteThenClassify.forward"] == 3
    assert seen.look.count_spans(seen.place) is None
    assert {a.name for a in seen.look.newest_remarks(seen.place, 10)}
    assert sum(seen.classes(limit=2).values()) <= 2


@pytest.mark.parametrize("adapter", ALL)
def test_a_project_that_is_not_there_is_told_with_those_that_are(adapter: str, seen_on) -> None:
    seen = seen_on(adapter)
    absent = TraceProject(source=seen.place.source, project="nothing of that name")
    for ask in (seen.look.count_spans, lambda p: list(seen.look.newest_modules(p, 1))):
        with pytest.raises(ProjectMissing, match="'nothing of that name'; there are: '"):
            ask(absent)
