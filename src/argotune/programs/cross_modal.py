"""Cross-modal: does a query need results of several modalities, of which, and fused by which strategy."""

from __future__ import annotations

from functools import partial

import dspy

from argotune.data.fields import Fields
from argotune.programs.closed_set import ClosedSet, ClosedSetAnswers, share_right, signature_of
from argotune.programs.program import Program
from argotune.tenants.config import RoutingConfigUnified

NAME = "cross_modal"

INPUTS = {
    "query": "What the user asked",
    "context": "What each modality found, and how sure it is",
}


def answers(config: RoutingConfigUnified) -> dict[str, ClosedSet]:
    """The three answers; `none` is right where nothing is to be fused."""
    modalities = {label: "" for label in config.fusion_modalities} | {"none": "one modality is enough"}
    strategies = {label: "" for label in config.fusion_strategies} | {"none": "nothing is fused"}
    return {
        "needs_fusion": ClosedSet(
            "Whether one modality alone cannot answer the query",
            {"yes": "several modalities are needed", "no": "one modality is enough"},
        ),
        "fusion_modalities": ClosedSet("The modalities whose results belong together", modalities),
        "fusion_strategy": ClosedSet("How the results are put together", strategies),
    }


def signature(config: RoutingConfigUnified) -> type[dspy.Signature]:
    """query, context -> needs_fusion, fusion_modalities, fusion_strategy."""
    instructions = "Decide whether a query needs the results of several modalities, of which, and how to fuse them."
    return signature_of(instructions, INPUTS, answers(config))


def programs(config: RoutingConfigUnified) -> tuple[Program, ...]:
    """The one program `cross_modal`."""
    labels = {name: tuple(answer.labels) for name, answer in answers(config).items()}
    return (
        Program(
            name=NAME,
            module=NAME,
            fields=Fields(NAME, tuple(INPUTS), labels),
            build=partial(ClosedSetAnswers, signature(config)),
            metric=share_right(*labels),
        ),
    )
