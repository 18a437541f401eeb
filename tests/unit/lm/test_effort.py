"""Effort: what an answer took is known in whole or not at all, and is never nothing where nobody said."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from itertools import count

import pytest

from argotune.lm.effort import Effort, Measuring, note_unmetered
from argotune.lm.meter import Meter
from argotune.tenants.config import BudgetLimits

METER = Meter(BudgetLimits())


def pay(tokens: int | None = None, usd: float | None = None, answer_tokens: int | None = None) -> None:
    with METER.call(1000) as bill:
        bill.tokens, bill.usd, bill.answer_tokens = tokens, usd, answer_tokens


def elsewhere(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def fail() -> None:
    with pytest.raises(ZeroDivisionError), METER.call(1000):
        raise ZeroDivisionError


def embed() -> None:
    with METER.beside_answers(8) as bill:
        bill.tokens = 8


@pytest.mark.parametrize(
    ("asked", "effort"),
    [
        pytest.param([lambda: pay(30, 0.01), lambda: pay(12, 0.02)], Effort(2.0, 42, 0.03), id="a sum of all calls"),
        pytest.param([lambda: pay(30)], Effort(2.0, 30), id="no price"),
        pytest.param([lambda: pay(9, 0, 4), lambda: pay(8, 0, 3)], Effort(2.0, 17, 0, 7), id="what the LM wrote"),
        pytest.param([lambda: pay(9, 0, 4), lambda: pay(8, 0)], Effort(2.0, 17, 0), id="of one call not what it wrote"),
        pytest.param([lambda: pay(30, 0.01), lambda: pay(12)], Effort(2.0, 42), id="no price of one call"),
        pytest.param([lambda: pay(30, 0.01), pay], Effort(2.0), id="a call of which nobody said anything"),
        pytest.param([lambda: pay(30, 0.01), fail], Effort(2.0), id="a call that failed and may have been billed"),
        pytest.param([], Effort(2.0, 0, 0.0, 0), id="no LM asked"),
        pytest.param([embed], Effort(2.0, 0, 0.0, 0), id="no LM asked, only for vectors"),
        pytest.param([lambda: elsewhere(pay)], Effort(2.0), id="none asked that the block knows of"),
        pytest.param([lambda: pay(30, 0.01, 4), note_unmetered], Effort(2.0), id="an LM that no meter knows"),
        pytest.param([lambda: pay(30, 0.01), METER.reuse], Effort(), id="partly paid for before"),
        pytest.param([lambda: pay(30), lambda: elsewhere(pay)], Effort(2.0), id="a thread that knows no block"),
    ],
)
def test_an_answer_takes_what_was_said_of_all_its_calls(asked: list[Callable[[], None]], effort: Effort):
    ticks = count(step=2.0)
    with Measuring(lambda: next(ticks)) as found:
        for call in asked:
            call()
    assert found.effort == effort


def test_threads_that_know_the_block_are_of_it_and_others_measure_their_own():
    both = Measuring(lambda: 0.0), Measuring(lambda: 0.0)
    with both[0]:
        pay(1)
        elsewhere(partial(copy_context().run, pay, 2))

        def other() -> None:
            with both[1]:
                pay(10)

        elsewhere(other)
    assert [of.effort.tokens for of in both] == [3, 10]


def test_a_block_that_fails_tells_what_it_took_and_a_clock_that_goes_back_nothing_below_zero():
    times = iter([5.0, 3.0])
    found = Measuring(lambda: next(times))
    with suppress(ZeroDivisionError), found:
        pay(7)
        raise ZeroDivisionError
    assert found.effort == Effort(0.0, 7)
