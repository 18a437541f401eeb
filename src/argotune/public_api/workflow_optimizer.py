"""WorkflowOptimizer and WorkflowIntelligence of the documents: the module `workflow` of a tenant."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from argotune.data.field_types import as_text
from argotune.pipeline.ports import Ports
from argotune.programs.workflow import NAME, agents_in
from argotune.public_api.module_optimizer import ModuleOptimizer, ModuleSummary, TrainedModule
from argotune.public_api.workflow_executions import WorkflowExecution, execution_of
from argotune.synthetic.source import ContentSource


class PredictedWorkflow(TypedDict):
    """A plan for a request, how sure it is in 0..1 (None where nothing says so), and why, for people."""

    orchestration_pattern: str
    agent_sequence: list[str]
    confidence: float | None
    reasoning: str


class WorkflowOptimizer:
    """Runs the pipeline's passes over the module, and answers with what they trained, as ModalityOptimizer does."""

    def __init__(
        self,
        tenant_id: str = "default",
        model_dir: str | Path = "outputs/models/workflow",
        vespa_client: ContentSource | None = None,
        *,
        ports: Ports | None = None,
    ) -> None:
        """Nothing is opened before it is needed: by default what the environment names."""
        self.tenant_id, self.model_dir = tenant_id, Path(model_dir)
        self.module = ModuleOptimizer(NAME, tenant_id, self.model_dir, vespa_client, ports)

    async def optimize(
        self, lookback_hours: float = 24, min_confidence: float = 0.7, force_training: bool = False
    ) -> TrainedModule:
        """A pass over the module, and what came of it: the keys and errors of ModalityOptimizer.optimize_modality."""
        passed = self.module.passed
        found = await asyncio.to_thread(passed, (), lookback_hours, min_confidence, is_forced=force_training)
        return found[NAME].as_json()

    def train(self, training_data: Sequence[Mapping[str, object]]) -> TrainedModule:
        """Tune it on labelled requests at hand: rows with `query`, `orchestration_pattern` and `agent_sequence`, and
        `entities` and `available_agents` if there are any."""
        return self.module.trained_on(NAME, training_data, _right_plan).as_json()

    def predict_workflow(
        self, query: str, entities: object = "", available_agents: object = ""
    ) -> PredictedWorkflow | None:
        """Pattern and agents, by the champion or else by what was trained last; None where nothing is trained, or the
        LM gives no usable answer."""
        inputs = {"query": query, "entities": as_text(entities), "available_agents": as_text(available_agents)}
        found = self.module.answered(NAME, inputs)
        if found is None:
            return None
        version, said = found
        return {
            "orchestration_pattern": said.answers["pattern"],
            "agent_sequence": agents_in(said.answers["agent_sequence"]),
            "confidence": said.confidence,
            "reasoning": f"version {version.id}: {version.lineage.reason}",
        }

    def get_optimization_summary(self) -> ModuleSummary:
        """How often it was trained, and when last."""
        return {"tenant_id": self.tenant_id, **self.module.trainings(NAME)}


def _right_plan(row: Mapping[str, object]) -> Mapping[str, object]:
    return {"pattern": row.get("orchestration_pattern"), "agent_sequence": row.get("agent_sequence")}


class WorkflowIntelligence:
    """What is known of orchestrated requests: those that passes have read from traces, and the newest `most_kept` of
    those that an application tells of. Threads may share it."""

    def __init__(
        self,
        tenant_id: str = "default",
        model_dir: str | Path = "outputs/models/workflow",
        *,
        ports: Ports | None = None,
        most_kept: int = 1000,
    ) -> None:
        """Nothing is opened before it is needed: by default what the environment names."""
        self.optimizer = WorkflowOptimizer(tenant_id, model_dir, ports=ports)
        self._told: deque[WorkflowExecution] = deque(maxlen=most_kept)
        self._lock = threading.Lock()

    def record_execution(self, execution: WorkflowExecution) -> None:
        """Keep one that the application tells of."""
        with self._lock:
            self._told.append(execution)

    def get_successful_workflows(self, min_quality: float = 0.7, limit: int = 100) -> list[WorkflowExecution]:
        """Those that succeeded with at least this quality (the user's satisfaction, where it is known), the newest
        first, of one id the one that was told. Raises what the store raises."""
        good = {x.workflow_id: x for x in self._all() if x.success and x.quality >= min_quality}
        return heapq.nlargest(limit, good.values(), key=_moment)

    def _all(self) -> Iterator[WorkflowExecution]:
        read = self.optimizer.module.experiences(NAME)
        yield from filter(None, map(execution_of, read))
        with self._lock:
            yield from list(self._told)

    def optimize(self, min_quality: float = 0.7, limit: int = 1000) -> TrainedModule:
        """Tune the module on those that succeeded, under the keys of WorkflowOptimizer.train."""
        rows = [each.model_dump() for each in self.get_successful_workflows(min_quality, limit)]
        return self.optimizer.train(rows)


def _moment(execution: WorkflowExecution) -> datetime:
    at = execution.timestamp or datetime.max.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
