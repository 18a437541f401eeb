"""The contract of TraceSource and TraceSink, run on every adapter."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from contracts.span_ids import ids, own_ids
from mlflow_in_tests import MlflowInTests, as_in_mlflow

from argotune.adapters.memory.traces import MemoryTraces
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.data.cursor import Cursor
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import NotFound, ProjectMissing

Traces = MemoryTraces | PhoenixTraces | MlflowInTests
LONG = timedelta(days=400)


@pytest.fixture
def make_span(traces: Traces, make_span: Callable[..., Span]) -> Callable[..., Span]:
    """With ids as the source gives them back: MLflow finds a span by its trace alone, so that one's id has both."""
    return partial(as_in_mlflow, make_span) if isinstance(traces, MlflowInTests) else make_span


BY_ARRIVAL = pytest.mark.parametrize(
    "traces", ["memory", pytest.param("phoenix", marks=pytest.mark.phoenix)], indirect=True
)
"""Sources that know in which order spans arrived; test_mlflow_traces.py holds what MLflow does in its place."""


def traces_pause(traces: Traces) -> None:
    """Phoenix on SQLite tells times in whole seconds."""
    if isinstance(traces, PhoenixTraces):
        time.sleep(1.1)


def test_spans_come_back_as_they_were_sent(traces: Traces, tenant: str, make_span: Callable[..., Span]) -> None:
    sent = make_span(
        7,
        program="routing",
        chosen_agent="Größe \U0001f600",
        confidence=0.25,
        agent_success=True,
        entities=["alps", "ski"],
        relationships=[{"from": "alps", "to": "ski"}, {"from": "a"}],
        context={"page": {"of": "3"}},
        processing_time=3,
    )
    traces.record(tenant, [sent])
    (found,) = traces.spans_after(Stream(tenant, "routing"), None)
    assert found.span == sent
    assert found.cursor


@BY_ARRIVAL
def test_spans_come_in_order_of_arrival_and_behind_the_cursor(
    traces: Traces, tenant: str, make_span: Callable[..., Span]
) -> None:
    sent = [make_span(number) for number in (3, 9, 1, 5)]
    for span in sent:
        traces.record(tenant, [span])
    found = list(traces.spans_after(Stream(tenant, "routing"), None))
    assert ids(found) == own_ids(sent)
    assert ids(traces.spans_after(Stream(tenant, "routing"), found[1].cursor)) == own_ids(sent[2:])
    assert ids(traces.spans_after(Stream(tenant, "routing"), found[-1].cursor)) == []


