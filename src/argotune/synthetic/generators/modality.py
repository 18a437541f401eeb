"""Modality routing: query, detected modality, expected agent. One goal for each content, again and again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from argotune.synthetic.content import Content
from argotune.synthetic.generators.generator import Material
from argotune.synthetic.right_agents import agent_for, other_agents, purpose_of
from argotune.synthetic.values import Augmentation, Goal
from argotune.tenants.config import RoutingConfigUnified


def goals(material: Material) -> Iterator[Goal]:
    """The agent is the content's own, or drawn from those that fit its modality."""
    config, chance = material.config, material.chance
    while True:
        found = [goal for content in material.contents if (goal := _goal(content, config, chance))]
        if not found:
            return
        yield from found


def _goal(content: Content, config: RoutingConfigUnified, chance: random.Random) -> Goal | None:
    agent = agent_for(content, config, chance)
    return None if agent is None else goal_for(content, agent, config)


def goal_for(content: Content, agent: str, config: RoutingConfigUnified) -> Goal:
    """A query about the content that this agent should answer. Nothing is known of a conversation, so no `context`."""
    return Goal(
        program=f"modality.{content.modality}",
        content=content,
        modality=content.modality,
        expected={"agent": agent},
        wanted=purpose_of(config, agent),
        inputs={"context": ""},
    )


def in_another_modality(goal: Goal, material: Material) -> Goal | None:
    """A like wish for content that is of another modality; None where there is no such content."""
    modalities = set(material.request.modalities) - {goal.modality}
    others = [content for content in material.contents if content.modality in modalities]
    if not others:
        return None
    content = material.chance.choice(others)
    varied = _goal(content, material.config, material.chance)
    return varied and replace(varied, style=f"ask for it as {content.modality}", augmentation=Augmentation.MODALITY)


def negative(goal: Goal, material: Material) -> Goal | None:
    """The same content, asked for so that another agent is right."""
    others = other_agents(goal.content, material.config, goal.expected["agent"])
    if not others:
        return None
    varied = goal_for(goal.content, material.chance.choice(others), material.config)
    return replace(varied, augmentation=Augmentation.NEGATIVE)
