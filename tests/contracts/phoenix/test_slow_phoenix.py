"""A Phoenix whose routes are slower than the time limit: everything is read by pages, or 75, and always soon."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from argotune.adapters.phoenix import query as phoenix_query
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.place import place_of
from argotune.adapters.phoenix.spans import page_cursor, row_id_of
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.adapters.retrying import Patience
from argotune.data.stream import Stream
from argotune.errors import Unavailable

NOW = datetime.now(UTC)
SINCE = NOW - timedelta(days=7)
LIMIT_S = 0.2
TENANT = "acme"


def _row(number: int) -> dict[str, Any]:
    at = (NOW - timedelta(hours=number % 100)).isoformat()
    return {
        "id": page_cursor(number),
        "name": "contract.routing",
        "context": {"trace_id": "ab" * 16, "span_id": f"{number:016x}"},
        "start_time": at,
        "end_time": at,
        "status_code": "OK",
        "attributes": {"routing.query": f"query {number}"},
    }


@dataclass
class SlowPhoenix:
    """Phoenix's routes over 300 spans. `is_slow` says which are answered too late; `queries` counts windows."""

    make_answer: Callable[..., Any]
    is_slow: Callable[[str, dict[str, list[str]]], bool]
    rows: list[dict[str, Any]] = field(default_factory=lambda: [_row(n) for n in range(1, 301)])
    queries: int = 0

    def __call__(self, _method: str, path: str, _body: bytes) -> Any:
        url = urlsplit(path)
        params = parse_qs(url.query)
        hang_s = 5 * LIMIT_S if self.is_slow(url.path, params) else 0.0
        return self.make_answer(
            body=json.dumps(self._data(url.path, params), separators=(",", ":")).encode(), hang_s=hang_s
        )

    def _data(self, path: str, params: dict[str, list[str]]) -> Any:
        if path == "/graphql":
            times = {"startTime": SINCE.isoformat(), "endTime": NOW.isoformat()}
            return {"data": {"getProjectByName": {"id": "UHJvamVjdDox", "recordCount": 900_000, **times}}}
        if path == "/v1/spans":
            self.queries += 1
            return {"data": []}
        return self._labels(params) if path.endswith("annotations") else self._page(params)

    def _page(self, params: dict[str, list[str]]) -> Any:
        if params.get("order") == ["desc"]:
            return {"data": self.rows[-1:]}
        start = row_id_of(params["cursor"][0]) - 1 if "cursor" in params else 0
        end = start + int(params["limit"][0])
        following = self.rows[end]["id"] if end < len(self.rows) else None
        asked = params.get("span_id")
        found = [r for r in self.rows[start:end] if not asked or r["context"]["span_id"] in asked]
        return {"data": found, "next_cursor": following}

    def _labels(self, params: dict[str, list[str]]) -> Any:
        given = {"name": "agent", "annotator_kind": "HUMAN", "identifier": "a", "updated_at": NOW.isoformat()}
        return {"data": [{"span_id": id, "result": {"label": "video"}, **given} for id in params.get("span_ids", [])]}


Start = Callable[[Callable[[str, dict[str, list[str]]], bool]], tuple[PhoenixTraces, SlowPhoenix]]


@pytest.fixture
def start(bad_server) -> Iterator[Start]:
    opened = []

    def start(is_slow: Callable[[str, dict[str, list[str]]], bool]) -> tuple[PhoenixTraces, SlowPhoenix]:
        bad_server.answer = SlowPhoenix(type(bad_server.script[0]), is_slow)
        http = PhoenixHttp(bad_server.url, timeout_s=LIMIT_S, patience=Patience(retries=1, sleep=lambda _s: None))
        opened.append(PhoenixTraces(http, "contract"))
        return opened[-1], bad_server.answer

    yield start
    for traces in opened:
        traces.close()


