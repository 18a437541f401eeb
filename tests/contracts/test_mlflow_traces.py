"""What MLflow does in place of an order of arrival, and what only a real MLflow can show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from contracts.span_ids import ids, own_ids
from mlflow_in_tests import MlflowInTests, as_in_mlflow

from argotune.adapters.mlflow import reader
from argotune.adapters.mlflow.overlap import overlap_of
from argotune.adapters.project_names import project_name
from argotune.data.executions import in_words_of_contract
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.programs.workflow import workflow_fields
from argotune.tenants.binding import BoundProgram, BoundRoot, TraceBinding
from argotune.tenants.config import RoutingConfigUnified

pytestmark = pytest.mark.mlflow

DATA = Path(__file__).parents[1] / "data/spans/mlflow"
TRACES = json.loads((DATA / "03_traces_get_with_spans.json").read_text())
RUNS = json.loads((DATA / "05_runs_search_old_convention.json").read_text())["runs"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
CLASSES = {"route": "Predict", "answer": "ChainOfThought", "pipeline": "RewriteThenClassify", "agent": "ReAct"}


@pytest.fixture
def traces(mlflow_url: str, now: datetime):
    with closing(MlflowInTests(mlflow_url, "contract", overlap=OVERLAP, clock=lambda: now)) as traces:
        yield traces


@pytest.fixture
def span(make_span: Callable[..., Span]) -> Callable[..., Span]:
    return lambda *args, **fields: as_in_mlflow(make_span, *args, **fields)


@pytest.fixture
def bound(traces: MlflowInTests, tenant: str) -> Callable[[str], Stream]:
    """A stream of an experiment in which all traces and runs of the dump are."""
    traces.writer.replay_all(tenant, [(trace, None) for trace in TRACES.values()])
    for row in RUNS:
        traces.writer.log_run(tenant, row)
    programs = {module: BoundProgram(span=name) for module, name in {**CLASSES, "reply": "support_reply"}.items()}
    binding = TraceBinding(source="mlflow", project=tenant, programs=programs)
    return lambda module: Stream(tenant, module, binding)


def test_a_trace_that_comes_late_is_found_within_the_overlap_and_none_twice(
    traces: MlflowInTests, tenant: str, span: Callable[..., Span]
) -> None:
    stream, sent = Stream(tenant, "routing"), [span(number) for number in (60, 30, 1)]
    traces.record(tenant, sent)
    *_, last = traces.spans_after(stream, None)
    late = [span(9 * 60), span(45), span(0)]
    traces.record(tenant, late)
    *_, end = found = list(traces.spans_after(stream, last.cursor))
    assert ids(found) == own_ids(late)
    assert traces.count_after(stream, last.cursor, 10) == 3
    assert list(traces.spans_after(stream, end.cursor)) == []
    assert traces.count_after(stream, end.cursor, 10) == 0


def test_a_trace_that_comes_later_than_the_overlap_is_not_seen(
    traces: MlflowInTests, tenant: str, span: Callable[..., Span]
) -> None:
    stream = Stream(tenant, "routing")
    traces.record(tenant, [span(0)])
    (first,) = traces.spans_after(stream, None)
    traces.record(tenant, [span(11 * 60)])
    assert list(traces.spans_after(stream, first.cursor)) == []


def test_a_trace_of_the_future_hides_none_that_comes_until_then(
    traces: MlflowInTests, tenant: str, span: Callable[..., Span], now: datetime
) -> None:
    stream, ahead = Stream(tenant, "routing"), span(at=now + timedelta(days=400))
    traces.record(tenant, [span(1), ahead])
    *_, last = traces.spans_after(stream, None)
    usual = span(0)
    traces.record(tenant, [usual])
    assert ids(traces.spans_after(stream, last.cursor)) == [usual.span_id]


def test_traces_come_in_order_of_time_page_after_page_and_any_number_in_one_millisecond(
    traces: MlflowInTests, tenant: str, span: Callable[..., Span], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PAGE_ROWS", 3)
    at_once = [span(at=now - timedelta(seconds=4)) for _ in range(8)]
    sent = [span(5), *at_once, span(3), span(2), span(1)]
    traces.record(tenant, sent[::-1])
    found = ids(traces.spans_after(Stream(tenant, "routing"), None))
    assert (found[0], set(found[1:9]), found[9:]) == (sent[0].span_id, set(own_ids(at_once)), own_ids(sent[9:]))


def test_a_cursor_keeps_no_more_traces_than_it_may_and_the_overlap_is_shorter_then(
    traces: MlflowInTests, tenant: str, span: Callable[..., Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argotune.adapters.mlflow.overlap.MOST_KNOWN", 2)
    stream = Stream(tenant, "routing")
    traces.record(tenant, [span(number) for number in range(5)])
    *_, last = traces.spans_after(stream, None)
    place = overlap_of(last.cursor or "")
    assert place is not None
    assert len(place.known) == 2
    late = span(1)
    traces.record(tenant, [span(4), late])
    assert late.span_id in ids(traces.spans_after(stream, last.cursor))


def test_an_answer_that_would_be_too_long_is_asked_for_in_parts_and_one_trace_may_be_too_long(
    traces: MlflowInTests, tenant: str, span: Callable[..., Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "ANSWER_BYTES", 20_000)
    sent = [span(3), replace(span(2), attributes={"routing.query": "x" * 30_000}), span(1), span(0)]
    traces.record(tenant, sent)
    found = list(traces.spans_after(Stream(tenant, "routing"), None))
    assert [read.span.attributes.get("routing.query", "")[:1] for read in found] == ["q", "", "q", "q"]
    assert found[1].span.trace_id == sent[1].trace_id


def test_every_dumped_trace_and_run_is_read_by_the_class_of_its_module(bound: Callable[[str], Stream], traces) -> None:
    outer = {
        module: [r.span.status for r in traces.spans_after(bound(module), None) if not is_inner(r.span)]
        for module in (*CLASSES, "reply")
    }
    assert outer == {
        "route": ["OK", "OK", "OK", "ERROR", "OK", "OK"],
        "answer": ["OK", "OK"],
        "pipeline": ["OK", "ERROR", "OK"],
        "agent": ["OK"],
        "reply": ["OK", "OK"],
    }
    for module, found in outer.items():
        assert traces.count_after(bound(module), None, 100) == len(found)


def is_inner(span: Span) -> bool:
    return any(ancestor.name.endswith("forward") for ancestor in span.above)


def test_assessments_are_of_the_decision_that_they_are_on_or_in_or_above(
    bound: Callable[[str], Stream], traces: MlflowInTests, now: datetime
) -> None:
    names = ["user_feedback", "intent", "expected_response", "rating", "judge", "outcome_score"]
    found = {
        module: [(a.name, a.label, a.kind, a.score) for a in traces.annotations(bound(module), names, EPOCH)]
        for module in (*CLASSES, "reply")
    }
    assert found == {
        "route": [
            ("user_feedback", "true", "HUMAN", 1.0), ("rating", "4", "HUMAN", 4.0),
            ("user_feedback", "thumbs-up", "HUMAN", None),
        ],
        "answer": [("expected_response", "Go to Profile, then Address.", "HUMAN", None)],
        "pipeline": [("user_feedback", "false", "HUMAN", 0.0), ("intent", "billing", "HUMAN", None)],
        "agent": [],
        "reply": [("outcome_score", "1", "CODE", 1.0), ("outcome_score", "0.2", "CODE", 0.2)],
    }  # fmt: skip
    assert list(traces.annotations(bound("route"), names, now)) == []


def test_feedback_from_the_page_on_a_whole_trace_is_of_its_one_decision(
    bound: Callable[[str], Stream], traces: MlflowInTests, tenant: str
) -> None:
    stream = bound("pipeline")
    trace_id = traces.writer.replay(tenant, TRACES["below_app"])
    source = {"source_type": "HUMAN", "source_id": "kim"}
    traces.writer.assess(trace_id, {"assessment_name": "team", "source": source, "expectation": {"value": ["a", 3]}})
    decisions = [read.span for read in traces.spans_after(replace(stream, module="route"), None)]
    (label,) = traces.annotations(replace(stream, module="route"), ["team"], EPOCH)
    assert label.span_id in [span.span_id for span in decisions if span.trace_id == trace_id]
    assert label.label == '["a", 3.0]'
    assert list(traces.annotations(stream, ["team"], EPOCH)) == []


@pytest.mark.parametrize("mark", ["'", ""])
def test_what_is_said_of_a_session_is_said_of_all_decisions_in_it(
    traces: MlflowInTests, tenant: str, now: datetime, mark: str
) -> None:
    session, trace = f"chat{mark} 1", TRACES["below_app"]
    of = [session, session, "chat 2"]
    at = [now - timedelta(minutes=minutes) for minutes in (30, 20, 10)]
    begun = [(_in_session(trace, id), began) for id, began in zip(of, at, strict=True)]
    first, *_ = traces.writer.replay_all(tenant, begun)
    source = {"source_type": "HUMAN", "source_id": "kim"}
    said = {"source": source, "metadata": {"mlflow.trace.session": session}}
    traces.writer.assess(first, {**said, "assessment_name": "helpful", "feedback": {"value": True}})
    traces.writer.assess(first, {"source": source, "assessment_name": "helpful", "feedback": {"value": False}})
    binding = TraceBinding(source="mlflow", project=tenant, programs={"route": BoundProgram(span="Predict")})
    stream = Stream(tenant, "route", binding)
    in_it = {r.span.span_id for r in traces.spans_after(stream, None) if r.span.attributes["session.id"] == session}
    found = [(a.span_id, a.label, a.is_of_session) for a in traces.annotations(stream, ["helpful"], EPOCH)]
    assert {id for id, _, of_session in found if of_session} == in_it
    assert {label for _, label, of_session in found if of_session} == {"true"}
    assert [label for _, label, of_session in found if not of_session] == ["false"]
    assert traces.count_labels(stream, ["helpful"]) == 1


def _in_session(trace: Mapping[str, Any], session: str) -> Mapping[str, Any]:
    info = trace["trace_info"]
    about = {**info["trace_metadata"], "mlflow.trace.session": session}
    return {**trace, "trace_info": {**info, "trace_metadata": about, "assessments": []}}


def test_a_trace_whose_spans_are_in_a_file_is_read_from_there(traces: MlflowInTests, tenant: str) -> None:
    file = json.loads((DATA / "04_get_trace_artifact_ui_format.json").read_text())
    traces.writer.replay(tenant, TRACES["route"])
    id = traces.writer.replay_to_file(tenant, TRACES["below_app"], file)
    binding = TraceBinding(source="mlflow", project=tenant, programs={"route": BoundProgram(span="Predict")})
    _, found = traces.spans_after(Stream("acme", "route", binding), None)
    assert found.span.trace_id == id
    assert json.loads(str(found.span.attributes["input.value"])) == {"message": "I was charged twice"}


def test_a_request_that_mlflow_traced_itself_tells_how_it_was_orchestrated(
    traces: MlflowInTests, tenant: str, span: Callable[..., Span], now: datetime
) -> None:
    at = now - timedelta(hours=1)
    root = replace(span(at=at), name="handle request", ended_at=at + timedelta(seconds=60))
    root = replace(root, attributes=of_mlflow("CHAIN", **{"mlflow.spanInputs": json.dumps({"query": "films on bees"})}))

    def below(name: str, start_s: int, end_s: int, of: Span, kind: str) -> Span:
        made = span(at=at, trace_id=(root.trace_id or "").removeprefix("tr-"))
        times = {"started_at": at + timedelta(seconds=start_s), "ended_at": at + timedelta(seconds=end_s)}
        return replace(made, name=name, parent_id=of.span_id, attributes=of_mlflow(kind), **times)

    step = below("search", 0, 20, root, "CHAIN")
    video, text = below("video", 1, 15, step, "AGENT"), below("text", 2, 19, step, "AGENT")
    last, tool = below("sum", 21, 30, root, "AGENT"), below("fetch", 3, 4, video, "TOOL")
    traces.record(tenant, [root, step, video, text, last, tool])
    config = RoutingConfigUnified(tenant_id=tenant, agents={"video": "", "text": "", "sum": ""}, modules=["workflow"])
    project = project_name("contract", tenant)
    binding = TraceBinding(source="mlflow", project=project, programs={"workflow": BoundRoot(span="handle request")})
    (read,) = traces.spans_after(Stream(tenant, "workflow", binding), None)
    told = in_words_of_contract(read.span, Stream(tenant, "workflow", binding), workflow_fields(config), now)
    assert isinstance(told, Span), told
    assert told.attributes["routing.query"] == "films on bees"
    assert told.attributes["routing.pattern"] == "parallel"
    assert told.attributes["routing.agent_sequence"] == '["video", "text", "sum"]'


def of_mlflow(kind: str, **more: str) -> dict[str, str]:
    """Attributes of a span as MLflow's own tracing writes them: JSON texts."""
    return {"mlflow.spanType": json.dumps(kind), **more}
