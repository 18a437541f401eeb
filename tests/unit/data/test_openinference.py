"""What is read of an application that knows nothing of Argotune: every dump of it, program by program."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import FIELDS, FILES, PROGRAMS, SHOP, read, spans_of, stream, told

from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.experiences import Experience
from argotune.data.openinference import INPUTS, OUTPUTS, read_decision
from argotune.data.span_format import UnusableSpan
from argotune.data.spans import Ancestor, Span

PAGE = (Path(__file__).parents[3] / "docs" / "traces.md").read_text()


def shop(*files: str) -> MemoryTraces:
    traces = MemoryTraces()
    traces.record("acme", spans_of(*files), SHOP)
    return traces


def row_of(file: str) -> tuple[str, str]:
    """What a dump's line of the table says: what is read of which program, and what is not, and why."""
    seen: dict[str, str] = {}
    was_read: list[str] = []
    for program in PROGRAMS:
        of = stream(program)
        spans = [each.span for each in shop(file).spans_after(of, None)]
        found = [(span.span_id, read_decision(span, of, FIELDS[program])) for span in spans]
        counts = Counter("failed" if x.failure else "read" for _, x in found if isinstance(x, Experience))
        was_read += [f"{program} {n}" + (" failed" if what == "failed" else "") for what, n in counts.items()]
        seen |= {id: x.value for id, x in found if isinstance(x, UnusableSpan) and x not in OTHERS}
    left_out = Counter(seen.values())
    return ", ".join(was_read), ", ".join(f"{reason} {n}" for reason, n in sorted(left_out.items()))


OTHERS = (UnusableSpan.OTHER_SIGNATURE, UnusableSpan.OTHER_FIELDS)


@pytest.mark.parametrize("file", FILES)
def test_every_dump_is_read_as_the_page_says(file: str) -> None:
    line = re.search(rf"^\| `{file}` \|[^|]*\| ?(.*?) ?\| ?(.*?) ?\|$", PAGE, re.MULTILINE)
    assert line, f"no line of {file} in docs/traces.md: {row_of(file)}"
    assert line.groups() == row_of(file)


def one(file: str, program: str, **binding: Any) -> Experience:
    found = [x for x in read(shop(file), stream(program, **binding)) if isinstance(x, Experience)]
    return found[0]


def test_types_are_kept_as_canonical_json() -> None:
    found = one("05_typed_outputs", "extract")
    assert found.answers["order_ids"] == "[12345, 67890]"
    assert json.loads(found.answers["person"]) == {"age": 30, "name": "Kim Example"}
    assert json.loads(found.answers["urgency"]) == 3


def test_a_decision_has_its_confidence_and_the_time_it_took() -> None:
    found = one("01_predict_literal", "route")
    assert (found.inputs, found.answers) == ({"message": "I was charged twice for my invoice"}, {"team": "billing"})
    assert found.confidence == 0.8
    assert found.processing_time_s == pytest.approx(0.05, abs=0.2)
    assert (found.modality, found.language, found.program_version, found.agent_success) == (None, None, None, None)


def test_an_input_that_was_left_out_stays_out_so_that_the_default_of_forward_counts() -> None:
    assert one("08_positional_default_missing", "pipeline").inputs == {"query": "track my parcel"}
    assert one("03_two_step_module", "pipeline").inputs["history"] == '["I ordered a package", "it was sent"]'


def test_a_history_that_python_printed_becomes_json() -> None:
    messages = [{"question": "where is my parcel", "answer": "on its way"}]
    assert json.loads(one("16_variant_history", "chat").inputs["history"]) == {"messages": messages}


def test_a_program_that_failed_has_inputs_its_error_and_no_answers() -> None:
    first, second = (x for x in read(shop("09_errors_lm_parse_tool"), stream("route")) if isinstance(x, Experience))
    assert (first.inputs, first.answers) == ({"message": "MAKE_SERVER_FAIL"}, {})
    assert (first.failure, second.failure) == ("LMServerError", "AdapterParseError")
    assert first.agent_success is False


def test_a_bare_text_is_the_answer_of_a_program_with_one() -> None:
    assert one("13_nested_same_signature_bestofn", "outer").answers == {"reply": "a bare text"}


# A span as it is sent


def decision(given: object = None, said: object = None, **changes: Any) -> Span:
    (span, *_) = spans_of("01_predict_literal")
    texts = {INPUTS: json.dumps({"message": "hi"} if given is None else given)}
    texts[OUTPUTS] = json.dumps({"team": "billing"} if said is None else said)
    more = changes.pop("attributes", {})
    return replace(span, signature="RouteTicket", attributes={**span.attributes, **texts, **more}, **changes)


def outcome(span: Span, **binding: Any) -> Experience | UnusableSpan | None:
    return read_decision(span, stream("route", **binding), FIELDS["route"])


def why(span: Span, **binding: Any) -> str | None:
    found = outcome(span, **binding)
    return found.value if isinstance(found, UnusableSpan) else None


