"""Spans as a trace source gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

MOST_TREE_SPANS = 1000
"""A request with more of them is none that a program could plan."""

TREE_KINDS = ("AGENT", "CHAIN", "TOOL", "GUARDRAIL", "EVALUATOR")
"""Kinds of spans (OpenInference) that tell of an orchestration, or lie between those that do."""

AGENT_NAMES = ("agent.name", "graph.node.id")
"""Attributes (OpenInference) by which an application says the name of an agent; the first one that it says counts."""

Json = None | bool | int | float | str | list["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A span in which another one lies. `attributes`: those of them that tell whose a decision is."""

    name: str
    kind: str
    attributes: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class TreeSpan:
    """Another span of a request's trace, as far as it tells how the request was orchestrated. `agent`: the name that
    the application gave the agent, None where it gave none."""

    span_id: str
    parent_id: str | None
    name: str
    kind: str
    started_at: datetime
    ended_at: datetime | None
    agent: str | None = None


def agent_named(said: Mapping[str, object]) -> str | None:
    """The name that an application gives the agent in the attributes of its span, None where it gives none."""
    found = (said.get(name) for name in AGENT_NAMES)
    return next((name for name in found if isinstance(name, str) and name), None)


@dataclass(frozen=True, slots=True)
class Span:
    """One span as a trace source gives it. `attributes` is flat: dotted names to JSON values.

    None where a source left out what no stage reads. `parent_id`: the span in which it began, None for the first of a
    trace.

    Where its stream is bound: `above` are the spans in which it lies, the nearest first; `signature` is the one that it
    asks first, where the binding names one; `failure` is what a span that ended with an error says of it.

    `tree`: of the root of an orchestrated request the other spans of its trace, one more than MOST_TREE_SPANS at most.
    """

    span_id: str
    trace_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime | None
    attributes: Mapping[str, Json]
    status: str = "UNSET"
    parent_id: str | None = None
    above: tuple[Ancestor, ...] = ()
    signature: str | None = None
    failure: str = ""
    tree: tuple[TreeSpan, ...] = ()
