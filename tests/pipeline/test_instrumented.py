"""What the installed OpenInference writes of ordinary DSPy programs is read, with all their types."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import dspy
import pytest
from dspy.utils import DummyLM
from pydantic import BaseModel

pytest.importorskip("openinference.instrumentation.dspy")

import tracing

from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.experiences import Experience
from argotune.data.openinference import read_decision
from argotune.data.stream import Stream
from argotune.programs.own import read_fields
from argotune.tenants.binding import BoundProgram, TraceBinding, TraceProject

SHOP = TraceProject(project="shop")


class RouteTicket(dspy.Signature):
    """Route a customer's message to the team that can help."""

    message: str = dspy.InputField()
    team: Literal["billing", "shipping"] = dspy.OutputField()
    confidence: float = dspy.OutputField()


class Person(BaseModel):
    name: str
    age: int


class Extract(dspy.Signature):
    """Extract facts from a customer's message."""

    text: str = dspy.InputField()
    order_ids: list[int] = dspy.OutputField()
    is_angry: bool = dspy.OutputField()
    person: Person | None = dspy.OutputField()


class Chat(dspy.Signature):
    """Go on with a conversation."""

    history: dspy.History = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Shop(dspy.Module):
    """Rewrites, then routes; its prediction says more than its last predictor."""

    def __init__(self) -> None:
        super().__init__()
        self.rewrite = dspy.Predict("query, history: list[str] -> rewritten")
        self.route = dspy.ChainOfThought(RouteTicket)

    def forward(self, query: str, history: list[str] | None = None) -> dspy.Prediction:
        rewritten = self.rewrite(query=query, history=history or []).rewritten
        return dspy.Prediction(rewritten=rewritten, team=self.route(message=rewritten).team)


def stock(item: str) -> int:
    """How many there are."""
    return len(item)


SAID = {
    **{"team": "billing", "confidence": "0.8", "reasoning": "so", "rewritten": "bill", "answer": "it comes"},
    **{"order_ids": "[1, 2]", "is_angry": "True", "person": '{"name": "Kim", "age": 3}'},
    **{"next_thought": "done", "next_tool_name": "finish", "next_tool_args": "{}"},
}


def decided(module: dspy.Module, ask: Callable[[dspy.Module], Any], signature: str | None = None) -> list[Experience]:
    """What is read of a module's calls."""
    traces, name = MemoryTraces(), type(module).__name__
    with tracing.traced() as exporter, dspy.context(lm=DummyLM([SAID] * 20)):
        ask(module)
    traces.record("", [tracing.span_of(span) for span in exporter.get_finished_spans()], SHOP)
    bound = BoundProgram(span=name, signature=signature)
    stream = Stream("acme", "own", TraceBinding(project="shop", programs={"own": bound}))
    fields = read_fields("own", module)
    found = [read_decision(each.span, stream, fields) for each in traces.spans_after(stream, None)]
    assert all(isinstance(x, Experience) for x in found), found
    return found


def test_literals_numbers_and_confidence() -> None:
    (found,) = decided(dspy.Predict(RouteTicket), lambda module: module(message="hi"), "RouteTicket")
    assert (found.inputs, found.answers, found.confidence) == ({"message": "hi"}, {"team": "billing"}, 0.8)
    assert found.processing_time_s is not None


def test_lists_booleans_and_pydantic_values() -> None:
    (found,) = decided(dspy.Predict(Extract), lambda module: module(text="hi"), "Extract")
    said = {"order_ids": "[1, 2]", "is_angry": "True", "person": '{"age": 3, "name": "Kim"}'}
    assert found.answers == said


def test_a_history_and_the_question_after_it() -> None:
    history = dspy.History(messages=[{"question": "where?", "answer": "here"}])
    (found,) = decided(dspy.Predict(Chat), lambda module: module(question="and now?", history=history))
    assert json.loads(found.inputs["history"]) == {"messages": [{"question": "where?", "answer": "here"}]}


def test_a_module_in_which_others_lie_with_and_without_what_has_a_default() -> None:
    first, second = decided(Shop(), lambda shop: (shop("a"), shop(query="b", history=["x"])))
    assert (first.inputs, first.answers) == ({"query": "a"}, {"team": "billing"})
    assert second.inputs == {"query": "b", "history": '["x"]'}


def test_an_agent_by_its_signature() -> None:
    (found,) = decided(dspy.ReAct("request -> answer", tools=[stock]), lambda agent: agent(request="how many?"))
    assert (found.inputs, found.answers) == ({"request": "how many?"}, {"answer": "it comes"})


def test_calls_that_wait_and_calls_in_threads() -> None:
    module = dspy.ChainOfThought("question -> answer")

    def ask(module: dspy.Module) -> None:
        asyncio.run(module.acall(question="a"))
        module.batch([dspy.Example(question=q).with_inputs("question") for q in "bc"], disable_progress_bar=True)

    found = decided(module, ask)
    assert sorted(x.inputs["question"] for x in found) == ["a", "b", "c"]


def test_a_program_that_raises_leaves_its_question_and_its_error() -> None:
    def ask(module: dspy.Module) -> None:
        with dspy.context(lm=None), pytest.raises(ValueError, match="No LM"):
            module(message="hi")

    (found,) = decided(dspy.Predict(RouteTicket), ask)
    assert (found.inputs, found.answers, found.failure) == ({"message": "hi"}, {}, "ValueError")
