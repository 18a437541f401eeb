"""Attempts: openings of the sealed test split, written down before they happen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from argotune.store.documents import (
    Document,
)


class Attempt(Document):
    """That a run opened the sealed test split: written before it is opened. `void` says why it measured nothing."""

    program: str
    run_id: str
    at: datetime
    example_ids: tuple[str, ...]
    void: str = ""


def attempt_number(earlier: Sequence[Attempt], example_ids: Sequence[str]) -> int:
    """1 + the number of earlier attempts that saw any of these examples, those that measured nothing left out.

    Whether an attempt measured anything is told by which answers could be used, never by which were right, and nothing
    of the answers is kept or shown. So neither the next challenger nor the choice to try again depends on what was
    right, and the level of the next attempt holds as if this one had not been.
    """
    seen = set(example_ids)
    return 1 + sum(not attempt.void and not seen.isdisjoint(attempt.example_ids) for attempt in earlier)


def attempt_of(program: str, run_id: str, at: datetime, example_ids: Sequence[str]) -> Attempt:
    """The note that must be stored before `evaluate` is called."""
    return Attempt(program=program, run_id=run_id, at=at, example_ids=tuple(example_ids))
