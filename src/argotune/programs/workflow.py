"""Workflow: how a request is orchestrated: by which agents, in which order, and by which pattern."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Annotated, Literal

import dspy
from dspy.signatures.signature import make_signature
from pydantic import BeforeValidator, Field

from argotune.data.executions import CONDITIONAL, PARALLEL, SEQUENTIAL
from argotune.data.field_types import FieldType, NotOfType, as_text
from argotune.data.fields import Fields
from argotune.programs.closed_set import ClosedSet, ClosedSetAnswers, SignatureField, signature_of
from argotune.programs.program import Metric, Program
from argotune.tenants.binding import ORCHESTRATION
from argotune.tenants.config import RoutingConfigUnified

NAME = ORCHESTRATION

INPUTS = {
    "query": "What the user asked",
    "entities": "Entities found in the query",
    "available_agents": "The agents that may be asked",
}

PATTERNS = {
    SEQUENTIAL: "one agent, or each works on what the one before it found",
    PARALLEL: "all work at the same time, none needs what another one finds",
    CONDITIONAL: "whether a later agent is asked depends on what an earlier one found",
}

INSTRUCTIONS = (
    "Decide which agents answer the request, in which order, and how they work together. Ask no agent that is not "
    "needed."
)

_BETWEEN = re.compile(r"\s*(?:,|;|\+|->|→)\s*")


def signature(config: RoutingConfigUnified) -> type[dspy.Signature]:
    """query, entities, available_agents -> pattern, agent_sequence."""
    asked = signature_of(INSTRUCTIONS, INPUTS, {"pattern": ClosedSet("How the agents work together", PATTERNS)})
    purposes = [f"- {agent}: {purpose}" for agent, purpose in config.agents.items() if purpose]
    told = "\n".join(["The agents that are asked, in order", *purposes])
    sequence: SignatureField = (_listed(tuple(config.agents)), dspy.OutputField(desc=told))
    fields: dict[str, SignatureField] = {name: (field.annotation, field) for name, field in asked.fields.items()}
    return make_signature({**fields, "agent_sequence": sequence}, INSTRUCTIONS)


def _listed(agents: tuple[str, ...]) -> type[list[str]]:
    return list[Literal[agents]]  # type: ignore[valid-type]  # the labels are known when it runs


class WorkflowAnswers(ClosedSetAnswers):
    """A pattern and the agents in their order, with a `confidence`. Without `available_agents` all may be asked.

    One agent alone is asked in sequence, whatever the LM calls it.
    """

    def __init__(self, signature: type[dspy.Signature], agents: tuple[str, ...]) -> None:
        super().__init__(signature)
        self._all = ", ".join(agents)

    def forward(self, **inputs: str) -> dspy.Prediction:
        offered = inputs.get("available_agents") or self._all
        said = super().forward(**{**inputs, "available_agents": offered})
        if said.pattern == PARALLEL and len(said.agent_sequence) == 1:
            said.pattern = SEQUENTIAL
        return said


def programs(config: RoutingConfigUnified) -> tuple[Program, ...]:
    """The one program `workflow`."""
    fields = workflow_fields(config)
    build = partial(WorkflowAnswers, signature(config), tuple(config.agents))
    return (Program(name=NAME, module=NAME, fields=fields, build=build, metric=_metric_of(fields)),)


def workflow_fields(config: RoutingConfigUnified) -> Fields:
    """Its inputs and answers."""
    agents = tuple(config.agents)
    return Fields(
        NAME,
        tuple(INPUTS),
        {"pattern": tuple(PATTERNS), "agent_sequence": None},
        types={"agent_sequence": _sequence_of(agents)},
        members={"agent_sequence": agents},
        unordered={"agent_sequence": ("pattern", PARALLEL)},
    )


def _sequence_of(agents: tuple[str, ...]) -> FieldType:
    """A list of the tenant's agents, also as people write one: `a, b`, `a -> b`."""
    return FieldType(Annotated[_listed(agents), BeforeValidator(_parts), Field(min_length=1)])


def _parts(said: object) -> object:
    if not isinstance(said, str) or said.lstrip().startswith("["):
        return said
    return [part for part in _BETWEEN.split(said.strip()) if part]


def _metric_of(fields: Fields) -> Metric:
    """Half for the pattern, half for the agents: in their order, but as a set where they are right in parallel, as who
    is asked first then is chance."""

    def metric(example: dspy.Example, prediction: dspy.Prediction) -> float:
        pattern = as_text(example["pattern"])
        right = _agents(fields, pattern, example["agent_sequence"])
        is_right = "agent_sequence" in prediction and _agents(fields, pattern, prediction["agent_sequence"]) == right
        return (int(prediction.get("pattern") == pattern) + int(is_right)) / 2

    return metric


def _agents(fields: Fields, pattern: str, said: object) -> str:
    """The agents as they are kept for the pattern; what is no list of agents is itself."""
    try:
        text = fields.kept("agent_sequence", said)
    except NotOfType:
        return as_text(said)
    return fields.in_one_order({"pattern": pattern, "agent_sequence": text})["agent_sequence"]


def agents_in(text: str) -> list[str]:
    """The agents of a sequence as it is kept; none of a text that is no list."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [str(each) for each in found] if isinstance(found, list) else []
