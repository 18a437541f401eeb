"""What becomes of answers that Phoenix does not document, on a server that gives them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import pytest
from bad_answers import BAD_ANSWERS, Product, told_of

from argotune.adapters.json_http import TooLarge
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.place import Place
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.adapters.phoenix.tracker import PhoenixTracker
from argotune.adapters.retrying import Patience
from argotune.data.stream import Stream
from argotune.errors import BadAnswer, ConfigInvalid, Unavailable
from argotune.runs.tracker import TrackedRun

KEY = "secret-key-0123456789"
NOW = datetime.now(UTC)
CURSOR = Place(3, 3, "ab").cursor
RUN = TrackedRun("acme", "routing", "run", "a", "b", [], {}, NOW, NOW)

CALLS: dict[str, Callable[[PhoenixTraces, PhoenixTracker], object]] = {
    "spans": lambda traces, _: list(traces.spans_after(Stream("acme", "routing"), CURSOR)),
    "first read": lambda traces, _: list(traces.spans_after(Stream("acme", "routing"), None, NOW)),
    "count": lambda traces, _: traces.count_after(Stream("acme", "routing"), CURSOR, 10),
    "cursor": lambda traces, _: traces.holds(Stream("acme", "routing"), CURSOR),
    "annotations": lambda traces, _: list(traces.annotations(Stream("acme", "routing"), ["agent"], NOW)),
    "ping": lambda traces, _: traces.ping(),
    "publish": lambda _, tracker: tracker.publish(RUN),
    "project link": lambda _, tracker: tracker.project_link("acme"),
}

PHOENIX = Product("Phoenix", "PHOENIX_ENDPOINT", "PHOENIX_API_KEY")


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def call(bad_server, pauses: list[float]) -> Callable[[str], object]:
    def call(name: str, retries: int = 2) -> object:
        patience = Patience(retries=retries, sleep=pauses.append)
        options = {"api_key": KEY, "timeout_s": 0.3, "patience": patience}
        with (
            closing(PhoenixTraces(PhoenixHttp(bad_server.url, **options), "contract")) as traces,
            closing(PhoenixTracker(PhoenixHttp(bad_server.url, **options), "contract")) as tracker,
        ):
            return CALLS[name](traces, tracker)

    return call


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_each_failure_is_its_own_error_and_never_an_empty_answer(
    call, bad_server, caplog: pytest.LogCaptureFixture, name: str, answer: str
) -> None:
    caplog.set_level(logging.DEBUG)
    assert KEY not in told_of(answer, bad_server, PHOENIX, lambda: call(name)) + caplog.text


def test_a_server_that_hangs_is_unavailable_in_time(call, bad_server) -> None:
    bad_server.script[0].hang_s = 5.0
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
        call("count")
    assert time.monotonic() - began < 4.0


def test_a_server_that_is_not_there_is_unavailable(pauses: list[float]) -> None:
    with PhoenixHttp("http://127.0.0.1:9", patience=Patience(retries=3, sleep=pauses.append)) as http:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9: Connection refused"):
            http.version()
        assert not http.is_ready()
    assert len(pauses) == 6


def test_a_server_that_says_for_how_long_is_left_alone_that_long(bad_server, pauses: list[float]) -> None:
    answer = type(bad_server.script[0])
    bad_server.script = [answer(429, headers={"Retry-After": "7"}), answer(200, b'{"data": []}')]
    with PhoenixHttp(bad_server.url, patience=Patience(sleep=pauses.append)) as http:
        assert http.get("v1/projects") == {"data": []}
    (pause_s,) = pauses
    assert 7.0 <= pause_s <= 7.5


@pytest.mark.parametrize("body", [b"[]", b"7", b'{"data": null}', b'{"data": {}}', b'{"data": [1]}', b'{"errors": 1}'])
@pytest.mark.parametrize("name", [name for name in CALLS if name != "ping"])
def test_json_of_another_shape_is_a_bad_answer(call, bad_server, name: str, body: bytes) -> None:
    bad_server.script[0].body = body
    with pytest.raises(BadAnswer):
        call(name)


PROJECT = b'{"data": {"getProjectByName": {"id": "UHJvamVjdDox"}}}'


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"data": [{}]}',
        b'{"data": [{"id": "?", "context": 1}]}',
        b'{"data": [{"id": "UHJvamVjdDox", "context": {"span_id": "a", "trace_id": "b"}}]}',
    ],
)
def test_a_page_of_something_else_is_a_bad_answer(call, bad_server, body: bytes) -> None:
    answer = type(bad_server.script[0])
    bad_server.script = [answer(body=PROJECT), answer(body=body)]
    with pytest.raises(BadAnswer):
        call("spans")


def test_a_request_that_may_have_been_carried_out_is_not_repeated(bad_server) -> None:
    bad_server.script[0].status = 500
    with PhoenixHttp(bad_server.url, patience=Patience(sleep=lambda _s: None)) as http, pytest.raises(Unavailable):
        http.post("v1/projects", {"name": "a"}, can_repeat=False)
    assert len(bad_server.asked) == 1


def test_too_long_an_answer_is_not_read_to_its_end(bad_server) -> None:
    bad_server.script[0].body = b'"' + b"x" * 5_000_000 + b'"'
    with PhoenixHttp(bad_server.url) as http:
        with pytest.raises(TooLarge, match="longer than 1000 bytes"):
            http.get("v1/projects", max_bytes=1000)
        assert len(http.get("v1/projects")) == 5_000_000


@pytest.mark.parametrize("url", ["", "phoenix", "ftp://x", "http://", "http://[::1", "ftp://u:hidden@x"])
def test_an_endpoint_that_is_no_url_is_named(url: str) -> None:
    with pytest.raises(ConfigInvalid, match="PHOENIX_ENDPOINT") as caught:
        PhoenixHttp(url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigInvalid, match="PHOENIX_API_KEY") as caught:
        PhoenixHttp("http://127.0.0.1:9", key)
    assert not key or key not in str(caught.value)


def test_a_cursor_that_no_request_can_carry_is_a_bad_answer_in_one_line(bad_server) -> None:
    bad_server.script[0].body = b'{"data": [], "next_cursor": "\\ud800"}'
    with PhoenixHttp(bad_server.url) as http, pytest.raises(BadAnswer, match="no request can carry") as caught:
        list(http.pages("v1/projects", {}, 10))
    assert str(caught.value).isprintable()


def test_links_do_not_show_a_password() -> None:
    with PhoenixHttp("http://user:hidden@phoenix:6006/root/") as http:
        assert http.base == "http://phoenix:6006/root"
