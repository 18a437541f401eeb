"""Meter: a hard cap on LM calls and tokens of one run, reserved before each call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

from argotune.errors import BudgetSpent
from argotune.lm.effort import Bill, note_paid, note_reused
from argotune.stats.wording import counted
from argotune.tenants.config import BudgetLimits

NANO = 1_000_000_000


@dataclass(frozen=True)
class Spent:
    """What a run has paid for so far. `reused` answers came from the cache and cost nothing. Of `priced` calls the
    price is known, in sum `nano_usd` billionths of a US dollar: whole, as a sum of fractions depends on their order."""

    calls: int = 0
    tokens: int = 0
    reused: int = 0
    priced: int = 0
    nano_usd: int = 0


class Meter:
    """Counts the LM calls of one run against its limits. Safe to share between threads."""

    def __init__(self, limits: BudgetLimits, spent: Spent | None = None) -> None:
        start = spent or Spent()
        self._limits = limits
        self._calls, self._tokens, self._reused = start.calls, start.tokens, start.reused
        self._priced, self._nano_usd = start.priced, start.nano_usd
        self._reserved_tokens = 0
        self._kept_calls = self._kept_tokens = 0
        self._stop_at: int | None = None
        self._has_refused = False
        self._told: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    @property
    def is_spent(self) -> bool:
        """Whether a call was refused: whatever ran since has missed answers, even where nobody saw BudgetSpent."""
        with self._lock:
            return self._has_refused

    @property
    def spent(self) -> Spent:
        with self._lock:
            return Spent(self._calls, self._tokens, self._reused, self._priced, self._nano_usd)

    def reuse(self) -> None:
        """Count an answer that was already paid for."""
        note_reused()
        with self._lock:
            self._reused += 1
        self._told()

    @contextmanager
    def telling(self, told: Callable[[int], None]) -> Iterator[None]:
        """Within the block, `told` hears after each answer, a new one or not, how many there were in it; in whatever
        thread it was given, with the log's fields of the block."""
        around, before, answers = copy_context(), self._told, 0

        def hear() -> None:
            nonlocal answers
            with self._lock:
                answers += 1
            around.copy().run(told, answers)

        self._told = hear
        try:
            yield
        finally:
            self._told = before

    @contextmanager
    def keeping(self, calls: int) -> Iterator[None]:
        """Within the block, leave so many calls, and their share of the tokens, for what comes after it."""
        tokens = calls * self._limits.max_lm_tokens // self._limits.max_lm_calls
        with self._lock:
            self._kept_calls, self._kept_tokens = calls, tokens
        try:
            yield
        finally:
            with self._lock:
                self._kept_calls = self._kept_tokens = 0

    @property
    def left(self) -> int:
        """The calls that may still be made."""
        with self._lock:
            return self._calls_left()

    def _calls_left(self) -> int:
        own = self._limits.max_lm_calls - self._kept_calls
        return max((own if self._stop_at is None else min(own, self._stop_at)) - self._calls, 0)

    @contextmanager
    def within(self, calls: int) -> Iterator[None]:
        """Within the block, at most so many more calls. Whoever plans so has missed nothing that the limits would give:
        a call that is refused for that does not make the meter spent."""
        with self._lock:
            before, own = self._stop_at, self._calls + calls
            self._stop_at = own if before is None else min(before, own)
        try:
            yield
        finally:
            with self._lock:
                self._stop_at = before

    @contextmanager
    def call(self, max_tokens: int) -> Iterator[Bill]:
        """Reserve one call of at most `max_tokens` tokens, prompt included, then settle what it really took.

        A call that fails still counts as a call: it may have been billed. Raises BudgetSpent before the call.
        """
        with self.beside_answers(max_tokens) as bill:
            try:
                yield bill
            finally:
                note_paid(bill)

    @contextmanager
    def beside_answers(self, max_tokens: int) -> Iterator[Bill]:
        """As `call`, of a request for vectors: it is paid for as all are, and an answer whose student reads by them is
        still one without an LM, which takes no tokens of one."""
        self._reserve(max_tokens)
        bill = Bill()
        try:
            yield bill
        finally:
            self._settle(max_tokens, bill)
            self._told()

    def _reserve(self, max_tokens: int) -> None:
        with self._lock:
            self._check(max_tokens)
            self._calls += 1
            self._reserved_tokens += max_tokens

    def _settle(self, reserved: int, bill: Bill) -> None:
        with self._lock:
            self._reserved_tokens -= reserved
            self._tokens += reserved if bill.tokens is None else bill.tokens
            if bill.usd is not None:
                self._priced += 1
                self._nano_usd += round(bill.usd * NANO)

    def _check(self, max_tokens: int) -> None:
        obstacle = self._obstacle(max_tokens)
        if obstacle:
            self._has_refused = True
            raise BudgetSpent(obstacle)
        if self._calls_left() < 1:
            raise BudgetSpent("the calls that were planned for this are used")

    def _obstacle(self, max_tokens: int) -> str | None:
        limits, taken = self._limits, self._tokens + self._reserved_tokens
        kept = ", the others are kept for comparing" if self._kept_calls else ""
        all_ = counted(limits.max_lm_calls, "LM call of the run is", "LM calls of the run are")
        if self._calls + 1 > limits.max_lm_calls:
            return f"budget.max_lm_calls: all {all_} used"
        if self._calls + 1 > limits.max_lm_calls - self._kept_calls:
            return f"budget.max_lm_calls: {self._calls} of {all_} used{kept}"
        if taken + max_tokens > limits.max_lm_tokens - self._kept_tokens:
            return (
                f"budget.max_lm_tokens: {taken} of {limits.max_lm_tokens} tokens are used or reserved "
                f"and the next call may take {max_tokens}{kept}"
            )
        return None
