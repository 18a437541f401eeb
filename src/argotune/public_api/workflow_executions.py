"""WorkflowExecution of "Optimization Module": an orchestrated request with what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from argotune.data.experiences import Experience
from argotune.programs.workflow import agents_in
from argotune.public_api.routing_experiences import Share
from argotune.store.records import StoredValue

OrchestrationPattern = Literal["sequential", "parallel", "conditional"]


class WorkflowExecution(StoredValue):
    """Which agents answered a request, in which order, by which pattern, and how it ended. `execution_time` is in
    seconds. `metadata` may hold `parallel_efficiency`, in 0..1."""

    workflow_id: Annotated[str, Field(min_length=1)]
    query: str
    agent_sequence: Annotated[tuple[str, ...], Field(min_length=1)]
    orchestration_pattern: OrchestrationPattern = "sequential"
    success: bool
    user_satisfaction: Share | None = None
    confidence_score: Share = 1.0
    execution_time: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    entities: tuple[dict[str, JsonValue], ...] = ()
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    timestamp: datetime | None = None

    @property
    def quality(self) -> float:
        """How satisfied the user was, else whether it succeeded: in 0..1."""
        return float(self.success) if self.user_satisfaction is None else self.user_satisfaction


def execution_of(experience: Experience) -> WorkflowExecution | None:
    """What the traces tell of a request; None where nobody knows how it ended, or no agent was asked."""
    agents = agents_in(experience.answers.get("agent_sequence", ""))
    if experience.agent_success is None or not agents:
        return None
    return WorkflowExecution(
        workflow_id=experience.span_id,
        query=experience.query,
        agent_sequence=tuple(agents),
        orchestration_pattern=experience.answers["pattern"],
        success=experience.agent_success,
        user_satisfaction=experience.user_satisfaction,
        confidence_score=1.0 if experience.confidence is None else experience.confidence,
        execution_time=experience.processing_time_s or 0.0,
        timestamp=experience.at,
    )
