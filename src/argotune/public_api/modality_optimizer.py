"""ModalityOptimizer of "Optimization Module": the module `modality` of a tenant, one program a modality."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from argotune.data.field_types import as_text
from argotune.errors import ConfigInvalid
from argotune.pipeline.ports import Ports
from argotune.public_api.modalities import QueryModality
from argotune.public_api.module_optimizer import ModuleOptimizer, TrainedModule, Trainings
from argotune.public_api.training_models import TrainingDecisionModel, TrainingStrategyModel
from argotune.synthetic.source import ContentSource

MODULE = "modality"


class TrainedModality(TrainedModule):
    """What came of one modality."""

    modality: str


class PredictedAgent(TypedDict):
    """Who is to answer a query of a modality, how sure that is in 0..1, and why, for people."""

    recommended_agent: str
    confidence: float
    reasoning: str
    modality: str


class ModalitiesSummary(TypedDict):
    """The trainings of each modality that had any; `meta_models` says by what training is decided on."""

    tenant_id: str
    total_modalities: int
    meta_models: Mapping[str, str]
    modalities: Mapping[str, Trainings]


class ModalityOptimizer:
    """Runs the pipeline's passes over the module, and answers with what they trained.

    `vespa_client` is where content for synthetic examples is (VespaBackend); None: where the tenant's config says. The
    two training models are those that the document names, to be asked and taught by hand: passes ask the active
    meta-model of the installation.
    """

    def __init__(
        self,
        tenant_id: str = "default",
        model_dir: str | Path = "outputs/models/modality",
        vespa_client: ContentSource | None = None,
        *,
        ports: Ports | None = None,
    ) -> None:
        """Nothing is opened before it is needed: by default what the environment names."""
        self.tenant_id, self.model_dir = tenant_id, Path(model_dir)
        self.training_decision_model = TrainingDecisionModel()
        self.training_strategy_model = TrainingStrategyModel()
        self._module = ModuleOptimizer(MODULE, tenant_id, self.model_dir, vespa_client, ports)

    async def optimize_all_modalities(
        self, lookback_hours: float = 24, min_confidence: float = 0.7
    ) -> dict[QueryModality, TrainedModality]:
        """A pass over all modalities, and what came of each, as `optimize_modality` tells it."""
        found = await asyncio.to_thread(self._module.passed, (), lookback_hours, min_confidence, is_forced=False)
        return {
            modality: {"modality": modality.value, **found[_program(modality)].as_json()}
            for modality in QueryModality
            if _program(modality) in found
        }

    async def optimize_modality(
        self,
        modality: QueryModality | str,
        lookback_hours: float = 24,
        min_confidence: float = 0.7,
        force_training: bool = False,
    ) -> TrainedModality:
        """A pass with a run of one modality alone. `force_training`: whether or not it is worth its price.

        `training_result` has `status` and `validation_accuracy`, the share of the sealed examples that is answered
        right, None without any; `reason` says why nothing was trained. What was trained serves once it has won its
        contest. Raises NotFound for an unknown tenant, Conflict while another pass is at work, and what ports raise.
        """
        of = _program(modality)
        found = await asyncio.to_thread(
            self._module.passed, (of,), lookback_hours, min_confidence, is_forced=force_training
        )
        return {"modality": QueryModality(modality).value, **found[of].as_json()}

    def train(self, modality: QueryModality | str, training_data: Sequence[Mapping[str, object]]) -> TrainedModality:
        """Tune a modality on labelled queries at hand: rows with `query` and `correct_agent`, and `context` if there is
        any. What answers more of the held back ones right is what `predict_agent` uses until there is a champion."""
        found = self._module.trained_on(
            _program(modality), training_data, lambda row: {"agent": row.get("correct_agent")}
        )
        return {"modality": QueryModality(modality).value, **found.as_json()}

    def predict_agent(
        self, query: str, modality: QueryModality | str, query_features: Mapping[str, object] | None = None
    ) -> PredictedAgent | None:
        """The agent for a query, by the champion of the modality or else by what was trained last and has lost no
        contest; None where nothing is trained, or the LM gives no usable answer. `query_features` are its context."""
        inputs = {"query": query, "context": as_text(query_features) if query_features else ""}
        found = self._module.answered(_program(modality), inputs)
        if found is None:
            return None
        version, said = found
        return {
            "recommended_agent": said.answers["agent"],
            "confidence": 0.5 if said.confidence is None else said.confidence,
            "reasoning": f"version {version.id} chose it: {version.lineage.reason}",
            "modality": QueryModality(modality).value,
        }

    def get_optimization_summary(self) -> ModalitiesSummary:
        """How often each modality was trained and when last, and how training is decided on."""
        each = {modality.value: self._module.trainings(_program(modality)) for modality in QueryModality}
        known = {name: trainings for name, trainings in each.items() if trainings["training_count"]}
        return {
            "tenant_id": self.tenant_id,
            "total_modalities": len(known),
            "meta_models": {
                "training_decision_model": self.training_decision_model.by,
                "training_strategy_model": self.training_strategy_model.by,
            },
            "modalities": known,
        }


def _program(modality: QueryModality | str) -> str:
    try:
        return f"{MODULE}.{QueryModality(modality).value}"
    except ValueError:
        known = ", ".join(modality.value for modality in QueryModality)
        raise ConfigInvalid(f"modality: {str(modality)[:80]!r} is none of {known}") from None
