"""Programs: what is asked of an LM, what comes back, how a state is saved, and a user's own program."""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, Literal

import dspy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_lm import ScriptedDecisions, like_the_nearest_demo, scripted_lms, scripted_writer

from argotune.adapters.tfidf_embedder import TfidfEmbedder
from argotune.errors import ArgotuneError, BudgetSpent, ConfigInvalid, Corrupt, ProgramChanged, Unavailable
from argotune.examples import Example, LabelSource, Split
from argotune.experiences import Fields
from argotune.ports import LMs
from argotune.programs import PROGRAMS, Program, programs_of
from argotune.programs.closed_set import NOTHING_KNOWN, read_confidence, share_right
from argotune.programs.evaluation import score, to_dspy
from argotune.programs.retrieval import RetrievedDemos
from argotune.programs.state import dump, load, prompts
from argotune.tenants import MODALITIES, MODULES, RoutingConfigUnified

CONFIG = RoutingConfigUnified(tenant_id="acme", agents={"video": "finds videos", "text": "finds texts", "sum": ""})
ROUTING = programs_of(CONFIG, "routing")[0]
CROSS = programs_of(CONFIG, "cross_modal")[0]


def example(query: str, agent: str = "video", **more: str) -> dspy.Example:
    inputs = {"query": query, "entities": "", "relationships": "", "enhanced_query": "", **more}
    return dspy.Example({**inputs, "agent": agent}).with_inputs(*inputs)


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


def ask(module: dspy.Module, lms: LMs, **inputs: str) -> dspy.Prediction:
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        return module(**inputs)


def written(text: str, adapter: dspy.Adapter | None = None) -> LMs:
    lm, _ = scripted_writer(lambda prompt: text)
    return LMs(task=lm, teacher=lm, adapter=adapter or dspy.JSONAdapter(), names={})


def answer_as_json(**values: object) -> str:
    return json.dumps(values)


# What ships


def test_every_shipped_module_has_programs_and_modality_one_per_modality():
    assert set(PROGRAMS) == set(MODULES)
    assert [p.name for p in programs_of(CONFIG, "modality")] == [f"modality.{m}" for m in MODALITIES]


@pytest.mark.parametrize("module", MODULES)
def test_fields_of_a_program_are_those_of_its_signature(module: str):
    for program in programs_of(CONFIG, module):
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
    prediction = ask(ROUTING.build(), written(answer_as_json(agent="sum", confidence=text)), query="q")
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
    lm, calls = scripted_writer(lambda prompt: answer_as_json(agent="text", confidence=0.5))
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


# Signatures and states


def config_with(**changes: Any) -> RoutingConfigUnified:
    return RoutingConfigUnified(tenant_id="acme", **{"agents": CONFIG.agents, **changes})


@pytest.mark.parametrize(
    ("agents", "is_same"),
    [
        ({"video": "other words", "text": "", "sum": "x"}, True),
        ({"sum": "", "text": "", "video": ""}, True),
        ({"video": "", "text": "", "sum": "", "new": ""}, False),
        ({"video": "", "text": ""}, False),
    ],
)
def test_hash_of_the_signature_follows_labels_and_not_their_words_or_order(agents: dict[str, str], is_same: bool):
    other = programs_of(config_with(agents=agents), "routing")[0]
    assert (other.signature_hash == ROUTING.signature_hash) is is_same


def test_hashes_of_programs_differ_and_instructions_do_not_count():
    hashes = {p.signature_hash for module in MODULES for p in programs_of(CONFIG, module)}
    assert len(hashes) == 7
    tuned = tuned_module("Quite other instructions.", [])
    rebuilt = Program(ROUTING.name, ROUTING.module, ROUTING.fields, lambda: tuned, ROUTING.metric)
    assert rebuilt.signature_hash == ROUTING.signature_hash


def tuned_module(instructions: str, demos: list[dspy.Example]) -> dspy.Module:
    module = ROUTING.build()
    module.answer.signature = module.answer.signature.with_instructions(instructions)
    module.answer.demos = demos
    return module


def reload(module: dspy.Module) -> dspy.Module:
    """Through JSON text, as a store does it."""
    state = json.loads(json.dumps(dump(module)))
    return load(ROUTING, state, ROUTING.signature_hash, TfidfEmbedder)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(TEXTS, st.lists(st.builds(example, TEXTS, st.sampled_from(["video", "text"])), max_size=3), TEXTS, st.booleans())
