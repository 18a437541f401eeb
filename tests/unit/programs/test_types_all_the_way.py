"""Types stay types, from the span through example, metric, demonstration and contest to what an application is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from enum import Enum
from types import ModuleType
from typing import Any, Literal, Optional

import dspy
import pytest
import shop
from desk import Person as Named
from factories import NOON, make_annotation, make_span
from pydantic import BaseModel
from scripted_lm import scripted_writer
from served import NEVER_S
from small_routing import config_with
from twin_embedders import EMBEDDERS

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.annotations import strongest
from argotune.data.examples import Example
from argotune.data.experiences import Experience
from argotune.data.label_rule import Labelled, NoLabel, label
from argotune.data.openinference import read_decision
from argotune.data.span_format import UnusableSpan, read_span
from argotune.data.splitting import Split
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.programs import Program, programs_of
from argotune.programs.closed_set import share_right
from argotune.programs.evaluation import asked_of, score, score_of, to_dspy
from argotune.programs.prediction import answers_of
from argotune.programs.state import dump, load
from argotune.promotion.pairs import Answer, are_equal
from argotune.serving.client import Serving
from argotune.tenants.config import RoutingConfigUnified


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Person(BaseModel):
    name: str
    age: int


class Ticket(BaseModel):
    ids: list[int]
    customer: Person


KIM = Person(name="Kim", age=3)


def asks(kind: Any) -> Callable[[], dspy.Module]:
    """A program whose input and answer are of one type."""

    class Asks(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            said = {"given": (kind, dspy.InputField()), "answer": (kind, dspy.OutputField())}
            self.ask = dspy.Predict(dspy.Signature({"query": (str, dspy.InputField()), **said}))

        def forward(self, query: str, given: kind) -> dspy.Prediction:
            seen.append(given)
            return self.ask(query=query, given=given)

    return Asks


seen: list[object] = []


def exactly(example: dspy.Example, prediction: dspy.Prediction) -> float:
    """As people write it: no text is a number here."""
    return float(prediction.answer == example.answer and type(prediction.answer) is type(example.answer))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], tuple[Program, RoutingConfigUnified]]:
    def of(kind: Any, make: Callable[[], dspy.Module] | None = None) -> tuple[Program, RoutingConfigUnified]:
        own = ModuleType("own")
        own.mine = lambda _config: ((make or asks(kind))(), exactly)
        monkeypatch.setitem(sys.modules, "own", own)
        config = config_with(programs={"mine": "own:mine"}, modules=["mine"])
        return programs_of(config, "mine")[0], config

    return of


def writes(value: Any) -> LMs:
    lm, _ = scripted_writer(lambda _prompt: json.dumps({"answer": value}))
    return LMs(task=lm, teacher=lm, adapter=dspy.JSONAdapter(), names={})


TYPES: list[tuple[Any, Any, Any, Any, list[Any]]] = [
    # type, the right value, as JSON, another value as JSON, and the ways in which spans and people say it
    (int, 3, 3, 4, ["3", "3.0"]),
    (float, 3.0, 3.0, 3.5, ["3", "3.00"]),
    (bool, True, True, False, ["true", "True", "yes"]),
    (list[int], [2, 1], [2, 1], [1, 2], ["[2,1]", [2, 1]]),
    (list[str], ["a", "b"], ["a", "b"], ["b", "a"], ["['a', 'b']"]),
    (Literal["a", "b"], "a", "a", "b", []),
    (Literal[1, 2], 1, 1, 2, ["1"]),
    (Literal["a"] | None, None, None, "a", ["null"]),
    (str | None, None, None, "null", ["null"]),
    (int | None, 3, 3, None, ["3"]),
    (date, date(2026, 3, 2), "2026-03-02", "2026-03-03", ["2026-03-02"]),
    (Color, Color.RED, "red", "blue", ["red", "RED", "Color.RED"]),
    (
        Person,
        Person(name="Kim", age=3),
        {"name": "Kim", "age": 3},
        {"name": "Kim", "age": 4},
        ['{"age":"3","name":"Kim"}'],
    ),
    (
        Ticket,
        Ticket(ids=[1], customer=KIM),
        {"ids": [1], "customer": {"name": "Kim", "age": 3}},
        {"ids": [], "customer": {"name": "Kim", "age": 3}},
        [],
    ),
]
each_type = pytest.mark.parametrize(("kind", "value", "plain", "other", "ways"), TYPES, ids=lambda x: str(x)[:30])


def span_of(given: Any, answer: Any) -> Any:
    said = {
        "query": "x",
        "given": given,
        "answer": answer,
        "tenant_id": "acme",
        "program": "mine",
        "agent_success": True,
    }
    return make_span(attributes={f"routing.{name}": said_ for name, said_ in said.items()})


def read(program: Program, given: Any, answer: Any) -> Experience:
    found = read_span(span_of(given, answer), "acme", {"mine": program.fields})
    assert isinstance(found, Experience), found
    return found


def example_of(experience: Experience, program: Program, said: str | None = None) -> Example:
    given = [make_annotation(said, name="answer")] if said is not None else []
    found = label(experience, strongest(given), program.fields, config_with().reward, 0.7)
    assert isinstance(found, Labelled), found
    return Example("mine", experience.inputs, found.expected, found.source, 1.0, Split.TRAIN)


@each_type
def test_a_value_keeps_its_type_from_the_span_to_the_score(typed, kind, value, plain, other, ways):
    program, _ = typed(kind)
    text = program.fields.kept("answer", value)
    for said in [text, *ways]:
        experience = read(program, said, said)
        assert (experience.inputs["given"], experience.answers["answer"]) == (text, text)
        example = example_of(experience, program)
        told = example_of(experience, program, said if isinstance(said, str) else text)
        assert (example.expected, example.inputs) == (told.expected, told.inputs)
        asked = to_dspy(program, example)
        assert [(asked[n], type(asked[n])) for n in ("given", "answer")] == [(value, type(value))] * 2
        seen.clear()
        (right,), (wrong,) = (
            score(program.build(), program, [asked], writes(w), lambda *_: None) for w in (plain, other)
        )
        assert (right.score, right.answers, wrong.score) == (1.0, {"answer": text}, 0.0)
        assert [(found, type(found)) for found in seen] == [(value, type(value))] * 2
        assert [score_of(program, example, row.answers) for row in (right, wrong)] == [1.0, 0.0]
        alike = replace(program, metric=share_right("answer"))
        assert [score_of(alike, example, row.answers) for row in (right, wrong)] == [1.0, 0.0]
        assert not are_equal(Answer(right.answers, None), Answer(wrong.answers, None))


@each_type
def test_answers_that_mean_one_value_are_equal_in_a_contest(typed, kind, value, plain, other, ways):
    program, _ = typed(kind)
    said = [value, plain, *(way for way in ways if kind != (str | None))]
    kept = [answers_of(program, dspy.Prediction(answer=one)) for one in said]
    assert all(are_equal(Answer(kept[0], None), Answer(one, None)) for one in kept)
    assert answers_of(program, dspy.Prediction()) == {"answer": ""}


@each_type
@pytest.mark.parametrize("method", ["labeled", "bootstrap", "nearest"])
def test_a_demonstration_is_shown_as_dspy_shows_the_value_and_so_it_is_when_it_was_stored(
    typed, kind, value, plain, other, ways, method
):
    program, _ = typed(kind)
    text = program.fields.kept("answer", value)
    examples = [example_of(read(program, text, text), program)]
    shown = [to_dspy(program, replace(e, inputs={**e.inputs, "query": q})) for e in examples for q in ("cats", "dogs")]
    task = TrainingTask(program, program.build(), shown, [], writes(plain), EMBEDDERS, 1, 1)
    tuned = OPTIMIZERS[method].compile(task)
    lm, calls = scripted_writer(lambda _prompt: json.dumps({"answer": plain}))
    lms = LMs(task=lm, teacher=lm, adapter=dspy.JSONAdapter(), names={})
    asked = to_dspy(program, replace(examples[0], inputs={**examples[0].inputs, "query": "fish"}))
    (row,) = score(tuned, program, [asked], lms, lambda *_: None)
    by_hand = program.build()
    by_hand.predictors()[0].demos = [dict(one) for one in shown]
    score(by_hand, program, [asked], lms, lambda *_: None)
    assert row.score == 1.0
    assert sorted(demos_in(calls.asked[0])) == sorted(demos_in(calls.asked[1]))
    again = load(program, json.loads(json.dumps(dump(tuned))), program.signature_hash, EMBEDDERS)
    assert dump(again) == dump(tuned)


def demos_in(prompt: str) -> list[str]:
    return [line for line in prompt.splitlines() if "cats" in line or "dogs" in line or '"answer":' in line]


@each_type
def test_an_application_gives_and_gets_values(typed, kind, value, plain, other, ways):
    program, config = typed(kind)
    text = program.fields.kept("answer", value)
    with Serving(MemoryStore(), config, writes(plain), EMBEDDERS, lambda: NOON, NEVER_S) as serving:
        seen.clear()
        decision = serving.decide("mine", query="x", given=value)
        assert seen == [value]
        assert (decision.lack, decision.answers) == ("", {"answer": value})
        assert decision.inputs == {"query": "x", "given": value}
        back = read_span(make_span(attributes=decision.attributes()), "acme", {"mine": program.fields})
    assert isinstance(back, Experience)
    assert (dict(back.inputs), dict(back.answers)) == ({"query": "x", "given": text}, {"answer": text})


@pytest.mark.parametrize(
    ("file", "name", "path", "asked", "answered"),
    [
        ("01_predict_literal", "route", "desk:RouteTicket", {}, {"team": "billing"}),
        ("03_two_step_module", "pipeline", "desk:RewriteThenClassify", {"history": list}, {"intent": "other"}),
        ("08_positional_default_missing", "pipeline", "desk:RewriteThenClassify", {}, {"intent": "shipping"}),
        ("04_react_one_tool", "agent", "desk:request", {}, {"answer": str}),
        (
            "05_typed_outputs",
            "extract",
            "desk:ExtractAll",
            {},
            {"order_ids": [12345, 67890], "urgency": 3, "is_angry": True, "person": Named(name="Kim Example", age=30)},
        ),
    ],
)
def test_what_an_ordinary_application_left_is_of_the_types_of_its_own_module(file, name, path, asked, answered):
    config = config_with(programs={name: path}, modules=[name])
    (program,) = programs_of(config, name)
    traces = MemoryTraces()
    traces.record("acme", shop.spans_of(file), shop.SHOP)
    of = shop.stream(name)
    found = [read_decision(read.span, of, program.fields) for read in traces.spans_after(of, None)]
    first = next(x for x in found if isinstance(x, Experience))
    example = asked_of(program, first.inputs, first.answers)
    assert {n: type(v) for n, v in example.inputs().items() if type(v) is not str} == asked
    said = example.labels()
    assert {n: str if v is str else said[n] for n, v in answered.items()} == answered


@pytest.mark.parametrize(
    ("kind", "given", "answer", "reason"),
    [
        (int, "seven", 3, UnusableSpan.NOT_OF_TYPE),
        (int, 3, "seven", UnusableSpan.NOT_OF_TYPE),
        (bool, True, "maybe", UnusableSpan.UNKNOWN_LABEL),
        (Color, "red", "green", UnusableSpan.UNKNOWN_LABEL),
        (list[int], None, [1], UnusableSpan.NO_INPUT),
        (list[int], [1], None, UnusableSpan.NO_OUTPUT),
        (list[int], [1], "", UnusableSpan.NO_OUTPUT),
        (Person, {"name": "Kim"}, {}, UnusableSpan.NOT_OF_TYPE),
        (list[int], list(range(9000)), [1], UnusableSpan.TOO_LONG),
    ],
)
def test_a_value_that_is_not_of_its_type_is_counted_by_name(typed, kind, given, answer, reason):
    program, _ = typed(kind)
    assert read_span(span_of(given, answer), "acme", {"mine": program.fields}) is reason


def test_a_label_that_is_not_of_its_type_is_counted_by_name(typed):
    program, _ = typed(int)
    experience = read(program, 3, 3)
    told = strongest([make_annotation("seven", name="answer")])
    assert label(experience, told, program.fields, config_with().reward, 0.7) is NoLabel.NOT_OF_TYPE
    other = replace(experience, inputs={"query": "x", "given": "seven"})  # kept when the program held texts
    assert label(other, {}, program.fields, config_with().reward, 0.7) is NoLabel.NOT_OF_TYPE


def test_an_answer_of_another_type_is_a_miss_that_says_so(typed):
    class Careless(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ask = dspy.Predict("query, given: int -> answer: int")

        def forward(self, query: str, given: int) -> dspy.Prediction:
            return dspy.Prediction(answer="3.0" if given == 3 else "many")

    program, _ = typed(int, Careless)
    asked = [to_dspy(program, example_of(read(program, given, 3), program)) for given in (3, 4)]
    right, wrong = score(Careless(), program, asked, writes(0), lambda *_: None)
    assert (right.score, right.answers) == (1.0, {"answer": "3"})
    assert (wrong.score, str(wrong.lack), wrong.answers) == (0.0, "not in the form asked for", {"answer": "many"})


class P(BaseModel):
    name: str


class Everything(dspy.Signature):
    """An answer of each type."""

    message: str = dspy.InputField()
    plans: list[str] = dspy.InputField()
    mood: Literal["calm", "angry"] = dspy.OutputField()
    is_late: bool = dspy.OutputField()
    color: Color = dspy.OutputField()
    maybe: Optional[Literal["a", "b"]] = dspy.OutputField()  # noqa: UP045 - a version knows it by this spelling
    n: int = dspy.OutputField()
    ids: list[int] = dspy.OutputField()
    person: P = dspy.OutputField()
    reply: str = dspy.OutputField()


class Answers(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.ChainOfThought(Everything)

    def forward(self, message: str, plans: list[str], k: int = 3) -> dspy.Prediction:
        return self.answer(message=message, plans=plans)


def test_a_version_that_was_stored_when_all_was_text_still_fits(monkeypatch: pytest.MonkeyPatch):
    own = ModuleType("own")
    own.support = lambda _config: (Answers(), exactly)
    monkeypatch.setitem(sys.modules, "own", own)
    (program,) = programs_of(config_with(programs={"support": "own:support"}, modules=["support"]), "support")
    assert program.signature_hash == "2f9b21efe77e9107c991bbf7c4bbd4b891d9184ea4b9236d290cdf97109f0073"
