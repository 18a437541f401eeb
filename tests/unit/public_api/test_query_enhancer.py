"""SIMBAQueryEnhancer: the example of the documentation, and where LMs or tenants are not as the example has them."""

from __future__ import annotations

import dspy
import pytest
from enhancing import promote
from factories import make_experience
from scripted_lm import ScriptedDecisions, json_answers, like_the_nearest_demo, scripted_writer

from argotune import SIMBAQueryEnhancer, wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.errors import ConfigInvalid, NotFound
from argotune.lm.port import LMs
from argotune.programs.enhancement import Entity, Relationship
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified

EXAMPLE = """
from argotune import SIMBAQueryEnhancer

enhancer = SIMBAQueryEnhancer()
enhanced_query = enhancer.enhance(
    query="show me videos about machine learning",
    context=agent_context
)

# Use enhanced query for routing
routing_result = routing_module(
    query=enhanced_query,
    modality=detected_modality
)
"""

SAID = {
    "enhanced_query": "videos that introduce machine learning",
    "entities": ["machine learning", {"text": "me", "label": "user", "score": 0.5}],
    "relationships": [["me", "asks for", "videos"]],
    "intent": "watch",
    "modality_signals": ["video"],
}


FORM = {"enhanced_query": "{enhanced_query}"}


def writing(**said) -> LMs:
    lm, calls = scripted_writer(json_answers(**{**SAID, **said}))
    return LMs(lm, None, dspy.JSONAdapter(), {"task": "scripted", "calls": calls})


def test_the_documentation_s_example_runs_as_it_stands(monkeypatch):
    lms = writing(agent="video_search_agent")
    monkeypatch.setattr(wiring, "open_lms", lambda _settings: type("Source", (), {"open": lambda *_: lms}))
    routing_module = dspy.Predict("query, modality -> agent")
    names = {"agent_context": {"agents": ["video"]}, "detected_modality": "video", "routing_module": routing_module}
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        exec(EXAMPLE, names)
    assert names["enhanced_query"] == "videos that introduce machine learning"
    assert names["routing_result"].agent == "video_search_agent"
    assert '{"agents": ["video"]}' in lms.names["calls"].asked[0]
    assert "videos that introduce machine learning" in lms.names["calls"].asked[1]


def test_entities_relationships_intent_and_modality_are_typed():
    found = SIMBAQueryEnhancer(lms=writing()).enhance("show me videos about machine learning").analysis
    assert found.entities == (Entity(text="machine learning"), Entity(text="me", label="user"))
    assert found.relationships == (Relationship(head="me", relation="asks for", tail="videos"),)
    assert (found.intent, found.modality_signals, found.lack) == ("watch", ("video",), "")


@pytest.mark.parametrize("said", [{"entities": 7}, {"relationships": [["only", "two"]]}, {"intent": ""}, FORM])
def test_what_cannot_be_used_leaves_the_query_as_it_is_and_says_why(said):
    found = SIMBAQueryEnhancer(lms=writing(**said)).enhance("show me videos")
    assert found == "show me videos"
    assert found.analysis.lack


def test_an_lm_that_only_scores_labels_is_refused_with_a_sentence():
    scorer = LMs(ScriptedDecisions(like_the_nearest_demo), None, dspy.JSONAdapter(), {})
    with pytest.raises(ConfigInvalid, match="the LM scores labels and writes nothing: set ARGOTUNE_TASK_MODEL"):
        SIMBAQueryEnhancer(lms=scorer)


def test_it_learns_from_decisions_that_went_well_and_shows_them():
    lms = writing()
    enhancer = SIMBAQueryEnhancer(lms=lms)
    inputs = {"query": "the keynote", "enhanced_query": "a recording of the keynote", "entities": '["keynote"]'}
    went_badly = make_experience(inputs={**inputs, "enhanced_query": "no"}, agent_success=False)
    assert enhancer.learn([make_experience(inputs=inputs, modality="video"), went_badly, make_experience()]) == 1
    enhancer.enhance("show me videos")
    assert "a recording of the keynote" in lms.names["calls"].asked[-1]
    with pytest.raises(ConfigInvalid, match="experiences: name a tenant"):
        enhancer.learn()


def test_with_a_tenant_its_own_champion_enhances():
    store, lms = MemoryStore(), writing()
    config = RoutingConfigUnified(tenant_id="acme", modules=["enhancement"])
    Configs(store).save(config)
    promote(store, config, instructions="Say it in the words of physicists.")
    enhancer = SIMBAQueryEnhancer("acme", lms=lms, store=store)
    assert enhancer.enhance("x").analysis.intent == "watch"
    assert "Say it in the words of physicists." in lms.names["calls"].asked[0]
    assert enhancer.learn() == 0
    with pytest.raises(NotFound):
        SIMBAQueryEnhancer("nobody", lms=lms, store=store)
