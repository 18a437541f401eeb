"""Race: the rounds of successive halving, ranks and ties, and what a candidate's answers cost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import BudgetSpent, ConfigInvalid, NoContent, Unavailable
from argotune.lm.meter import Meter
from argotune.optimizers import race
from argotune.optimizers.race import (
    FIRST_ROUND,
    Contender,
    Course,
    Outlay,
    cheapest_as_good,
    least_asking,
    ranked,
    round_sizes,
)
from argotune.tenants.config import BudgetLimits

ROUNDS = [
    (100, 8, [25, 50, 100]),
    (100, 2, [100]),
    (100, 1, [100]),
    (30, 5, [8, 15, 30]),
    (10, 16, [8, 10]),
    (3, 4, [3]),
]


@pytest.mark.parametrize(("examples", "candidates", "sizes"), ROUNDS)
def test_each_round_asks_twice_as_many_and_the_last_all(examples: int, candidates: int, sizes: list[int]):
    assert round_sizes(examples, candidates) == sizes


@given(st.integers(1, 500), st.integers(1, 40))
def test_rounds_grow_and_end_with_all(examples: int, candidates: int):
    sizes = round_sizes(examples, candidates)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == examples
    assert sizes[0] >= min(FIRST_ROUND, examples)


def contender(name: str, place: int = 0, scores: tuple[float, ...] = (), answers: int = 0) -> Contender:
    outlay = Outlay(Meter(BudgetLimits()), lambda: 0.0, answers=answers)
    return Contender(name, name, place, dspy.Module(), outlay, list(scores))


@pytest.mark.parametrize(
    ("first", "second", "best"),
    [
        (contender("a", 0, (1, 0)), contender("b", 1, (1, 1)), "b"),
        (contender("a", 0, (1, 0), answers=2), contender("b", 1, (0, 1), answers=0), "b"),
        (contender("a", 1, (1, 0), answers=2), contender("b", 0, (0, 1), answers=2), "b"),
        (contender("a", 0, (0, 0)), contender("b", 1, (1, 0, 0, 0)), "b"),
        (contender("a", 1), contender("b", 0), "b"),
    ],
    ids=["higher mean", "fewer calls", "earlier place", "on what both were asked", "not asked"],
)
def test_the_best_is_by_score_then_by_cost_then_by_place(first: Contender, second: Contender, best: str):
    assert ranked([first, second])[0].name == best


TWENTY = (1.0,) * 18 + (0.0,) * 2


@pytest.mark.parametrize(
    ("scores", "answers", "is_taken"),
    [
        ((*TWENTY[1:], 0.0), 0, True),
        ((0.0, 0.0, *TWENTY[2:]), 0, False),
        ((0.0, 0.0, 0.0, *TWENTY[3:18], 1.0, 1.0), 0, True),
        ((0.0, *TWENTY[1:]), 20, False),
        ((0.0, *TWENTY[1:]), 5, True),
        (TWENTY[:10], 0, False),
        ((), 0, False),
    ],
    ids=[
        "one worse",
        "two worse",
        "three lost, two won",
        "asks as often",
        "asks less",
        "asked less of",
        "not measured",
    ],
)
def test_what_asks_less_wins_where_dev_does_not_tell_it_from_the_best(
    scores: tuple[float, ...], answers: int, is_taken: bool
):
    best, other = contender("best", 0, TWENTY, answers=20), contender("other", 1, scores, answers=answers)
    assert least_asking(best, [best, other]).name == ("other" if is_taken else "best")


@pytest.mark.parametrize(("asks", "found"), [(2, "cheap"), (0, None)])
def test_nothing_is_cheaper_than_a_champion_that_asks_no_lm(asks: int, found: str | None):
    champion = contender("champion", 0, TWENTY, answers=20 * asks)
    tried = [contender("dear", 0, TWENTY, answers=20 * asks), contender("cheap", 1, TWENTY)]
    cheapest = cheapest_as_good(tried, champion, range(20), 0.01, 0.5)
    assert (cheapest and cheapest.name) == found


class Answering:
    """Each candidate is right with the examples below its number; one may fail, and the budget may end."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, failing: dict[str, Exception] | None = None, calls: int = 10**6
    ):
        self.asked: list[tuple[str, int]] = []
        self.told: list[tuple[str, int, int]] = []
        self.failing, self.calls = failing or {}, calls
        monkeypatch.setattr(race, "score", self.score)

    def score(self, module: Any, _program: Any, examples: Any, _lms: Any, _progress: Any) -> list[Any]:
        if module.name in self.failing:
            raise self.failing[module.name]
        if len(self.asked) + len(examples) > self.calls:
            raise BudgetSpent("no more calls")
        self.asked += [(module.name, example) for example in examples]
        return [SimpleNamespace(score=float(example < module.right), is_parsed=True) for example in examples]

    def run(self, rights: dict[str, int], examples: int = 32) -> list[Contender]:
        contenders = []
        for place, (name, right) in enumerate(rights.items()):
            made = contender(name, place)
            made.module = SimpleNamespace(name=name, right=right)
            contenders.append(made)
        task = SimpleNamespace(program=None, lms=None, announce=lambda *told: self.told.append(told))
        return Course(task, list(range(examples))).run(contenders)


