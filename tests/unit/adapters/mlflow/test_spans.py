"""What traces, runs and assessments of MLflow are read as, from what a real one gave."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from shop import FIELDS, PROGRAMS, stream

from argotune.adapters.mlflow.assessments import annotation_of
from argotune.adapters.mlflow.runs import decision_of
from argotune.adapters.mlflow.spans import Decisions, info_of, spans_named
from argotune.data.experiences import Experience
from argotune.data.openinference import read_decision
from argotune.errors import BadAnswer

PAGE = (Path(__file__).parents[4] / "docs" / "traces.md").read_text()
DATA = Path(__file__).parents[3] / "data/spans/mlflow"
TRACES = json.loads((DATA / "03_traces_get_with_spans.json").read_text())
ON_THE_PAGE = json.loads((DATA / "04_get_trace_artifact_ui_format.json").read_text())
RUNS = json.loads((DATA / "05_runs_search_old_convention.json").read_text())["runs"]


def read(case: str, name: str):
    trace = TRACES[case]
    return list(spans_named(trace, info_of(trace["trace_info"]), [name]))


def row_of(case: str) -> str:
    """What the page's line says of a dump."""
    info, was_read = info_of(TRACES[case]["trace_info"]), list[str]()
    for program in PROGRAMS:
        of = stream(program)
        spans = spans_named(TRACES[case], info, of.span_names(""))
        found = [x for x in (read_decision(span, of, FIELDS[program]) for span in spans) if isinstance(x, Experience)]
        counts = Counter(" failed" if x.failure else "" for x in found)
        was_read += [f"{program} {n}{failed}" for failed, n in counts.items()]
    return ", ".join(was_read)


@pytest.mark.parametrize("case", TRACES)
def test_every_dump_is_read_as_the_page_says(case: str):
    line = re.search(rf"^\| `{case}` \|[^|]*\| (.*?) \|$", PAGE, re.MULTILINE)
    assert line, f"no line of {case} in docs/traces.md: {row_of(case)}"
    assert line[1] == row_of(case)


PERSON = {"name": "Kim Example", "age": 30}
SAID = [
    ("route", "Predict", {"message": "My parcel did not arrive"}, {"team": "shipping", "confidence": 0.8}),
    ("extract", "Predict", {"text": "Order 12345 and 67890 are late! Kim"},
     {"order_ids": [12345, 67890], "urgency": 3, "is_angry": True, "person": PERSON}),
    ("pipeline", "RewriteThenClassify", {"query": "and where is it now?", "history": ["I ordered a package"]},
     {"rewritten": "and where is it now?", "intent": "other"}),
    ("async", "RewriteThenClassify", {"query": "the app is slow"},
     {"rewritten": "the app is slow", "intent": "technical"}),
]  # fmt: skip


@pytest.mark.parametrize(("case", "name", "inputs", "outputs"), SAID)
def test_inputs_and_answers_keep_their_types(case: str, name: str, inputs: dict, outputs: dict):
    (span,) = read(case, f"{name}.forward")
    assert json.loads(str(span.attributes["input.value"])) == inputs
    assert json.loads(str(span.attributes["output.value"])) == outputs
    assert (span.attributes["openinference.span.kind"], span.status) == ("CHAIN", "OK")


def test_an_error_is_told_with_its_class():
    (span,) = read("lm_error", "Predict.forward")
    assert (span.status, span.failure) == ("ERROR", "LMServerError: [openai/scripted] scripted failure")
    assert "output.value" not in span.attributes


@pytest.mark.parametrize(
    ("case", "name", "signature"),
    [
        ("route", "Predict", "RouteTicket"),
        ("pipeline", "RewriteThenClassify", "Rewrite"),
        ("answer", "ChainOfThought", "StringSignature"),
    ],
)
def test_the_signature_that_a_module_asks_first_is_told(case: str, name: str, signature: str):
    assert read(case, f"{name}.forward")[0].signature == signature


def test_session_user_tags_and_what_is_above_are_told():
    (span,) = read("below_app", "Predict.forward")
    own = {"metadata.tenant": "acme", "metadata.channel": "web", "session.id": "acme:s-1", "user.id": "kim"}
    assert own.items() <= dict(span.attributes).items()
    (above,) = span.above
    assert (above.name, above.kind) == ("handle_ticket", "UNKNOWN")
    assert own.items() <= dict(above.attributes).items()
    assert span.parent_id is not None
    assert span.parent_id.startswith(f"{span.trace_id}.")


