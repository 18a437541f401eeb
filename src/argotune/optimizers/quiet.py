"""Silence: DSPy, optuna and GEPA print, log and draw progress bars while they compile."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing from this thread reaches the terminal, and the loud loggers are off. Other threads still print."""
    levels = {name: logging.getLogger(name).level for name in _LOUD_LOGGERS}
    token = _is_quiet.set(True)
    out, err = _Muffled(sys.stdout), _Muffled(sys.stderr)
    sys.stdout, sys.stderr = out, err
    for name in _LOUD_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        sys.stdout = out.stream if sys.stdout is out else sys.stdout
        sys.stderr = err.stream if sys.stderr is err else sys.stderr
        out.is_over = err.is_over = True
        _is_quiet.reset(token)
