"""Leaks: what of the sealed test a version may not hold, and what it may."""

from __future__ import annotations

from typing import Any

import pytest
from factories import make_example
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.guards.leaks import leaks
from argotune.data.splitting import Split

QUESTION = "where did we put the recording of the budget meeting in Oslo"
TEST = make_example(QUESTION, split=Split.TEST)


def plain(instructions: str = "Choose the agent.", *demos: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "plain",
        "predictors": {"answer": {"instructions": instructions, "demos": list(demos), "decision": {}}},
    }


def retrieved(*queries: str, program: dict[str, Any] | None = None) -> dict[str, Any]:
    examples = [{"inputs": {"query": query, "context": ""}, "answers": {"agent": "a"}} for query in queries]
    return {"kind": "retrieved", "program": program or plain(), "k": 4, "embedder": "tfidf", "examples": examples}


@pytest.mark.parametrize(
    "state",
    [
        plain("Choose.", {"query": QUESTION, "context": "", "agent": "a"}),
        plain("Choose.", {"query": "Where did we put the recording of the budget meeting in Oslo?!"}),
        plain("Choose.", {"query": QUESTION.replace("recording", "recordings")}),
        retrieved("footage of the alps", QUESTION),
        retrieved("footage of the alps", program=plain(f"Remember: {QUESTION}")),
        plain(f"Choose the agent. For example «{QUESTION.upper()}» goes to video. Be brief."),
        plain("Say video to: where did we put recording of the budget meeting in Oslo, and text to all else."),
        plain("Choose.", {"query": "else", "reasoning": f"It is much like {QUESTION}, so video.", "agent": "a"}),
    ],
)
def test_a_near_duplicate_of_a_test_question_is_a_leak_wherever_it_is_held(state: dict[str, Any]):
    assert leaks(state, [TEST, make_example("podcasts about chess", split=Split.TEST)]) == (TEST.id,)


@pytest.mark.parametrize(
    "state",
    [
        plain(),
        plain("Recordings of meetings go to video, budgets to text."),
        plain("Choose.", {"query": "where is the memo of the budget meeting", "context": "", "agent": "a"}),
        plain("Choose.", {"query": "and today?", "context": f"asked before: {QUESTION}", "agent": "a"}),
        retrieved("footage of the alps", "a podcast about the budget in Oslo"),
    ],
)
def test_what_is_about_the_same_things_is_no_leak(state: dict[str, Any]):
    assert leaks(state, [TEST]) == ()


def test_a_short_question_leaks_as_a_demonstration_and_not_as_a_word_of_an_instruction():
    short = make_example("weather", split=Split.TEST)
    assert leaks(plain("Questions about the weather go to text."), [short]) == ()
    assert leaks(plain("Choose.", {"query": "Weather?", "agent": "a"}), [short]) == (short.id,)


def test_stretches_are_found_without_spaces_between_words():
    example = make_example("昨天的预算会议录像在哪里可以找到", split=Split.TEST)
    assert leaks(plain("例如昨天的预算会议录像在哪里可以找到就选视频代理。"), [example]) == (example.id,)
    assert leaks(plain("例如会议录像就选视频代理，预算文件就选文本代理。"), [example]) == ()


def test_all_examples_that_share_a_question_are_named_in_order():
    twins = [make_example(QUESTION, inputs={"query": QUESTION, "context": str(n)}) for n in range(3)]
    assert leaks(retrieved(QUESTION), twins) == tuple(sorted(example.id for example in twins))


def test_a_program_without_a_query_is_compared_by_all_its_inputs():
    example = make_example(inputs={"message": "the parcel never came to my house", "plan": "gold"})
    assert leaks(plain("-", {"message": "the parcel never came to my house", "plan": "gold"}), [example])
    assert not leaks(plain("-", {"message": "please cancel my plan at once", "plan": "gold"}), [example])


@given(st.text(min_size=1, max_size=80), st.text(max_size=200))
def test_any_text_can_be_looked_at_and_a_verbatim_demonstration_is_found(question: str, instructions: str):
    example = make_example(question)
    assert leaks(plain(instructions, {"query": question}), [example]) == (example.id,)
