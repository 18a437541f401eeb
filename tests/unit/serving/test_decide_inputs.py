"""What an application may say and gets back: names are checked, only None is missing, no answer is an outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Literal

import dspy
import pytest
from dspy.utils.exceptions import ContextWindowExceededError
from factories import NOON, make_span
from scripted_lm import like_the_nearest_demo, scripted_lms
from served import NEVER_S
from small_routing import CONFIG, config_with, written
from twin_embedders import EMBEDDERS

from argotune.adapters.memory.store import MemoryStore
from argotune.data.experiences import Experience
from argotune.data.span_format import OUTCOMES, RESERVED, read_span
from argotune.errors import ConfigInvalid, Unavailable
from argotune.lm.port import LMs
from argotune.programs import programs_of
from argotune.programs.closed_set import share_right
from argotune.serving.client import Serving
from argotune.tenants.config import RoutingConfigUnified


def lookup(word: str) -> str:
    """A tool."""
    return word


def serving_with(config: RoutingConfigUnified = CONFIG, lms: LMs | None = None) -> Serving:
    lms = lms or scripted_lms(like_the_nearest_demo)
    return Serving(MemoryStore(), config, lms, EMBEDDERS, lambda: NOON, NEVER_S)


@pytest.fixture(scope="module")
def shipped() -> Iterator[Serving]:
    with serving_with() as serving:
        yield serving


Own = Callable[..., Serving]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    """Serves one own program `mine` of the tenant, made from a DSPy module."""
    opened: list[Serving] = []

    def serve(module: dspy.Module, lms: LMs | None = None) -> Serving:
        shop = ModuleType("shop")
        shop.mine = lambda _config: (module.deepcopy(), lambda _example, _prediction: 1.0)
        monkeypatch.setitem(sys.modules, "shop", shop)
        opened.append(serving_with(config_with(programs={"mine": "shop:mine"}, modules=["mine"]), lms))
        return opened[-1]

    yield serve
    for serving in opened:
        serving.close()


class Says(dspy.Module):
    """Asks nobody: returns, or raises, what it is told."""

    def __init__(self, says: Any, signature: Any = "query -> reply") -> None:
        super().__init__()
        self.answer = dspy.Predict(signature)
        self.says = says

    def forward(self, query: str, style: str = "short", *, plan: str | None = None) -> Any:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says(query, style, plan) if callable(self.says) else self.says


# Names


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"qeury": "x"}, "'qeury' is no input: routing has query, entities, relationships, enhanced_query$"),
        ({"query": "x", "context": "y"}, "'context' is no input: routing has query"),
        ({"query": "x", "agent": "video"}, "'agent' is no input"),
        ({"query": "x", "self": "y"}, "'self' is no input"),
        ({}, "'query' is missing: routing has query, entities, relationships, enhanced_query$"),
        ({"query": None}, "'query' is missing"),
        ({"entities": "harbour"}, "'query' is missing"),
    ],
)
def test_an_input_that_is_unknown_or_missing_is_refused_with_those_that_there_are(shipped: Serving, inputs, says: str):
    with pytest.raises(ConfigInvalid, match=says):
        shipped.decide("routing", **inputs)


@pytest.mark.parametrize("name", sorted(RESERVED.union(OUTCOMES) - {"program"}))
def test_a_name_that_says_something_else_is_no_input(shipped: Serving, name: str):
    told = "an outcome is said in Decision.attributes" if name in OUTCOMES else "enhanced_query"
    with pytest.raises(ConfigInvalid, match=f"'{name}' is no input: routing has .*{told}$"):
        shipped.decide("routing", query="x", **{name: "y"})


@pytest.mark.parametrize("name", ["agent_sucess", "tenant_id", "program_version", "confidence", "propensity"])
def test_an_unknown_or_reserved_outcome_is_refused_with_those_that_there_are(shipped: Serving, name: str):
    with pytest.raises(ConfigInvalid, match=f"'{name}' is no outcome; outcomes are agent_success, search_quality, "):
        shipped.decide("routing", query="x").attributes(**{name: 1.0})


@pytest.mark.parametrize("name", ["query", "agent"])
def test_a_field_of_the_program_is_no_outcome(shipped: Serving, name: str):
    with pytest.raises(ConfigInvalid, match=f"'{name}' is a field of routing, said already"):
        shipped.decide("routing", query="x").attributes(**{name: "y"})


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_program_cannot_have_a_field_whose_name_says_something_else(own: Own, name: str):
    as_answer = [] if name == "confidence" else [f"query -> {name}"]  # says how sure an answer is, and is none
    for signature in (f"query, {name} -> reply", *as_answer):
        with pytest.raises(ConfigInvalid, match=f"a field cannot be called '{name}', nor any of .*tenant_id"):
            own(dspy.Predict(signature)).decide("mine", query="x")


class Echo(Says):
    def forward(self, reply: str) -> dspy.Prediction:
        return dspy.Prediction(reply=reply)


@pytest.mark.parametrize(
    ("module", "attribute"),
    [(Echo(None), "routing.reply"), (dspy.Predict("agent -> chosen_agent"), "routing.chosen_agent")],
)
def test_two_fields_of_one_attribute_are_refused(own: Own, module: dspy.Module, attribute: str):
    with pytest.raises(ConfigInvalid, match=f"two fields would be {attribute}"):
        own(module).decide("mine", query="x")


# Only None is missing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (False, "False"),
        (0, "0"),
        ([], "[]"),
        ("", ""),
        (["b", "ä"], '["b", "ä"]'),
        ({"b": 1, "a": None}, '{"a": null, "b": 1}'),
    ],
)
def test_a_value_that_is_not_none_is_asked_and_recorded(shipped: Serving, value: object, text: str):
    decision = shipped.decide("routing", query="x", entities=value, relationships=None)
    assert decision.inputs == {"query": "x", "entities": text, "relationships": "", "enhanced_query": ""}
    assert shipped.decide("routing", query=value).inputs["query"] == text
    assert decision.attributes(agent_success=False, search_quality=0)["routing.agent_success"] is False


def test_a_value_that_cannot_be_written_is_refused_with_its_name(shipped: Serving):
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ConfigInvalid, match="'entities' is a value that cannot be written as JSON"):
        shipped.decide("routing", query="x", entities=endless)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [(bool, False, "False"), (int, 0, "0"), (list, [], "[]"), (Literal["no", ""], "no", "no")],
)
def test_an_answer_that_is_not_none_is_an_answer(own: Own, kind: Any, value: object, text: str):
    signature = dspy.Signature({"query": (str, dspy.InputField()), "reply": (kind, dspy.OutputField())})
    serving = own(Says(dspy.Prediction(reply=value, confidence=7), signature))
    decision = serving.decide("mine", query="x")
    assert (decision.answers, decision.is_answered, decision.confidence) == ({"reply": value}, True, 1.0)
    assert decision.attributes()["routing.reply"] == text
    fields = {"mine": serving.champion("mine").program.fields}
    assert isinstance(read_span(make_span(attributes=decision.attributes()), "acme", fields), Experience)


# No answer


@pytest.mark.parametrize(
    ("says", "lack"),
    [
        (None, "it failed: TypeError: forward returned NoneType, not a dspy.Prediction"),
        (object(), "it failed: TypeError: forward returned object, not a dspy.Prediction"),
        (ValueError("no such customer"), "it failed: ValueError: no such customer"),
        (ContextWindowExceededError(message="too long"), "question too long: ContextWindowExceededError"),
        (dspy.Prediction(reply=None), "no answer to reply"),
        (dspy.Prediction(), "no answer to reply"),
    ],
)
def test_a_question_without_an_answer_is_an_outcome_and_is_counted(own: Own, says: object, lack: str):
    serving = own(Says(says))
    decision = serving.decide("mine", query="x")
    assert (decision.answers, decision.is_answered) == ({"reply": ""}, False)
    assert decision.lack.startswith(lack)
    status = serving.status()
    assert (status.decisions, status.unanswered, status.last_lack) == (1, 1, decision.lack)


def test_an_answer_outside_the_labels_is_said_to_be_none(own: Own):
    decision = own(Says(dspy.Prediction(reply="maybe"), "query -> reply: Literal['yes', 'no']")).decide(
        "mine", query="x"
    )
    assert (decision.answers, decision.lack) == ({"reply": "maybe"}, "outside the labels")


def test_an_lm_that_writes_nonsense_is_counted_beside_answers_that_can_be_used():
    with serving_with(lms=written("blah")) as serving:
        assert not serving.decide("routing", query="x").is_answered
    with serving_with() as serving:
        assert serving.decide("routing", query="x").is_answered
        assert (serving.status().decisions, serving.status().unanswered) == (1, 0)


def test_an_outage_is_raised_and_counted():
    with serving_with(lms=scripted_lms(like_the_nearest_demo, fail_at=1, error=Unavailable("LM away"))) as serving:
        with pytest.raises(Unavailable):
            serving.decide("routing", query="x")
        assert (serving.status().decisions, serving.status().unanswered) == (1, 1)


# Inputs of own programs


class Any_(Says):
    def forward(self, *rest: str, question: str, style: str = "short", **_more: str) -> dspy.Prediction:
        return dspy.Prediction(reply=question)


class Inside(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.agent = dspy.ReAct("question, plan -> reply", tools=[lookup])

    def forward(self, **inputs: str) -> dspy.Prediction:
        return self.agent(**inputs)


class WithDefault(dspy.Signature):
    """Reply."""

    question: str = dspy.InputField()
    style: str = dspy.InputField(default="short")
    reply: str = dspy.OutputField()


@pytest.mark.parametrize(
    ("module", "inputs", "required"),
    [
        (dspy.ReAct("question, plan -> reply", tools=[lookup]), ("question", "plan"), ("question", "plan")),
        (dspy.RLM("question -> reply"), ("question",), ("question",)),
        (Inside(), ("question", "plan"), ("question", "plan")),
        (dspy.ChainOfThought("question -> reply"), ("question",), ("question",)),
        (dspy.Predict(WithDefault), ("question", "style"), ("question",)),
        (Says(None), ("query", "style", "plan"), ("query",)),
        (Any_(None), ("question", "style"), ("question",)),
    ],
)
def test_inputs_are_what_an_application_gives(own: Own, module: dspy.Module, inputs, required):
    fields = own(module).champion("mine").program.fields
    assert (fields.inputs, fields.required, tuple(fields.answers)) == (inputs, required, ("reply",))
    assert fields.optional == set(inputs) - set(required)


def test_a_required_input_of_an_own_program_is_asked_for_by_name(own: Own):
    with pytest.raises(ConfigInvalid, match=r"'plan' is missing: mine has question, plan$"):
        own(Inside()).decide("mine", question="x")


class ByPlace(Says):
    def forward(self, query: str, /) -> dspy.Prediction:
        return dspy.Prediction(reply=query)


class NoInput(Says):
    def forward(self) -> dspy.Prediction:
        return dspy.Prediction(reply="")


class NoForward(dspy.Module):
    def __init__(self) -> None:
        self.says = dspy.Predict("query -> reply")


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (ByPlace(None), "forward takes 'query' by its place only"),
        (NoInput(None), "no input by name"),
        (NoForward(), "no method `forward`"),
    ],
)
def test_a_forward_that_cannot_be_called_by_name_is_refused(own: Own, module: dspy.Module, says: str):
    with pytest.raises(ConfigInvalid, match=says):
        own(module).decide("mine", query="x")


def told(query: str, style: str, plan: str | None) -> dspy.Prediction:
    return dspy.Prediction(reply=f"{query} {style} {plan}")


def test_a_default_of_forward_holds_where_nothing_is_given_and_in_what_is_read_back(own: Own):
    serving = own(Says(told))
    short = serving.decide("mine", query="x", plan=None)
    long = serving.decide("mine", query="x", style="", plan="gold")
    assert (short.answers, long.answers) == ({"reply": "x short None"}, {"reply": "x  gold"})
    fields = {"mine": serving.champion("mine").program.fields}
    read = [read_span(make_span(attributes=d.attributes()), "acme", fields) for d in (short, long)]
    assert [dict(e.inputs) for e in read] == [{"query": "x"}, {"query": "x", "style": "", "plan": "gold"}]


def test_a_shipped_generator_of_queries_may_be_an_own_program():
    path = "argotune.synthetic.generation:query_generation"
    config = config_with(programs={"writes": path}, modules=["writes"])
    (program,) = programs_of(config, "writes")
    assert program.fields.required == ("document_content", "modality", "wanted")


@pytest.mark.parametrize(
    ("said", "expected", "worth"),
    [(False, "False", 1.0), (True, "False", 0.0), (0, "0", 1.0), ([], "[]", 1.0), (None, "", 0.0), ("no", "no", 1.0)],
)
def test_a_bool_or_number_is_right_where_its_text_is_the_label(said: object, expected: str, worth: float):
    assert share_right("reply")(dspy.Example(reply=expected), dspy.Prediction(reply=said)) == worth