def test_the_best_wins_and_the_worse_half_is_asked_less(monkeypatch: pytest.MonkeyPatch):
    answering = Answering(monkeypatch)
    found = answering.run({"a": 4, "b": 32, "c": 6, "d": 20})
    assert [c.name for c in found] == ["b", "d", "c", "a"]
    assert {c.name: len(c.scores) for c in found} == {"b": 32, "d": 32, "c": 16, "a": 16}
    assert found[2].why == found[3].why == "left behind after 16 examples"
    assert len(answering.asked) == len(set(answering.asked)), "nothing is asked twice"


def test_all_of_a_round_are_asked_the_same_examples(monkeypatch: pytest.MonkeyPatch):
    answering = Answering(monkeypatch)
    answering.run({"a": 3, "b": 4, "c": 5})
    for name in "abc":
        assert [n for who, n in answering.asked if who == name][:16] == list(range(16))


def test_each_round_tells_how_many_of_its_answers_are_there(monkeypatch: pytest.MonkeyPatch):
    answering = Answering(monkeypatch, failing={"c": ConfigInvalid("no")})
    answering.run({"a": 3, "b": 4, "c": 5})
    first, *_ = by_round = list(dict.fromkeys(told for told, _, _ in answering.told))
    assert first == "round 1: 3 candidates on 16 dev examples"
    for name in by_round:
        steps = [(done, total) for told, done, total in answering.told if told == name]
        assert steps[0][0] == 0
        assert steps[-1][0] == steps[-1][1] > 0


def test_where_the_budget_ends_all_are_compared_on_what_all_were_asked(monkeypatch: pytest.MonkeyPatch):
    found = Answering(monkeypatch, calls=30).run({"a": 8, "b": 32, "c": 0})
    assert [(c.name, len(c.scores)) for c in found] == [("a", 8), ("b", 8), ("c", 8)], "a and b are equal on eight"


def test_where_nothing_was_asked_of_all_the_end_of_the_budget_is_told(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(BudgetSpent, match="no more calls"):
        Answering(monkeypatch, calls=7).run({"a": 8, "b": 32})


def test_one_that_cannot_be_measured_stops_nothing_but_itself(monkeypatch: pytest.MonkeyPatch):
    found = Answering(monkeypatch, {"a": NoContent("silent")}).run({"a": 32, "b": 3})
    assert [c.name for c in found] == ["b", "a"]
    assert found[1].why == "it could not be measured: silent"


def test_a_dead_server_is_about_more_than_one_candidate(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(Unavailable):
        Answering(monkeypatch, {"b": Unavailable("down")}).run({"a": 32, "b": 3})


def test_an_outlay_counts_what_was_paid_and_what_was_paid_before():
    meter, ticks = Meter(BudgetLimits()), iter([1.0, 3.5, 4.0, 5.0])
    outlay = Outlay(meter, lambda: next(ticks))
    with outlay.running(), meter.call(10) as one:
        one.tokens = 7
    with outlay.running(measures=True):
        meter.reuse()
    assert (outlay.calls, outlay.tokens, outlay.seconds, outlay.answers) == (1, 7, 3.5, 1)
