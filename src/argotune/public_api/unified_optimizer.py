"""UnifiedOptimizer of "Optimization Module": routing learns from what came of orchestrated requests."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypedDict

from pydantic import JsonValue

from argotune.data.executions import PATTERNS
from argotune.errors import ConfigInvalid
from argotune.public_api.module_optimizer import TrainedModule
from argotune.public_api.routing_experiences import CONTENT_ABOVE, RoutingExperience
from argotune.public_api.routing_optimizer import AdvancedRoutingOptimizer
from argotune.public_api.workflow_executions import WorkflowExecution
from argotune.public_api.workflow_optimizer import WorkflowIntelligence

MOST_REMEMBERED = 100_000
"""Ids of requests that were integrated: older ones may count again."""


class Integration(TypedDict):
    """How many executions became routing experiences, of which pattern. `unusable`: those that cannot be one."""

    workflows_processed: int
    routing_experiences_created: int
    patterns_learned: dict[str, int]
    total_workflows_integrated: int
    unusable: int


class UnifiedOptimization(TypedDict):
    """What came of the module `workflow`, of the routing policy (a TrainingStep) and of the integration before."""

    workflow_optimization: TrainedModule
    routing_optimization: Mapping[str, JsonValue]
    integration: Integration


class UnifiedOptimizer:
    """Makes routing experiences of orchestrated requests, each once, and tunes both on what is known."""

    def __init__(
        self, routing_optimizer: AdvancedRoutingOptimizer, workflow_intelligence: WorkflowIntelligence
    ) -> None:
        self.routing_optimizer, self.workflow_intelligence = routing_optimizer, workflow_intelligence
        told = (experience.metadata.get("workflow_id") for experience in routing_optimizer.experiences)
        self._integrated: dict[str, None] = dict.fromkeys(id for id in told if isinstance(id, str))
        self._total, self._lock = 0, threading.Lock()

    async def integrate_orchestration_outcomes(self, workflow_executions: Sequence[WorkflowExecution]) -> Integration:
        """A routing experience of each execution that was not integrated before; how many of which pattern.

        `unusable`: those that cannot be one, such as one without a query.
        """
        return await asyncio.to_thread(self.integrated, workflow_executions)

    def integrated(self, workflow_executions: Sequence[WorkflowExecution]) -> Integration:
        """The same in this thread."""
        with self._lock:
            learned, unusable = Counter[str](), 0
            for workflow in workflow_executions:
                if workflow.workflow_id in self._integrated:
                    continue
                try:
                    self._remember(workflow)
                except ConfigInvalid:
                    unusable += 1
                    continue
                learned[workflow.orchestration_pattern] += 1
            self._total += learned.total()
            return {
                "workflows_processed": len(workflow_executions),
                "routing_experiences_created": learned.total(),
                "patterns_learned": {pattern: learned[pattern] for pattern in PATTERNS},
                "total_workflows_integrated": self._total,
                "unusable": unusable,
            }

    def _remember(self, workflow: WorkflowExecution) -> None:
        told = self._workflow_to_routing_experience(workflow)
        self.routing_optimizer.remember(
            query=workflow.query,
            entities=workflow.entities,
            relationships=(),
            enhanced_query="",
            **{name: getattr(told, name) for name in _TOLD},
        )
        self._integrated[workflow.workflow_id] = None
        if len(self._integrated) > MOST_REMEMBERED:
            del self._integrated[next(iter(self._integrated))]

    def _workflow_to_routing_experience(self, workflow: WorkflowExecution) -> RoutingExperience:
        """The request as if its first agent had been routed to; how it was orchestrated is in the metadata."""
        return RoutingExperience(
            inputs={"query": workflow.query},
            chosen_agent=workflow.agent_sequence[0],
            routing_confidence=workflow.confidence_score,
            search_quality=workflow.quality,
            agent_success=workflow.success,
            processing_time=workflow.execution_time,
            user_satisfaction=workflow.user_satisfaction,
            metadata={**_signals(workflow)},
            at=workflow.timestamp or datetime.now(UTC),
        )

    async def optimize_unified_policy(self) -> UnifiedOptimization:
        """Integrate the successful requests that are known, then tune orchestration and routing, each in its way.

        Raises what the store and the LM's server raise; what was integrated stays.
        """
        return await asyncio.to_thread(self.optimized)

    def optimized(self) -> UnifiedOptimization:
        """The same in this thread."""
        integration = self.integrated(self.workflow_intelligence.get_successful_workflows())
        workflows = self.workflow_intelligence.optimize()
        routing = self.routing_optimizer.learner.train().model_dump(mode="json")
        return {"workflow_optimization": workflows, "routing_optimization": routing, "integration": integration}


_TOLD = (
    *("chosen_agent", "routing_confidence", "search_quality", "agent_success"),
    *("processing_time", "user_satisfaction", "metadata"),
)


def _signals(workflow: WorkflowExecution) -> Mapping[str, JsonValue]:
    """The document's learning signals."""
    is_content = workflow.user_satisfaction is not None and workflow.user_satisfaction > CONTENT_ABOVE
    return {
        "workflow_id": workflow.workflow_id,
        "orchestration_pattern": workflow.orchestration_pattern,
        "agent_sequence": list(workflow.agent_sequence),
        "orchestration_was_beneficial": workflow.success and is_content,
        "multi_agent_synergy": len(workflow.agent_sequence) > 1,
        "parallel_efficiency": workflow.metadata.get("parallel_efficiency"),
    }
