"""What becomes of answers that MLflow does not document, on a server that gives them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import pytest
from bad_answers import BAD_ANSWERS, Product, told_of
from bad_server import Answer

from argotune.adapters.mlflow.connection import Credentials, MlflowHttp
from argotune.adapters.mlflow.overlap import Track
from argotune.adapters.mlflow.traces import MlflowTraces
from argotune.adapters.mlflow.tracker import MlflowTracker
from argotune.adapters.retrying import Patience
from argotune.data.annotations import Annotation
from argotune.data.cursor import Cursor
from argotune.data.stream import Stream
from argotune.errors import BadAnswer, ConfigInvalid, Corrupt, ProjectMissing, Unavailable
from argotune.runs.tracker import TrackedRun

TOKEN = "secret-token-0123456789"
NOW = datetime.now(UTC)
ROUTING = Stream("acme", "routing")
RUN = TrackedRun("acme", "routing", "run", "a", "b", [], {}, NOW, NOW)
LABEL = Annotation("tr-1.ab", "agent", "video", "HUMAN", "kim", NOW)
MISSING = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such thing"}'


def cursor() -> Cursor:
    track = Track("7", 1, 1)
    track.add(1, "tr-1")
    return track.cursor


CALLS: dict[str, Callable[[MlflowTraces, MlflowTracker], object]] = {
    "spans": lambda traces, _: list(traces.spans_after(ROUTING, cursor())),
    "first read": lambda traces, _: list(traces.spans_after(ROUTING, None, NOW)),
    "count": lambda traces, _: traces.count_after(ROUTING, cursor(), 10),
    "cursor": lambda traces, _: traces.holds(ROUTING, cursor()),
    "annotations": lambda traces, _: list(traces.annotations(ROUTING, ["agent"], NOW)),
    "annotate": lambda traces, _: traces.annotate(ROUTING, [LABEL]),
    "newest": lambda traces, _: traces.newest({}),
    "ping": lambda traces, _: traces.ping(),
    "publish": lambda _, tracker: tracker.publish(RUN),
    "project link": lambda _, tracker: tracker.project_link("acme"),
}

MLFLOW = Product("MLflow", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME")


@pytest.fixture
def call(bad_server) -> Callable[[str], object]:
    def call(name: str) -> object:
        patience = Patience(retries=2, sleep=lambda _s: None)
        http = MlflowHttp(bad_server.url, Credentials(token=TOKEN), 0.3, patience)
        with closing(MlflowTraces(http, "contract")) as traces:
            return CALLS[name](traces, MlflowTracker(http, "contract"))

    return call


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_each_failure_is_its_own_error_and_never_an_empty_answer(
    call, bad_server, caplog: pytest.LogCaptureFixture, name: str, answer: str
) -> None:
    caplog.set_level(logging.DEBUG)
    assert TOKEN not in told_of(answer, bad_server, MLFLOW, lambda: call(name)) + caplog.text


def test_a_server_that_hangs_is_unavailable_in_time(call, bad_server) -> None:
    bad_server.script[0].hang_s = 2.0
    with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
        call("ping")


@pytest.mark.parametrize("name", CALLS)
def test_another_major_version_is_said_in_a_sentence(call, bad_server, name: str) -> None:
    bad_server.script = [Answer(body=b"{}"), Answer(body=b"2.22.1")]
    with pytest.raises(ConfigInvalid, match=r"^MLFLOW_TRACKING_URI: \S+ is MLflow '2.22.1'; .* from MLflow 3 only$"):
        call(name)


SOUND = {"experiments/search": {}, "version": b"3.17.2", "get-by-name": {"experiment": {"experiment_id": "7",
         "lifecycle_stage": "active"}}}  # fmt: skip


IN_STORE = {"mlflow.trace.spansLocation": "TRACKING_STORE"}


def sound_but(path: str, answer: Answer) -> Callable[[str, str, bytes], Answer]:
    """A server that knows what it is and has the experiment, and gives one answer of another kind."""

    def answering(_method: str, asked: str, _body: bytes) -> Answer:
        known = next((value for name, value in SOUND.items() if asked.partition("?")[0].endswith(name)), {})
        body = known if isinstance(known, bytes) else json.dumps(known).encode()
        return answer if path in asked else Answer(body=body)

    return answering


OTHER_SHAPES = [b"[]", b"7", b'{"traces": null}', b'{"traces": {}}', b'{"traces": [1]}', b'{"traces": [{}]}',
                b'{"traces": [{"trace_id": "a", "request_time": "later"}]}']  # fmt: skip


@pytest.mark.parametrize("body", OTHER_SHAPES)
@pytest.mark.parametrize("name", ["spans", "first read", "count", "annotations"])
def test_json_of_another_shape_is_a_bad_answer(call, bad_server, name: str, body: bytes) -> None:
    bad_server.answer = sound_but("traces/search", Answer(body=body))
    with pytest.raises(BadAnswer):
        call(name)


def test_a_missing_experiment_is_an_error_and_a_deleted_one_says_so(call, bad_server) -> None:
    bad_server.answer = sound_but("get-by-name", Answer(404, MISSING))
    with pytest.raises(ProjectMissing, match=r"'contract-acme-contract\.routing'"):
        call("spans")
    assert call("project link") is None
    deleted = json.dumps({"experiment": {"experiment_id": "7", "lifecycle_stage": "deleted"}}).encode()
    bad_server.answer = sound_but("get-by-name", Answer(body=deleted))
    with pytest.raises(ConfigInvalid, match="is deleted: restore it"):
        call("spans")


def test_the_version_is_asked_for_once(call, bad_server) -> None:
    bad_server.answer = sound_but("traces/search", Answer(body=b"{}"))
    assert call("count") == 0
    assert sum("version" in path for path in bad_server.asked) == 1


def test_a_cursor_of_another_source_is_corrupt(call, bad_server) -> None:
    traces = MlflowTraces(MlflowHttp(bad_server.url), "contract")
    with pytest.raises(Corrupt, match="none of MLflow's"):
        list(traces.spans_after(ROUTING, Cursor("phoenix:3:3:ab")))


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        (Credentials(), None),
        (Credentials("kim", "pass:word"), "Basic a2ltOnBhc3M6d29yZA=="),
        (Credentials("kim", "password", TOKEN), f"Bearer {TOKEN}"),
    ],
)
def test_credentials_go_into_one_header(credentials: Credentials, header: str | None) -> None:
    assert credentials.headers.get("Authorization") == header


@pytest.mark.parametrize("credentials", [Credentials("kim"), Credentials(password="x"), Credentials(token="two words")])
def test_half_a_pair_and_what_can_be_no_token_is_refused(credentials: Credentials) -> None:
    with pytest.raises(ConfigInvalid, match="MLFLOW_TRACKING_") as caught:
        MlflowHttp("http://127.0.0.1:9", credentials)
    assert "two words" not in str(caught.value)


def test_one_trace_that_mlflow_fails_to_give_stops_none_but_itself(bad_server) -> None:
    infos = [{"trace_id": f"tr-{n}", "request_time": "2026-11-21T12:00:00Z", "tags": IN_STORE} for n in range(8)]
    span = {"span_id": "AAAAAAAAAAA=", "name": "contract.routing", "start_time_unix_nano": 1, "attributes": []}
    usual = sound_but("nothing", Answer())

    def answering(method: str, asked: str, body: bytes) -> Answer:
        if "traces/search" in asked:
            return Answer(body=json.dumps({"traces": infos}).encode())
        if "batchGet" not in asked:
            return usual(method, asked, body)
        if "trace_ids=tr-5" in asked:
            return Answer(500, b'{"error_code": "INTERNAL_ERROR"}')
        given = [info for info in infos if f"trace_ids={info['trace_id']}" in asked]
        return Answer(body=json.dumps({"traces": [{"trace_info": info, "spans": [span]} for info in given]}).encode())

    bad_server.answer = answering
    traces = MlflowTraces(MlflowHttp(bad_server.url, patience=Patience(retries=0)), "contract")
    found = [read.span for read in traces.spans_after(ROUTING, None)]
    assert [span.trace_id for span in found] == [f"tr-{n}" for n in range(8)]
    assert [span.span_id for span in found if span.span_id.endswith("unread")] == ["tr-5.unread"]
