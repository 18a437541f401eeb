"""Modality routing: query, detected modality, expected agent. One goal for each content, again and again."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from argotune.content import Content
from argotune.synthetic.labels import about, agent_for, other_agents
from argotune.synthetic.values import Augmentation, Goal, SyntheticDataRequest
from argotune.tenants import RoutingConfigUnified


def goals(
    _request: SyntheticDataRequest, config: RoutingConfigUnified, contents: Sequence[Content], chance: random.Random
) -> Iterator[Goal]:
    """The agent is the content's own, or drawn from those that fit its modality."""
    while True:
        found = [goal for content in contents if (goal := _goal(content, config, chance))]
        if not found:
            return
        yield from found


def _goal(content: Content, config: RoutingConfigUnified, chance: random.Random) -> Goal | None:
    agent = agent_for(content, config, chance)
    return None if agent is None else goal_for(content, agent, config)


def goal_for(content: Content, agent: str, config: RoutingConfigUnified) -> Goal:
    """A query about the content that this agent should answer."""
    return Goal(
        program=f"modality.{content.modality}",
        content=content,
        modality=content.modality,
        expected={"agent": agent},
        wanted=about(config, agent),
        inputs={"context": ""},
    )


def in_another_modality(
    goal: Goal, request: SyntheticDataRequest, config: RoutingConfigUnified, chance: random.Random
) -> Goal | None:
    """The same wish for content of another modality; only where that modality has an agent of its own."""
    others = [modality for modality in request.modalities if modality != goal.modality]
    if goal.content.agent or not others:
        return None
    content = replace(goal.content, modality=chance.choice(others))
    varied = _goal(content, config, chance)
    return varied and replace(varied, style=f"ask for it as {content.modality}", augmentation=Augmentation.MODALITY)


def negative(
    goal: Goal, _request: SyntheticDataRequest, config: RoutingConfigUnified, chance: random.Random
) -> Goal | None:
    """The same content, asked for so that another agent is right."""
    others = other_agents(goal.content, config, goal.expected["agent"])
    if not others:
        return None
    return replace(goal_for(goal.content, chance.choice(others), config), augmentation=Augmentation.NEGATIVE)
