"""States: what is saved of a tuned program, when it is refused, and demonstrations that are retrieved."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_lm import ScriptedDecisions, like_the_nearest_demo, scripted_lms
from small_routing import CONFIG, ROUTING, ask, config_with, example, retrieved
from twin_embedders import EMBEDDERS, twins

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.adapters.tfidf import TfidfEmbedder
from argotune.errors import ConfigInvalid, Corrupt, ProgramChanged
from argotune.programs import Program, programs_of
from argotune.programs.retrieval import RetrievedDemos
from argotune.programs.state import dump, load, masked_state, prompts
from argotune.tenants.config import MODULES

# Signatures and states


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
    programs = [program for module in MODULES for program in programs_of(CONFIG, module)]
    assert len({program.signature_hash for program in programs}) == len(programs) >= 7
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
    return load(ROUTING, state, ROUTING.signature_hash, EMBEDDERS)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50)
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
        load(other, dump(ROUTING.build()), ROUTING.signature_hash, EMBEDDERS)


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
        load(ROUTING, broken, ROUTING.signature_hash, EMBEDDERS)


def test_state_that_needs_an_unknown_embedder_says_which():
    state = {**dump(RetrievedDemos(ROUTING.build(), [example("a")], 1, TfidfEmbedder())), "embedder": "minilm"}
    with pytest.raises(ConfigInvalid, match="embedder: 'minilm' is not known here; there are hashed"):
        load(ROUTING, state, ROUTING.signature_hash, EMBEDDERS)


def test_state_made_with_other_weights_is_refused_with_a_sentence():
    state = dump(RetrievedDemos(ROUTING.build(), [example("a")], 1, EMBEDDERS.neighbours("hashed")))
    assert dump(load(ROUTING, state, ROUTING.signature_hash, EMBEDDERS)) == state
    others = twins(hashed=lambda _: HashedEmbedder(digest="others"))
    with pytest.raises(ProgramChanged, match=r"'hashed' was n-grams when .* and is others now. Restore"):
        load(ROUTING, state, ROUTING.signature_hash, others)


def test_prompts_read_as_text_and_show_demonstrations():
    text = prompts(dump(tuned_module("Choose well.", [example("cats", "video")])))["answer"]
    assert text.startswith("Choose well.\n\nExample 1\nquery: cats")
    assert text.endswith("agent: video")
    shown = prompts(dump(RetrievedDemos(ROUTING.build(), [example("cats")], 1, TfidfEmbedder())))
    assert shown["retrieved examples"].endswith("query: cats | agent: video")


def test_what_an_lm_may_have_written_is_masked_and_what_others_chose_is_not():
    mail = "ann@acme.example"
    demos = [
        example(f"to {mail}", "video", entities=[mail, {"of": mail}]),
        example("to 4242", "text", relationships=4242),
    ]
    module = tuned_module(f"Ask {mail}.", demos)
    masked = lambda text: text.replace(mail, "<EMAIL>").replace("4242", "<CARD>").replace("video", "?")  # noqa: E731
    (one,) = masked_state(dump(module), ROUTING, masked)["predictors"].values()
    assert one["instructions"] == "Ask <EMAIL>."
    (demo,) = one["demos"]
    assert (demo["query"], demo["entities"], demo["agent"]) == ("to <EMAIL>", ["<EMAIL>", {"of": "<EMAIL>"}], "video")
    shown = RetrievedDemos(ROUTING.build(), demos, 1, TfidfEmbedder())
    state = masked_state(dump(shown), ROUTING, masked)
    assert [(e["inputs"]["query"], e["answers"]) for e in state["examples"]] == [("to <EMAIL>", {"agent": "video"})]
    assert state["program"] == dump(ROUTING.build()), "the program's own words stay"
    assert masked_state(state, ROUTING, masked) == state
    load(ROUTING, state, ROUTING.signature_hash, EMBEDDERS)


# Retrieved demonstrations


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
