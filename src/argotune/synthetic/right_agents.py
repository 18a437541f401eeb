"""Right agents: which agents can be right about a content, told from its modality and from what the agents are for."""

from __future__ import annotations

import random
import re

from argotune.synthetic.content import Content
from argotune.tenants.config import MODALITIES, RoutingConfigUnified

WORDS = {
    "video": ("video", "film", "scene", "clip", "footage"),
    "image": ("image", "photo", "picture", "chart", "diagram", "screenshot"),
    "audio": ("audio", "podcast", "song", "recording", "voice"),
    "document": ("document", "paper", "contract", "pdf"),
    "text": ("text", "article", "message", "note"),
}
"""Words in an agent's name or description that say which modality it is for. English, as the default agents are."""

SPECIALIST_SHARE = 0.6
"""How often the agent for a content's modality is aimed at; the rest is for agents that work on any modality."""


def modalities_of(agent: str, about: str) -> frozenset[str]:
    """The modalities that an agent says it is for; none means any."""
    said = re.sub(r"[\W_]+", " ", f"{agent} {about}".lower())
    return frozenset(m for m in MODALITIES if any(re.search(rf"\b{word}s?\b", said) for word in WORDS[m]))


def specialists(config: RoutingConfigUnified, modality: str) -> list[str]:
    """Agents for this modality, in the config's order."""
    return [agent for agent, about in config.agents.items() if modality in modalities_of(agent, about)]


def generalists(config: RoutingConfigUnified) -> list[str]:
    """Agents for any modality, in the config's order."""
    return [agent for agent, about in config.agents.items() if not modalities_of(agent, about)]


def agent_for(content: Content, config: RoutingConfigUnified, chance: random.Random) -> str | None:
    """The agent that the tenant files the content under, else one drawn from those that fit; None where none does."""
    if content.agent:
        return content.agent if content.agent in config.agents else None
    own, any_ = specialists(config, content.modality), generalists(config)
    if own and (not any_ or chance.random() < SPECIALIST_SHARE):
        return chance.choice(own)
    # Where all agents are for everything, nothing says which of them is right.
    return chance.choice(any_) if any_ and len(any_) < len(config.agents) else None


def other_agents(content: Content, config: RoutingConfigUnified, agent: str) -> list[str]:
    """Agents that fit the content too; none where the tenant says whose it is."""
    fitting = [*specialists(config, content.modality), *generalists(config)]
    return [] if content.agent else [other for other in fitting if other != agent]


def purpose_of(config: RoutingConfigUnified, agent: str) -> str:
    """What an agent is for, in words for the writer."""
    return config.agents[agent] or agent.replace("_", " ")
