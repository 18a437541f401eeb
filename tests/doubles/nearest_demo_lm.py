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
    """Answers with the label of the demonstration that shares most words with the query, after `delay_s` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.delay_s = 0.0

    def next_answer(self, body: dict[str, Any], key: str) -> Answer:
        super().next_answer(body, key)
        time.sleep(self.delay_s)
        if not _is_of_program(body):
            return completion("yes")  # doctor only looks whether somebody answers
        return completion(json.dumps({"agent": _choose(body), "confidence": 0.9}))

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


def _choose(body: dict[str, Any]) -> str:
    """By the messages alone: pairs of user and assistant are demonstrations, the last is the question."""
    said = [message["content"] for message in body["messages"] if message["role"] != "system"]
    words = _words(said[-1])
    demos = zip(said[:-1:2], said[1::2], strict=False)
    shared, label = max(((len(words & _words(asked)), _label(answer)) for asked, answer in demos), default=(0, ""))
    return label if shared else _labels(body)[0]


def _words(message: str) -> set[str]:
    found = _QUERY.search(message)
    return set((found[1] if found else message).lower().split())


def _label(answer: str) -> str:
    return str(json.loads(answer)["agent"])


def _labels(body: dict[str, Any]) -> list[str]:
    return body["response_format"]["json_schema"]["schema"]["properties"]["agent"]["enum"]