def test_after_two_slow_answers_of_the_query_route_the_rest_is_read_by_pages(start: Start) -> None:
    traces, phoenix = start(lambda path, _: path == "/v1/spans")
    began_s = time.monotonic()
    found = list(traces.spans_after(Stream(TENANT, "routing"), None, SINCE))
    assert time.monotonic() - began_s < 20 * LIMIT_S
    assert [read.span.span_id for read in found] == [row["context"]["span_id"] for row in phoenix.rows]
    places = [place_of(read.cursor or "") for read in found]
    assert [place and place.row_id for place in places] == list(range(1, 301)), "a reading that breaks off can go on"
    assert phoenix.queries == phoenix_query.MOST_TIMEOUTS


def test_a_slow_query_route_is_left_alone_by_the_readings_that_follow(start: Start) -> None:
    traces, phoenix = start(lambda path, _: path == "/v1/spans")
    for _ in range(3):
        assert len(list(traces.annotations(Stream(TENANT, "routing"), ["agent"], SINCE))) == len(phoenix.rows)
    assert phoenix.queries == phoenix_query.MOST_TIMEOUTS


def test_one_slow_answer_is_asked_for_again_in_a_narrower_window(start: Start) -> None:
    traces, phoenix = start(lambda path, _: path == "/v1/spans" and phoenix.queries == 0)
    assert list(traces.spans_after(Stream(TENANT, "routing"), None, SINCE)) == []
    assert phoenix.queries > phoenix_query.MOST_TIMEOUTS


def test_pages_that_are_slow_are_asked_for_once_at_each_size(start: Start, bad_server) -> None:
    traces, phoenix = start(lambda path, params: path == "/v1/spans" or int(params.get("limit", ["0"])[0]) > 20)
    found = list(traces.spans_after(Stream(TENANT, "routing"), None, SINCE))
    assert len(found) == len(phoenix.rows)
    sizes = [int(parse_qs(urlsplit(path).query)["limit"][0]) for path in bad_server.asked if "cursor" in path]
    assert sizes
    assert max(sizes) <= 20


def test_a_server_that_is_slow_on_every_route_is_unavailable_soon(start: Start) -> None:
    traces, _ = start(lambda path, _: path != "/graphql")
    began_s = time.monotonic()
    for call in (
        lambda: list(traces.spans_after(Stream(TENANT, "routing"), None, SINCE)),
        lambda: list(traces.annotations(Stream(TENANT, "routing"), ["agent"], SINCE)),
    ):
        with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
            call()
    assert time.monotonic() - began_s < 40 * LIMIT_S


def test_a_slow_answer_about_spans_is_never_taken_for_their_absence(start: Start, make_annotation, bad_server) -> None:
    traces, phoenix = start(lambda path, _: path == "/v1/spans")
    traces.annotate(
        Stream(TENANT, "routing"), [make_annotation(row["context"]["span_id"], "video") for row in phoenix.rows[:250]]
    )
    assert bad_server.asked[-1].startswith("/v1/span_annotations")
    traces, _ = start(lambda path, _: path.endswith("/spans"))
    with pytest.raises(Unavailable):
        traces.annotate(Stream(TENANT, "routing"), [make_annotation("00" * 8, "video")])


def test_a_query_route_that_does_not_heed_times_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    traces, phoenix = start(lambda _path, _params: False)
    monkeypatch.setattr(phoenix_query, "MAX_ROWS", -1)
    found = list(traces.spans_after(Stream(TENANT, "routing"), None, SINCE))
    assert len({read.span.span_id for read in found}) == len(phoenix.rows)
    assert phoenix.queries <= 2 * phoenix_query.MOST_TOO_FULL


def test_a_body_that_drips_is_given_up_after_its_limit(bad_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("argotune.adapters.json_http.PIECE_LIMIT", 0)
    bad_server.script[0].body = b'{"data": []}'
    with closing(PhoenixHttp(bad_server.url, patience=Patience(sleep=lambda _s: None))) as http:
        with pytest.raises(Unavailable, match="took longer than 0 s"):
            http.get("v1/projects", max_bytes=1000)
        assert len(bad_server.asked) == 1
