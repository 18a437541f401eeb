"""Argotune keeps the DSPy programs of every tenant tuned on that tenant's own production traces.

The pipeline is ten verbs in one direction (pipeline.py knows their order, stages/ has one file each):

    discover -> trigger -> collect -> decide -> synthesize -> train -> evaluate -> promote -> report -> annotate

Nouns are at the root, verbs in stages/, products only in adapters/. The names below are what the documents
promise; they are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argotune.decisions import ModelingContext, Strategy
    from argotune.documented import (
        ConfigManager,
        ModalitySpanCollector,
        SyntheticDataService,
        VespaBackend,
        create_default_config_manager,
    )
    from argotune.serving import Decision, Serving, open_serving
    from argotune.synthetic.values import SyntheticDataRequest
    from argotune.tenants import RoutingConfigUnified
    from argotune.training_models import TrainingDecisionModel, TrainingStrategyModel

__version__ = "0.1.0"
__all__ = [
    "ConfigManager",
    "Decision",
    "ModalitySpanCollector",
    "ModelingContext",
    "RoutingConfigUnified",
    "Serving",
    "Strategy",
    "SyntheticDataRequest",
    "SyntheticDataService",
    "TrainingDecisionModel",
    "TrainingStrategyModel",
    "VespaBackend",
    "create_default_config_manager",
    "open_serving",
]

_HOMES = {
    "ConfigManager": "documented",
    "ModalitySpanCollector": "documented",
    "create_default_config_manager": "documented",
    "Decision": "serving",
    "Serving": "serving",
    "open_serving": "serving",
    "RoutingConfigUnified": "tenants",
    "ModelingContext": "decisions",
    "Strategy": "decisions",
    "SyntheticDataRequest": "synthetic.values",
    "SyntheticDataService": "documented",
    "TrainingDecisionModel": "training_models",
    "TrainingStrategyModel": "training_models",
    "VespaBackend": "documented",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'argotune' has no attribute {name!r}")
    return getattr(importlib.import_module(f"argotune.{_HOMES[name]}"), name)
