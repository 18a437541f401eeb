"""OptimizerCoordinator of "Optimization Module": a door to the documented optimizers, each opened when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from pydantic import ValidationError

from argotune.errors import ConfigInvalid, first_problem

if TYPE_CHECKING:
    from argotune.pipeline.ports import Ports
    from argotune.public_api.cross_modal_optimizer import CrossModalOptimizer
    from argotune.public_api.modalities import QueryModality
    from argotune.public_api.modality_optimizer import ModalityOptimizer
    from argotune.public_api.routing_optimizer import AdvancedRoutingOptimizer
    from argotune.public_api.unified_optimizer import UnifiedOptimization, UnifiedOptimizer
    from argotune.public_api.workflow_executions import WorkflowExecution
    from argotune.public_api.workflow_optimizer import WorkflowOptimizer


class OptimizationType(Enum):
    """What is to be optimized."""

    ROUTING = "routing"
    MODALITY = "modality"
    CROSS_MODAL = "cross_modal"
    UNIFIED = "unified"
    ORCHESTRATION = "orchestration"


class TrainedPolicy(TypedDict):
    """What came of the routing policy, under the documented keys. `reason` is there where nothing better was made."""

    trained: bool
    examples_count: int
    training_result: Mapping[str, object]
    reason: NotRequired[str]


class OptimizationStatus(TypedDict):
    """Which optimizers were opened so far."""

    tenant_id: str
    optimization_dir: str
    loaded_optimizers: list[str]


class OptimizerCoordinator:
    """Hands labelled queries to the optimizer that they are for. Files lie in `optimization_dir`, a folder for each."""

    def __init__(
        self,
        optimization_dir: str | Path = "optimization_results",
        tenant_id: str = "default",
        *,
        ports: Ports | None = None,
    ) -> None:
        """Opens nothing: by default what the environment names is opened when it is needed."""
        self.optimization_dir, self.tenant_id = Path(optimization_dir), tenant_id
        self._ports = ports
        self._routing: AdvancedRoutingOptimizer | None = None
        self._modality: ModalityOptimizer | None = None
        self._cross_modal: CrossModalOptimizer | None = None
        self._workflow: WorkflowOptimizer | None = None
        self._unified: UnifiedOptimizer | None = None

    def optimize(
        self, type: OptimizationType, training_data: Sequence[Mapping[str, object]], **kwargs: QueryModality | str
    ) -> Mapping[str, object]:
        """Tune what `type` names on labelled queries, and tell what came of it under `trained`, `examples_count`,
        `training_result` and `reason`.

        ROUTING takes rows with `query` and `correct_agent`, and what a routing experience tells besides; MODALITY such
        rows and the argument `modality`; CROSS_MODAL rows with `needs_fusion`, `fusion_modalities` and
        `fusion_strategy`; ORCHESTRATION rows with `query`, `orchestration_pattern` and `agent_sequence`. UNIFIED takes
        the fields of WorkflowExecution and answers under the keys of `optimize_unified_policy`. Raises ConfigInvalid
        for another type or argument, and what the LM's server raises.
        """
        if unknown := sorted(kwargs.keys() - ({"modality"} if type is OptimizationType.MODALITY else set())):
            raise ConfigInvalid(f"{unknown[0]}: no argument of optimizing {_value(type)}")
        if type is OptimizationType.ROUTING:
            return _of_routing(self._get_routing_optimizer(), training_data)
        if type is OptimizationType.MODALITY:
            if "modality" not in kwargs:
                raise ConfigInvalid("modality: required to optimize a modality, such as 'video'")
            return self._get_modality_optimizer().train(kwargs["modality"], training_data)
        if type is OptimizationType.CROSS_MODAL:
            return self._get_cross_modal_optimizer().train(training_data)
        if type is OptimizationType.ORCHESTRATION:
            return self._get_workflow_optimizer().train(training_data)
        if type is OptimizationType.UNIFIED:
            return _of_both(self._get_unified_optimizer(), training_data)
        raise _not_here(type)

    def get_optimizer(
        self, type: OptimizationType
    ) -> AdvancedRoutingOptimizer | ModalityOptimizer | CrossModalOptimizer | WorkflowOptimizer | UnifiedOptimizer:
        """The optimizer itself. Raises ConfigInvalid for a type that this release does not have."""
        if type is OptimizationType.ROUTING:
            return self._get_routing_optimizer()
        if type is OptimizationType.MODALITY:
            return self._get_modality_optimizer()
        if type is OptimizationType.CROSS_MODAL:
            return self._get_cross_modal_optimizer()
        if type is OptimizationType.ORCHESTRATION:
            return self._get_workflow_optimizer()
        if type is OptimizationType.UNIFIED:
            return self._get_unified_optimizer()
        raise _not_here(type)

    def get_optimization_status(self) -> OptimizationStatus:
        """Which optimizers were opened so far."""
        opened = {
            OptimizationType.ROUTING: self._routing,
            OptimizationType.MODALITY: self._modality,
            OptimizationType.CROSS_MODAL: self._cross_modal,
            OptimizationType.ORCHESTRATION: self._workflow,
            OptimizationType.UNIFIED: self._unified,
        }
        return {
            "tenant_id": self.tenant_id,
            "optimization_dir": str(self.optimization_dir),
            "loaded_optimizers": [type.value for type, optimizer in opened.items() if optimizer is not None],
        }

    def _get_routing_optimizer(self) -> AdvancedRoutingOptimizer:
        if self._routing is None:
            from argotune import wiring
            from argotune.public_api.routing_optimizer import AdvancedRoutingOptimizer

            ports, folder = self._ports, self.optimization_dir / "routing"
            self._routing = AdvancedRoutingOptimizer(
                None,
                folder,
                self.tenant_id,
                lms=ports.lms if ports else None,
                embedders=ports.embedders() if ports else None,
                clock=ports.clock if ports else wiring.utc_now,
            )
        return self._routing

    def _get_modality_optimizer(self) -> ModalityOptimizer:
        if self._modality is None:
            from argotune.public_api.modality_optimizer import ModalityOptimizer

            folder = self.optimization_dir / "modality"
            self._modality = ModalityOptimizer(self.tenant_id, folder, ports=self._ports)
        return self._modality

    def _get_cross_modal_optimizer(self) -> CrossModalOptimizer:
        if self._cross_modal is None:
            from argotune.public_api.cross_modal_optimizer import CrossModalOptimizer

            folder = self.optimization_dir / "cross_modal"
            self._cross_modal = CrossModalOptimizer(self.tenant_id, folder, ports=self._ports)
        return self._cross_modal

    def _get_workflow_optimizer(self) -> WorkflowOptimizer:
        if self._workflow is None:
            from argotune.public_api.workflow_optimizer import WorkflowOptimizer

            folder = self.optimization_dir / "workflow"
            self._workflow = WorkflowOptimizer(self.tenant_id, folder, ports=self._ports)
        return self._workflow

    def _get_unified_optimizer(self) -> UnifiedOptimizer:
        if self._unified is None:
            from argotune.public_api.unified_optimizer import UnifiedOptimizer
            from argotune.public_api.workflow_optimizer import WorkflowIntelligence

            intelligence = WorkflowIntelligence(self.tenant_id, self.optimization_dir / "workflow", ports=self._ports)
            self._unified = UnifiedOptimizer(self._get_routing_optimizer(), intelligence)
        return self._unified


def _of_both(optimizer: UnifiedOptimizer, rows: Sequence[Mapping[str, object]]) -> UnifiedOptimization:
    """Nothing is kept where a row is none."""
    for execution in [_execution(number, row) for number, row in enumerate(rows)]:
        optimizer.workflow_intelligence.record_execution(execution)
    return optimizer.optimized()


def _execution(number: int, row: Mapping[str, object]) -> WorkflowExecution:
    from argotune.public_api.workflow_executions import WorkflowExecution

    try:
        return WorkflowExecution.model_validate(row)
    except ValidationError as error:
        raise ConfigInvalid(f"training_data[{number}]: {first_problem(error)}") from None


def _of_routing(optimizer: AdvancedRoutingOptimizer, rows: Sequence[Mapping[str, object]]) -> TrainedPolicy:
    """A row whose agent was right succeeded, unless it says otherwise; what it does not tell is as good as can be."""
    unusable = 0
    for row in rows:
        success = bool(row.get("success", True))
        try:
            optimizer.remember(
                query=row.get("query", ""),
                entities=row.get("entities", []),
                relationships=row.get("relationships", []),
                enhanced_query=row.get("enhanced_query", row.get("query", "")),
                chosen_agent=row.get("correct_agent", ""),
                routing_confidence=row.get("confidence", 1.0),
                search_quality=row.get("search_quality", float(success)),
                agent_success=success,
                processing_time=row.get("processing_time", 0.0),
                user_satisfaction=row.get("user_satisfaction"),
                metadata=row.get("metadata"),
            )
        except ConfigInvalid:
            unusable += 1
    step = optimizer.learner.train()
    training = {**step.model_dump(mode="json"), "status": "success" if step.is_used else "no_improvement"}
    training |= {"validation_accuracy": step.score, "unusable": unusable}
    found: TrainedPolicy = {"trained": step.is_used, "examples_count": step.examples, "training_result": training}
    return found if step.is_used else {**found, "reason": step.why}


def _not_here(type: OptimizationType) -> ConfigInvalid:
    known = "routing, modality, cross_modal, orchestration and unified"
    return ConfigInvalid(f"type: {_value(type)} has no optimizer in this release; there are {known}")


def _value(type: object) -> str:
    return str(type.value if isinstance(type, OptimizationType) else type)[:80]
