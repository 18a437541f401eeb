"""Argotune keeps the DSPy programs of every tenant tuned on that tenant's own production traces.

The pipeline is twelve verbs in one direction (pipeline/passes.py knows the order, pipeline/stages/ has a file each):

    discover -> trigger -> collect -> decide -> synthesize -> train -> unify -> enhance -> evaluate -> promote
    -> report -> annotate

Every package is a room with a rule of admission, its docstring; what may import what is in pyproject.toml. The names
below are those of the documentation; they are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argotune.decisions.values import ModelingContext, Strategy
    from argotune.programs.agent_routing import AgentRoutingSignature
    from argotune.programs.modality_routing import ModalityRoutingModule, ModalityRoutingSignature
    from argotune.programs.query_analysis import QueryAnalysisSignature
    from argotune.public_api.coordinator import OptimizationType, OptimizerCoordinator
    from argotune.public_api.cross_modal_optimizer import CrossModalOptimizer
    from argotune.public_api.documented import (
        ConfigManager,
        ModalitySpanCollector,
        SyntheticDataService,
        VespaBackend,
        create_default_config_manager,
    )
    from argotune.public_api.modalities import QueryModality
    from argotune.public_api.modality_optimizer import ModalityOptimizer
    from argotune.public_api.optimization_orchestrator import OptimizationOrchestrator
    from argotune.public_api.optimizer_config import AdvancedOptimizerConfig
    from argotune.public_api.orchestrated_parts import (
        AnnotationAgent,
        AnnotationFeedbackLoop,
        AnnotationStorage,
        LLMAutoAnnotator,
        PhoenixSpanEvaluator,
    )
    from argotune.public_api.policy_optimizer import GEPAOptimizer
    from argotune.public_api.query_enhancer import EnhancedQuery, SIMBAQueryEnhancer
    from argotune.public_api.routing_experiences import RoutingExperience
    from argotune.public_api.routing_optimizer import AdvancedRoutingOptimizer
    from argotune.public_api.routing_performance import OptimizationMetrics, RoutingDecision
    from argotune.public_api.routing_tracker import RoutingOptimizer
    from argotune.public_api.routing_tuner import AutoTuningOptimizer
    from argotune.public_api.training_data import validate_training_data
    from argotune.public_api.training_models import TrainingDecisionModel, TrainingStrategy, TrainingStrategyModel
    from argotune.public_api.tuning_config import OptimizationConfig
    from argotune.public_api.unified_optimizer import UnifiedOptimizer
    from argotune.public_api.workflow_executions import WorkflowExecution
    from argotune.public_api.workflow_optimizer import WorkflowIntelligence, WorkflowOptimizer
    from argotune.serving.client import Serving, open_serving
    from argotune.serving.decision import Decision
    from argotune.synthetic.values import SyntheticDataRequest
    from argotune.tenants.config import RoutingConfigUnified

__version__ = "0.1.0"
__all__ = [
    "AdvancedOptimizerConfig",
    "AdvancedRoutingOptimizer",
    "AgentRoutingSignature",
    "AnnotationAgent",
    "AnnotationFeedbackLoop",
    "AnnotationStorage",
    "AutoTuningOptimizer",
    "ConfigManager",
    "CrossModalOptimizer",
    "Decision",
    "EnhancedQuery",
    "GEPAOptimizer",
    "LLMAutoAnnotator",
    "ModalityOptimizer",
    "ModalityRoutingModule",
    "ModalityRoutingSignature",
    "ModalitySpanCollector",
    "ModelingContext",
    "OptimizationConfig",
    "OptimizationMetrics",
    "OptimizationOrchestrator",
    "OptimizationType",
    "OptimizerCoordinator",
    "PhoenixSpanEvaluator",
    "QueryAnalysisSignature",
    "QueryModality",
    "RoutingConfigUnified",
    "RoutingDecision",
    "RoutingExperience",
    "RoutingOptimizer",
    "SIMBAQueryEnhancer",
    "Serving",
    "Strategy",
    "SyntheticDataRequest",
    "SyntheticDataService",
    "TrainingDecisionModel",
    "TrainingStrategy",
    "TrainingStrategyModel",
    "UnifiedOptimizer",
    "VespaBackend",
    "WorkflowExecution",
    "WorkflowIntelligence",
    "WorkflowOptimizer",
    "create_default_config_manager",
    "open_serving",
    "validate_training_data",
]

_HOMES = {
    "AutoTuningOptimizer": "public_api.routing_tuner",
    "OptimizationConfig": "public_api.tuning_config",
    "OptimizationMetrics": "public_api.routing_performance",
    "RoutingDecision": "public_api.routing_performance",
    "RoutingOptimizer": "public_api.routing_tracker",
    "AdvancedOptimizerConfig": "public_api.optimizer_config",
    "AdvancedRoutingOptimizer": "public_api.routing_optimizer",
    "AgentRoutingSignature": "programs.agent_routing",
    "ConfigManager": "public_api.documented",
    "create_default_config_manager": "public_api.documented",
    "CrossModalOptimizer": "public_api.cross_modal_optimizer",
    "Decision": "serving.decision",
    "EnhancedQuery": "public_api.query_enhancer",
    "ModalityOptimizer": "public_api.modality_optimizer",
    "GEPAOptimizer": "public_api.policy_optimizer",
    "ModalityRoutingModule": "programs.modality_routing",
    "ModalityRoutingSignature": "programs.modality_routing",
    "ModalitySpanCollector": "public_api.documented",
    "ModelingContext": "decisions.values",
    "open_serving": "serving.client",
    "OptimizationType": "public_api.coordinator",
    "OptimizationOrchestrator": "public_api.optimization_orchestrator",
    "PhoenixSpanEvaluator": "public_api.orchestrated_parts",
    "AnnotationAgent": "public_api.orchestrated_parts",
    "LLMAutoAnnotator": "public_api.orchestrated_parts",
    "AnnotationStorage": "public_api.orchestrated_parts",
    "AnnotationFeedbackLoop": "public_api.orchestrated_parts",
    "OptimizerCoordinator": "public_api.coordinator",
    "QueryAnalysisSignature": "programs.query_analysis",
    "QueryModality": "public_api.modalities",
    "RoutingConfigUnified": "tenants.config",
    "RoutingExperience": "public_api.routing_experiences",
    "Serving": "serving.client",
    "SIMBAQueryEnhancer": "public_api.query_enhancer",
    "Strategy": "decisions.values",
    "SyntheticDataRequest": "synthetic.values",
    "SyntheticDataService": "public_api.documented",
    "TrainingDecisionModel": "public_api.training_models",
    "TrainingStrategy": "public_api.training_models",
    "TrainingStrategyModel": "public_api.training_models",
    "validate_training_data": "public_api.training_data",
    "VespaBackend": "public_api.documented",
    "UnifiedOptimizer": "public_api.unified_optimizer",
    "WorkflowExecution": "public_api.workflow_executions",
    "WorkflowIntelligence": "public_api.workflow_optimizer",
    "WorkflowOptimizer": "public_api.workflow_optimizer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'argotune' has no attribute {name!r}")
    return getattr(importlib.import_module(f"argotune.{_HOMES[name]}"), name)
