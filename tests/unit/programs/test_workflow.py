"""The program `workflow`: how requests are orchestrated."""

from __future__ import annotations

from typing import Any

import dspy
import pytest
from factories import make_annotation, make_config, make_experience
from scripted_lm import json_answers, scripted_writer

from argotune.data.label_rule import Labelled, label
from argotune.lm.port import LMs
from argotune.programs import programs_of
from argotune.programs.answering import answer
from argotune.programs.prediction import answers_of
from argotune.programs.workflow import agents_in
from argotune.tenants.config import RewardWeights

CONFIG = make_config(modules=["workflow"], agents={"video": "finds videos", "text": "", "sum": "sums up"})
(WORKFLOW,) = programs_of(CONFIG, "workflow")


def said(pattern: str, agents: object) -> dspy.Prediction:
    return dspy.Prediction(pattern=pattern, agent_sequence=agents)


@pytest.mark.parametrize(
    ("expected", "found", "worth"),
    [
        (("sequential", ["video", "sum"]), said("sequential", ["video", "sum"]), 1.0),
        (("sequential", ["video", "sum"]), said("sequential", ["sum", "video"]), 0.5),
        (("parallel", ["text", "video"]), said("parallel", ["video", "text"]), 1.0),
        (("parallel", ["text", "video"]), said("sequential", ["video", "text"]), 0.5),
        (("conditional", ["video", "text"]), said("conditional", ["text", "video"]), 0.5),
        (("sequential", ["video"]), said("parallel", ["text"]), 0.0),
        (("sequential", ["video"]), said("sequential", ["nobody"]), 0.5),
        (("sequential", ["video"]), dspy.Prediction(pattern="sequential"), 0.5),
        (("sequential", ["video"]), said("", ""), 0.0),
    ],
)
def test_half_is_for_the_pattern_and_half_for_the_agents_whose_order_counts_unless_they_work_in_parallel(
    expected: tuple[str, list[str]], found: dspy.Prediction, worth: float
) -> None:
    pattern, agents = expected
    assert WORKFLOW.worth(dspy.Example(pattern=pattern, agent_sequence=agents), found) == worth


def test_agents_in_parallel_are_kept_in_one_order_whoever_names_them() -> None:
    wanted = {"pattern": "parallel", "agent_sequence": '["text", "video"]'}
    assert answers_of(WORKFLOW, said("parallel", ["video", "text"])) == wanted
    given = [make_annotation(wanted["pattern"], name="pattern"), make_annotation("video + text", name="agent_sequence")]
    by_name = {(each.span_id, each.name): each for each in given}
    experience = make_experience(program="workflow", inputs={"query": "q"}, answers=wanted)
    found = label(experience, by_name, WORKFLOW.fields, RewardWeights(), 0.0)
    assert isinstance(found, Labelled)
    assert found.expected == wanted


@pytest.mark.parametrize("text", ["", "video, sum", "[", "7", "[" * 9999])
def test_a_text_that_is_no_kept_sequence_names_no_agents(text: str) -> None:
    assert agents_in(text) == []


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"pattern": "parallel", "agent_sequence": ["video", "text"]}, ("parallel", '["text", "video"]')),
        ({"pattern": "parallel", "agent_sequence": ["sum"]}, ("sequential", '["sum"]')),
        ({"pattern": "sequential", "agent_sequence": ["nobody"]}, ("", "")),
    ],
)
def test_an_lm_that_writes_answers_a_pattern_and_agents_of_the_tenant(
    written: dict[str, Any], told: tuple[str, str]
) -> None:
    writer, calls = scripted_writer(json_answers(**written, confidence=0.7))
    lms = LMs(task=writer, teacher=None, adapter=dspy.JSONAdapter(), names={})
    found = answer(WORKFLOW.build(), WORKFLOW, {"query": "films on bees"}, lms)
    assert (found.answers["pattern"], found.answers["agent_sequence"]) == told
    assert "video, text, sum" in str(calls.asked[0])
    assert "video: finds videos" in str(calls.asked[0])
