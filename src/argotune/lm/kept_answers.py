"""Kept answers of LMs, paid for once, for the run that asked, so that its rerun after a crash does not pay again.

No other run sees them: a provider may put another model under the same name, and a champion that is judged by what
an old one said would be compared with a challenger that the new one answers.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from argotune.errors import Corrupt
from argotune.lm.meter import Meter
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.sealing import digest, seal, unseal

log = logging.getLogger(__name__)

KEEP_ANSWERS = 50_000
"""Per tenant, of runs that did not end; the oldest go first."""

KEEP_FOR = timedelta(days=2)
"""A run that is not taken up within this time pays again."""


class KeptAnswers:
    """The answers of one run of a tenant. A question is any JSON value; equal questions share an answer.

    `run` names what asks and may be asked again after a crash. `also` gives records that are written in the same step
    as each answer: what the run has spent so far, say.
    """

    def __init__(self, store: Store, tenant_id: str, run: str, also: Callable[[], Sequence[Record]] = tuple) -> None:
        self._store = store
        self._tenant_id = tenant_id
        self._run = run
        self._also = also

    def find(self, question: Any) -> Mapping[str, Any] | None:
        """The stored answer, or None. Raises Corrupt when it was tampered with or is of another shape."""
        text = self._store.read(self._tenant_id, Collection.ANSWERS, self._id(question))
        return None if text is None else _kept(text)[0]

    def keep(self, question: Any, answer: Mapping[str, Any], at: str) -> None:
        """Store an answer. `at` is an ISO time, used to forget the oldest first."""
        text = seal("answer", {"answer": dict(answer), "at": at})
        record = Record(Collection.ANSWERS, self._id(question), text)
        self._store.write(self._tenant_id, [record, *self._also()])

    def lose(self) -> None:
        """An answer was paid for and is not kept: only what is written beside answers is stored."""
        if records := self._also():
            self._store.write(self._tenant_id, records)

    def _id(self, question: Any) -> str:
        return f"{_prefix(self._run)}{digest(question)}"


def forget_answers(store: Store, tenant_id: str, runs: Iterable[str], now: datetime, keep: int = KEEP_ANSWERS) -> int:
    """Drop the answers of these runs, which have ended, and of others the old, the damaged and the oldest beyond
    `keep`; the number dropped."""
    over = tuple(map(_prefix, runs))
    ended, ages = [], []
    for record in store.scan(tenant_id, Collection.ANSWERS):
        if record.id.startswith(over):
            ended.append(record.id)
        else:
            ages.append((_given_at(record), record.id))
    oldest = (now - KEEP_FOR).isoformat()
    old = [id for place, (at, id) in enumerate(sorted(ages, reverse=True)) if place >= keep or at < oldest]
    gone = [*ended, *old]
    return store.remove(tenant_id, Collection.ANSWERS, gone) if gone else 0


def _prefix(run: str) -> str:
    return f"{run}/"


def _given_at(record: Record) -> str:
    """When the answer was given, as an ISO time; "" where nobody can tell any more."""
    try:
        return _kept(record.text)[1]
    except Corrupt:
        return ""


@dataclass
class AnswerReading:
    """Answers that somebody is trying to read: they are kept once that was possible. `is_cut`: one of them ended where
    its length was used up."""

    is_cut: bool = False
    keep: list[Callable[[], None]] = field(default_factory=list)
    lose: list[Callable[[], None]] = field(default_factory=list)


_reading: ContextVar[AnswerReading | None] = ContextVar("reading", default=None)


@contextmanager
def reading() -> Iterator[AnswerReading]:
    """Whatever is asked inside is kept when the block ends well, and never when it raises: an answer that nobody can
    read is asked for again by a rerun."""
    found = AnswerReading()
    token = _reading.set(found)
    try:
        yield found
    except BaseException:
        for lose in found.lose:
            lose()
        raise
    finally:
        _reading.reset(token)
    for keep in found.keep:
        keep()


def note_cut() -> None:
    """Tell whoever reads that the answer was cut off."""
    found = _reading.get()
    if found is not None:
        found.is_cut = True


def _kept(text: str) -> tuple[Mapping[str, Any], str]:
    """An answer and its ISO time. Raises Corrupt."""
    body = unseal("answer", text)
    if not isinstance(body, dict) or not isinstance(body.get("answer"), dict) or not isinstance(body.get("at"), str):
        raise Corrupt("an answer record holds no answer and time")
    return body["answer"], body["at"]


class NothingKept:
    """Remembers nothing: for serving, where every answer is wanted fresh and none is paid for twice on purpose."""

    def find(self, _question: Any) -> None:
        """Nothing is ever known."""

    def keep(self, _question: Any, _answer: Mapping[str, Any], _at: str) -> None:
        """Nothing is kept."""

    def lose(self) -> None:
        """Nothing is written."""


class PaidAnswers:
    """What the LMs of one run answered: found where it was paid for, else asked and kept. For many threads."""

    def __init__(self, answers: KeptAnswers | NothingKept, meter: Meter, now: Callable[[], datetime]) -> None:
        self.meter = meter
        self._answers = answers
        self._now = now
        self._draws: Counter[str] = Counter()
        self._lock = threading.Lock()

    def get(self, question: Any, ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The answer to a question of any JSON value. `ask` pays for it by the meter, and raises what it raises.

        Inside `reading` a new answer is kept when it was read.
        """
        found = self._find(question)
        if found is not None:
            self.meter.reuse()
            return found
        answer = ask()
        self._keep(question, answer)
        return answer

    def _keep(self, question: Any, answer: Mapping[str, Any]) -> None:
        at, being_read = self._now().isoformat(), _reading.get()
        if being_read is None:
            return self._answers.keep(question, answer, at)
        being_read.keep.append(lambda: self._answers.keep(question, answer, at))
        being_read.lose.append(self._answers.lose)
        return None

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
