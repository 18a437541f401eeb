"""Effort: what one answer took, in seconds, tokens and US dollars, as told by the meter while it was made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, TypeVar

from pydantic import ConfigDict

T = TypeVar("T", int, float)

Stopwatch = Callable[[], float]
"""Seconds since some moment; they never go back."""


@dataclass(frozen=True)
class Effort:
    """What an answer took; None is unknown, and never nothing. `usd` is by the list price of the LM's name.

    `answer_tokens` are those of `tokens` that the LM wrote. `of` says whether the answer was asked for here or stands
    in a trace: that was another machine at another time.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    seconds: float | None = None
    tokens: int | None = None
    usd: float | None = None
    answer_tokens: int | None = None
    of: Literal["asked", "trace"] = "asked"


UNKNOWN = Effort()


@dataclass
class Bill:
    """What one call took, as whoever makes it says. None is unknown: the whole reservation of tokens counts then.
    `tokens` are those of prompt and answer, `answer_tokens` of the answer alone."""

    tokens: int | None = None
    usd: float | None = None
    answer_tokens: int | None = None


class Measuring:
    """A block in which one answer is made; `effort` is known when the block has ended, however it ended.

    An answer that was paid for before, in whole or in part, tells nothing of what it takes: its effort is unknown. So
    are tokens and dollars while something is asked in threads that do not know the block, as it may be this answer's.
    Where no LM is asked they are known: none.
    """

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._bills: list[Bill] = []
        self._is_reused = False
        self.effort = UNKNOWN

    def __enter__(self) -> Measuring:
        self._entered: Token[Measuring | None] = _current.set(self)
        self._strays, self._started = _Strays.count, self._stopwatch()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        seconds = max(self._stopwatch() - self._started, 0.0)
        _current.reset(self._entered)
        if self._is_reused:
            return
        self.effort = self._sum(seconds) if _Strays.count == self._strays else Effort(seconds)

    def _sum(self, seconds: float) -> Effort:
        """Of all calls; what is not known of each is unknown."""
        return Effort(
            seconds,
            tokens=_all_of([bill.tokens for bill in self._bills], sum),
            usd=_all_of([bill.usd for bill in self._bills], math.fsum),
            answer_tokens=_all_of([bill.answer_tokens for bill in self._bills], sum),
        )

    def paid(self, bill: Bill) -> None:
        """A call took so much."""
        self._bills.append(bill)

    def reused(self) -> None:
        """An answer to a call was there already."""
        self._is_reused = True


def _all_of(amounts: Sequence[T | None], total: Callable[[list[T]], T]) -> T | None:
    known = [amount for amount in amounts if amount is not None]
    return total(known) if len(known) == len(amounts) else None


_current: ContextVar[Measuring | None] = ContextVar("measuring", default=None)


class _Strays:
    """How many calls were paid for outside of all blocks."""

    count = 0


def note_paid(bill: Bill) -> None:
    """Tell whoever measures what a call took."""
    if measuring := _current.get():
        measuring.paid(bill)
    else:
        _Strays.count += 1


def note_unmetered() -> None:
    """Tell whoever measures that an LM was asked of which no meter knows: what it takes is unknown."""
    if measuring := _current.get():
        measuring.paid(Bill())


def note_reused() -> None:
    """Tell whoever measures that a call was answered by what was paid for before."""
    if measuring := _current.get():
        measuring.reused()
