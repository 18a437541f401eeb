"""Predictions: what was kept as text is read back as the program types it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import dspy
import pytest
from factories import make_example
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.fields import Fields
from argotune.errors import ConfigInvalid
from argotune.programs import Program
from argotune.programs.evaluation import score_of
from argotune.programs.prediction import answers_of, prediction_of

TYPES: dict[str, Any] = {
    "text": str,
    "count": int,
    "share": float,
    "is_needed": bool,
    "names": list[str],
    "table": dict[str, int],
    "kind": Literal["a", "b"],
}


class Asks(dspy.Module):
    """A program with one answer of each type."""

    def __init__(self) -> None:
        super().__init__()
        signature = dspy.Signature("query -> text")
        for name, type_ in TYPES.items():
            signature = signature.delete("text") if name == "text" else signature
            signature = signature.append(name, dspy.OutputField(), type_)
        self.ask = dspy.Predict(signature)

    def forward(self, query: str) -> dspy.Prediction:
        return self.ask(query=query)


def program(metric: Any = lambda _example, _prediction: 1.0) -> Program:
    return Program("own", "own", Fields("own", ("query",), dict.fromkeys(TYPES)), Asks, metric)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "7", "7"),
        ("text", "", ""),
        ("text", "[1]", "[1]"),
        ("count", "7", 7),
        ("share", "0.5", 0.5),
        ("is_needed", "True", True),
        ("is_needed", "False", False),
        ("names", '["a", "b"]', ["a", "b"]),
        ("names", "[]", []),
        ("table", '{"a": 1}', {"a": 1}),
        ("kind", "b", "b"),
        ("unknown", "7", "7"),
    ],
)
def test_an_answer_is_read_back_as_the_program_types_it(name: str, text: str, value: object):
    found = prediction_of(program(), {name: text})[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("name", "text"), [("count", "seven"), ("count", ""), ("kind", "c"), ("share", "half")])
def test_what_is_not_of_its_type_stays_a_text(name: str, text: str):
    assert prediction_of(program(), {name: text})[name] == text


@given(
    st.fixed_dictionaries(
        {
            "text": st.text(),
            "count": st.integers(-(10**9), 10**9),
            "share": st.floats(-1e6, 1e6),
            "is_needed": st.booleans(),
            "names": st.lists(st.text()),
            "kind": st.sampled_from("ab"),
        }
    )
)
def test_answers_kept_as_texts_come_back_as_they_were(said: dict[str, Any]):
    kept = answers_of(program(), dspy.Prediction(**said))
    found = prediction_of(program(), {name: kept[name] for name in said})
    assert {name: found[name] for name in said} == said


def test_a_metric_sees_typed_answers():
    more = program(lambda example, prediction: float(prediction.count > 6 and prediction.is_needed is False))
    answers = {"count": "7", "is_needed": "False"}
    assert score_of(more, make_example(), answers) == 1.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.1, 1.1, None, "much"])
def test_a_metric_without_a_number_in_0_to_1_is_refused(bad: object):
    with pytest.raises(ConfigInvalid, match="own: its metric"):
        score_of(replace(program(), metric=lambda _example, _prediction: bad), make_example(), {"count": "7"})


def test_a_metric_that_fails_is_refused():
    with pytest.raises(ConfigInvalid, match="own: its metric failed"):
        score_of(program(lambda _example, prediction: prediction.nothing.at_all), make_example(), {"count": "7"})