@BY_ARRIVAL
def test_late_and_back_dated_spans_are_found_behind_the_cursor(
    traces: Traces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    traces.record(tenant, [make_span(1)])
    (first,) = traces.spans_after(Stream(tenant, "routing"), None)
    late = [make_span(at=now - LONG), make_span(at=now - timedelta(days=1))]
    for span in late:
        traces.record(tenant, [span])
    assert ids(traces.spans_after(Stream(tenant, "routing"), first.cursor)) == own_ids(late)


def test_a_first_read_leaves_out_what_started_earlier(
    traces: Traces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    old, edge, ahead = make_span(at=now - LONG), make_span(60), make_span(at=now + timedelta(hours=2))
    traces.record(tenant, [old, edge, ahead])
    assert set(ids(traces.spans_after(Stream(tenant, "routing"), None, edge.started_at))) == {
        edge.span_id,
        ahead.span_id,
    }
    just_after = edge.started_at + timedelta(microseconds=1)
    assert ids(traces.spans_after(Stream(tenant, "routing"), None, just_after)) == [ahead.span_id]
    assert ids(traces.spans_after(Stream(tenant, "routing"), None, now + LONG)) == []


def test_what_a_first_read_passed_over_lies_behind_its_cursor(
    traces: Traces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    traces.record(tenant, [make_span(1)])
    traces.record(tenant, [make_span(at=now - LONG), make_span(module="modality")])
    (found,) = traces.spans_after(Stream(tenant, "routing"), None, now - timedelta(hours=1))
    assert list(traces.spans_after(Stream(tenant, "routing"), found.cursor)) == []


def test_spans_are_counted_by_the_time_they_started(
    traces: Traces, tenant: str, make_span: Callable[..., Span], make_annotation, now: datetime
) -> None:
    spans = [make_span(at=now - timedelta(hours=hours)) for hours in (1, 2, 3, 4)]
    traces.record(tenant, spans)
    edge = spans[2].started_at
    counts = [
        traces.count_after(Stream(tenant, "routing"), None, 10, *times)
        for times in ((), (edge,), (None, edge), (edge, spans[0].started_at), (now + LONG,))
    ]
    assert counts == [4, 3, 1, 2, 0]
    assert traces.count_after(Stream(tenant, "routing"), None, 2, edge) == 2
    traces.annotate(Stream(tenant, "routing"), [make_annotation(span.span_id, "video") for span in spans])
    assert [traces.count_labels(Stream(tenant, "routing"), ["agent"], since) for since in (None, edge)] == [4, 3]


@pytest.mark.parametrize("is_first", [True, False], ids=["first read", "later read"])
def test_a_cursor_is_held_by_its_own_database_and_tenant_only(
    traces: Traces, tenant: str, make_span: Callable[..., Span], now: datetime, is_first: bool
) -> None:
    traces.record(tenant, [make_span(1), make_span(2, module="modality")])
    traces.record(tenant + "2", [make_span()])
    (found,) = traces.spans_after(Stream(tenant, "routing"), None, now - LONG if is_first else None)
    assert found.cursor is not None
    assert traces.holds(Stream(tenant, "routing"), found.cursor)
    assert not traces.holds(Stream(tenant + "2", "routing"), found.cursor)
    (theirs,) = traces.spans_after(Stream(tenant + "2", "routing"), None)
    assert theirs.cursor is not None
    assert not traces.holds(Stream(tenant, "routing"), theirs.cursor)


def test_what_is_no_cursor_of_the_source_is_not_held(traces: Traces, tenant: str) -> None:
    traces.record(tenant, [])
    for cursor in ("", "7", "mlflow:7:7:ab", "phoenix:x:7:ab", "phoenix:7", "phoenix:\u0663:7:ab"):
        assert not traces.holds(Stream(tenant, "routing"), Cursor(cursor))


@BY_ARRIVAL
def test_a_read_goes_on_where_the_first_one_ended(
    traces: Traces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    traces.record(tenant, [make_span(number) for number in range(5)])
    first = list(traces.spans_after(Stream(tenant, "routing"), None, now - LONG))
    cursor = first[-1].cursor
    assert cursor
    assert list(traces.spans_after(Stream(tenant, "routing"), cursor)) == []
    new = make_span(at=now - timedelta(days=9))
    traces.record(tenant, [new])
    assert ids(traces.spans_after(Stream(tenant, "routing"), cursor)) == [new.span_id]


def test_a_first_read_gives_the_same_experience_as_a_later_one(
    traces: Traces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    sent = make_span(1, program="routing", entities=["a"], relationships=[{"x": "y"}], confidence=0.5, n=3, flag=False)
    traces.record(tenant, [sent])
    (fast,) = traces.spans_after(Stream(tenant, "routing"), None, now - LONG)
    (slow,) = traces.spans_after(Stream(tenant, "routing"), None)
    assert fast.cursor == slow.cursor
    assert replace(fast.span, trace_id=None, ended_at=None, status="") == replace(
        slow.span, trace_id=None, ended_at=None, status=""
    )


def test_modules_and_tenants_do_not_see_each_other(
    traces: Traces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    other = tenant + "2"
    mine, modality, theirs = make_span(), make_span(module="modality"), make_span()
    traces.record(tenant, [mine, modality])
    traces.record(other, [theirs])
    for since in (None, now - LONG):
        assert ids(traces.spans_after(Stream(tenant, "routing"), None, since)) == [mine.span_id]
        assert ids(traces.spans_after(Stream(tenant, "modality"), None, since)) == [modality.span_id]
        assert ids(traces.spans_after(Stream(other, "routing"), None, since)) == [theirs.span_id]
        assert ids(traces.spans_after(Stream(other, "modality"), None, since)) == []


def test_counting_goes_behind_the_cursor_and_stops_at_the_limit(
    traces: Traces, tenant: str, make_span: Callable[..., Span]
) -> None:
    traces.record(tenant, [make_span(number) for number in range(6)] + [make_span(module="modality")])
    third = list(traces.spans_after(Stream(tenant, "routing"), None))[2].cursor
    counts = {
        (cursor, limit): traces.count_after(Stream(tenant, "routing"), cursor, limit)
        for cursor in (None, third)
        for limit in (100, 4, 2)
    }
    assert counts == {(None, 100): 6, (None, 4): 4, (None, 2): 2, (third, 100): 3, (third, 4): 3, (third, 2): 2}
    assert traces.count_after(Stream(tenant, "cross_modal"), None, 10) == 0


def test_a_missing_project_is_an_error_and_not_no_data(traces: Traces, tenant: str, now: datetime) -> None:
    reads = [
        lambda: list(traces.spans_after(Stream(tenant, "routing"), None)),
        lambda: list(traces.spans_after(Stream(tenant, "routing"), None, now)),
        lambda: traces.count_after(Stream(tenant, "routing"), None, 10),
        lambda: list(traces.annotations(Stream(tenant, "routing"), ["agent"], now)),
    ]
    for read in reads:
        with pytest.raises(ProjectMissing, match="acme/ä"):
            read()


@BY_ARRIVAL
def test_recording_again_changes_nothing(traces: Traces, tenant: str, make_span: Callable[..., Span]) -> None:
    first, second = make_span(1, chosen_agent="a"), make_span(2)
    traces.record(tenant, [first])
    changed = replace(first, attributes={"routing.chosen_agent": "b"})
    traces.record(tenant, [changed, second, second])
    found = list(traces.spans_after(Stream(tenant, "routing"), None))
    assert [read.span for read in found] == [first, second]


def test_annotations_come_back_by_name_module_and_time(
    traces: Traces, tenant: str, make_span: Callable[..., Span], make_annotation, now: datetime
) -> None:
    span, other, old = make_span(1), make_span(2, module="modality"), make_span(at=now - LONG)
    traces.record(tenant, [span, other, old])
    wanted = [
        make_annotation(span.span_id, "video"),
        make_annotation(span.span_id, "yes", "needs'fu\"sion", "LLM", "judge"),
    ]
    others = [make_annotation(id, "video") for id in (other.span_id, old.span_id)]
    traces.annotate(Stream(tenant, "routing"), [*wanted, make_annotation(span.span_id, "good", "quality"), *others])
    found = list(
        traces.annotations(Stream(tenant, "routing"), ["agent", "needs'fu\"sion", "unused"], now - timedelta(days=1))
    )
    assert {replace(a, updated_at=now) for a in found} == set(wanted)
    assert all(a.updated_at.tzinfo is not None for a in found)
    assert list(traces.annotations(Stream(tenant, "routing"), [], now - LONG)) == []
    assert list(traces.annotations(Stream(tenant, "routing"), ["unused"], now - LONG)) == []


def test_two_answers_in_an_explanation_and_what_is_preferred_come_back_as_they_were(
    traces: Traces, tenant: str, make_span: Callable[..., Span], make_annotation, now: datetime
) -> None:
    span, told = make_span(), "FIRST\nDear customer,\n<b>no</b>\n\nSECOND\n" + "ä" * 5000
    traces.record(tenant, [span])
    shown = replace(make_annotation(span.span_id, "differ", "argotune.queue", "CODE", "argotune"), explanation=told)
    traces.annotate(Stream(tenant, "routing"), [shown, make_annotation(span.span_id, "second", "replies.preference")])
    found = list(traces.annotations(Stream(tenant, "routing"), ["argotune.queue", "replies.preference"], now - LONG))
    assert {(a.name, a.label) for a in found} == {("argotune.queue", "differ"), ("replies.preference", "second")}
    assert told in {annotation.explanation for annotation in found}


def test_a_score_or_an_explanation_alone_says_something_and_an_empty_annotation_nothing(
    traces: Traces, tenant: str, make_span: Callable[..., Span], make_annotation, now: datetime
):
    spans = [make_span(number) for number in (1, 2, 3)]
    traces.record(tenant, spans)
    made = (make_annotation(span.span_id, "", "user feedback") for span in spans)
    scored, told, empty = (replace(each, score=None, explanation="") for each in made)
    given = [replace(scored, score=0.0), replace(told, explanation="it was billing"), empty]
    traces.annotate(Stream(tenant, "routing"), given)
    found = {a.span_id: a for a in traces.annotations(Stream(tenant, "routing"), ["user feedback"], now - LONG)}
    assert found.keys() == {scored.span_id, told.span_id}
    assert (found[scored.span_id].label, found[scored.span_id].score) == ("", 0.0)
    assert (found[told.span_id].label, found[told.span_id].explanation) == ("", "it was billing")


def test_annotations_are_upserted_by_span_name_and_identifier(
    traces: Traces, tenant: str, make_span: Callable[..., Span], make_annotation, now: datetime
) -> None:
    span = make_span()
    traces.record(tenant, [span])
    for label, identifier in (("a", "ann"), ("b", "ann"), ("c", "bob"), ("d", "")):
        traces.annotate(Stream(tenant, "routing"), [make_annotation(span.span_id, label, identifier=identifier)])
    found = traces.annotations(Stream(tenant, "routing"), ["agent"], now - LONG)
    assert sorted((a.identifier, a.label) for a in found) == [("", "d"), ("ann", "b"), ("bob", "c")]


def test_labels_are_counted_by_module_on_spans_of_any_age_and_a_corrected_one_once(
    traces: Traces, tenant: str, make_span: Callable[..., Span], make_annotation, now: datetime
) -> None:
    span, old, other = make_span(1), make_span(at=now - LONG), make_span(2, module="modality")
    traces.record(tenant, [span, old, other])
    assert traces.count_labels(Stream(tenant, "routing"), ["agent", "needs'fu\"sion"]) == 0
    traces.annotate(
        Stream(tenant, "routing"), [make_annotation(id, "video") for id in (span.span_id, old.span_id, other.span_id)]
    )
    assert traces.count_labels(Stream(tenant, "routing"), ["agent", "needs'fu\"sion"]) == 2
    traces.annotate(Stream(tenant, "routing"), [make_annotation(span.span_id, "audio")])
    assert traces.count_labels(Stream(tenant, "routing"), ["agent"]) == 2
    traces.annotate(Stream(tenant, "routing"), [make_annotation(span.span_id, "audio", kind="LLM", identifier="judge")])
    traces.annotate(Stream(tenant, "routing"), [make_annotation(span.span_id, "yes", "needs'fu\"sion")])
    assert traces.count_labels(Stream(tenant, "routing"), ["agent", "needs'fu\"sion"]) == 3
    assert traces.count_labels(Stream(tenant, "routing"), []) == 0
    with pytest.raises(ProjectMissing):
        traces.count_labels(Stream(tenant + "2", "routing"), ["agent"])


def test_the_same_label_again_is_newer_and_keeps_its_score(
    traces: Traces, tenant: str, make_span: Callable[..., Span], make_annotation, now: datetime
) -> None:
    span = make_span()
    traces.record(tenant, [span])
    times = []
    for moment in (now, now + timedelta(seconds=1)):
        traces.annotate(
            Stream(tenant, "routing"), [replace(make_annotation(span.span_id, "video"), score=0.25, updated_at=moment)]
        )
        (found,) = traces.annotations(Stream(tenant, "routing"), ["agent"], now - LONG)
        assert found.score == 0.25
        times.append(found.updated_at)
        traces_pause(traces)
    assert times[0] < times[1]


def test_a_span_of_another_tenant_cannot_be_annotated(
    traces: Traces, tenant: str, make_span: Callable[..., Span], make_annotation, now: datetime
) -> None:
    theirs = make_span()
    traces.record(tenant, [theirs])
    with pytest.raises(NotFound, match=theirs.span_id):
        traces.annotate(Stream(tenant + "2", "routing"), [make_annotation(theirs.span_id, "video")])
    assert list(traces.annotations(Stream(tenant, "routing"), ["agent"], now - LONG)) == []


def test_ping_names_a_version(traces: Traces) -> None:
    assert traces.ping()


def test_the_newest_trace_of_each_tenant_is_known_without_asking_for_each(
    traces: Traces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    assert tenant not in traces.newest({})
    traces.record(tenant, [make_span(90), make_span(30)])
    ended_at = now - timedelta(seconds=30)
    assert ended_at <= traces.newest({})[tenant] <= ended_at + timedelta(minutes=3)
