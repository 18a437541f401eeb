"""Any module is tuned without a factory, or it is said what is in the way."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal

import dspy
import pytest
from desk import RewriteThenClassify
from factories import NOON
from scripted_lm import json_answers, scripted_lms, scripted_writer
from served import NEVER_S
from small_routing import config_with
from twin_embedders import EMBEDDERS

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import BudgetSpent, ConfigInvalid
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.programs import Program, own, programs_of
from argotune.programs.evaluation import asked_of, score
from argotune.programs.own import refuse_without_deno, why_not_tunable
from argotune.programs.state import dump, load
from argotune.serving.client import Serving
from argotune.tenants.config import RoutingConfigUnified

SAID = {"team": "billing", "intent": "billing", "rewritten": "where is it", "order_ids": [7, 8], "urgency": 3}
SAID |= {"is_angry": True, "is_done": True, "orders": [7], "person": {"name": "Kim", "age": 3}, "confidence": 0.9}
SAID |= {"next_tool_name": "finish", "next_tool_args": {}, "answer": "Soon."}

LABEL, LIST = {"intent": "billing"}, ["earlier"]
MODULES: list[tuple[str, dict[str, Any], tuple[str, ...], dict[str, Any]]] = [
    # import path, what it is asked, which of it may be missing, what it answers
    ("desk:RouteTicket", {"message": "m"}, (), {"team": "billing"}),
    ("desk:Extract", {"text": "t"}, (), {"order_ids": [7, 8], "urgency": 3, "is_angry": True}),
    ("desk:RewriteThenClassify", {"query": "q", "history": LIST}, ("history",), LABEL),
    ("desk:OnlyAsync", {"query": "q", "history": LIST}, ("history",), LABEL),
    ("desk:Nested", {"query": "q", "history": LIST}, (), LABEL),
    ("desk:Everything", {"message": "m"}, (), {"team": "billing"}),
    ("desk:Bare", {"text": "t"}, (), {"orders": [7]}),
    ("desk:agent", {"request": "r", "limit": 3}, (), {"is_done": True}),
    ("desk:best", {"query": "q", "history": LIST}, ("history",), LABEL),
    ("desk:refined", {"message": "m"}, (), {"team": "billing"}),
    ("desk:Contact", {"text": "t"}, (), {"person": {"name": "Kim", "age": 3}}),
    ("desk:answer", {"question": "q"}, (), {"answer": "Soon."}),
]
any_module = pytest.mark.parametrize(("path", "asked", "optional", "said"), MODULES, ids=[row[0] for row in MODULES])


def at(path: str) -> tuple[Program, RoutingConfigUnified]:
    config = config_with(programs={"mine": path}, modules=["mine"])
    return programs_of(config, "mine")[0], config


def writes() -> LMs:
    lm, _ = scripted_writer(json_answers(**SAID))
    return LMs(task=lm, teacher=lm, adapter=dspy.JSONAdapter(), names={})


def texts(program: Program, values: dict[str, Any]) -> dict[str, str]:
    return {name: program.fields.kept(name, value) for name, value in values.items()}


@any_module
def test_a_module_needs_no_factory_and_its_fields_are_read(path, asked, optional, said):
    program, _ = at(path)
    assert (program.fields.inputs, tuple(program.fields.answers)) == (tuple(asked), tuple(said))
    assert program.fields.optional == set(optional)
    assert program.build() is not program.build()
    assert why_not_tunable(program.build()) is None


STEPS = {"desk:RewriteThenClassify", "desk:OnlyAsync", "desk:Nested", "desk:best"}


@any_module
def test_an_example_is_shown_as_it_is_by_a_module_of_one_step_alone(path, asked, optional, said):
    program, _ = at(path)
    assert program.shows_examples is (path not in STEPS)
    lm, calls = scripted_writer(json_answers(**SAID))
    module, question = program.build(), asked_of(program, texts(program, asked), texts(program, said))
    for predictor in module.predictors():
        predictor.demos = [dspy.Example({**asked, next(iter(asked)): "in the example", **said})]
    score(
        module, program, [question], LMs(task=lm, teacher=None, adapter=dspy.JSONAdapter(), names={}), lambda *_: None
    )
    assert any("in the example" in prompt for prompt in calls.asked) is program.shows_examples


@any_module
@pytest.mark.parametrize("method", ["labeled", "bootstrap", "nearest"])
def test_a_module_is_trained_stored_and_asked(path, asked, optional, said, method):
    program, _ = at(path)
    example = asked_of(program, texts(program, asked), texts(program, said))
    task = TrainingTask(program, program.build(), [example, example], [], writes(), EMBEDDERS, 1, 1)
    tuned = OPTIMIZERS[method].compile(task)
    again = load(program, dump(tuned), program.signature_hash, EMBEDDERS)
    (row,) = score(again, program, [example], writes(), lambda *_: None)
    assert (row.lack, row.answers, row.score) == (None, texts(program, said), 1.0)


@any_module
def test_a_module_serves(path, asked, optional, said):
    program, config = at(path)

    async def among_coroutines() -> Any:
        return serving.decide("mine", **asked)

    with Serving(MemoryStore(), config, writes(), EMBEDDERS, lambda: NOON, NEVER_S) as serving:
        for decision in (serving.decide("mine", **asked), asyncio.run(among_coroutines())):
            assert (decision.lack, program.fields.as_json(texts(program, decision.answers))) == ("", said)
        left_out = {name: value for name, value in asked.items() if name not in optional}
        assert serving.decide("mine", **left_out).inputs == left_out


@pytest.mark.parametrize(
    ("path", "is_by_preference"),
    [
        *((f"desk:{name}", False) for name in ("RouteTicket", "Extract", "RewriteThenClassify", "Bare", "agent")),
        *((f"desk:{name}", True) for name in ("Contact", "answer")),
    ],
)
def test_labels_numbers_and_lists_of_them_are_compared_and_people_judge_the_rest(path: str, is_by_preference: bool):
    assert at(path)[0].is_by_preference is is_by_preference


# What `programs` may name


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", module)
    return module


class Needs(dspy.Module):
    def __init__(self, retriever: object, k: int = 3) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")


class ForTenant(RewriteThenClassify):
    def __init__(self, config: RoutingConfigUnified) -> None:
        super().__init__()
        self.tenant_id = config.tenant_id


def test_a_class_that_needs_more_than_nothing_says_what(shop: ModuleType):
    shop.support = Needs
    with pytest.raises(
        ConfigInvalid, match=r"'shop:support' cannot be loaded: Needs needs retriever to be built: name"
    ):
        at("shop:support")


def test_a_class_that_asks_for_the_config_is_a_factory(shop: ModuleType):
    shop.support = ForTenant
    program, _ = at("shop:support")
    assert (program.build().tenant_id, program.is_by_preference) == ("acme", True)


@pytest.mark.parametrize("make", [lambda _config: RewriteThenClassify(), lambda: RewriteThenClassify()])
def test_a_factory_may_take_the_config_or_nothing(shop: ModuleType, make: Callable[..., dspy.Module]):
    shop.support = make
    program, _ = at("shop:support")
    assert (program.fields.inputs, program.is_by_preference) == (("query", "history"), True)


def test_what_lies_within_a_class_is_named_by_dots(shop: ModuleType):
    shop.Desk = type("Desk", (), {"Inner": RewriteThenClassify})
    assert at("shop:Desk.Inner")[0].fields.inputs == ("query", "history")


def test_a_value_that_is_no_program_is_named(shop: ModuleType):
    shop.support = 3
    with pytest.raises(
        ConfigInvalid, match=r"is a value of type int, not a factory, a dspy\.Module or a dspy.Signature"
    ):
        at("shop:support")


def test_a_module_that_is_named_is_never_changed():
    program, _ = at("desk:answer")
    program.build().predictors()[0].demos = [dspy.Example(question="q", answer="a")]
    assert program.build().predictors()[0].demos == []


# What is given back


class Gives(dspy.Module):
    def __init__(self, signature: Any = "query -> team: Literal['a', 'b'], reply") -> None:
        super().__init__()
        self.last = dspy.Predict("other -> note")
        self.answer = dspy.ChainOfThought(signature)
        self.note = dspy.Predict("team -> note")


class GivesParts(Gives):
    def forward(self, query: str) -> dspy.Prediction:
        found = self.answer(query=query)
        self.note(team=found.team)
        return dspy.Prediction(team=found.team, mood="calm")


class GivesPart(Gives):
    def forward(self, query: str) -> dspy.Prediction:
        def unused() -> None:
            return None

        unused()
        pred = self.answer(query=query)
        return pred


class GivesText(Gives):
    def forward(self, query: str) -> str:
        if not query:
            return self.answer(query="nothing").reply
        return self.answer(query=query).reply


class GivesWhoKnows(Gives):
    def forward(self, query: str) -> dspy.Prediction:
        return sorted([self.answer(query=query)])[0]


@pytest.mark.parametrize(
    ("module", "answers"),
    [(GivesParts, ("team",)), (GivesPart, ("team", "reply")), (GivesText, ("reply",)), (GivesWhoKnows, ("note",))],
)
def test_answers_are_what_forward_gives_back_and_else_of_the_last_predictor(
    shop: ModuleType, module: type[dspy.Module], answers: tuple[str, ...]
):
    shop.support = module
    assert tuple(at("shop:support")[0].fields.answers) == answers


def calls_a_tool(_config: object) -> dspy.Module:
    return dspy.ReActV2("question -> n: int", tools=[])


def thinks_in_code(_config: object) -> dspy.Module:
    with pytest.warns(DeprecationWarning, match="ProgramOfThought"):
        return dspy.ProgramOfThought("question -> n: int")


@pytest.mark.parametrize("make", [calls_a_tool, thinks_in_code, lambda _c: dspy.RLM("question -> n: int")])
def test_an_agent_answers_what_its_signature_says_and_not_how_it_came_to_it(shop: ModuleType, make: Callable[..., Any]):
    shop.support = make
    fields = at("shop:support")[0].fields
    assert (fields.inputs, tuple(fields.answers), str(fields.types["n"])) == (("question",), ("n",), "int")


def has_working_deno() -> bool:
    """Whether DSPy can run code in Deno here: it fetches a part of its runner on the first use."""
    try:
        with dspy.PythonInterpreter() as interpreter:
            return interpreter.execute("1 + 1") == 2
    except dspy.CodeInterpreterError:
        return False


@pytest.mark.filterwarnings("ignore:ProgramOfThought is deprecated")
@pytest.mark.parametrize("interpreter", [dspy.LocalInterpreter, dspy.PythonInterpreter])
def test_a_module_that_thinks_in_code_is_trained_stored_and_asked(
    shop: ModuleType, interpreter: type[dspy.LocalInterpreter | dspy.PythonInterpreter]
):
    if interpreter is dspy.PythonInterpreter and not has_working_deno():
        pytest.skip("there is no Deno that works")
    shop.support = lambda: dspy.ProgramOfThought("question -> n: int", interpreter_factory=interpreter)
    program, _ = at("shop:support")
    refuse_without_deno(program)
    lm, calls = scripted_writer(json_answers(generated_code="```python\nfound = 6 * 7\nfound\n```", n=42))
    lms = LMs(task=lm, teacher=lm, adapter=dspy.JSONAdapter(), names={})
    example = asked_of(program, {"question": "6 times 7"}, {"n": "42"})
    task = TrainingTask(program, program.build(), [example, example], [], lms, EMBEDDERS, 1, 1)
    again = load(program, dump(OPTIMIZERS["bootstrap"].compile(task)), program.signature_hash, EMBEDDERS)
    (row,) = score(again, program, [example], lms, lambda *_: None)
    assert (row.lack, row.answers, row.score) == (None, {"n": "42"}, 1.0)
    assert any("Code Output" in prompt or "code_output" in prompt for prompt in calls.asked)


# What is in the way


class ThinksInside(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.classify = dspy.Predict("query -> mood")
        self.think = thinks_in_code(None)

    def forward(self, query: str) -> dspy.Prediction:
        return self.classify(query=self.think(question=query).n)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (thinks_in_code, "ProgramOfThought"),
        (lambda _c: ThinksInside(), r"ProgramOfThought \(think\)"),
        (lambda _c: dspy.RLM("question -> n: int"), "RLM"),
    ],
)
def test_a_part_that_needs_deno_is_named_where_there_is_none(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Any], part: str
):
    shop.support = make
    program, _ = at("shop:support")
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/deno")
    refuse_without_deno(program)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(own, "find_spec", lambda _name: None)
    told = rf"^programs\.mine: its {part} runs the code that it writes by Deno.* pip install 'dspy\[deno\]'$"
    with pytest.raises(ConfigInvalid, match=told):
        refuse_without_deno(program)
    with dspy.context(interpreter_factory=dspy.LocalInterpreter):
        refuse_without_deno(program)


class GivesNothingKnown(RewriteThenClassify):
    def forward(self, query: str) -> dspy.Prediction:
        return dspy.Prediction(category=self.classify(rewritten=query).intent.upper(), mood="calm")


class Yields(RewriteThenClassify):
    def forward(self, query: str) -> Any:
        yield query


class ByPlace(RewriteThenClassify):
    def forward(self, query: str, /) -> dspy.Prediction:
        return dspy.Prediction(intent=query)


class NoForward(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("query -> reply")


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (lambda: dspy.Module(), "the module has no dspy.Predict, so there is nothing to tune"),
        (NoForward, "the module has no method `forward`"),
        (ByPlace, "forward takes 'query' by its place only; inputs are given by name"),
        (GivesNothingKnown, "forward gives back category, mood: no predictor's output is called so; name it so, or"),
        (Yields, "forward yields parts of an answer; it must return the whole"),
        (lambda: dspy.Predict("query -> reasoning"), "its last predictor gives no answer, only what explains one"),
        (
            lambda: dspy.Predict("query -> picture: dspy.Image"),
            "the answer 'picture' is of a type of DSPy's that no text",
        ),
        (lambda: dspy.Predict("tenant_id -> reply"), "a field cannot be called 'tenant_id', nor any of"),
        (lambda: dspy.Predict("agent -> chosen_agent"), "two fields would be routing.chosen_agent"),
    ],
)
def test_what_cannot_be_tuned_says_why(module: Callable[[], dspy.Module], why: str):
    told = why_not_tunable(module())
    assert told is not None
    assert told.startswith(why)


def test_a_spent_budget_is_none_of_a_modules_failures_though_it_catches_all(shop: ModuleType):
    program, _ = at("desk:best")
    lms = scripted_lms(lambda _inputs, labels, _demos: labels[0])
    lm, _ = scripted_writer(json_answers(**SAID), fail_at=1, error=BudgetSpent("spent"))
    asked = [asked_of(program, {"query": "q"}, LABEL)]
    with pytest.raises(BudgetSpent):
        score(program.build(), program, asked, LMs(lm, None, lms.adapter, {}), lambda *_: None)


# Types of inputs


class Typed(RewriteThenClassify):
    def forward(self, query, history, k=3, *, style: Literal["short", "long"] = "short", note=None, **_more):
        return dspy.Prediction(intent="billing")


def test_an_input_has_the_type_of_its_annotation_else_of_a_predictors_field_else_of_its_default(shop: ModuleType):
    shop.support = Typed
    fields = at("shop:support")[0].fields
    assert {name: str(type_) for name, type_ in fields.types.items()} == {"history": "list[str]", "k": "int"}
    assert (fields.optional, fields.defaults) == ({"k", "style", "note"}, {"k": "3"})
    assert fields.asked({"query": "q", "history": "[]", "k": "3"}) == {"query": "q", "history": "[]"}
