"""A metric that compares what can never be equal is found before an LM is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import dspy
import pytest
from factories import make_example
from small_routing import config_with

from argotune.data.examples import Example
from argotune.errors import ConfigInvalid
from argotune.programs import Program, programs_of
from argotune.programs.metric_trial import TRIED, try_metric

Metric = Callable[[dspy.Example, dspy.Prediction], Any]
TWICE = {"n": "3", "flag": "True", "ids": "[1, 2]", "reply": "Hello."}


def program(monkeypatch: pytest.MonkeyPatch, metric: Metric | None, *, is_plain: bool = True) -> Program:
    def make(_config: object) -> Program:
        made = dspy.Predict("query -> n: int, flag: bool, ids: list[int], reply")
        shop.pair = lambda _config: (made, metric) if metric else made
        (found,) = programs_of(config_with(programs={"mine": "shop:pair"}, modules=["mine"]), "mine")
        return Program("mine", "mine", found.fields, found.build, metric, is_plain)

    shop = ModuleType("shop")
    shop.make = make
    monkeypatch.setitem(sys.modules, "shop", shop)
    return programs_of(config_with(programs={"mine": "shop:make"}, modules=["mine"]), "mine")[0]


def right(*replies: str) -> list[Example]:
    return [
        make_example(program="mine", inputs={"query": "x"}, expected={**TWICE, "reply": r})
        for r in replies or ["Hello."]
    ]


def half(example: dspy.Example, said: dspy.Prediction) -> float:
    return 0.5 * (said.n == example.n) + 0.5 * (said.flag == str(example.flag))


BOTH = "of example and prediction is"
MORE = "it gives more only where"


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (lambda e, p: str(p.n) == e.n, f"n {BOTH} 3 (int); {MORE} the example's is '3' (str)"),
        (lambda e, p: p.n == str(e.n), f"n {BOTH} 3 (int); {MORE} the prediction's is '3' (str)"),
        (lambda e, p: p.flag == "True" and e.flag == "True", f"flag {BOTH} True (bool); {MORE} each of them is 'True'"),
        (lambda e, p: str(p.ids) == e.ids, f"ids {BOTH} [1, 2] (list); {MORE} the example's is '[1, 2]' (str)"),
        (half, f"its metric gives 0.5 to the right answer itself: flag {BOTH} True (bool)"),
        (
            lambda e, p: 0.0,
            f"its metric gives 0.0 to the right answer itself: n {BOTH} 3 (int), flag {BOTH} True (bool)",
        ),
    ],
)
def test_a_metric_that_no_right_answer_satisfies_is_refused_with_the_field_and_its_types(
    monkeypatch: pytest.MonkeyPatch, metric: Metric, told: str
):
    with pytest.raises(ConfigInvalid) as caught:
        try_metric(program(monkeypatch, metric), right("Hello.", "Bye."))
    assert str(caught.value).startswith("mine: its metric gives 0")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "metric",
    [
        None,
        lambda e, p: p.n == e.n and p.flag is e.flag and p.ids == e.ids,
        lambda e, p: str(p.n) == str(e.n),
        lambda e, p: 0.9 * (p.n == e.n) + 0.1 / len(p.reply),  # never quite 1
        lambda e, p: p.reply == "Bye.",
        lambda e, p: p.reasoning == "",
        lambda e, p: e.notes == "",
        lambda e, p: dspy.Predict("reply -> is_good: bool")(reply=p.reply).is_good,  # no LM may be asked here
    ],
)
def test_a_metric_that_can_be_satisfied_or_looks_at_more_passes(monkeypatch: pytest.MonkeyPatch, metric: Metric | None):
    try_metric(program(monkeypatch, metric), right("Hello.", "Bye."))


def test_a_metric_that_is_not_plain_is_not_tried(monkeypatch: pytest.MonkeyPatch):
    try_metric(program(monkeypatch, lambda _e, _p: 0.0, is_plain=False), right())


def test_without_an_example_nothing_is_known(monkeypatch: pytest.MonkeyPatch):
    try_metric(program(monkeypatch, lambda _e, _p: 0.0), [])


def test_the_first_hit_ends_the_trial_and_so_many_misses_do(monkeypatch: pytest.MonkeyPatch):
    asked: list[float] = []

    def metric(example: dspy.Example, _prediction: dspy.Prediction) -> float:
        asked.append(float(example.reply == "3"))
        return asked[-1]

    try_metric(program(monkeypatch, metric), right(*map(str, range(100))))
    assert asked == [0.0, 0.0, 0.0, 1.0]
    asked.clear()
    with pytest.raises(ConfigInvalid):
        try_metric(program(monkeypatch, metric), right(*map(str, range(10, 100))))
    assert len(asked) == TRIED * (1 + 3 * 3)
