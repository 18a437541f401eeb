"""Answers of Phoenix as Python values: whatever comes, it is a span or a BadAnswer."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.adapters.phoenix.place import Place, place_of
from argotune.adapters.phoenix.query import Table
from argotune.adapters.phoenix.spans import (
    CUT_LENGTH,
    page_cursor,
    place_of_row,
    row_id_of,
    span_of_query,
    span_of_row,
    storable_json,
)
from argotune.data.spans import Span
from argotune.errors import BadAnswer

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)

ROW = {
    "id": "U3Bhbjo3",
    "context": {"trace_id": "ab", "span_id": "cd"},
    "name": "contract.routing",
    "start_time": "2026-11-21T12:00:00.000001+00:00",
    "end_time": "2026-11-21T12:00:01Z",
    "status_code": "OK",
    "attributes": {},
}
QUERY_ROW = {"span_id": "cd", "started": "2026-11-21T12:00:00.000001000Z", "routing": {}, "input": None}


def assert_is_span(span: Span) -> None:
    texts = (span.span_id, span.trace_id or "", span.name, span.status, *span.attributes)
    assert {type(text) for text in texts} == {str}
    assert span.started_at.tzinfo is not None
    assert span.ended_at is None or span.ended_at.tzinfo is not None


@given(field=st.sampled_from(sorted(ROW)), value=JSON | st.just("2026-11-21T12:00:00"))
def test_a_row_with_anything_in_a_field_is_a_span_or_a_bad_answer(field: str, value: object) -> None:
    with suppress(BadAnswer):
        assert_is_span(span_of_row({**ROW, field: value}))
    with suppress(BadAnswer):
        place = place_of_row({**ROW, field: value})
        assert place.cursor.startswith(f"phoenix:{place.row_id}:{place.row_id}:")


@given(field=st.sampled_from(sorted(QUERY_ROW)), value=JSON)
def test_a_query_row_with_anything_in_a_field_is_a_span_or_a_bad_answer(field: str, value: object) -> None:
    with suppress(BadAnswer):
        assert_is_span(span_of_query({**QUERY_ROW, field: value}, "contract.routing"))


@given(attributes=st.dictionaries(st.text().map(lambda name: f"routing.{name}") | st.text(), JSON))
def test_all_attributes_can_be_stored(attributes: dict[str, object]) -> None:
    found = span_of_row({**ROW, "attributes": attributes}).attributes
    text = json.dumps(found, ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()


@pytest.mark.parametrize("field", [*ROW, *QUERY_ROW])
def test_a_field_that_is_missing_is_a_bad_answer(field: str) -> None:
    row = ROW if field in ROW else QUERY_ROW
    incomplete = {name: value for name, value in row.items() if name != field}
    with pytest.raises(BadAnswer, match=field):
        span_of_query(incomplete, "contract.routing") if row is QUERY_ROW else (
            span_of_row(incomplete),
            place_of_row(incomplete),
        )


@pytest.mark.parametrize(
    ("flat", "whole"),
    [
        ({"routing.a.0.x": 1, "routing.a.1.x": 2}, {"routing.a": [{"x": 1}, {"x": 2}]}),
        ({"routing.a.x.y": 1, "routing.a.z": 2}, {"routing.a": {"x": {"y": 1}, "z": 2}}),
        ({"routing.a.0": "p", "routing.a.1": "q"}, {"routing.a": {"0": "p", "1": "q"}}),
        ({"routing.a": 1, "routing.a.b": 2}, {"routing.a": 1, "routing.a.b": 2}),
        ({"llm.messages.0.text": "hi", "routing": "x"}, {"llm.messages.0.text": "hi", "routing": "x"}),
    ],
)
def test_what_phoenix_flattens_below_a_field_is_put_together(flat: dict, whole: dict) -> None:
    assert span_of_row({**ROW, "attributes": flat}).attributes == whole


def test_overlong_texts_and_lists_are_cut() -> None:
    attributes = {"routing.a": "x" * 50_000, "routing.b": ["y"] * 50_000, "routing.c": ["z" * 50_000]}
    found = span_of_row({**ROW, "attributes": attributes}).attributes
    assert [len(found[name]) for name in ("routing.a", "routing.b")] == [CUT_LENGTH, CUT_LENGTH]
    assert len(found["routing.c"][0]) == CUT_LENGTH


def test_times_are_aware_and_exact() -> None:
    expected = datetime(2026, 11, 21, 12, 0, 0, 1, UTC)
    assert span_of_row(ROW).started_at == span_of_query(QUERY_ROW, "n").started_at == expected


@given(row_id=st.integers(0, 2**63))
def test_a_page_begins_at_a_row(row_id: int) -> None:
    assert row_id_of(page_cursor(row_id)) == row_id


@given(row_id=st.integers(0, 2**63), span_row=st.integers(0, 2**63), span_id=st.text())
def test_a_cursor_is_kept_as_text(row_id: int, span_row: int, span_id: str) -> None:
    place = Place(row_id, span_row, span_id)
    assert place_of(place.cursor) == place


def test_a_cursor_says_which_rows_behind_it_were_given_unless_too_many_wait() -> None:
    place = Place(3, 9, "a:b", given_to=9, waiting=frozenset({"0a", "ff"}))
    assert place_of(place.cursor) == place
    given = {id: place.was_given(Place(row, row, id)) for row, id in ((4, "cc"), (5, "ff"), (9, "dd"), (10, "ee"))}
    assert given == {"cc": True, "ff": False, "dd": True, "ee": False}
    for waiting in (map(str, range(201)), ["x:y"]):
        assert place_of(replace(place, waiting=frozenset(waiting)).cursor) == Place(3, 9, "a:b")


@given(text=st.text())
def test_a_text_that_phoenix_did_not_give_is_no_place(text: str) -> None:
    assert place_of(text) is None


@given(value=JSON)
def test_clean_values_are_json(value: object) -> None:
    json.dumps(storable_json(value), allow_nan=False, ensure_ascii=False).encode()


@given(rows=st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=5))
def test_a_table_gives_its_rows_one_by_one(rows: list[dict]) -> None:
    columns = [{"0_context.span_id": str(n), "1_routing": row} for n, row in enumerate(rows)]
    text = json.dumps({"schema": {}, "data": columns}, separators=(",", ":"), ensure_ascii=False)
    table = Table(f"--x\r\nContent-Type: application/json\r\n\r\n{text}\r\n--x--\r\n")
    assert repr(list(table)) == repr([{"span_id": str(n), "routing": row} for n, row in enumerate(rows)])
    assert table.row_count >= len(rows)


@pytest.mark.parametrize("text", ["", '"data":[', '"data":[{"a":1}', '"data":[{"a":1},', '"data":[1]', '"data":[{"a"]'])
def test_a_broken_table_is_a_bad_answer(text: str) -> None:
    with pytest.raises(BadAnswer, match="not a table"):
        list(Table(text))