def test_loaded_program_asks_exactly_what_the_dumped_one_asked(instructions, demos, query, is_retrieved):
    module = tuned_module(instructions, demos)
    if is_retrieved:
        module = RetrievedDemos(tuned_module(instructions, []), demos, 2, TfidfEmbedder())
    again = reload(module)
    assert dump(again) == dump(module)
    lms = scripted_lms(lambda inputs, labels, shown: labels[0])
    ask(module, lms, query=query)
    ask(again, lms, query=query)
    assert lms.task.calls.asked[0] == lms.task.calls.asked[1]


def test_state_holds_no_lm():
    module = ROUTING.build()
    module.set_lm(ScriptedDecisions(like_the_nearest_demo))
    assert "scripted" not in json.dumps(dump(module))


def test_state_made_for_other_labels_is_refused_with_a_sentence():
    other = programs_of(config_with(agents={"a": "", "b": ""}), "routing")[0]
    with pytest.raises(ProgramChanged, match=r"routing: the stored version was made for other .* Train it again"):
        load(other, dump(ROUTING.build()), ROUTING.signature_hash, TfidfEmbedder)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"kind": "plain"},
        {"kind": "plain", "predictors": {"answer": {}}},
        {"kind": "plain", "predictors": {"answer": {"instructions": "i", "demos": [3], "decision": {}}}},
        {"kind": "plain", "predictors": {"answer": {"instructions": "i", "demos": [], "decision": {"x": {}}}}},
        {"kind": "retrieved", "k": 2, "embedder": "tfidf", "examples": [], "program": None},
    ],
)
def test_state_that_is_none_is_corrupt(broken: dict[str, Any]):
    with pytest.raises(Corrupt, match="routing: the stored state"):
        load(ROUTING, broken, ROUTING.signature_hash, TfidfEmbedder)


def test_state_that_needs_another_embedder_says_which():
    state = {**dump(RetrievedDemos(ROUTING.build(), [example("a")], 1, TfidfEmbedder())), "embedder": "minilm"}
    with pytest.raises(ConfigInvalid, match="needs the embedder 'minilm', this is 'tfidf'"):
        load(ROUTING, state, ROUTING.signature_hash, TfidfEmbedder)


def test_prompts_read_as_text_and_show_demonstrations():
    text = prompts(dump(tuned_module("Choose well.", [example("cats", "video")])))["answer"]
    assert text.startswith("Choose well.\n\nExample 1\nquery: cats")
    assert text.endswith("agent: video")
    shown = prompts(dump(RetrievedDemos(ROUTING.build(), [example("cats")], 1, TfidfEmbedder())))
    assert shown["retrieved examples"].endswith("query: cats | agent: video")


# Retrieved demonstrations


def retrieved(k: int = 2) -> RetrievedDemos:
    examples = [example("weather in berlin", "text"), example("cat videos", "video"), example("funny cat video", "sum")]
    return RetrievedDemos(ROUTING.build(), examples, k, TfidfEmbedder())


def test_nearest_example_stands_next_to_the_question():
    lms = scripted_lms(lambda inputs, labels, demos: demos[-1]["agent"])
    assert ask(retrieved(), lms, query="a funny cat vidoe").agent == "sum"
    assert [demo["query"] for demo in lms.task.calls.asked[0]["state"]["demos"]] == ["cat videos", "funny cat video"]


def test_fewer_examples_than_neighbours_are_all_shown():
    lms = scripted_lms(lambda inputs, labels, demos: labels[0])
    ask(retrieved(k=9), lms, query="")
    assert len(lms.task.calls.asked[0]["state"]["demos"]) == 3


def test_calls_leave_the_wrapped_program_alone_and_do_not_mix():
    module = retrieved(k=1)
    before = dump(module)
    lms = scripted_lms(lambda inputs, labels, demos: demos[-1]["agent"])
    queries = {"berlin weather": "text", "cat videos": "video", "funny cat": "sum"}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: (query, ask(module, lms, query=query).agent), list(queries) * 30))
    assert all(queries[query] == agent for query, agent in found)
    assert dump(module) == before
    assert module.program.answer.demos == []


def test_copies_share_the_fitted_embedder():
    module = retrieved()
    assert copy.deepcopy(module).embedder is module.embedder
    assert module.deepcopy().program is not module.program


def test_retrieval_adds_less_than_two_milliseconds_with_a_thousand_examples():
    examples = [example(f"find item number {i} of shelf {i % 37} please") for i in range(1000)]
    module, plain = RetrievedDemos(ROUTING.build(), examples, 4, TfidfEmbedder()), ROUTING.build()
    lms = scripted_lms(lambda inputs, labels, demos: labels[0])

    def fastest_s(program: dspy.Module) -> float:
        return min(timed_s(lambda: ask(program, lms, query="where is item 512")) for _ in range(15))

    assert fastest_s(module) - fastest_s(plain) < 0.002


