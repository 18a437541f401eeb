"""Workflow: requests for one agent, for two of which one works on what the other found, and for two side by side.

Conditional requests are not written: whether one is shows when its first agent has answered, and no query tells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from argotune.data.executions import PARALLEL, SEQUENTIAL
from argotune.data.field_types import as_text
from argotune.programs.workflow import NAME
from argotune.synthetic.content import Content
from argotune.synthetic.generators import routing
from argotune.synthetic.generators.cross_modal import joined
from argotune.synthetic.generators.generator import Material, Vary
from argotune.synthetic.right_agents import purpose_of, specialists
from argotune.synthetic.values import Goal, Route

INPUTS = {"entities": "", "available_agents": ""}
"""Not known where a query is made; without agents that are available all are."""


def goals(material: Material) -> Iterator[Goal]:
    """Routing's goals as plans, and after each one for two contents of different modalities, while there are any."""
    for goal in routing.goals(material):
        yield _planned(goal)
        if side_by_side := _side_by_side(goal.content, material):
            yield side_by_side


def _planned(goal: Goal) -> Goal:
    """The agents of a route, one after another. Who steps in for one that fails is no part of a plan."""
    assert goal.route is not None
    return _plan(goal, SEQUENTIAL, goal.route.agents)


def _plan(goal: Goal, pattern: str, agents: Sequence[str]) -> Goal:
    expected = {"pattern": pattern, "agent_sequence": as_text(list(agents))}
    return replace(goal, program=NAME, inputs=INPUTS, expected=expected)


def _side_by_side(content: Content, material: Material) -> Goal | None:
    """A request for what two specialists find, neither of whom needs the other's; None where there are no such two."""
    others = [other for other in material.contents if other.modality != content.modality]
    if not others:
        return None
    both = (content, material.chance.choice(others))
    finders = [specialists(material.config, each.modality) for each in both]
    if any(len(found) != 1 for found in finders) or finders[0] == finders[1]:
        return None
    agents = sorted(found[0] for found in finders)
    wanted = " and, apart from that, ".join(purpose_of(material.config, found[0]) for found in finders)
    modalities = "+".join(each.modality for each in both)
    goal = Goal(NAME, joined(both), modalities, {}, wanted, INPUTS, parts=both)
    return _plan(replace(goal, route=Route(type="hybrid", agents=tuple(agents))), PARALLEL, agents)


def in_another_modality(goal: Goal, material: Material) -> Goal | None:
    """One agent's question for content of another modality."""
    return _varied(routing.in_another_modality, goal, material)


def negative(goal: Goal, material: Material) -> Goal | None:
    """The same content, asked for so that one other agent is right."""
    return _varied(routing.negative, goal, material)


def _varied(vary: Vary, goal: Goal, material: Material) -> Goal | None:
    if goal.parts or goal.route is None or len(goal.route.agents) > 1:
        return None
    varied = vary(replace(goal, expected={"agent": goal.route.agents[0]}), material)
    return varied and _planned(varied)
