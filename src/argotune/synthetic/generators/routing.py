"""Routing: direct questions, questions whose first agent may fail, and questions that need several agents."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from argotune.content import Content
from argotune.synthetic.generators import modality
from argotune.synthetic.labels import about, agent_for, generalists, specialists
from argotune.synthetic.values import Goal, Route, RouteType, SyntheticDataRequest
from argotune.tenants import RoutingConfigUnified

NAME = "routing"
INPUTS = {"entities": "", "relationships": "", "enhanced_query": ""}
"""What an application finds in a query it writes in its own way; an application that finds nothing writes nothing."""

ERRORS = ("nothing was found", "the agent did not answer in time", "what was found is of another modality")


def goals(
    request: SyntheticDataRequest, config: RoutingConfigUnified, contents: Sequence[Content], chance: random.Random
) -> Iterator[Goal]:
    """The route types in turn, each for each content. What does not fit is asked for directly, if that is asked for."""
    types = request.route_types
    while True:
        found = [
            goal
            for turn in range(len(types))
            for number, content in enumerate(contents)
            if (goal := _goal(content, types[(turn + number) % len(types)], request, config, chance))
        ]
        if not found:
            return
        yield from found


def _goal(
    content: Content,
    type: RouteType,
    request: SyntheticDataRequest,
    config: RoutingConfigUnified,
    chance: random.Random,
) -> Goal | None:
    own, any_ = specialists(config, content.modality), generalists(config)
    if type == "hybrid" and own and any_:
        return _hybrid(content, chance.choice(own), chance.choice(any_), config)
    agent = agent_for(content, config, chance)
    if agent is not None and type == "fallback":
        return _fallback(content, agent, config, chance)
    return _direct(content, agent, config) if agent is not None and "direct" in request.route_types else None


def _fallback(content: Content, agent: str, config: RoutingConfigUnified, chance: random.Random) -> Goal:
    """The first agent is right and may fail; one for everything steps in where there is one."""
    others = [other for other in config.agents if other != agent]
    fallback = chance.choice([other for other in generalists(config) if other != agent] or others)
    route = Route(type="fallback", agents=(agent,), fallback=fallback, on_error=chance.choice(ERRORS))
    return replace(_direct(content, agent, config), style="do not say which kind of file", route=route)


def _direct(content: Content, agent: str, config: RoutingConfigUnified) -> Goal:
    goal = modality.goal_for(content, agent, config)
    return replace(goal, program=NAME, inputs=INPUTS, route=Route(type="direct", agents=(agent,)))


def _hybrid(content: Content, finds: str, works: str, config: RoutingConfigUnified) -> Goal:
    """One agent finds, another works on what was found. The query is for the second: its work is what is wanted."""
    goal = _direct(content, works, config)
    wanted = f"{about(config, works)}, after another {about(config, finds)}"
    return replace(goal, wanted=wanted, route=Route(type="hybrid", agents=(finds, works)))


def in_another_modality(
    goal: Goal, request: SyntheticDataRequest, config: RoutingConfigUnified, chance: random.Random
) -> Goal | None:
    """As for modalities; asked for directly."""
    return _as_routing(modality.in_another_modality(goal, request, config, chance))


def negative(
    goal: Goal, request: SyntheticDataRequest, config: RoutingConfigUnified, chance: random.Random
) -> Goal | None:
    """As for modalities; asked for directly."""
    return _as_routing(modality.negative(goal, request, config, chance))


def _as_routing(goal: Goal | None) -> Goal | None:
    route = goal and Route(type="direct", agents=(goal.expected["agent"],))
    return goal and replace(goal, program=NAME, inputs=INPUTS, route=route)
