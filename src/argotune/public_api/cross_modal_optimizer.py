"""CrossModalOptimizer of "Optimization Module": the module `cross_modal` of a tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from argotune.pipeline.ports import Ports
from argotune.public_api.module_optimizer import ModuleOptimizer, ModuleSummary, TrainedModule
from argotune.synthetic.source import ContentSource

NAME = "cross_modal"
ANSWERS = ("needs_fusion", "fusion_modalities", "fusion_strategy")


class PredictedFusion(TypedDict):
    """How results are fused, how sure that is in 0..1 (None where nothing says so), and why, for people."""

    needs_fusion: str
    fusion_modalities: str
    fusion_strategy: str
    confidence: float | None
    reasoning: str


class CrossModalOptimizer:
    """Runs the pipeline's passes over the module, and answers with what they trained, as ModalityOptimizer does."""

    def __init__(
        self,
        tenant_id: str = "default",
        model_dir: str | Path = "outputs/models/cross_modal",
        vespa_client: ContentSource | None = None,
        *,
        ports: Ports | None = None,
    ) -> None:
        """Nothing is opened before it is needed: by default what the environment names."""
        self.tenant_id, self.model_dir = tenant_id, Path(model_dir)
        self._module = ModuleOptimizer(NAME, tenant_id, self.model_dir, vespa_client, ports)

    async def optimize(
        self, lookback_hours: float = 24, min_confidence: float = 0.7, force_training: bool = False
    ) -> TrainedModule:
        """A pass over the module, and what came of it: the keys and errors of ModalityOptimizer.optimize_modality."""
        found = await asyncio.to_thread(
            self._module.passed, (), lookback_hours, min_confidence, is_forced=force_training
        )
        return found[NAME].as_json()

    def train(self, training_data: Sequence[Mapping[str, object]]) -> TrainedModule:
        """Tune it on labelled queries at hand: rows with `query`, `context` if there is any, and the three answers."""
        return self._module.trained_on(
            NAME, training_data, lambda row: {name: row.get(name) for name in ANSWERS}
        ).as_json()

    def predict_fusion(self, query: str, context: str = "") -> PredictedFusion | None:
        """Whether and how results of several modalities are fused, by the champion or else by what was trained last;
        None where nothing is trained, or the LM gives no usable answer."""
        found = self._module.answered(NAME, {"query": query, "context": context})
        if found is None:
            return None
        version, said = found
        return {
            "needs_fusion": said.answers["needs_fusion"],
            "fusion_modalities": said.answers["fusion_modalities"],
            "fusion_strategy": said.answers["fusion_strategy"],
            "confidence": said.confidence,
            "reasoning": f"version {version.id}: {version.lineage.reason}",
        }

    def get_optimization_summary(self) -> ModuleSummary:
        """How often it was trained, and when last."""
        return {"tenant_id": self.tenant_id, **self._module.trainings(NAME)}
