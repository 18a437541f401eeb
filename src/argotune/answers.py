"""Answers of LMs that were paid for, kept per tenant so that a rerun after a crash does not pay again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from argotune.ports import Record, Store
from argotune.records import Collection, digest, seal, unseal

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
