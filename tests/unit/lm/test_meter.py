"""The meter: nothing is spent beyond the limits, whatever is asked by however many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import BudgetSpent
from argotune.lm.meter import Meter, Spent
from argotune.logs import about, fields_now
from argotune.tenants.config import BudgetLimits


def meter(calls: int = 100, tokens: int = 1000, spent: Spent | None = None) -> Meter:
    return Meter(BudgetLimits(max_lm_calls=calls, max_lm_tokens=tokens), spent)


def test_call_counts_what_it_really_took():
    found = meter()
    with found.call(500) as bill:
        bill.tokens = 30
    assert found.spent == Spent(calls=1, tokens=30)


def test_call_whose_bill_never_came_counts_its_whole_reservation():
    found = meter()
    with pytest.raises(ZeroDivisionError), found.call(500):
        raise ZeroDivisionError
    assert found.spent == Spent(calls=1, tokens=500)


@pytest.mark.parametrize(
    ("limits", "asked_tokens", "named"),
    [
        ({"calls": 1}, 1, "budget.max_lm_calls: all 1 "),
        ({"tokens": 10}, 8, "budget.max_lm_tokens: 8 of 10 tokens are used or reserved and the next call may take 8"),
    ],
)
def test_refusal_names_the_limit_and_is_remembered(limits: dict[str, int], asked_tokens: int, named: str):
    found = meter(**limits)
    with found.call(asked_tokens):
        assert not found.is_spent
    with pytest.raises(BudgetSpent, match=named), found.call(asked_tokens):
        pytest.fail("a call beyond the budget was made")
    assert found.is_spent
    assert found.spent.calls == 1


@pytest.mark.parametrize(
    ("limits", "named"), [({"calls": 3}, "1 of 3 LM calls"), ({"calls": 4, "tokens": 12}, "3 of 12 tokens")]
)
def test_what_is_kept_for_later_can_be_spent_only_then(limits: dict[str, int], named: str):
    found = meter(**limits)
    with found.keeping(2):
        with found.call(3):
            pass
        with pytest.raises(BudgetSpent, match=f"{named} .*kept for comparing"), found.call(4):
            pytest.fail("what was kept was spent")
    with found.call(4), found.call(4):
        pass


def test_within_so_many_calls_can_be_made_and_a_refusal_there_does_not_spend_the_meter():
    meter = Meter(BudgetLimits(max_lm_calls=10))
    with meter.keeping(2), meter.within(3):
        assert meter.left == 3
        with meter.within(99):
            assert meter.left == 3
        for _ in range(3):
            with meter.call(1):
                pass
        with pytest.raises(BudgetSpent, match="planned for this"), meter.call(1):
            pass
    assert (meter.left, meter.is_spent, meter.spent.calls) == (7, False, 3)
    with meter.keeping(2):
        assert meter.left == 5


def test_reserved_tokens_are_not_given_twice():
    found = meter(tokens=10)
    with found.call(6), pytest.raises(BudgetSpent), found.call(6):
        pytest.fail("six and six tokens are more than ten")


def test_what_an_earlier_process_spent_counts():
    found = meter(calls=5, spent=Spent(calls=4, tokens=10, reused=7))
    with found.call(1) as bill:
        bill.tokens = 1
    with pytest.raises(BudgetSpent), found.call(1):
        pytest.fail("the sixth call was made")
    assert found.spent == Spent(calls=5, tokens=11, reused=7)


def test_reused_answers_cost_nothing():
    found = meter(calls=1)
    found.reuse()
    found.reuse()
    assert found.spent == Spent(reused=2)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=40))
def test_spending_stays_within_both_limits(calls: list[tuple[int, int]]):
    found = meter(calls=20, tokens=1000)
    for reserved, taken in calls:
        try:
            with found.call(reserved) as bill:
                bill.tokens = min(taken, reserved)
        except BudgetSpent:
            assert found.is_spent
    assert found.spent.calls <= 20
    assert found.spent.tokens <= 1000


def test_many_threads_make_exactly_the_calls_that_are_left():
    found = meter(calls=50, tokens=10**6)

    def one(_: int) -> bool:
        try:
            with found.call(10):
                return True
        except BudgetSpent:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(400))) == 50
    assert found.spent == Spent(calls=50, tokens=500)


def test_who_asks_hears_of_each_answer_with_the_fields_of_the_log():
    shared, heard = meter(), []

    def ask(_: int) -> None:
        with shared.call(10):
            pass

    with about(run="r1"), shared.telling(lambda answers: heard.append((answers, dict(fields_now())))):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(ask, range(3)))
        shared.reuse()
    shared.reuse()
    assert sorted(answers for answers, _ in heard) == [1, 2, 3, 4]
    assert all(fields == {"run": "r1"} for _, fields in heard)


def test_prices_are_summed_where_they_are_known_and_the_others_are_counted():
    found = meter(spent=Spent(calls=3, tokens=1, priced=2, nano_usd=5))
    for usd in (0.000_000_01, 0.25, 0.0, None):
        with found.call(10) as bill:
            bill.tokens, bill.usd = 1, usd
    assert found.spent == Spent(calls=7, tokens=5, priced=5, nano_usd=250_000_015)
