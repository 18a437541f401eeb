"""Routing: direct questions, questions whose first agent may fail, and questions that need several agents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from argotune.synthetic.content import Content
from argotune.synthetic.generators import modality
from argotune.synthetic.generators.generator import Material
from argotune.synthetic.right_agents import agent_for, generalists, other_agents, purpose_of, specialists
from argotune.synthetic.values import Goal, Route, RouteType
from argotune.tenants.config import RoutingConfigUnified

NAME = "routing"
INPUTS = {"entities": "", "relationships": "", "enhanced_query": ""}
"""What an application finds in a query it writes in its own way; an application that finds nothing writes nothing."""


def goals(material: Material) -> Iterator[Goal]:
    """The route types in turn, each for each content. What does not fit is asked for directly, if that is asked for."""
    types = material.request.route_types
    while True:
        found = [
            goal
            for turn in range(len(types))
            for number, content in enumerate(material.contents)
            if (goal := _goal(content, types[(turn + number) % len(types)], material))
        ]
        if not found:
            return
        yield from found


def _goal(content: Content, type: RouteType, material: Material) -> Goal | None:
    config = material.config
    if type == "hybrid" and (finds := _finder(content, config)) and (any_ := _workers(content, config)):
        return _hybrid(content, finds, material.chance.choice(any_), config)
    agent = agent_for(content, config, material.chance)
    if agent is not None and type == "fallback" and (others := other_agents(content, config, agent)):
        return _fallback(content, agent, others, config)
    return _direct(content, agent, config) if agent is not None and "direct" in material.request.route_types else None


def _finder(content: Content, config: RoutingConfigUnified) -> str | None:
    """The one agent for the content's modality. Of several, nothing says which of them finds it."""
    own = specialists(config, content.modality)
    return own[0] if len(own) == 1 else None


def _workers(content: Content, config: RoutingConfigUnified) -> list[str]:
    """The agents for everything; only its own where the tenant says whose the content is."""
    return [agent for agent in generalists(config) if content.agent in ("", agent)]


def _fallback(content: Content, agent: str, others: list[str], config: RoutingConfigUnified) -> Goal:
    """The first agent is right and may fail. Who steps in is known where only one other fits the content."""
    route = Route(type="fallback", agents=(agent,), fallback=others[0] if len(others) == 1 else None)
    return replace(_direct(content, agent, config), style="do not say which kind of file", route=route)


def _direct(content: Content, agent: str, config: RoutingConfigUnified) -> Goal:
    goal = modality.goal_for(content, agent, config)
    return replace(goal, program=NAME, inputs=INPUTS, route=Route(type="direct", agents=(agent,)))


def _hybrid(content: Content, finds: str, works: str, config: RoutingConfigUnified) -> Goal:
    """One agent finds, another works on what was found. The query is for the second: its work is what is wanted."""
    goal = _direct(content, works, config)
    wanted = f"{purpose_of(config, works)}, after another {purpose_of(config, finds)}"
    return replace(goal, wanted=wanted, route=Route(type="hybrid", agents=(finds, works)))


def in_another_modality(goal: Goal, material: Material) -> Goal | None:
    """As for modalities; asked for directly."""
    return _as_routing(modality.in_another_modality(goal, material))


def negative(goal: Goal, material: Material) -> Goal | None:
    """As for modalities; asked for directly."""
    return _as_routing(modality.negative(goal, material))


def _as_routing(goal: Goal | None) -> Goal | None:
    if goal is None:
        return None
    route = Route(type="direct", agents=(goal.expected["agent"],))
    return replace(goal, program=NAME, inputs=INPUTS, route=route)
