"""Answers of the embedded LM that several methods ask for: computed once, and on the bill of each of them.

A method pays by its meter for each answer, as if nobody had asked before, and `waited_s` is what its answers took when
they were computed: so LM calls and seconds of a method are its own, and a benchmark that was ended goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dspy._vendor.lm15.serde import request_to_dict, response_from_dict, response_to_dict
from dspy.lm15 import Request, Response

from argotune.adapters.llama_cpp.lm import EmbeddedLMs
from argotune.adapters.llama_cpp.scorer import LabelScorer
from argotune.adapters.llama_cpp.writer import LlamaWriter
from argotune.lm.kept_answers import KeptAnswers, NothingKept, PaidAnswers
from argotune.lm.meter import Meter
from argotune.lm.named import NamedLMs
from argotune.lm.port import LMs
from argotune.settings import Settings
from argotune.store.sealing import digest
from argotune.tenants.config import LMChoice

Answer = Mapping[str, Any]


class SharedAnswers:
    """The answers in a file, one a line; `waited_s` is what those took that were read from it."""

    def __init__(self, path: Path) -> None:
        self._path, self.waited_s = path, 0.0
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        self._known: dict[str, tuple[Answer, float]] = {
            key: (answer, seconds) for key, answer, seconds in map(json.loads, lines)
        }

    def get(self, question: Any, meter: Meter, ask: Callable[[], Answer]) -> Answer:
        """The answer, paid for by the meter wherever it is from. Raises what `ask` and the meter raise."""
        key = digest(question)
        if key in self._known:
            answer, seconds = self._known[key]
            with meter.call(1):
                self.waited_s += seconds
            return answer
        started = time.perf_counter()
        answer = ask()
        self._known[key] = answer, time.perf_counter() - started
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, answer, self._known[key][1]]) + "\n")
        return answer

    def open(self, settings: Settings, choice: LMChoice, meter: Meter, answers: KeptAnswers | NothingKept) -> LMs:
        """The embedded LM as an installation opens it, over these answers."""
        opener = _Opener(self, settings)
        return NamedLMs([opener], settings.task_model, None, lambda: datetime.now(UTC)).open(choice, meter, answers)


class _Opener(EmbeddedLMs):
    def __init__(self, shared: SharedAnswers, settings: Settings) -> None:
        super().__init__(settings.lm_weights, settings.lm_threads)
        self._shared = shared

    def scorer(self, name: str, paid: PaidAnswers) -> LabelScorer | None:
        return super().scorer(name, _Paid(self._shared, paid))

    def writer(self, name: str, choice: LMChoice, is_teacher: bool) -> _Writer:
        return _Writer(self._shared, super().writer(name, choice, is_teacher))


class _Paid(PaidAnswers):
    """A run's own answers first, which cost it nothing, then those that others asked for."""

    def __init__(self, shared: SharedAnswers, own: PaidAnswers) -> None:
        self._shared, self._own, self.meter = shared, own, own.meter

    def get(self, question: Any, ask: Callable[[], Answer]) -> Answer:
        return self._own.get(question, lambda: self._shared.get(question, self.meter, ask))


class _Writer:
    """Whatever the writer underneath has, and its answers shared."""

    def __init__(self, shared: SharedAnswers, writer: LlamaWriter) -> None:
        self._shared, self._writer = shared, writer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def complete(self, request: Request, draw: int, meter: Meter) -> Response:
        question = {**self._writer.identity, "request": request_to_dict(request), "draw": draw}
        found = self._shared.get(question, meter, lambda: response_to_dict(self._writer.complete(request, draw, meter)))
        return response_from_dict(dict(found))
