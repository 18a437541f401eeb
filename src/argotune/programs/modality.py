"""Modality: for each modality, which agent answers a query of it best. One program per modality."""

from __future__ import annotations

from functools import partial

import dspy

from argotune.data.fields import Fields
from argotune.programs.closed_set import ClosedSet, ClosedSetAnswers, share_right, signature_of
from argotune.programs.program import Program
from argotune.tenants.config import MODALITIES, RoutingConfigUnified

INPUTS = {
    "query": "What the user asked",
    "context": "What is known of the conversation and of the user",
}


def signature(config: RoutingConfigUnified, modality: str) -> type[dspy.Signature]:
    """query, context -> agent."""
    return signature_of(
        f"Choose the agent that can best answer a query whose content is {modality}.",
        INPUTS,
        {"agent": ClosedSet("The agent that can best answer the query", config.agents)},
    )


def programs(config: RoutingConfigUnified) -> tuple[Program, ...]:
    """`modality.video`, `modality.image`, `modality.audio`, `modality.document` and `modality.text`."""
    return tuple(_program(config, modality) for modality in MODALITIES)


def _program(config: RoutingConfigUnified, modality: str) -> Program:
    name = f"modality.{modality}"
    return Program(
        name=name,
        module="modality",
        fields=Fields(name, tuple(INPUTS), {"agent": tuple(config.agents)}),
        build=partial(ClosedSetAnswers, signature(config, modality)),
        metric=share_right("agent"),
    )
