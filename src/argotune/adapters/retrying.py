"""Retrying: the one policy by which clients of servers try again, by tenacity (typed, kept up, and DSPy's own).

A client raises Passing for what another attempt may overcome; whatever else it raises leaves at once. Pauses double and
half of each is left to chance, so that clients which failed together do not come back together (Brooker, "Exponential
Backoff And Jitter", AWS, 2015). A server that says how long it wants to be left alone is not asked before.
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_any, stop_before_delay

T = TypeVar("T")


class Passing(Exception):
    """A failure that another attempt may overcome. `error` is what is raised where none did; its cause is this one's.

    `asked_s` is for how many seconds the server wants to be left alone, None where it does not say.
    """

    def __init__(self, error: Exception, asked_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.asked_s = error, asked_s


@dataclass(frozen=True)
class Patience:
    """How often, how long and until when something is tried again.

    Pauses are at most `longest_pause_s`. A server that wants to be left alone for longer than `longest_asked_s` is not
    waited for: it would only refuse again. No attempt begins `total_s` after the first or later.
    """

    retries: int = 4
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    longest_asked_s: float = 60.0
    total_s: float = 600.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    """Uniform in 0..1."""

    def for_retries(self, retries: int, limit_s: float) -> Patience:
        """The same with so many retries, none of which is lost to attempts that take their time limit."""
        return replace(self, retries=retries, total_s=self.total_s + retries * limit_s)

    def call(self, work: Callable[[], T]) -> T:
        """What `work` returns, at last. Raises what it raises, and for Passing its error when there is no more hope."""
        attempts = Retrying(
            retry=retry_if_exception_type(Passing),
            wait=self._pause_s,
            stop=self._is_over,
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return attempts(work)
        except Passing as passing:
            raise passing.error from passing.__cause__

    def _pause_s(self, state: RetryCallState) -> float:
        doubled_s = min(self.first_pause_s * 2.0 ** (state.attempt_number - 1), self.longest_pause_s)
        pause_s = doubled_s * (1 + self.chance()) / 2
        asked_s = _asked_s(state)
        return pause_s if asked_s is None else asked_s + self.first_pause_s * self.chance()

    def _is_over(self, state: RetryCallState) -> bool:
        limits = stop_any(stop_after_attempt(1 + self.retries), stop_before_delay(self.total_s))
        return limits(state) or (_asked_s(state) or 0.0) > self.longest_asked_s


USUAL = Patience()


def _asked_s(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.asked_s if isinstance(error, Passing) else None


def seconds_asked(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date (RFC 9110, 10.2.3); None where it says neither."""
    value = (retry_after or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value)
        return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
