"""The shipped programs of a small tenant, examples of `routing`, and how tests ask a module something."""

from __future__ import annotations

import json
from typing import Any, Literal

import dspy
from scripted_lm import scripted_writer

from argotune.adapters.tfidf import TfidfEmbedder
from argotune.lm.port import LMs
from argotune.programs import programs_of
from argotune.programs.retrieval import RetrievedDemos
from argotune.tenants.config import RoutingConfigUnified

AGENTS = {"video": "finds videos", "text": "finds texts", "sum": ""}


def config_with(**changes: Any) -> RoutingConfigUnified:
    return RoutingConfigUnified(tenant_id="acme", **{"agents": AGENTS, **changes})


CONFIG = config_with()
ROUTING = programs_of(CONFIG, "routing")[0]
CROSS = programs_of(CONFIG, "cross_modal")[0]


def example(query: str, agent: str = "video", **more: str) -> dspy.Example:
    inputs = {"query": query, "entities": "", "relationships": "", "enhanced_query": "", **more}
    return dspy.Example({**inputs, "agent": agent}).with_inputs(*inputs)


def retrieved(k: int = 2) -> RetrievedDemos:
    """A program that shows the nearest of three examples."""
    examples = [example("weather in berlin", "text"), example("cat videos", "video"), example("funny cat video", "sum")]
    return RetrievedDemos(ROUTING.build(), examples, k, TfidfEmbedder())


class Route(dspy.Signature):
    """Choose the agent."""

    query: str = dspy.InputField()
    agent: Literal["video", "text"] = dspy.OutputField(desc="who answers")


def ask(module: dspy.Module, lms: LMs, **inputs: str) -> dspy.Prediction:
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        return module(**inputs)


def written(text: str, adapter: dspy.Adapter | None = None) -> LMs:
    """An LM that always writes the same."""
    lm, _ = scripted_writer(lambda prompt: text)
    return LMs(task=lm, teacher=lm, adapter=adapter or dspy.JSONAdapter(), names={})


def as_json(**values: object) -> str:
    return json.dumps(values)


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""
