"""Silence: DSPy, optuna and GEPA print, log and draw progress bars while they compile."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TextIO

_LOUD_LOGGERS = ("dspy", "optuna", "gepa")

_is_quiet: ContextVar[bool] = ContextVar("is_quiet", default=False)


class _Muffled(io.TextIOBase):
    """A stream that drops what the compiling thread writes and lets everybody else through.

    Once the silence is over it drops everything: only progress bars that nobody closed still write to it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.is_over = False

    def write(self, text: str) -> int:
        return len(text) if self.is_over or _is_quiet.get() else self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # only typeshed's can be written
        return self.stream.encoding


@dataclass
class _Silence:
    """What is muffled while any thread is quiet: several may be at once, and the last one gives back what was there."""

    streams: tuple[_Muffled, _Muffled]
    levels: dict[str, int]
    threads: int = 1

    @classmethod
    def begun(cls) -> _Silence:
        out, err = _Muffled(sys.stdout), _Muffled(sys.stderr)
        levels = {name: logging.getLogger(name).level for name in _LOUD_LOGGERS}
        sys.stdout, sys.stderr = out, err
        for name in _LOUD_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        return cls((out, err), levels)

    def end(self) -> None:
        out, err = self.streams
        for name, level in self.levels.items():
            logging.getLogger(name).setLevel(level)
        sys.stdout = out.stream if sys.stdout is out else sys.stdout
        sys.stderr = err.stream if sys.stderr is err else sys.stderr
        out.is_over = err.is_over = True


_lock = threading.Lock()
_silences: list[_Silence] = []
"""The one that lasts, last."""


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing from this thread reaches the terminal, and the loud loggers are off. Other threads still print."""
    token = _is_quiet.set(True)
    with _lock:
        if _silences:
            _silences[-1].threads += 1
        else:
            _silences.append(_Silence.begun())
    try:
        yield
    finally:
        with _lock:
            _silences[-1].threads -= 1
            if not _silences[-1].threads:
                _silences.pop().end()
        _is_quiet.reset(token)
