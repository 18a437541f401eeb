"""A server on loopback that misbehaves as it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from loopback import Quiet, listening


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


@contextmanager
def misbehaving() -> Iterator[BadServer]:
    """The server while the block runs."""
    bad = BadServer()

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = bad.next_answer(self.command, self.path, dict(self.headers), self.body())
            time.sleep(answer.hang_s)
            whole = {"Content-Length": str(len(answer.body))}
            self.send(answer.status, answer.body[: answer.cut_to_bytes], {**answer.headers, **whole})
            self.close_connection = answer.cut_to_bytes is not None or answer.hang_s > 0

        do_POST = do_PUT = do_PATCH = do_GET

    with listening(Handler) as port:
        bad.url = f"http://127.0.0.1:{port}"
        yield bad
