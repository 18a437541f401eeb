"""Answers of LMs that were paid for, kept per tenant so that a rerun after a crash does not pay again."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from argotune.budget import Meter
from argotune.errors import Corrupt
from argotune.ports import Record, Store
from argotune.records import Collection, digest, seal, unseal

log = logging.getLogger(__name__)

KEEP_ANSWERS = 50_000
"""Per tenant; the oldest go first."""


class Answers:
    """The answers of one tenant. A question is any JSON value; equal questions share an answer.

    `also` gives records that are written in the same step as each answer: what the run has spent so far, say.
    """

    def __init__(self, store: Store, tenant_id: str, also: Callable[[], Sequence[Record]] = tuple) -> None:
        self._store = store
        self._tenant_id = tenant_id
        self._also = also

    def find(self, question: Any) -> Mapping[str, Any] | None:
        """The stored answer, or None. Raises Corrupt when it was tampered with."""
        document = self._store.read(self._tenant_id, Collection.ANSWERS, digest(question))
        return None if document is None else unseal("answer", document)["answer"]

    def keep(self, question: Any, answer: Mapping[str, Any], at: str) -> None:
        """Store an answer. `at` is an ISO time, used to forget the oldest first."""
        document = seal("answer", {"answer": dict(answer), "at": at})
        self._store.write(self._tenant_id, [Record(Collection.ANSWERS, digest(question), document), *self._also()])

    def forget_oldest(self, keep: int = KEEP_ANSWERS) -> int:
        """Drop all but the newest `keep` answers; the number dropped."""
        ages = [
            (unseal("answer", record.document)["at"], record.id)
            for record in self._store.scan(self._tenant_id, Collection.ANSWERS)
        ]
        old = [id for _, id in sorted(ages, reverse=True)[keep:]]
        return self._store.remove(self._tenant_id, Collection.ANSWERS, old) if old else 0


class NoAnswers:
    """Remembers nothing: for serving, where every answer is wanted fresh and none is paid for twice on purpose."""

    def find(self, _question: Any) -> None:
        """Nothing is ever known."""

    def keep(self, _question: Any, _answer: Mapping[str, Any], _at: str) -> None:
        """Nothing is kept."""


class PaidAnswers:
    """What the LMs of one run answered: found where it was paid for, else asked and kept. For many threads."""

    def __init__(self, answers: Answers | NoAnswers, meter: Meter, now: Callable[[], datetime]) -> None:
        self.meter = meter
        self._answers = answers
        self._now = now
        self._draws: Counter[str] = Counter()
        self._lock = threading.Lock()

    def get(self, question: Any, ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The answer to a question of any JSON value. `ask` pays for it by the meter, and raises what it raises."""
        found = self._find(question)
        if found is not None:
            self.meter.reuse()
            return found
        answer = ask()
        self._answers.keep(question, answer, self._now().isoformat())
        return answer

    def draw(self, question: Any) -> int:
        """How often this question was drawn before: 0, 1, ... A part of the question where answers are sampled,

        so that equal questions of one run get different answers and a rerun gets the same ones.
        """
        key = digest(question)
        with self._lock:
            self._draws[key] += 1
            return self._draws[key] - 1

    def _find(self, question: Any) -> Mapping[str, Any] | None:
        try:
            return self._answers.find(question)
        except Corrupt as error:
            log.warning("a kept answer is not used and asked for again: %s", error)
            return None
