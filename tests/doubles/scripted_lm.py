"""LMs that answer by a script: a decision client that scores labels, and an LM that writes text.

Both count their calls and can fail at a chosen one, so tests see what a program costs and what a crash leaves.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from argotune.lm.named import AwaitedEngine
from argotune.lm.port import LMs

Answer = Callable[[Mapping[str, str], Sequence[str], Sequence[Mapping[str, Any]]], str]
"""(inputs, labels, demos) -> label."""


@dataclass
class Calls:
    """Calls so far, shared by copies of an LM; `fail_at` counts from 1, and every later call fails as well."""

    fail_at: int | None = None
    error: Exception | None = None
    count: int = 0
    asked: list[Any] = field(default_factory=list)
    temperatures: list[float | None] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, question: Any) -> None:
        with self._lock:
            self.count += 1
            self.asked.append(question)
            if self.fail_at is not None and self.count >= self.fail_at:
                raise self.error or RuntimeError(f"scripted failure at call {self.count}")


class ScriptedDecisions:
    """A DSPy decision client: `answer` chooses the label, which gets 0.9 of the probability."""

    supports_decision_requests = True
    model = "scripted"

    def __init__(self, answer: Answer, *, fail_at: int | None = None, error: Exception | None = None) -> None:
        self.answer = answer
        self.calls = Calls(fail_at, error)
        self.kwargs: dict[str, Any] = {}
        self.history: list[Any] = []
        self.callbacks: list[Any] = []

    def __call__(self, state: Mapping[str, Any], questions: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.note({"state": state, "questions": questions})
        return {name: self._decide(state, list(question["criteria"])) for name, question in questions.items()}

    async def acall(self, state: Mapping[str, Any], questions: Mapping[str, Any]) -> dict[str, Any]:
        return self(state, questions)

    def _decide(self, state: Mapping[str, Any], labels: list[str]) -> dict[str, Any]:
        chosen = self.answer(state["inputs"], labels, state.get("demos", []))
        rest = 0.1 / max(len(labels) - 1, 1)
        return {
            "probabilities": {label: 0.9 if label == chosen else rest for label in labels},
            "confidence": 0.9,
            "choice": chosen,
        }

    def copy(self, **kwargs: Any) -> ScriptedDecisions:
        twin = ScriptedDecisions(self.answer)
        twin.calls, twin.kwargs = self.calls, {**self.kwargs, **kwargs}
        return twin

    def dump_state(self) -> dict[str, Any]:
        return {"model": self.model}

    def inspect_history(self, n: int = 1, file: Any = None) -> None:
        """DSPy's optimizers ask for it; there is nothing to show."""


class ScriptedEngine:
    """An engine of dspy.LM: `write` turns the whole prompt into the answer."""

    def __init__(self, write: Callable[[str], str], calls: Calls) -> None:
        self.write = write
        self.calls = calls

    def complete(self, request: Request) -> Response:
        prompt = "\n\n".join([str(request.system or ""), *(message.text or "" for message in request.messages)])
        self.calls.temperatures.append(request.config.temperature)
        self.calls.note(prompt)
        message = Message.assistant([TextPart(self.write(prompt))])
        usage = Usage(input_tokens=len(prompt) // 4, output_tokens=8, total_tokens=len(prompt) // 4 + 8)
        return Response(id=None, model="scripted", message=message, finish_reason="stop", usage=usage)

    def close(self) -> None:
        """Nothing is open."""


def scripted_writer(
    write: Callable[[str], str], *, fail_at: int | None = None, error: Exception | None = None
) -> tuple[dspy.LM, Calls]:
    """A generative LM and its calls."""
    calls = Calls(fail_at, error)
    engine = ScriptedEngine(write, calls)
    both = {"engine": engine, "async_engine": AwaitedEngine(engine)}
    return dspy.LM("scripted/writer", **both, temperature=0.0, cache=False, num_retries=0), calls


def json_answers(**values: Any) -> Callable[[str], str]:
    """A script for dspy.JSONAdapter: always these fields, and some text for any other field that is asked for."""

    def write(prompt: str) -> str:
        asked = re.findall(r"`(\w+)`", prompt.rpartition("Respond with a JSON object")[2])
        return json.dumps({name: values.get(name, f"Some {name}.") for name in asked})

    return write


def scripted_lms(
    answer: Answer, teacher: dspy.LM | None = None, *, fail_at: int | None = None, error: Exception | None = None
) -> LMs:
    """LMs whose task model decides by script; `lms.task.calls` counts."""
    task = ScriptedDecisions(answer, fail_at=fail_at, error=error)
    return LMs(task=task, teacher=teacher, adapter=dspy.JSONAdapter(), names={"task": "scripted"})


def like_the_nearest_demo(inputs: Mapping[str, str], labels: Sequence[str], demos: Sequence[Mapping[str, Any]]) -> str:
    """The label of the demonstration that shares most words with the query; the first label without demos.

    It behaves as small LMs do: useless without demonstrations, good with similar ones.
    """
    words = set(inputs["query"].lower().split())
    best = max(demos, key=lambda demo: len(words & set(demo["query"].lower().split())), default={})
    return next((value for value in best.values() if value in labels), labels[0])
