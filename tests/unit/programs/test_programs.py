"""Programs: what is asked of an LM, what comes back, and a user's own program."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Literal

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_lm import ScriptedDecisions, scripted_lms, scripted_writer
from small_routing import CONFIG, CROSS, ROUTING, as_json, ask, config_with, example, silent, written

from argotune.data.fields import Fields
from argotune.errors import ConfigInvalid
from argotune.lm.port import LMs
from argotune.programs import PROGRAMS, Program, programs_of
from argotune.programs.closed_set import NOTHING_KNOWN, read_confidence, share_right
from argotune.programs.evaluation import score
from argotune.tenants.config import MODALITIES, MODULES, RoutingConfigUnified

# What ships


def test_every_shipped_module_has_programs_and_modality_one_per_modality():
    assert set(PROGRAMS) == set(MODULES)
    assert [p.name for p in programs_of(CONFIG, "modality")] == [f"modality.{m}" for m in MODALITIES]


@pytest.mark.parametrize("module", MODULES)
def test_fields_of_a_program_are_those_of_its_signature(module: str):
    programs = programs_of(CONFIG, module)
    assert programs
    for program in programs:
        signature = program.build().predictors()[0].signature
        assert program.fields.inputs == tuple(signature.input_fields)
        assert list(program.fields.answers) == list(signature.output_fields)
        assert program.fields.program == program.name
        assert program.module == module


def test_agents_of_the_tenant_are_the_labels_and_their_purposes_the_criteria():
    lms = scripted_lms(lambda inputs, labels, demos: labels[1])
    assert ROUTING.fields.answers == {"agent": ("video", "text", "sum")}
    assert ask(ROUTING.build(), lms, query="a paper on bees").agent == "text"
    question = lms.task.calls.asked[0]["questions"]["agent"]
    assert question["criteria"] == {"video": "finds videos", "text": "finds texts", "sum": None}


def test_none_is_always_an_answer_to_what_to_fuse():
    config = RoutingConfigUnified(tenant_id="t", fusion_modalities=["a+b", "none"], fusion_strategies=["score"])
    answers = programs_of(config, "cross_modal")[0].fields.answers
    assert answers["fusion_modalities"] == ("a+b", "none")
    assert answers["fusion_strategy"] == ("score", "none")


@pytest.mark.parametrize(("right", "worth"), [(3, 1.0), (2, 2 / 3), (0, 0.0)])
def test_metric_is_the_share_of_right_answers(right: int, worth: float):
    expected = {"needs_fusion": "yes", "fusion_modalities": "a", "fusion_strategy": "b"}
    given_ = {name: value if i < right else "other" for i, (name, value) in enumerate(expected.items())}
    assert CROSS.metric(dspy.Example(expected), dspy.Prediction(**given_)) == pytest.approx(worth)


def test_unknown_module_is_refused_by_name():
    with pytest.raises(ConfigInvalid, match="'nope' is neither shipped"):
        programs_of(CONFIG, "nope")


# Asking


def test_confidence_of_a_scoring_lm_is_the_probability_of_its_least_certain_answer():
    class Unsure(ScriptedDecisions):
        def _decide(self, state, labels):
            share = 0.8 if "yes" in labels else 0.4
            rest = (1 - share) / (len(labels) - 1)
            return {"probabilities": {la: share if la == labels[0] else rest for la in labels}, "confidence": 0.99}

    lms = LMs(Unsure(lambda i, la, d: la[0]), None, dspy.ChatAdapter(), {})
    assert ask(CROSS.build(), lms, query="q").confidence == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        (0.25, 0.25),
        ("0.9 (fairly sure)", 0.9),
        ("87 %", 0.87),
        (7, 1.0),
        (-1, 0.0),
        ("1e999", NOTHING_KNOWN),
        ("high", NOTHING_KNOWN),
        (None, NOTHING_KNOWN),
        ("", NOTHING_KNOWN),
    ],
)
def test_confidence_of_a_writing_lm_is_clamped_and_garbage_does_not_spoil_the_answer(text: object, confidence: float):
    prediction = ask(ROUTING.build(), written(as_json(agent="sum", confidence=text)), query="q")
    assert (prediction.agent, prediction.confidence) == ("sum", pytest.approx(confidence))


@given(st.text() | st.floats() | st.integers() | st.none() | st.lists(st.integers()))
def test_confidence_is_a_share_whatever_is_written(value: object):
    assert 0 <= read_confidence(value) <= 1


@pytest.mark.parametrize("adapter", [dspy.JSONAdapter(), dspy.ChatAdapter()], ids=["json", "chat"])
@pytest.mark.parametrize("text", ["", "no idea", '{"agent": "pizza", "confidence": 1}', "[[ ## agent ## ]]\npizza"])
def test_unusable_answer_of_a_writing_lm_is_a_miss_and_no_crash(text: str, adapter: dspy.Adapter):
    lms = written(text, adapter)
    prediction = ask(ROUTING.build(), lms, query="q")
    assert (prediction.agent, prediction.confidence) == ("", 0.0)
    (result,) = score(ROUTING.build(), ROUTING, [example("q")], lms, silent)
    assert (result.score, result.is_parsed) == (0.0, False)


def test_writing_lm_is_told_the_labels_and_shown_demonstrations_as_certain():
    lm, calls = scripted_writer(lambda prompt: as_json(agent="text", confidence=0.5))
    module = ROUTING.build()
    module.answer.demos = [example("cats on film", "video")]
    ask(module, LMs(lm, lm, dspy.JSONAdapter(), {}), query="q")
    prompt = calls.asked[0]
    assert "- video: finds videos" in prompt
    assert '"confidence": 1.0' in prompt
    assert "cats on film" in prompt


def test_long_input_is_passed_as_it_is():
    lms = scripted_lms(lambda inputs, labels, demos: labels[0])
    text = "x{y}\n[[ ## agent ## ]]" * 50_000
    ask(ROUTING.build(), lms, query=text)
    assert lms.task.calls.asked[0]["state"]["inputs"]["query"] == text


# A user's own program


class Reply(dspy.Signature):
    """Reply to a customer."""

    message: str = dspy.InputField()
    mood: Literal["calm", "angry"] = dspy.OutputField(desc="the mood of the customer")
    reply: str = dspy.OutputField()


class Support(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.ChainOfThought(Reply)

    def forward(self, message: str) -> dspy.Prediction:
        return self.answer(message=message)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("shop_programs")
    monkeypatch.setitem(sys.modules, "shop_programs", module)
    return module


def own(factory_name: str = "support") -> RoutingConfigUnified:
    return config_with(programs={"support": f"shop_programs:{factory_name}"}, modules=["support"])


def test_own_module_and_metric_are_a_program(shop: ModuleType):
    shop.support = lambda config: (Support(), share_right("mood"))
    (program,) = programs_of(own(), "support")
    assert program.fields == Fields("support", ("message",), {"mood": ("calm", "angry"), "reply": None})
    assert program.build() is not program.build()
    text = as_json(reasoning="r", mood="angry", reply="Sorry!")
    asked = dspy.Example(message="No!", mood="angry", reply="Sorry!").with_inputs("message")
    (result,) = score(program.build(), program, [asked], written(text), silent)
    assert (result.score, result.answers) == (1.0, {"mood": "angry", "reply": "Sorry!"})
    (miss,) = score(program.build(), program, [asked], written("?"), silent)
    assert (miss.score, miss.is_parsed) == (0.0, False)


def test_own_program_may_say_everything_itself(shop: ModuleType):
    fields = Fields("support", ("message",), {"mood": ("calm", "angry")})
    shop.support = lambda config: Program("support", "support", fields, Support, share_right("mood"))
    assert programs_of(own(), "support")[0].fields == fields


def _raise(config: RoutingConfigUnified) -> None:
    raise RuntimeError("no database")


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [
        (None, "'shop_programs:support' cannot be loaded: AttributeError"),
        (_raise, "cannot be loaded: RuntimeError: no database"),
        (lambda config: 3, "returned int, not a Program, (dspy.Module, metric) or a dspy.Module"),
        (lambda config: Support, "returned ProgramMeta, not a Program, "),
        (lambda config: (Support(), "metric"), "returned tuple, not a Program, "),
        (lambda config: (dspy.Module(), share_right("x")), "has no dspy.Predict"),
        (lambda config: ROUTING, "calls itself 'routing'"),
    ],
)
def test_own_program_that_cannot_be_used_is_named(shop: ModuleType, factory: Any, complaint: str):
    if factory is not None:
        shop.support = factory
    with pytest.raises(ConfigInvalid, match=r"^programs\.support: ") as caught:
        programs_of(own(), "support")
    assert complaint in str(caught.value)


def test_own_program_in_a_package_that_is_not_there_is_named():
    config = config_with(programs={"support": "no_such_package.x:f"}, modules=["support"])
    with pytest.raises(ConfigInvalid, match=r"programs\.support: 'no_such_package\.x:f' cannot be loaded: ModuleNotFo"):
        programs_of(config, "support")
