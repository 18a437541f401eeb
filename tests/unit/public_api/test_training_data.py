"""The examples of "DSPy Training Data Requirements" of "Optimization Module", and the programs that learn from them."""

from __future__ import annotations

import dspy
import pytest
from factories import make_config
from scripted_lm import json_answers, scripted_writer
from twin_embedders import EMBEDDERS

from argotune import validate_training_data
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.programs.agent_routing import AGENT_ROUTING
from argotune.programs.modality_routing import ModalityRoutingModule, ModalityRoutingSignature
from argotune.programs.own import own_program
from argotune.programs.program import Program
from argotune.programs.query_analysis import QUERY_ANALYSIS
from argotune.programs.state import dump

QUERY_ANALYSES = [
    dspy.Example(
        query="Show me videos of robots from yesterday",
        context="",
        primary_intent="video_search",
        complexity_level="simple",
        needs_video_search="true",
        needs_text_search="false",
        multimodal_query="false",
        temporal_pattern="yesterday",
    ).with_inputs("query", "context"),
    dspy.Example(
        query="Compare research papers on deep learning",
        context="academic",
        primary_intent="analysis",
        complexity_level="complex",
        needs_video_search="false",
        needs_text_search="true",
        multimodal_query="false",
        temporal_pattern="none",
    ).with_inputs("query", "context"),
]
AGENT_ROUTINGS = [
    dspy.Example(
        query="Show me videos",
        analysis_result="simple search",
        available_agents="video_search",
        recommended_workflow="direct_search",
        primary_agent="video_search",
        routing_confidence="0.9",
    ).with_inputs("query", "analysis_result", "available_agents"),
    dspy.Example(
        query="Analyze data trends",
        analysis_result="complex analysis",
        available_agents="detailed_report",
        recommended_workflow="detailed_analysis",
        primary_agent="detailed_report",
        routing_confidence="0.85",
    ).with_inputs("query", "analysis_result", "available_agents"),
]
METHODS = ["labeled", "bootstrap", "random_search", "nearest", "copro", "mipro", "simba", "gepa"]
OF = {"query_analysis": (QUERY_ANALYSIS, QUERY_ANALYSES), "agent_routing": (AGENT_ROUTING, AGENT_ROUTINGS)}


def program(name: str) -> Program:
    return own_program(make_config(programs={name: OF[name][0]}), name)


def right(example: dspy.Example) -> LMs:
    """An LM that answers this example right, whatever it is asked."""
    lm, _ = scripted_writer(json_answers(**example.labels().toDict(), reasoning="so it is"))
    return LMs(task=lm, teacher=lm, adapter=dspy.JSONAdapter(), names={"task": "scripted"})


def test_whole_training_data_is_valid_and_a_missing_field_is_named(capsys: pytest.CaptureFixture[str]):
    required = ["primary_intent", "complexity_level", "needs_video_search"]
    validate_training_data(QUERY_ANALYSES, required)
    assert capsys.readouterr().out == "✅ All 2 examples valid\n"
    with pytest.raises(ValueError, match=r"^Example 1 missing required field 'primary_intent'$"):
        validate_training_data([QUERY_ANALYSES[0], dspy.Example(query="x").with_inputs("query")], required)


@pytest.mark.parametrize("name", OF)
def test_the_documents_examples_are_a_programs_and_a_right_answer_is_a_hit(name: str):
    tuned, (first, second) = program(name), OF[name][1]
    validate_training_data(OF[name][1], [*tuned.fields.inputs, *tuned.fields.answers])
    with dspy.context(lm=right(first).task, adapter=dspy.JSONAdapter()):
        said = tuned.build()(**first.inputs())
    assert (tuned.worth(first, said), tuned.worth(second, said) < 1) == (1.0, True)


@pytest.mark.parametrize("name", OF)
@pytest.mark.parametrize("method", METHODS)
def test_any_optimizer_tunes_them(name: str, method: str):
    tuned, examples = program(name), [*OF[name][1]] * 8
    lms = right(examples[0])
    task = TrainingTask(tuned, tuned.build(), examples, examples, lms, EMBEDDERS, seed=1, max_iterations=4)
    module = OPTIMIZERS[method].compile(task)
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        assert tuned.worth(examples[0], module(**examples[0].inputs())) == 1.0
    if method in ("labeled", "bootstrap", "nearest"):
        assert dump(module) != dump(tuned.build())


def test_agent_routing_tells_its_confidence_as_a_number_beside_the_text():
    tuned, example = program("agent_routing"), AGENT_ROUTINGS[1]
    with dspy.context(lm=right(example).task, adapter=dspy.JSONAdapter()):
        said = tuned.build()(query=example.query)
    assert (said.routing_confidence, said.confidence) == ("0.85", 0.85)


def test_the_modality_module_reasons_about_features_that_are_an_object():
    assert [*ModalityRoutingSignature.input_fields] == ["query", "modality", "query_features"]
    assert [*ModalityRoutingSignature.output_fields] == ["recommended_agent", "confidence", "reasoning"]
    lm, calls = scripted_writer(json_answers(recommended_agent="video", confidence="0.9", reasoning="it says film"))
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        said = ModalityRoutingModule()(query="a film", modality="video", query_features={"query_length": 6})
    assert (said.recommended_agent, said.confidence, said.reasoning) == ("video", "0.9", "it says film")
    assert '{"query_length": 6}' in calls.asked[0]
