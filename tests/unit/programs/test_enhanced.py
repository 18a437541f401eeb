"""An enhanced program: what is filled in, by which LM, and what is left as it is."""

from __future__ import annotations

import dspy
import pytest
from dspy.utils.exceptions import ContextWindowExceededError
from enhancing import spells_out
from factories import make_experience
from scripted_lm import ScriptedDecisions, json_answers, like_the_nearest_demo, scripted_writer

from argotune.lm.port import LMs
from argotune.programs import programs_of
from argotune.programs.answering import ProgramAnswer, answer
from argotune.programs.enhanced import NO_WRITER, Enhanced, fillable
from argotune.programs.enhancement import Enhancement
from argotune.programs.patterns import patterns
from argotune.tenants.config import RoutingConfigUnified

CONFIG = RoutingConfigUnified(tenant_id="acme")
(ROUTING,) = programs_of(CONFIG, "routing")
(ENHANCEMENT,) = programs_of(CONFIG, "enhancement")
SAID = {"entities": [], "relationships": [], "intent": "find", "modality_signals": []}
GIVEN = {"query": "find the keynote", "entities": "", "relationships": "", "enhanced_query": ""}


def asked(lms: LMs, **inputs: str) -> ProgramAnswer:
    module = Enhanced(Enhancement(), ROUTING.build(), fillable(ROUTING))
    return answer(module, ROUTING, {**GIVEN, **inputs}, lms)


def scoring(writer: dspy.LM | None) -> LMs:
    return LMs(ScriptedDecisions(like_the_nearest_demo), None, dspy.JSONAdapter(), {}, writer=writer)


def test_only_what_is_missing_is_filled_in_and_the_rest_is_context():
    lm, calls = scripted_writer(json_answers(**SAID, enhanced_query="a recording", agent="video_search_agent"))
    found = asked(LMs(lm, None, dspy.JSONAdapter(), {}), entities="keynote (talk)")
    assert dict(found.filling.texts) == {"enhanced_query": "a recording"}
    assert "entities: keynote (talk)" in calls.asked[0]
    assert "a recording" in calls.asked[1]
    assert "keynote (talk)" in calls.asked[1]


def test_nothing_is_asked_where_nothing_is_missing():
    lm, calls = scripted_writer(json_answers(agent="video_search_agent"))
    found = asked(LMs(lm, None, dspy.JSONAdapter(), {}), entities="a", relationships="b", enhanced_query="c")
    assert (calls.count, found.filling.texts, found.filling.lack) == (1, {}, "")


def test_beside_a_scorer_the_lm_that_writes_enhances_and_without_one_nobody_does():
    writer, calls = scripted_writer(json_answers(**SAID, enhanced_query="a recording"))
    found = asked(scoring(writer))
    assert (calls.count, found.filling.texts, found.lack) == (1, {"enhanced_query": "a recording"}, "")
    found = asked(scoring(None))
    assert (found.filling.lack, found.lack) == (NO_WRITER, "")


@pytest.mark.parametrize(
    "write",
    [lambda _prompt: "Sure!", *(json_answers(**SAID, enhanced_query=text) for text in ("", "{enhanced_query}"))],
)
def test_an_enhancement_without_anything_usable_fills_in_nothing_and_says_why(write):
    writer, _ = scripted_writer(write)
    found = asked(scoring(writer))
    assert found.filling.texts == {}
    assert found.filling.lack
    assert found.answers["agent"]


def test_a_query_that_is_too_long_for_the_enhancement_is_answered_without_one():
    writer, _ = scripted_writer(spells_out, fail_at=1, error=ContextWindowExceededError())
    assert asked(scoring(writer), query="long " * 10_000).answers["agent"]


def test_programs_without_such_inputs_are_never_enhanced():
    assert fillable(ROUTING) == ("entities", "relationships", "enhanced_query")
    assert [
        fillable(p) for module in ("modality", "cross_modal", "enhancement") for p in programs_of(CONFIG, module)
    ] == [()] * 7


def test_an_enhancement_is_as_right_as_its_answers_are_like_the_right_ones():
    right = {"enhanced_query": "a recording of the keynote", **SAID}
    example = dspy.Example(query="the keynote", **right).with_inputs("query")
    assert ENHANCEMENT.worth(example, dspy.Prediction(**right)) == 1.0
    assert ENHANCEMENT.worth(example, dspy.Prediction(**{**right, "enhanced_query": "a recording"})) == pytest.approx(
        0.9
    )


def test_patterns_are_the_best_liked_first_each_query_once_and_never_of_what_failed_or_displeased():
    def seen(n: int, **outcome) -> object:
        inputs = {"query": f"query {n}", "enhanced_query": f"enhanced {n}", "entities": '["x"]' if n else "no JSON"}
        return make_experience(inputs=inputs, **outcome)

    liked = seen(1, user_satisfaction=0.9, modality="video")
    found = patterns([seen(0), liked, liked, seen(2, agent_success=False), seen(3, search_quality=0.2)], most=5)
    assert [demo["enhanced_query"] for demo in found] == ["enhanced 1", "enhanced 0"]
    assert [part.text for part in found[0]["entities"]] == ["x"]
    assert found[0]["modality_signals"] == ["video"]
    assert "entities" not in found[1]