PRINTED = "<app.Order object at 0x7f24cbfdd9d0>"
LONG = "x" * 20_001


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (decision(), None),
        (decision({"message": "hi", "config": {"n": 3}, "lm": None}), None),
        (decision({"kwargs": {"message": "hi"}}), None),
        (decision({"message": "hi", "tone": "kind"}), "its fields are not those of the program"),
        (decision({"text": "hi"}), "its fields are not those of the program"),
        (decision(["hi"]), "its fields are not those of the program"),
        (decision({"message": " "}), "an input is missing or empty"),
        (decision({}), "an input is missing or empty"),
        (decision(attributes={INPUTS: None}), "an input is missing or empty"),
        (decision(attributes={INPUTS: "__REDACTED__"}), "the application hides inputs or outputs"),
        (decision(attributes={OUTPUTS: '{"team": "bil'}), "inputs or outputs are cut off: no JSON"),
        (decision(attributes={INPUTS: LONG}), "a text is too long"),
        (decision({"message": LONG}), "a text is too long"),
        (decision({"message": "messages=[{'a': now()}]"}), "a field is as Python prints it, not JSON"),
        (decision({"message": PRINTED}), "a field is as Python prints it, not JSON"),
        (decision({"message": '<<CUSTOM-TYPE-START-IDENTIFIER>>[{"type"'}), "a field is an image or another file"),
        (decision(said={"team": "sales"}), "the answer is not among the tenant's labels"),
        (decision(said={"team": None}), "an answer is missing or empty"),
        (decision(said={"reply": "x"}), "its fields are not those of the program"),
        (decision(said="billing"), None),
        (decision(attributes={OUTPUTS: None}), "an answer is missing or empty"),
        (decision(attributes={"openinference.span.kind": "AGENT"}), "inside another module"),
        (decision(above=(Ancestor("Shop.forward", "CHAIN", {}),)), "inside another module"),
        (decision(above=(Ancestor("Shop.forward", "TOOL", {}), Ancestor("POST /", "UNKNOWN", {}))), None),
        (decision(attributes={"tag.tags": ["prod", "evaluation"]}), "left out by its tag"),
        (decision(attributes={"tag.tags": '["optimization"]'}), "left out by its tag"),
        (replace(decision(), signature="Other"), "it asks another signature"),
        (decision(attributes={"routing.agent_success": "yes"}), "an attribute has the wrong type"),
    ],
)
def test_a_span_is_read_or_left_out_under_a_named_reason(span: Span, reason: str | None) -> None:
    assert why(span) == reason
    assert isinstance(outcome(span), Experience) is (reason is None)


@pytest.mark.parametrize(
    ("said", "confidence"),
    [(0.8, 0.8), ("0.25", 0.25), (1, 1.0), (85, None), ("high", None), (True, None), (float("nan"), None)],
)
def test_a_confidence_is_a_number_in_0_to_1_or_nobody_said_it(said: object, confidence: float | None) -> None:
    found = outcome(decision(said={"team": "billing", "confidence": said}))
    assert isinstance(found, Experience)
    assert found.confidence == confidence


def test_an_application_may_say_outcome_and_version_beside() -> None:
    said = {"routing.agent_success": True, "routing.processing_time": 9.5, "metadata.argotune_version": "v1a"}
    found = outcome(decision(attributes=said))
    assert isinstance(found, Experience)
    assert (found.agent_success, found.processing_time_s, found.program_version) == (True, 9.5, "v1a")


def test_evaluations_have_no_session_where_production_has_one() -> None:
    batch = "12_batch_and_evaluate"
    assert told(read(shop(batch), stream("route"))) == {"read": 4}
    assert told(read(shop(batch), stream("route", needs_session=True))) == {"it has no session": 4}
    assert told(read(shop("10_async"), stream("route", needs_session=True)))["read"] == 1
    tagged = told(read(shop("16_variant_demos"), stream("route", leave_out_tags=["demos"])))
    assert tagged == {"left out by its tag": 1}


@pytest.mark.parametrize(
    ("file", "program", "key", "value", "read_of"),
    [
        ("06_session_user_metadata_tags", "pipeline", "metadata.tenant", "acme", 1),
        ("06_session_user_metadata_tags", "pipeline", "metadata.tenant", "globex", 0),
        ("06_session_user_metadata_tags", "pipeline", "user.id", "kim", 1),
        ("06_session_user_metadata_tags", "pipeline", "session.id", "acme", 1),
        ("06_session_user_metadata_tags", "pipeline", "session.id", "acm", 0),
        ("07_below_application_span", "route", "tenant.id", "acme", 1),
        ("07_below_application_span", "route", "tenant.id", "globex", 0),
    ],
)
def test_a_tenant_gets_its_own_decisions_of_a_project_that_is_shared(
    file: str, program: str, key: str, value: str, read_of: int
) -> None:
    found = told(read(shop(file), stream(program, tenant_key=key, tenant_value=value)))
    assert found == ({"read": read_of} if read_of else {})


