"""Progress, as people see it: a bar on a terminal, a line now and then elsewhere, JSON lines where logs are JSON.

Everything goes to stderr, so that what a command prints stays what it is. The cursor is never hidden: whatever ends
the process, it is there.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argotune.cli.output import note
from argotune.cli.streams import passing_display
from argotune.logs import fields_now
from argotune.pipeline.ports import Progress
from argotune.settings import wants_json_logs
from argotune.stats.pace import Pace

if TYPE_CHECKING:
    from argotune.cli.bar import OpenBar

LINE_EVERY_S = 10.0
"""From one line to the next about the same work, where there is no terminal."""

DUMB = ("", "dumb", "unknown")
"""What TERM says of terminals that cannot move a cursor."""


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Whom to tell of long work, in the way that suits who watches."""
    if not _is_for_bars():
        yield Lines(time.monotonic).tell
        return
    bars = Bars(time.monotonic)
    try:
        with passing_display(bars.clear):
            yield bars.tell
    finally:
        bars.clear()


def _is_for_bars() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in DUMB and not wants_json_logs()


@dataclass
class _PieceOfWork:
    """When a piece of work was heard of first, how much of it was done by then, and when a line told of it last."""

    begun_at: float
    begun_with: int
    said_at: float | None = None

    def pace(self, done: int, total: int, now: float) -> Pace:
        """How it goes."""
        return Pace(done, total, now - self.begun_at, self.begun_with)


class _AllWork:
    """What was told of each piece of work, by its name and what it is about: many tenants train by one optimizer."""

    def __init__(self) -> None:
        self._known = dict[tuple[str, ...], _PieceOfWork]()

    def get(self, what: str, done: int, now: float) -> _PieceOfWork:
        """Less than before is the same work done anew."""
        key = (what, *fields_now().values())
        known = self._known.get(key)
        if known is None or done < known.begun_with:
            known = self._known[key] = _PieceOfWork(now, done)
        return known


class Lines:
    """A line when work begins, then one every LINE_EVERY_S, and one at its end where it took so long."""

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self._stopwatch, self._told, self._lock = stopwatch, _AllWork(), threading.Lock()

    def tell(self, what: str, done: int, total: int) -> None:
        """Progress, as the pipeline tells it."""
        with self._lock:
            now = self._stopwatch()
            work = self._told.get(what, done, now)
            pace, said_at = work.pace(done, total, now), work.said_at
            if said_at is not None and now - said_at < LINE_EVERY_S and not _is_end(pace):
                return
            work.said_at = now
        note(": ".join(filter(None, [what, ", ".join(pace.parts)])), **_figures(pace))


def _is_end(pace: Pace) -> bool:
    return bool(pace.total) and pace.done >= pace.total and pace.seconds >= LINE_EVERY_S


def _figures(pace: Pace) -> dict[str, float]:
    """For programs that read the log; what nobody knows is left out."""
    found = {"done": pace.done or None, "total": pace.total or None}
    return {n: f for n, f in {**found, "per_second": pace.per_second, "left_s": pace.left_s}.items() if f is not None}


class Bars:
    """A bar for the work that was told of last. It comes with the first word of it, and `clear` takes it away until
    the next."""

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self._stopwatch, self._told, self._lock = stopwatch, _AllWork(), threading.RLock()
        self._bar: OpenBar | None = None

    def tell(self, what: str, done: int, total: int) -> None:
        """Progress, as the pipeline tells it; from any thread."""
        with self._lock:
            work = self._told.get(what, done, now := self._stopwatch())
            self._opened().show(what, work.pace(done, total, now), work.begun_at)

    def _opened(self) -> OpenBar:
        from argotune.cli.bar import OpenBar

        if self._bar is None:
            self._bar = OpenBar(self._stopwatch)
        return self._bar

    def clear(self) -> None:
        """Take the bar away."""
        with self._lock:
            bar, self._bar = self._bar, None
            if bar is not None:
                bar.close()
