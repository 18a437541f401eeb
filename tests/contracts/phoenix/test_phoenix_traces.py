"""What only a real Phoenix can show: volume, hostile content, ids that are global, and its routes failing midway."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from contracts.span_ids import ids, own_ids

from argotune.adapters.json_http import segment
from argotune.adapters.phoenix import query as phoenix_query
from argotune.adapters.phoenix import reader as phoenix_reader
from argotune.adapters.phoenix import writer as phoenix_writer
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.place import Place, place_of
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.adapters.project_names import project_name
from argotune.adapters.retrying import Patience
from argotune.data.cursor import Cursor
from argotune.data.fields import Fields
from argotune.data.span_format import UnusableSpan, read_span
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import Corrupt, RateLimited, Unavailable

pytestmark = pytest.mark.phoenix

DAY = timedelta(days=1)
MANY = 1_200
AT_ONE_MOMENT = 130
FIELDS = {"routing": Fields("routing", ("query", "entities"), {"agent": ("video", "audio")})}

HOSTILE = [
    "../../etc", "a/b?c#d%2F", "{{workflow.uid}}", "$(touch x)", "'; DROP TABLE spans; --", '"quoted" \\ back',
    "日本語 \U0001f600", "name == 'x' or True", "x" * 200,
]  # fmt: skip


@pytest.fixture(scope="module")
def crowd(phoenix: PhoenixTraces, make_span: Callable[..., Span], now: datetime) -> tuple[str, list[str]]:
    """A tenant with more spans than Phoenix gives by default, some of which started at the same moment."""
    tenant = f"crowd {os.urandom(6).hex()}"
    moments = [now - timedelta(hours=1)] * AT_ONE_MOMENT + [
        now - timedelta(minutes=n) for n in range(MANY - AT_ONE_MOMENT)
    ]
    spans = [make_span(n, at=at, program="routing", chosen_agent="video") for n, at in enumerate(moments)]
    phoenix.record(tenant, spans)
    return tenant, own_ids(spans)


def test_more_than_a_thousand_spans_are_read_and_counted_completely(
    phoenix: PhoenixTraces, crowd: tuple[str, list[str]], now: datetime
) -> None:
    tenant, sent = crowd
    assert ids(phoenix.spans_after(Stream(tenant, "routing"), None)) == sent
    at_once = ids(phoenix.spans_after(Stream(tenant, "routing"), None, now - DAY))
    assert len(at_once) == MANY
    assert set(at_once) == set(sent)
    assert phoenix.count_after(Stream(tenant, "routing"), None, 5_000) == MANY
    assert phoenix.count_after(Stream(tenant, "routing"), None, 1_100) == 1_100


def test_windows_are_cut_until_nothing_is_truncated_even_at_one_moment(
    phoenix: PhoenixTraces, crowd: tuple[str, list[str]], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, sent = crowd
    monkeypatch.setattr(phoenix_query, "MAX_ROWS", 100)
    found = ids(phoenix.spans_after(Stream(tenant, "routing"), None, now - 30 * DAY))
    assert len(found) == MANY
    assert set(found) == set(sent)


def test_spans_that_arrive_while_pages_are_read_are_not_lost(
    phoenix: PhoenixTraces, tenant: str, make_span: Callable[..., Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phoenix_reader, "FIRST_PAGE_ROWS", 4)
    monkeypatch.setattr(phoenix_reader, "PAGE_ROWS", 4)
    before, during = [make_span(n) for n in range(11)], [make_span(n) for n in range(5)]
    phoenix.record(tenant, before)
    reading = phoenix.spans_after(Stream(tenant, "routing"), None)
    found = [next(reading) for _ in range(6)]
    phoenix.record(tenant, during)
    assert ids([*found, *reading]) == own_ids(before + during)


def test_of_what_the_query_route_gives_the_last_span_alone_has_a_cursor(
    phoenix: PhoenixTraces, crowd: tuple[str, list[str]], now: datetime
) -> None:
    tenant, _ = crowd
    *others, last = [read.cursor for read in phoenix.spans_after(Stream(tenant, "routing"), None, now - DAY)]
    assert set(others) == {None}
    *_, newest = phoenix.spans_after(Stream(tenant, "routing"), None)
    assert last == newest.cursor


@pytest.mark.parametrize(
    ("row_off", "span_row_off", "is_same_span", "is_held"),
    [(5, 0, True, True), (5, None, True, True), (5, 1, True, False), (0, 0, False, False), (0, None, False, False)],
    ids=["first read of an earlier release", "row unknown", "another row", "span gone", "span gone, row unknown"],
)
def test_a_cursor_is_held_while_its_span_is_where_it_was(
    phoenix: PhoenixTraces,
    crowd: tuple[str, list[str]],
    row_off: int,
    span_row_off: int | None,
    is_same_span: bool,
    is_held: bool,
) -> None:
    tenant, _ = crowd
    read = next(phoenix.spans_after(Stream(tenant, "routing"), None))
    place = place_of(read.cursor or "")
    assert place is not None
    span_row = 0 if span_row_off is None else place.row_id + span_row_off
    cursor = Place(place.row_id + row_off, span_row, place.span_id if is_same_span else "00" * 8).cursor
    assert phoenix.holds(Stream(tenant, "routing"), cursor) is is_held


def test_a_cursor_of_another_source_is_read_from_by_nobody(phoenix: PhoenixTraces, tenant: str) -> None:
    with pytest.raises(Corrupt, match="'mlflow:7' is none of Phoenix's"):
        phoenix.count_after(Stream(tenant, "routing"), Cursor("mlflow:7"), 10)
    assert phoenix.holds(Stream(tenant, "routing"), Place(7, 0, "").cursor), (
        "nothing is known by which it could be told"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tenant_ids_are_names_and_nothing_else(
    phoenix: PhoenixTraces, make_span: Callable[..., Span], make_annotation, now: datetime, name: str
) -> None:
    tenant = f"{name[:180]} {os.urandom(6).hex()}"
    span = make_span()
    phoenix.record(tenant, [span])
    phoenix.annotate(Stream(tenant, "routing"), [make_annotation(span.span_id, name, identifier=name)])
    assert ids(phoenix.spans_after(Stream(tenant, "routing"), None)) == [span.span_id]
    assert ids(phoenix.spans_after(Stream(tenant, "routing"), None, now - DAY)) == [span.span_id]
    assert phoenix.count_after(Stream(tenant, "routing"), None, 10) == 1
    assert [a.label for a in phoenix.annotations(Stream(tenant, "routing"), ["agent"], now - DAY)] == [name]


UNUSABLE = [
    ({"query": 7}, UnusableSpan.WRONG_TYPE),
    ({"query": "x", "chosen_agent": True}, UnusableSpan.WRONG_TYPE),
    ({"query": "x" * 10 * 2**20}, UnusableSpan.TOO_LONG),
    ({"entities": ["x" * 30] * 5_000}, UnusableSpan.TOO_LONG),
    ({"confidence": "high"}, UnusableSpan.WRONG_TYPE),
    ({"confidence": 2**60}, UnusableSpan.OUT_OF_RANGE),
    ({"query": ""}, UnusableSpan.NO_INPUT),
    ({"query": "\x00"}, UnusableSpan.NO_INPUT),
    ({"chosen_agent": None}, UnusableSpan.NO_OUTPUT),
    ({"chosen_agent": {"name": "video"}}, UnusableSpan.UNKNOWN_LABEL),
    ({"program": ["routing"]}, UnusableSpan.NO_PROGRAM),
    ({"program": "modality.video"}, UnusableSpan.UNKNOWN_PROGRAM),
    ({"tenant_id": "somebody else"}, UnusableSpan.OTHER_TENANT),
    ({"tenant_id": {"nested": 1}}, UnusableSpan.OTHER_TENANT),
]


def test_what_cannot_be_used_gets_its_named_reason_on_both_routes(
    phoenix: PhoenixTraces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    good = {"program": "routing", "query": "find clips", "chosen_agent": "video"}
    sent = [make_span(number, **{**good, **fields}) for number, (fields, _) in enumerate(UNUSABLE)]
    phoenix.record(tenant, sent)
    expected = {span.span_id: reason for span, (_, reason) in zip(sent, UNUSABLE, strict=True)}
    for since in (None, now - DAY):
        found = phoenix.spans_after(Stream(tenant, "routing"), None, since)
        assert {span.span_id: read_span(span, tenant, FIELDS) for span, _ in found} == expected


def test_nul_bytes_and_lone_surrogates_are_taken_out(
    phoenix: PhoenixTraces, http: PhoenixHttp, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    phoenix.record(tenant, [make_span(1)])
    project_id = http.project_id(project_name("contract", tenant))
    raw = {
        "name": "contract.routing", "context": {"trace_id": "ab" * 16, "span_id": os.urandom(8).hex()},
        "span_kind": "AGENT", "status_code": "OK", "start_time": now.isoformat(), "end_time": now.isoformat(),
        "attributes": {"routing.query": "a\x00b", "routing.tags": ["\x00c"], "routing.nan": None},
    }  # fmt: skip
    http.post(f"v1/projects/{segment(project_id)}/spans", {"data": [raw]})
    phoenix.record(tenant, [make_span(2, chosen_agent="d\x00\ud800e", confidence=float("nan"))])
    for since in (None, now - DAY):
        found = {
            k: v
            for s, _ in phoenix.spans_after(Stream(tenant, "routing"), None, since)
            for k, v in s.attributes.items()
        }
        assert found["routing.chosen_agent"] == "d?e"
        assert found["routing.tags"] == ["c"]
        assert "routing.confidence" not in found


def test_megabytes_in_attributes_do_not_fill_the_memory(
    phoenix: PhoenixTraces, tenant: str, make_span: Callable[..., Span], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phoenix_query, "MAX_BYTES", 3 * 2**20)
    phoenix.record(tenant, [make_span(number, context="x" * 2 * 2**20) for number in range(12)])
    tracemalloc.start()
    spans = list(phoenix.spans_after(Stream(tenant, "routing"), None, now - DAY))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(span.attributes["routing.context"]) for span, _ in spans] == [20_001] * 12
    assert peak_bytes < 20 * 2**20


def test_pages_that_are_too_long_are_asked_for_in_pieces(
    phoenix: PhoenixTraces, tenant: str, make_span: Callable[..., Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phoenix_reader, "PAGE_BYTES", 100_000)
    sent = [make_span(number, context="x" * (1 if number % 4 else 90_000)) for number in range(24)]
    phoenix.record(tenant, sent)
    assert ids(phoenix.spans_after(Stream(tenant, "routing"), None)) == own_ids(sent)


def test_attributes_that_collide_are_all_read(
    phoenix: PhoenixTraces, tenant: str, make_span: Callable[..., Span], now: datetime
) -> None:
    span = make_span(1, chosen_agent="video")
    phoenix.record(tenant, [replace(span, attributes={**span.attributes, "routing": "taken"})])
    for since in (None, now - DAY):
        ((found, _),) = phoenix.spans_after(Stream(tenant, "routing"), None, since)
        assert found.attributes["routing.chosen_agent"] == "video"
        assert found.attributes["routing"] == "taken"


def test_a_trace_id_of_another_tenant_puts_the_span_there_where_it_is_refused(
    phoenix: PhoenixTraces, tenant: str, make_span: Callable[..., Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phoenix_writer, "ARRIVAL_LIMIT_S", 2.0)
    mine = make_span(1, tenant_id=tenant)
    phoenix.record(tenant, [mine])
    intruder = tenant + "2"
    stray = make_span(2, trace_id=mine.trace_id, tenant_id=intruder)
    with pytest.raises(Unavailable, match=f"1 span, e.g. '{stray.span_id}', did not arrive"):
        phoenix.record(intruder, [stray])
    found = phoenix.spans_after(Stream(tenant, "routing"), None)
    reasons = {span.span_id: read_span(span, tenant, FIELDS) for span, _ in found}
    assert reasons == {mine.span_id: UnusableSpan.NO_PROGRAM, stray.span_id: UnusableSpan.OTHER_TENANT}
    assert list(phoenix.spans_after(Stream(intruder, "routing"), None)) == []


def test_thousands_of_annotations_are_read_completely(
    phoenix: PhoenixTraces, crowd: tuple[str, list[str]], make_annotation, now: datetime
) -> None:
    tenant, span_ids = crowd
    some = span_ids[:700]
    phoenix.annotate(Stream(tenant, "routing"), [make_annotation(id, f"label {n}") for n, id in enumerate(some)])
    found = {a.span_id: a.label for a in phoenix.annotations(Stream(tenant, "routing"), ["agent"], now - DAY)}
    assert found == {id: f"label {n}" for n, id in enumerate(some)}


@pytest.fixture
def without_queries(phoenix_url: str, bad_server) -> Iterator[PhoenixTraces]:
    """Phoenix whose query route is out of order, as in another version."""
    bad_server.behind, bad_server.applies = phoenix_url, lambda path: path.startswith("/v1/spans?")
    with closing(
        PhoenixTraces(PhoenixHttp(bad_server.url, patience=Patience(sleep=lambda _s: None)), "contract")
    ) as traces:
        yield traces


@pytest.mark.parametrize(("status", "body"), [(422, b"Invalid query"), (500, b"oops"), (200, b"not a table")])
def test_without_the_query_route_pages_are_read(
    without_queries: PhoenixTraces, bad_server, crowd: tuple[str, list[str]], now: datetime, status: int, body: bytes
) -> None:
    tenant, sent = crowd
    bad_server.script[0].status, bad_server.script[0].body = status, body
    found = list(without_queries.spans_after(Stream(tenant, "routing"), None, now - DAY))
    assert ids(found) == sent
    rows = [place.row_id for read in found if (place := place_of(read.cursor or ""))]
    assert (len(rows), rows) == (len(found), sorted(rows))
    labelled = {a.span_id for a in without_queries.annotations(Stream(tenant, "routing"), ["agent"], now - DAY)}
    assert labelled <= set(sent)
    assert bad_server.asked


def test_a_limited_query_route_is_not_pestered_by_pages(
    without_queries: PhoenixTraces, bad_server, crowd: tuple[str, list[str]], now: datetime
) -> None:
    bad_server.script[0].status = 429
    with pytest.raises(RateLimited):
        list(without_queries.spans_after(Stream(crowd[0], "routing"), None, now - DAY))
