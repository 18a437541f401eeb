"""ArgoRunner before an API server that answers oddly, and with a KUBECONFIG that is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from loopback import Quiet, answering
from tls_server import untrusted

from argotune.adapters.argo import LISTINGS, ArgoRunner
from argotune.adapters.retrying import Patience
from argotune.errors import ArgotuneError, BadAnswer, ConfigInvalid, Unavailable
from argotune.scheduling.workflow import Submission, manifest

Answer = Callable[[str], tuple[int, Any]]
"""The `continue` of a request -> status and body."""


class OddServer:
    """Answers every request as `answer` says, and counts them."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _continue: (200, {})
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.url = ""

    def next_answer(self, request: Quiet, _body: bytes) -> tuple[int, Any, Mapping[str, str]]:
        self.asked.append(parse_qs(urlsplit(request.path).query).get("continue", [""])[0])
        return *self.answer(self.asked[-1]), self.headers


@pytest.fixture
def server() -> Iterator[OddServer]:
    odd = OddServer()
    with answering(odd.next_answer) as odd.url:
        yield odd


Opened = Callable[[bytes], ArgoRunner]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A runner with the KUBECONFIG of these bytes, that does not pause."""

    def open_(data: bytes) -> ArgoRunner:
        (path := tmp_path / "kubeconfig").write_bytes(data)
        monkeypatch.setenv("KUBECONFIG", str(path))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        runner = ArgoRunner.from_environment("cogniverse")
        runner._patience = Patience(retries=3, sleep=lambda _seconds: None)
        return runner

    return open_


def kubeconfig(address: str, user: object) -> bytes:
    named = {"cluster": {"server": address}, "context": {"cluster": "it", "user": "it"}, "user": user}
    parts = {f"{kind}s": [{"name": "it", kind: value}] for kind, value in named.items()}
    return json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "it", **parts}).encode()


@pytest.fixture
def runner(server: OddServer, opened: Opened) -> ArgoRunner:
    return opened(kubeconfig(server.url, {"token": "t"}))


def listed(name: str, **parameters: str) -> dict[str, Any]:
    """An object of a list of Workflows, as the API gives it."""
    body = dict(manifest(Submission("acme"), name))
    asked = [{"name": key.replace("_", "-"), "value": value} for key, value in parameters.items()]
    body["spec"]["arguments"]["parameters"] += asked
    return {**body, "metadata": {**body["metadata"], "creationTimestamp": "2026-11-28T12:00:00Z"}}


LEGACY = {"auth-provider": {"name": "azure", "config": {"access-token": "x", "expires-on": "1"}}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"[1, 2]",
        bytes(range(256)),
        kubeconfig("https://cluster", {"token": "t"})[:-20],
        kubeconfig("https://cluster", LEGACY),
        kubeconfig("https://cluster", {"auth-provider": {"name": "gcp"}}),
        kubeconfig("https://cluster", {"client-certificate-data": "x", "client-key-data": "x"}),
        kubeconfig(5, {"token": 5}),  # type: ignore[arg-type]
    ],
    ids=["empty", "text", "list", "binary", "cut-off", "azure", "gcp", "no-base64", "numbers"],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_line_that_names_the_variable(opened: Opened, data: bytes):
    with pytest.raises(ConfigInvalid, match=r"^KUBECONFIG: no cluster to talk to: ") as told:
        opened(data)
    assert "\n" not in str(told.value)


def test_a_login_that_cannot_be_made_again_is_told_as_one(opened: Opened, server: OddServer):
    runner = opened(kubeconfig(server.url, {"token": "t"}))

    def refresh(_configuration: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'token'")

    from argotune.adapters.argo import _guarded

    runner._api.configuration.refresh_api_key_hook = _guarded(refresh)
    with pytest.raises(ConfigInvalid, match="KUBECONFIG"):
        runner.workflow("auto-opt-acme-12345")


def test_an_address_that_is_none_is_not_waited_for(opened: Opened):
    with pytest.raises(ConfigInvalid, match="KUBECONFIG"):
        opened(kubeconfig("https://not a host", {"token": "t"})).workflow("auto-opt-acme-12345")


def test_a_certificate_that_nobody_vouches_for_is_not_waited_for(opened: Opened):
    with untrusted() as port, pytest.raises(ConfigInvalid, match=r"KUBECONFIG: .*certificate"):
        opened(kubeconfig(f"https://127.0.0.1:{port}", {"token": "t"})).workflow("auto-opt-a-12345")


CALLS: dict[str, Callable[[ArgoRunner], object]] = {
    "unfinished": lambda runner: runner.unfinished(),
    "workflows": lambda runner: runner.workflows(),
    "workflow": lambda runner: runner.workflow("auto-opt-acme-12345"),
    "logs": lambda runner: list(runner.logs("auto-opt-acme-12345")),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "body",
    [[], 5, "text", None, {}, {"items": 5, "metadata": {}}, {"items": [], "metadata": []}, b"<html>", b"[" * 100_000],
    ids=["list", "number", "text", "null", "empty", "items", "metadata", "html", "deep"],
)
def test_an_answer_that_is_not_as_documented_is_a_bad_answer(
    runner: ArgoRunner, server: OddServer, call: str, body: object
):
    server.answer = lambda _continue: (200, body)
    with pytest.raises(BadAnswer, match="Kubernetes: "):
        CALLS[call](runner)


@pytest.mark.parametrize("item", [5, None, {}, {"metadata": None}, {"metadata": {"labels": 5}}], ids=str)
def test_an_odd_object_in_a_list_of_labels_is_a_bad_answer(runner: ArgoRunner, server: OddServer, item: object):
    server.answer = lambda _continue: (200, {"items": [item], "metadata": {}})
    with pytest.raises(BadAnswer):
        runner.unfinished()


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b'"x"', b"[" * 100_000], ids=["", "text", "list", "str", "deep"]
)
def test_an_error_without_a_status_object_is_told_by_its_number(runner: ArgoRunner, server: OddServer, body: bytes):
    server.answer = lambda _continue: (422, body)
    with pytest.raises(ConfigInvalid, match="422"):
        runner.workflow("auto-opt-acme-12345")


def test_one_workflow_that_cannot_be_read_hides_no_other(
    runner: ArgoRunner, server: OddServer, caplog: pytest.LogCaptureFixture
):
    items = [listed("auto-opt-acme-11111"), {"metadata": {"name": "odd"}}, listed("auto-opt-acme-22222")]
    server.answer = lambda _continue: (200, {"items": items, "metadata": {}})
    assert [workflow.name for workflow in runner.workflows()] == ["auto-opt-acme-11111", "auto-opt-acme-22222"]
    assert "left out: Kubernetes: a Workflow is not as documented" in caplog.text


def test_a_workflow_with_an_argument_of_a_persons_own_is_read_and_says_so(runner: ArgoRunner, server: OddServer):
    item = {**listed("auto-opt-acme-11111", force_training="true")}
    parameters = item["spec"]["arguments"]["parameters"]
    item["spec"]["arguments"]["parameters"] = [
        {**each, "value": "many"} if each["name"] == "max-lm-calls" else each for each in parameters
    ]
    server.answer = lambda _continue: (200, {"items": [item], "metadata": {}})
    (found,) = runner.workflows()
    assert (found.submission.max_lm_calls, found.unread) == (None, ("max-lm-calls=many",))
    assert found.submission.is_training_forced


# A list whose pages expire


EXPIRED = (410, {"kind": "Status", "code": 410, "reason": "Expired", "message": "the provided continue is too old"})


def test_a_list_whose_token_expired_is_begun_anew_at_once(runner: ArgoRunner, server: OddServer):
    first, second = listed("auto-opt-acme-11111"), listed("auto-opt-acme-22222")
    pages = iter(
        [
            (200, {"items": [first], "metadata": {"continue": "old"}}),
            EXPIRED,
            (200, {"items": [first], "metadata": {"continue": "new"}}),
            (200, {"items": [second], "metadata": {}}),
        ]
    )
    server.answer = lambda _continue: next(pages)
    assert [workflow.name for workflow in runner.workflows()] == ["auto-opt-acme-11111", "auto-opt-acme-22222"]
    assert server.asked == ["", "old", "", "new"]


def test_a_list_that_always_expires_is_tried_a_few_times_and_is_an_outage(runner: ArgoRunner, server: OddServer):
    page = {"items": [], "metadata": {"continue": "old"}}
    server.answer = lambda begin: EXPIRED if begin else (200, page)
    with pytest.raises(Unavailable, match="too old") as told:
        runner.unfinished()
    assert server.asked == ["", "old"] * LISTINGS
    assert isinstance(told.value, ArgotuneError)


# An API server that is away or busy


@pytest.mark.parametrize(
    ("status", "headers", "pauses"),
    [(429, {"Retry-After": "9"}, [9.0]), (503, {}, [1.0]), (429, {"Retry-After": "3600"}, []), (403, {}, [])],
    ids=["asked to wait", "away", "asked to wait too long", "refused"],
)
def test_a_busy_api_server_is_left_alone_as_long_as_it_asks(
    runner: ArgoRunner, server: OddServer, status: int, headers: dict[str, str], pauses: list[float]
):
    made: list[float] = []
    runner._patience = Patience(retries=1, first_pause_s=2.0, sleep=made.append, chance=lambda: 0.0)
    server.headers, server.answer = headers, lambda _continue: (status, {"message": "busy"})
    with pytest.raises(ArgotuneError):
        runner.workflow("auto-opt-acme-12345")
    assert (made, len(server.asked)) == (pauses, 1 + len(pauses))
