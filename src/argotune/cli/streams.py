"""Streams: stdin, stdout and stderr as a process may find them: closed, full, or in another encoding than UTF-8.

What a stream cannot spell becomes an escape, words for those who watch are lost where stderr takes none, and a result
that stdout does not take is an error. Stdout is for results: what a user's program prints goes to stderr.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TextIO

from argotune.errors import ConfigInvalid
from argotune.errors.known_secrets import masked, masked_data


def prepare_streams() -> None:
    """Let every text be read and written. A closed stdin says nothing, a closed stderr takes everything."""
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is not None and not isinstance(sys.stdout, _Masked):
        sys.stdout = _Masked(sys.stdout, masked_data)
    if not isinstance(sys.stderr, _Masked):
        sys.stderr = _Masked(sys.stderr, masked)


class _Masked:
    """A stream that no known secret gets through to, whoever writes: this package, a library, a traceback."""

    def __init__(self, stream: TextIO, mask: Callable[[str], str]) -> None:
        self._stream, self._mask = stream, mask

    def write(self, text: str) -> int:
        self._stream.write(self._mask(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")


_results: list[TextIO | None] = []
"""Stdout itself, last, while `sys.stdout` is something else."""


@contextmanager
def stdout_for_results() -> Iterator[None]:
    """Inside, only `write_out` reaches stdout: `print` of a user's program, or of a library, goes to stderr.

    JSON stays JSON that way, and a table a table.
    """
    out = sys.stdout
    _results.append(stdout())
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = out
        _results.pop()


def stdout() -> TextIO | None:
    """Where results go, None where it is closed."""
    return _results[-1] if _results else sys.stdout


_passing: list[Callable[[], None]] = []
"""How to take away what stands on the terminal for a while."""


@contextmanager
def passing_display(clear: Callable[[], None]) -> Iterator[None]:
    """Inside, something stands on the terminal that goes away, by `clear`, before anything is written there to stay."""
    _passing.append(clear)
    try:
        yield
    finally:
        _passing.remove(clear)


def _clear_display() -> None:
    for clear in _passing:
        clear()


def write_out(text: str) -> None:
    """Text on stdout. Raises BrokenPipeError where nobody reads any more, and ConfigInvalid where it takes nothing."""
    _clear_display()
    out = stdout()
    if out is None:
        raise _cannot_write(os.strerror(errno.EBADF))
    try:
        out.write(text)
    except OSError as error:
        _give_up(error)


def settle_out() -> None:
    """Bring to its end what was written. Raises as `write_out`."""
    try:
        if (out := stdout()) is not None:
            out.flush()
    except OSError as error:
        _give_up(error)


def write_err(text: str) -> None:
    """Text on stderr, after what is waiting there, if it takes it."""
    _clear_display()
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _forget(sys.stderr)


def _give_up(error: OSError) -> None:
    if (out := stdout()) is not None:
        _forget(out)
    if isinstance(error, BrokenPipeError):
        raise error
    raise _cannot_write(error.strerror) from error


def _cannot_write(why: str | None) -> ConfigInvalid:
    return ConfigInvalid(f"stdout: cannot be written: {why}")


def _forget(stream: TextIO) -> None:
    """What the stream did not take goes nowhere: the interpreter would try it again at its end, and complain."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
