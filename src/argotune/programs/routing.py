"""Routing: which agent answers a query, given what query analysis found in it."""

from __future__ import annotations

from functools import partial

import dspy

from argotune.data.fields import Fields
from argotune.programs.closed_set import ClosedSet, ClosedSetAnswers, share_right, signature_of
from argotune.programs.program import Program
from argotune.tenants.config import RoutingConfigUnified

NAME = "routing"

INPUTS = {
    "query": "What the user asked",
    "entities": "Entities found in the query",
    "relationships": "How the entities relate",
    "enhanced_query": "The query rewritten for search",
}


def signature(config: RoutingConfigUnified) -> type[dspy.Signature]:
    """query, entities, relationships, enhanced_query -> agent."""
    return signature_of(
        "Choose the agent that can best answer the query.",
        INPUTS,
        {"agent": ClosedSet("The agent that can best answer the query", config.agents)},
    )


def programs(config: RoutingConfigUnified) -> tuple[Program, ...]:
    """The one program `routing`."""
    return (
        Program(
            name=NAME,
            module=NAME,
            fields=Fields(NAME, tuple(INPUTS), {"agent": tuple(config.agents)}),
            build=partial(ClosedSetAnswers, signature(config)),
            metric=share_right("agent"),
        ),
    )
