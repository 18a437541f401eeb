"""Both trace adapters, spans for them, and a server on loopback that misbehaves as it is told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from loopback import Quiet, listening

from argotune.adapters.memory.traces import MemoryTraces
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.data.annotations import Annotation, AnnotatorKind
from argotune.data.spans import Span

PREFIX = "contract"
NOW = datetime.now(UTC).replace(microsecond=123456)

SpanMaker = Callable[..., Span]


def _span(number: int = 0, module: str = "routing", trace_id: str = "", at: datetime | None = None, **fields) -> Span:
    started_at = at or NOW - timedelta(seconds=number)
    return Span(
        span_id=os.urandom(8).hex(),
        trace_id=trace_id or os.urandom(16).hex(),
        name=f"{PREFIX}.{module}",
        started_at=started_at,
        ended_at=started_at + timedelta(milliseconds=1500),
        attributes={"routing.query": f"query {number}"} | {f"routing.{name}": value for name, value in fields.items()},
        status="OK",
    )


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def make_span() -> SpanMaker:
    """Makes a span with fresh ids that started `number` seconds ago, with attributes `routing.<field>`."""
    return _span


@pytest.fixture(scope="session")
def make_annotation() -> Callable[..., Annotation]:
    def make(
        span_id: str, label: str, name: str = "agent", kind: AnnotatorKind = "HUMAN", identifier: str = "ann"
    ) -> Annotation:
        return Annotation(span_id, name, label, kind, identifier, NOW, "because")

    return make


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test writes to."""
    return f"acme/ä {os.urandom(6).hex()}"


@pytest.fixture(scope="module")
def http(phoenix_url: str) -> Iterator[PhoenixHttp]:
    with PhoenixHttp(phoenix_url) as http:
        yield http


@pytest.fixture(scope="session")
def phoenix(phoenix_url: str) -> Iterator[PhoenixTraces]:
    with closing(PhoenixTraces(PhoenixHttp(phoenix_url), PREFIX)) as traces:
        yield traces


@pytest.fixture(params=["memory", pytest.param("phoenix", marks=pytest.mark.phoenix)])
def traces(request: pytest.FixtureRequest) -> MemoryTraces | PhoenixTraces:
    """Each adapter of TraceSource and TraceSink."""
    return MemoryTraces(PREFIX) if request.param == "memory" else request.getfixturevalue("phoenix")


@dataclass
class Answer:
    """What the misbehaving server does once."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    hang_s: float = 0.0
    cut_to_bytes: int | None = None


@dataclass
class BadServer:
    """Answers `script` in order, the last one for ever, where `applies`; other requests go to `behind`. Instead it can
    be given an `answer` to everything, by method, path and body."""

    url: str = ""
    answer: Callable[[str, str, bytes], Answer] | None = None
    script: list[Answer] = field(default_factory=lambda: [Answer()])
    behind: str = ""
    applies: Callable[[str], bool] = lambda _path: True
    asked: list[str] = field(default_factory=list)

    def next_answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if self.answer is not None:
            self.asked.append(path)
            return self.answer(method, path, body)
        if self.applies(path):
            self.asked.append(path)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]
        headers = {name: value for name, value in headers.items() if name.lower() in ("accept", "content-type")}
        answer = httpx.request(method, self.behind + path, headers=headers, content=body, timeout=60)
        return Answer(answer.status_code, answer.content, {"Content-Type": answer.headers.get("content-type", "")})


@pytest.fixture
def bad_server() -> Iterator[BadServer]:
    bad = BadServer()

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = bad.next_answer(self.command, self.path, dict(self.headers), self.body())
            time.sleep(answer.hang_s)
            whole = {"Content-Length": str(len(answer.body))}
            self.send(answer.status, answer.body[: answer.cut_to_bytes], {**answer.headers, **whole})
            self.close_connection = answer.cut_to_bytes is not None or answer.hang_s > 0

        do_POST = do_GET

    with listening(Handler) as port:
        bad.url = f"http://127.0.0.1:{port}"
        yield bad