def timed_s(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.parametrize("texts", [[], ["", "  "], ["?!", "..."]])
def test_embedder_takes_texts_without_words(texts: list[str]):
    embedder = TfidfEmbedder()
    embedder.fit(texts)
    assert embedder.neighbours("cat", 4) == list(range(len(texts)))


def test_embedder_forgives_typos_and_breaks_ties_by_order():
    embedder = TfidfEmbedder()
    embedder.fit(["podcast about gardening", "chart of sales", "chart of sales", "Größe der Straße"])
    assert embedder.neighbours("podcst on gardning", 1) == [0]
    assert embedder.neighbours("sales charts", 2) == [1, 2]
    assert embedder.neighbours("GRÖSSE STRAßE", 1) == [3]
    assert embedder.neighbours("zzzz", 2) == [0, 1]


# Evaluation


def test_scores_come_in_order_with_answers_and_progress():
    examples = [example("cat videos", "video"), example("berlin", "video"), example("funny cat", "sum")]
    told: list[tuple[int, int]] = []
    results = score(
        retrieved(k=1), ROUTING, examples, scripted_lms(like_the_nearest_demo), lambda *done: told.append(done)
    )
    assert [(r.example_index, r.answers["agent"], r.score) for r in results] == [
        (0, "video", 1.0),
        (1, "text", 0.0),
        (2, "sum", 1.0),
    ]
    assert all(r.confidence == pytest.approx(0.9) and r.is_parsed for r in results)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_threads_change_nothing_in_the_result():
    examples = [example(f"{word} {i}") for i in range(20) for word in ("cat", "berlin", "funny")]
    lms = scripted_lms(like_the_nearest_demo)
    wide = LMs(lms.task, None, lms.adapter, {}, num_threads=4)
    assert score(retrieved(), ROUTING, examples, wide, silent) == score(retrieved(), ROUTING, examples, lms, silent)


@pytest.mark.parametrize("num_threads", [1, 4])
@pytest.mark.parametrize("error", [BudgetSpent("enough"), Unavailable("down")])
def test_spent_budget_and_dead_server_end_the_evaluation(error: ArgotuneError, num_threads: int):
    lms = scripted_lms(like_the_nearest_demo, fail_at=3, error=error)
    wide = LMs(lms.task, None, lms.adapter, {}, num_threads=num_threads)
    with pytest.raises(type(error), match=str(error)):
        score(ROUTING.build(), ROUTING, [example(f"q{i}") for i in range(50)], wide, silent)
    assert lms.task.calls.count < 50


def test_our_error_is_found_beneath_what_dspy_makes_of_it():
    lm, _ = scripted_writer(lambda prompt: "", fail_at=1, error=BudgetSpent("all calls are used"))
    with pytest.raises(BudgetSpent, match="all calls are used"):
        score(ROUTING.build(), ROUTING, [example("q")], LMs(lm, lm, dspy.JSONAdapter(), {}), silent)


def test_failure_of_a_program_names_the_example():
    lms = scripted_lms(like_the_nearest_demo, fail_at=2, error=KeyError("oops"))
    with pytest.raises(ArgotuneError, match="routing, example 1: KeyError: 'oops'"):
        score(ROUTING.build(), ROUTING, [example("a"), example("b")], lms, silent)


@pytest.mark.parametrize("worth", [1.5, -0.1, math.nan, "x"])
def test_metric_that_gives_no_share_is_a_config_error(worth: object):
    program = Program("routing", "routing", ROUTING.fields, ROUTING.build, lambda example, prediction: worth)
    with pytest.raises(ConfigInvalid, match="routing: its metric"):
        score(ROUTING.build(), program, [example("q")], scripted_lms(like_the_nearest_demo), silent)


def test_example_becomes_dspys_with_its_inputs_marked():
    ours = Example("p", {"query": "q", "base": "b"}, {"agent": "video"}, LabelSource.HUMAN, 1.0, Split.TRAIN)
    theirs = to_dspy(ours)
    assert theirs.inputs().toDict() == {"query": "q", "base": "b"}
    assert theirs.labels().toDict() == {"agent": "video"}


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
    text = answer_as_json(reasoning="r", mood="angry", reply="Sorry!")
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
        (lambda config: 3, "returned int, not a Program or"),
        (lambda config: Support(), "returned Support, not a Program or"),
        (lambda config: (Support(), "metric"), "returned tuple, not a Program or"),
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
