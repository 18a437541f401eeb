"""The LM of the tests on a cluster: useless without demonstrations, good with similar ones. It counts its calls."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import Any

from openai_server import Answer, OpenAIServer, completion

_QUERY = re.compile(r"\[\[ ## query ## \]\]\s*(.*?)\s*(?:\n\n|\[\[ ##|$)", re.S)


class NearestDemoLM(OpenAIServer):
    """Answers as the demonstration whose query shares most words with this one, after `delay_s` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.delay_s = 0.0

    def next_answer(self, body: dict[str, Any], key: str) -> Answer:
        super().next_answer(body, key)
        time.sleep(self.delay_s)
        if not _is_of_program(body):
            return completion("yes")  # doctor only looks whether somebody answers
        return completion(json.dumps({**_choose(body), "confidence": 0.9}))

    @property
    def calls(self) -> int:
        """How often it was asked since the server began."""
        return len(self.bodies)

    def asked_again(self, since: int, until: int | None = None) -> int:
        """Of the calls from number `since` (0, 1, ...) up to `until`, how many repeat one of them word for word."""
        counts = Counter(json.dumps(body["messages"]) for body in self.bodies[since:until])
        return sum(count - 1 for count in counts.values())


def _is_of_program(body: dict[str, Any]) -> bool:
    return "json_schema" in body.get("response_format", {})


def _choose(body: dict[str, Any]) -> dict[str, Any]:
    """By the messages alone: pairs of user and assistant are demonstrations, the last is the question."""
    said = [message["content"] for message in body["messages"] if message["role"] != "system"]
    words = _words(said[-1])
    demos = zip(said[:-1:2], said[1::2], strict=False)
    ranked = [(len(words & _words(asked)), answer) for asked, answer in demos]
    shared, answer = max(ranked, default=(0, ""))
    return json.loads(answer) if shared else {name: _first(of) for name, of in _answers(body).items()}


def _words(message: str) -> set[str]:
    found = _QUERY.search(message)
    return set((found[1] if found else message).lower().split())


def _answers(body: dict[str, Any]) -> dict[str, Any]:
    """What is asked for beside the confidence, each as its schema."""
    asked = body["response_format"]["json_schema"]["schema"]["properties"]
    return {name: of for name, of in asked.items() if name != "confidence"}


def _first(of: dict[str, Any]) -> str | list[str]:
    return [of["items"]["enum"][0]] if of.get("type") == "array" else of["enum"][0]
