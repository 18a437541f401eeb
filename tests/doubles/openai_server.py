"""An OpenAI-compatible server that answers by a script and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import Quiet, listening

PROMPT_TOKENS, ANSWER_TOKENS = 11, 3


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; with `after_s` it comes so late."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0


def completion(text: str | None, finish_reason: str = "stop", **message: Any) -> Answer:
    """A chat completion; `message` holds fields beside its content."""
    said = {"role": "assistant", "content": text, **message}
    return _body([{"index": 0, "message": said, "finish_reason": finish_reason}])


def silence(**said: Any) -> Answer:
    """A chat completion without content."""
    return completion(None, **said)


def no_choices() -> Answer:
    """A chat completion in which nobody says anything."""
    return _body([])


def _body(choices: Sequence[Mapping[str, Any]]) -> Answer:
    usage = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": ANSWER_TOKENS,
        "total_tokens": PROMPT_TOKENS + ANSWER_TOKENS,
    }
    body = {"id": "1", "object": "chat.completion", "model": "m", "choices": choices, "usage": usage}
    return Answer(200, json.dumps(body))


def failure(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    """An error as OpenAI words it."""
    error = {"message": message, "type": "error", "code": code}
    return Answer(status, json.dumps({"error": error}), {k.replace("_", "-"): v for k, v in headers.items()})


class OpenAIServer:
    """Gives its answers in order, and the last one for ever; some follow from what is asked."""

    def __init__(self) -> None:
        self.answers: Sequence[Answer | Callable[[dict[str, Any]], Answer]] = [completion('{"agent": "video"}')]
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.over = threading.Event()
        self.url = ""
        self._lock = threading.Lock()

    def next_answer(self, body: dict[str, Any], key: str) -> Answer:
        with self._lock:
            self.bodies.append(body)
            self.keys.append(key)
            answer = self.answers[min(len(self.bodies), len(self.answers)) - 1]
        return answer(body) if callable(answer) else answer


@contextmanager
def running(script: OpenAIServer | None = None, address: str = "127.0.0.1") -> Iterator[OpenAIServer]:
    """A server that stops at the end."""
    script = script or OpenAIServer()

    class Handler(Quiet):
        def do_POST(self) -> None:
            body = json.loads(self.body())
            answer = script.next_answer(body, self.headers.get("Authorization", "").removeprefix("Bearer "))
            if not answer.after_s or not script.over.wait(answer.after_s):
                self.send(answer.status, answer.body.encode(), answer.headers)

    with listening(Handler, address) as port:
        script.url = f"http://{address}:{port}/v1"
        try:
            yield script
        finally:
            script.over.set()
