"""Causes: an error and what it came from."""

from __future__ import annotations

from collections.abc import Iterator


def causes_of(error: BaseException | None, *, with_context: bool = False) -> Iterator[BaseException]:
    """The error and its causes, outermost first, each once: where threads share an error they may form a ring.

    `with_context` goes on to what was being handled where an error names no cause.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (error.__context__ if with_context else None)
