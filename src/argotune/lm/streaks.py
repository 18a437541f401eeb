"""Streaks: how one failure is told from a failure of everything."""

from __future__ import annotations

import threading

IN_A_ROW = 10
"""So many failures without a success between them are no single failures any more."""


class Streak:
    """Failures since the last success. Safe to share between threads."""

    def __init__(self, limit: int = IN_A_ROW) -> None:
        self._limit = limit
        self._failures = 0
        self._has_succeeded = False
        self._lock = threading.Lock()

    def end(self) -> None:
        """Note a success."""
        with self._lock:
            self._failures, self._has_succeeded = 0, True

    def lengthen(self) -> None:
        """Note a failure."""
        with self._lock:
            self._failures += 1

    @property
    def is_long(self) -> bool:
        """Whether the limit is reached."""
        with self._lock:
            return self._failures >= self._limit

    @property
    def is_all(self) -> bool:
        """Whether the limit is reached and nothing ever succeeded."""
        with self._lock:
            return self._failures >= self._limit and not self._has_succeeded
