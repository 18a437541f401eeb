"""Kept answers: paid for once per run, never shared between runs or tenants, never believed when tampered with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from factories import NOON
from hypothesis import given
from hypothesis import strategies as st

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import BudgetSpent, Corrupt
from argotune.lm.kept_answers import KeptAnswers, NothingKept, PaidAnswers, forget_answers, reading
from argotune.lm.meter import Meter, Spent
from argotune.store.collections import Collection
from argotune.store.port import Record
from argotune.store.sealing import seal
from argotune.tenants.config import BudgetLimits

QUESTION = {"lm": "some/lm", "prompt": "which agent?"}
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


def paid(store: MemoryStore, tenant_id: str = "acme", calls: int = 10, run: str = "run-1") -> PaidAnswers:
    return PaidAnswers(KeptAnswers(store, tenant_id, run), Meter(BudgetLimits(max_lm_calls=calls)), lambda: NOON)


class Lm:
    """Answers with the number of the call."""

    def __init__(self, answers: PaidAnswers) -> None:
        self.answers = answers
        self.calls = 0

    def ask(self) -> dict[str, int]:
        with self.answers.meter.call(1) as bill:
            bill.tokens = 1
            self.calls += 1
            return {"call": self.calls}


def test_equal_questions_are_paid_for_once():
    answers = paid(MemoryStore())
    lm = Lm(answers)
    assert [answers.get(QUESTION, lm.ask), answers.get(dict(reversed(QUESTION.items())), lm.ask)] == [{"call": 1}] * 2
    assert answers.meter.spent == Spent(calls=1, tokens=1, reused=1)


def test_rerun_finds_what_was_paid_for():
    store = MemoryStore()
    first = paid(store)
    first.get(QUESTION, Lm(first).ask)
    again = paid(store)
    assert again.get(QUESTION, lambda: pytest.fail("asked again")) == {"call": 1}
    assert again.meter.spent == Spent(reused=1)


def test_another_tenant_never_sees_an_answer():
    store = MemoryStore()
    ours, theirs = paid(store, "acme"), paid(store, "globex")
    ours.get(QUESTION, Lm(ours).ask)
    theirs.get(QUESTION, Lm(theirs).ask)
    assert theirs.meter.spent == Spent(calls=1, tokens=1)


def test_nothing_is_kept_of_a_call_that_fails():
    store = MemoryStore()
    answers = paid(store, calls=1)
    lm = Lm(answers)
    answers.get(QUESTION, lm.ask)
    for _ in range(2):
        with pytest.raises(BudgetSpent):
            answers.get("another question", lm.ask)
    assert lm.calls == 1
    assert len(list(store.scan("acme", Collection.ANSWERS))) == 1


def test_answer_that_was_tampered_with_is_asked_for_again(caplog: pytest.LogCaptureFixture):
    store = MemoryStore()
    answers = paid(store)
    lm = Lm(answers)
    answers.get(QUESTION, lm.ask)
    (kept,) = store.scan("acme", Collection.ANSWERS)
    store.write("acme", [replace(kept, text=kept.text.replace('"call":1', '"call":9'))])
    with pytest.raises(Corrupt):
        KeptAnswers(store, "acme", "run-1").find(QUESTION)
    assert answers.get(QUESTION, lm.ask) == {"call": 2}
    assert "asked for again" in caplog.text


def test_draws_of_equal_questions_are_numbered_anew_in_each_run():
    store = MemoryStore()
    first, rerun = paid(store), paid(store)
    assert [first.draw(QUESTION), first.draw("other"), first.draw(QUESTION)] == [0, 0, 1]
    assert rerun.draw(QUESTION) == 0


def test_serving_remembers_nothing():
    answers = PaidAnswers(NothingKept(), Meter(BudgetLimits()), lambda: NOON)
    lm = Lm(answers)
    assert [answers.get(QUESTION, lm.ask), answers.get(QUESTION, lm.ask)] == [{"call": 1}, {"call": 2}]


def test_what_the_run_has_spent_is_written_with_each_answer():
    store = MemoryStore()
    meter = Meter(BudgetLimits())
    spending = lambda: [Record(Collection.RUNS, "spent", str(meter.spent.calls))]  # noqa: E731
    answers = PaidAnswers(KeptAnswers(store, "acme", "run-1", also=spending), meter, lambda: NOON)
    answers.get(QUESTION, Lm(answers).ask)
    assert store.read("acme", Collection.RUNS, "spent") == "1"


def test_another_run_asks_for_itself():
    store = MemoryStore()
    first, second = paid(store), paid(store, run="run-2")
    first.get(QUESTION, Lm(first).ask)
    second.get(QUESTION, Lm(second).ask)
    assert second.meter.spent == Spent(calls=1, tokens=1)


def test_an_answer_is_kept_once_it_was_read_and_its_price_in_any_case():
    store, meter = MemoryStore(), Meter(BudgetLimits())
    spending = lambda: [Record(Collection.RUNS, "spent", str(meter.spent.calls))]  # noqa: E731
    answers = PaidAnswers(KeptAnswers(store, "acme", "run-1", also=spending), meter, lambda: NOON)
    lm = Lm(answers)

    def misread() -> None:
        with reading():
            raise ValueError(f"{answers.get(QUESTION, lm.ask)} is unreadable")

    with pytest.raises(ValueError, match="is unreadable"):
        misread()
    assert list(store.scan("acme", Collection.ANSWERS)) == []
    assert store.read("acme", Collection.RUNS, "spent") == "1"
    with reading():
        assert answers.get(QUESTION, lm.ask) == {"call": 2}
    assert len(list(store.scan("acme", Collection.ANSWERS))) == 1
    assert store.read("acme", Collection.RUNS, "spent") == "2"


def kept_in(store: MemoryStore) -> list[str]:
    return sorted(record.id.partition("/")[0] for record in store.scan("acme", Collection.ANSWERS))


def test_answers_of_a_run_that_ended_are_forgotten_and_others_by_age_number_and_damage():
    store = MemoryStore()
    for run, age in (("ended", 0), ("fresh", 1), ("older", 2), ("oldest", 60)):
        for number in range(2):
            at = (NOON - timedelta(hours=age)).isoformat()
            KeptAnswers(store, "acme", run).keep([number], {"age": age}, at)
    store.write("acme", [Record(Collection.ANSWERS, "damaged/1", "{")])
    assert forget_answers(store, "acme", ["ended"], NOON) == 5
    assert kept_in(store) == ["fresh", "fresh", "older", "older"]
    assert forget_answers(store, "acme", [], NOON, keep=2) == 2
    assert kept_in(store) == ["fresh", "fresh"]


@given(JSON)
def test_any_json_question_finds_its_answer(question: object):
    answers = paid(MemoryStore())
    number = count()
    asked = [answers.get(question, lambda: {"n": next(number)}) for _ in range(2)]
    assert asked == [{"n": 0}, {"n": 0}]


def test_an_answer_of_another_shape_is_asked_for_again():
    store = MemoryStore()
    answers = paid(store)
    lm = Lm(answers)
    answers.get(QUESTION, lm.ask)
    (kept,) = store.scan("acme", Collection.ANSWERS)
    for body in ({"answer": "text"}, ["of another release"], {"answer": {}, "at": 3}):
        store.write("acme", [replace(kept, text=seal("answer", body))])
        number = lm.calls
        assert answers.get(QUESTION, lm.ask) == {"call": number + 1}