@pytest.mark.parametrize(
    ("session", "prefix", "is_ours"),
    [
        ("acme:1", "acme", True),
        ("acme", "acme", True),
        ("acme-1", "acme-", True),
        ("acme-corp:1", "acme", False),
        ("acme_2:1", "acme", False),
        ("acme2:1", "acme", False),
        ("x:acme", "acme", False),
    ],
)
def test_no_tenants_session_begins_with_anothers_id(session: str, prefix: str, is_ours: bool) -> None:
    span = decision(attributes={"session.id": session})
    found = outcome(span, tenant_key="session.id", tenant_value=prefix)
    assert isinstance(found, Experience) is is_ours
    assert found is not None or not is_ours


def test_a_decision_of_which_nobody_says_whose_it_is_is_counted() -> None:
    assert why(decision(), tenant_key="tenant.id") == "nobody says whose it is"
    assert why(decision(attributes={"tenant.id": 42}), tenant_key="tenant.id", tenant_value="42") is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_nothing_that_is_sent_stops_the_reading(value: Any) -> None:
    for name in (INPUTS, OUTPUTS, "tag.tags", "session.id", "metadata.argotune_version"):
        outcome(decision(attributes={name: value}), tenant_key="session.id")
    found = outcome(decision({"message": value}, {"team": value, "confidence": value}))
    assert isinstance(found, Experience | UnusableSpan)


# Whole traces


def test_a_span_below_something_that_is_still_under_way_waits_for_it() -> None:
    *_, last = spans = spans_of("13_nested_same_signature_bestofn")
    roots = [span for span in spans if span.name == "Outer.forward"]
    traces = shop()
    traces.record("acme", [span for span in spans if span not in roots], SHOP)
    end = max(span.ended_at for span in spans)
    traces.clock = lambda: end + timedelta(minutes=1)
    assert told(read(traces, stream("twice"))) == {"read": 1}
    assert traces.count_after(stream("twice"), None, 10) == 1
    *_, behind = traces.spans_after(stream("twice"), None)
    traces.record("acme", roots, SHOP)
    late = [x.span for x in traces.spans_after(stream("twice"), behind.cursor)]
    assert [[a.name for a in span.above] for span in late] == [["Outer.forward"]]
    assert last in spans


def test_what_never_comes_is_not_waited_for() -> None:
    traces, spans = MemoryTraces(), spans_of("07_below_application_span")
    traces.record("acme", spans[1:], SHOP)
    ended_at = max(span.ended_at for span in spans)
    counts = []
    for later in (9, 11):
        traces.clock = lambda later=later: ended_at + timedelta(minutes=later)
        counts.append(told(read(traces, stream("route"))))
    assert counts == [{}, {"read": 1}]


def test_a_clock_that_is_far_ahead_holds_nothing_up() -> None:
    traces, spans = MemoryTraces(), spans_of("07_below_application_span")
    traces.record("acme", spans[1:], SHOP)
    traces.clock = lambda: spans[0].started_at - timedelta(days=300)
    assert told(read(traces, stream("route"))) == {"read": 1}


@pytest.mark.parametrize(
    ("message", "attributes", "failure"),
    [
        ("AdapterParseError: the answer\n...", {}, "AdapterParseError"),
        ("", {"exception.type": "dspy.utils.exceptions.LMError", "exception.message": "away"}, "LMError"),
        ("shop.errors.NoStock", {}, "NoStock"),
        ("the server said: no", {}, "an error without a class"),
        ("", {}, "an error without a class"),
    ],
)
def test_a_failure_has_the_class_of_its_error(message: str, attributes: dict[str, Any], failure: str) -> None:
    found = outcome(decision(status="ERROR", failure=message, attributes=attributes))
    assert isinstance(found, Experience)
    assert found.failure == failure


def test_a_project_of_another_framework_has_no_decision() -> None:
    traces = MemoryTraces()
    names = ("LangGraph", "RunnableSequence", "ChatOpenAI", "Predict", "torch.nn.Linear.forward")
    traces.record("acme", [decision(name=name, span_id=name) for name in names], SHOP)
    assert list(traces.spans_after(stream("route"), None)) == []


def test_a_signature_that_changed_half_way_is_counted_from_there_on() -> None:
    old, new = decision(), decision({"message": "hi", "language": "en"}, span_id="b")
    traces = MemoryTraces()
    traces.record("acme", [replace(span, name="Router.forward") for span in (old, new)], SHOP)
    assert told(read(traces, stream("router"))) == {"read": 1, "its fields are not those of the program": 1}


def test_a_trace_of_ten_thousand_spans_is_read_level_by_level() -> None:
    (first, *_), traces = spans_of("01_predict_literal"), MemoryTraces()
    deep = [replace(first, span_id=f"s{n}", parent_id=f"s{n - 1}" if n else None, name="step") for n in range(10_000)]
    traces.record("acme", [*deep, replace(first, span_id="last", parent_id="s9999", name="Router.forward")], SHOP)
    (found,) = traces.spans_after(stream("router"), None)
    assert len(found.span.above) == 100
