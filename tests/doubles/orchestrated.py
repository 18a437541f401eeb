"""Requests that several agents answer: the traces of an application, and an LM that plans well once it is shown how."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import dspy
from scripted_lm import scripted_writer
from world import START, TOPICS

from argotune.data.openinference import KIND
from argotune.data.spans import Span
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.tenants.config import LMChoice

AGENTS = {"video": "finds films", "text": "finds papers", "sum": "sums up"}
PLANS: dict[str, tuple[str, list[str]]] = {
    "films on": ("sequential", ["video"]),
    "papers and films on": ("parallel", ["text", "video"]),
    "a summary of papers on": ("sequential", ["text", "sum"]),
}


def query_of(number: int) -> str:
    wish = list(PLANS)[number % 3]
    return f"{wish} {TOPICS[number // 3 % 15]} {TOPICS[number // 45 % 15]} {number}"


def right_plan(query: str) -> tuple[str, list[str]]:
    """By the words that it begins with."""
    return next(plan for wish, plan in PLANS.items() if query.startswith(wish))


def request(
    number: int, pattern: str, agents: list[str], name: str = "cogniverse.workflow", **said: object
) -> list[Span]:
    """A root and its agents below, side by side or one after another, as the pattern says."""
    at, trace_id = START - timedelta(minutes=40), f"{number:032x}"
    attributes = {KIND: "CHAIN", "input.value": query_of(number), **said}
    root = Span(f"{number:014x}00", trace_id, name, at, at + timedelta(seconds=30), attributes, "OK")
    spans = [root]
    for place, agent in enumerate(agents, 1):
        begun = at + timedelta(seconds=1 if pattern == "parallel" else 9 * place)
        own = {KIND: "AGENT", "agent.name": agent}
        end = begun + timedelta(seconds=8)
        spans.append(Span(f"{number:014x}{place:02x}", trace_id, "run", begun, end, own, "OK", root.span_id))
    return spans


def traffic(n: int, first: int = 0, **said: object) -> Iterator[Span]:
    """Requests of an application that asks `video` for everything."""
    for number in range(first, first + n):
        yield from request(number, "sequential", ["video"], **said)


@dataclass
class PlanningLMs:
    """Asks `video` alone without a demonstration of another plan, and plans rightly with one."""

    calls: list[str] = field(default_factory=list)

    def open(self, _choice: LMChoice, _meter: Meter, _answers: KeptAnswers) -> LMs:
        def write(prompt: str) -> str:
            self.calls.append(prompt)
            query = prompt.rpartition("[[ ## query ## ]]")[2].partition("[[ ##")[0].strip()
            pattern, agents = right_plan(query) if re.search(r'"pattern": "parallel"', prompt) else PLANS["films on"]
            in_order = agents[::-1] if pattern == "parallel" else agents
            return json.dumps({"pattern": pattern, "agent_sequence": in_order, "confidence": 0.8})

        lm, _ = scripted_writer(write)
        return LMs(task=lm, teacher=None, adapter=dspy.JSONAdapter(), names={"task": "scripted/writer"})