def test_a_span_in_the_format_of_the_page_is_the_same_one():
    info = info_of(TRACES["below_app"]["trace_info"])
    (of_page,) = spans_named(ON_THE_PAGE, info, ["Predict.forward"])
    (of_route,) = read("below_app", "Predict.forward")
    assert replace(of_page, attributes={}) == replace(of_route, attributes={})
    assert dict(of_page.attributes).items() >= dict(of_route.attributes).items()


def test_a_trace_made_within_a_run_is_marked_as_an_evaluation():
    trace = TRACES["route"]
    about = {**trace["trace_info"]["trace_metadata"], "mlflow.sourceRun": "r1"}
    (span,) = spans_named(trace, info_of({**trace["trace_info"], "trace_metadata": about}), ["Predict.forward"])
    assert span.attributes["tag.tags"] == ["evaluation"]
    (usual,) = read("route", "Predict.forward")
    assert "tag.tags" not in usual.attributes


def test_a_run_of_the_older_convention_is_a_decision_with_its_score():
    info, span = decision_of(RUNS[1])
    assert (span.name, span.status) == ("support_reply.forward", "OK")
    assert span.started_at == datetime(2026, 11, 28, 21, 32, 29, 626000, UTC)
    assert json.loads(str(span.attributes["input.value"])) == {"message": "refund please", "plan": "pro"}
    assert json.loads(str(span.attributes["output.value"])) == {"reply": "done", "mood": "calm"}
    assert (span.attributes["routing.user_satisfaction"], span.attributes["metadata.contributor_id"]) == (0.2, "c1")
    found = [annotation_of(row, span.span_id) for row in info.assessments]
    assert [(a.name, a.label, a.kind, a.score) for a in found if a] == [
        ("outcome_score", "0.2", "CODE", 0.2),
        ("reply_rate", "0", "CODE", 0.0),
    ]


SERIALIZED = {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[1, 2]"}}


@pytest.mark.parametrize(
    ("said", "label", "score"),
    [
        ({"feedback": {"value": True}}, "true", 1.0),
        ({"feedback": {"value": 3.0}}, "3", 3.0),
        ({"feedback": {"value": "no"}, "rationale": "because"}, "no", None),
        ({"expectation": {"value": 7.0}}, "7", None),
        ({"expectation": SERIALIZED}, "[1, 2]", None),
        ({"feedback": {"value": None, "error": {"error_code": "Exception"}}}, None, None),
        ({"feedback": {"value": ""}}, None, None),
        ({"feedback": {"value": True}, "valid": False}, None, None),
    ],
)
def test_an_assessment_is_a_label_and_a_score(said: dict, label: str | None, score: float | None):
    source = {"source_type": "LLM_JUDGE", "source_id": "gpt"}
    row = {"assessment_name": "x", "source": source, "last_update_time": "2026-11-28T21:32:27.756Z", **said}
    found = annotation_of(row, "s1")
    assert (found and found.label, found and found.score) == (label, score)
    assert found is None or (found.kind, found.identifier) == ("LLM", "gpt")


def test_what_is_above_a_span_ends_even_where_spans_lie_in_each_other():
    trace = json.loads(json.dumps(TRACES["answer"]))
    first, second = trace["spans"][:2]
    first["parent_span_id"] = second["span_id"]
    (span,) = spans_named(trace, info_of(trace["trace_info"]), ["ChainOfThought.forward"])
    assert len(span.above) == 50
    assert Decisions(trace, info_of(trace["trace_info"]), ["ChainOfThought.forward"]).assessed_by({}) is None


@pytest.mark.parametrize("broken", [{"span_id": "?"}, {"start_time_unix_nano": "soon"}, {"attributes": [1]}])
def test_a_span_of_another_shape_is_a_bad_answer(broken: dict):
    trace = {"spans": [{**TRACES["route"]["spans"][0], **broken}]}
    with pytest.raises(BadAnswer, match="MLflow: trace tr-"):
        list(spans_named(trace, info_of(TRACES["route"]["trace_info"]), ["Predict.forward"]))


@pytest.mark.parametrize("broken", [{"parent_span_id": "?"}, {"parent_span_id": 7}])
def test_a_span_of_another_shape_in_a_trace_without_a_decision_is_a_bad_answer(broken: dict):
    first, *others = TRACES["route"]["spans"]
    beside = {**first, "span_id": "AAAAAAAAAAA=", "name": "beside", **broken}
    with pytest.raises(BadAnswer, match="MLflow: trace tr-"):
        Decisions({"spans": [first, *others, beside]}, info_of(TRACES["route"]["trace_info"]), ["Nothing.forward"])
