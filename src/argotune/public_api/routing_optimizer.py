"""AdvancedRoutingOptimizer of "Optimization Module": routing decisions with their outcomes in, a tuned policy out.

For applications that tell of each decision themselves, in one process, and want the policy at once. It is tuned by the
shipped optimizers, and replaces the one in use where it answers more of the held back examples right. A tenant whose
programs must not get worse beyond doubt is served by `open_serving`: there a contest decides.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from argotune import wiring
from argotune.errors import ArgotuneError, ConfigInvalid, NotFound
from argotune.errors.lines import in_short
from argotune.lm.port import LMSource
from argotune.programs.embedder import Embedders
from argotune.programs.failures import raising_as
from argotune.public_api.optimizer_config import AdvancedOptimizerConfig
from argotune.public_api.routing_experiences import RoutingExperience, RoutingMetrics, metrics_of, read_inputs
from argotune.public_api.routing_learner import RoutingLearner, RoutingState
from argotune.public_api.routing_policy import RoutingPolicy
from argotune.public_api.saved_files import read_saved, save
from argotune.tenants.config import BudgetLimits

log = logging.getLogger(__name__)

PERSIST_EVERY = 10
"""Experiences from one writing to the next."""


class AdvancedRoutingOptimizer:
    """Learns to route from decisions that an application tells of. Parameters, methods and keys are the document's.

    `agents`: who can be chosen, with what each is for; None: those of a tenant's config by default. An agent that an
    experience names is added. `lms`, `embedders`, `rng` and `clock`: whom it asks, by default those of the environment;
    `limits` is what one training may spend.
    """

    def __init__(
        self,
        config: AdvancedOptimizerConfig | None = None,
        storage_dir: str | Path = "data/optimization",
        tenant_id: str = "default",
        *,
        agents: Mapping[str, str] | None = None,
        lms: LMSource | None = None,
        embedders: Embedders | None = None,
        limits: BudgetLimits | None = None,
        rng: Random | None = None,
        clock: Callable[[], datetime] = wiring.utc_now,
    ) -> None:
        """Goes on from what `storage_dir` holds. Raises Corrupt where that cannot be read, ConfigInvalid where it is
        another tenant's."""
        self.config = config or AdvancedOptimizerConfig()
        self.storage_dir, self.tenant_id = Path(storage_dir), tenant_id
        policy = RoutingPolicy(tenant_id, agents, lms, embedders, limits or BudgetLimits())
        chance = rng or Random()  # noqa: S311 (nothing secret)
        self.learner = RoutingLearner(self.config, tenant_id, policy, chance, clock)
        self.advanced_optimizer = self.learner.stages
        self._task: asyncio.Task[None] | None = None
        self._writing = threading.Lock()
        self._load_stored_data()

    @property
    def experiences(self) -> list[RoutingExperience]:
        """The newest ones, oldest first, at most `experience_replay_size`."""
        return self.learner.replay.kept

    @property
    def current_epsilon(self) -> float:
        """The share of decisions that explore."""
        return self.learner.state.epsilon

    @property
    def training_step(self) -> int:
        """How many trainings there were."""
        return self.learner.state.training_step

    @property
    def metrics(self) -> RoutingMetrics:
        """Of the kept experiences."""
        return metrics_of(self.learner.replay.kept, self.config.batch_size)

    # Experiences

    async def record_routing_experience(
        self,
        query: str,
        entities: Sequence[Mapping[str, Any]],
        relationships: Sequence[Mapping[str, Any]],
        enhanced_query: str,
        chosen_agent: str,
        routing_confidence: float,
        search_quality: float,
        agent_success: bool,
        processing_time: float = 0.0,
        user_satisfaction: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> float:
        """Keep a decision with its outcome; its reward in 0..1 (data/rewards.py). `processing_time` is in seconds.

        Where a training is due it begins in the background. Raises ConfigInvalid that names the argument.
        """
        told = self.remember(
            query=query,
            entities=entities,
            relationships=relationships,
            enhanced_query=enhanced_query,
            chosen_agent=chosen_agent,
            routing_confidence=routing_confidence,
            search_quality=search_quality,
            agent_success=agent_success,
            processing_time=processing_time,
            user_satisfaction=user_satisfaction,
            metadata=metadata,
        )
        if self.learner.replay.total % PERSIST_EVERY == 0:
            await self._persist_data()
        if self.learner.is_training_due() and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run_optimization_step())
        return told.reward

    def remember(
        self,
        *,
        query: object,
        entities: object,
        relationships: object,
        enhanced_query: object,
        metadata: object = None,
        **told: object,
    ) -> RoutingExperience:
        """Keep a decision with its outcome, as `record_routing_experience`; no file is written, no training begins."""
        inputs = read_inputs(query, entities, relationships, enhanced_query)
        return self.learner.record(inputs=inputs, metadata=metadata or {}, **told)

    # Training

    async def _run_optimization_step(self) -> None:
        """A training in a thread of its own. What goes wrong is in the status and in the log."""
        try:
            await asyncio.to_thread(self.learner.train)
        except ArgotuneError as error:
            log.warning("routing policy of %s not trained: %s", self.tenant_id, error)

    async def wait(self) -> None:
        """Until the training that runs in the background, if any, is over."""
        if self._task is not None:
            await self._task

    # Decisions

    async def get_routing_recommendations(
        self, query: str, entities: Sequence[Mapping[str, Any]], relationships: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """What the policy recommends. Before the first training, and where no LM answers, the agent that has done best.

        Raises ConfigInvalid that names the argument.
        """
        inputs = read_inputs(query, entities, relationships, "")
        found = await asyncio.to_thread(self.learner.recommended, inputs)
        return {
            "recommended_agent": found.agent,
            "confidence": found.confidence,
            "reasoning": found.reasoning,
            "optimization_ready": self.learner.is_ready,
            "experiences_count": self.learner.replay.total,
            "training_step": self.learner.state.training_step,
        }

    async def optimize_routing_decision(
        self,
        query: str,
        entities: Sequence[Mapping[str, Any]],
        relationships: Sequence[Mapping[str, Any]],
        enhanced_query: str,
        baseline_prediction: dict[str, Any],
    ) -> dict[str, Any]:
        """The baseline prediction with the policy's agent and a calibrated confidence in its place; in the share
        `current_epsilon` any agent, each alike. `propensity` is the true probability of the agent.

        Whatever fails, the baseline prediction comes back as it was.
        """
        try:
            with raising_as(ArgotuneError, "not optimized"):
                inputs = read_inputs(query, entities, relationships, enhanced_query)
                return await asyncio.to_thread(self.learner.optimized, inputs, baseline_prediction)
        except ArgotuneError as error:
            log.warning("routing decision of %s: %s; the baseline stands", self.tenant_id, in_short(error))
            return baseline_prediction

    # Status, files

    def get_optimization_status(self) -> dict[str, Any]:
        """Readiness, counts and metrics; `last_training` says what the last one came to, None before the first."""
        state, last = self.learner.state, self.learner.state.last_training
        at = state.updated_at
        return {
            "optimizer_ready": self.learner.is_ready,
            "total_experiences": self.learner.replay.total,
            "experiences_kept": len(self.learner.replay.kept),
            "training_step": state.training_step,
            "current_epsilon": state.epsilon,
            "metrics": {**asdict(self.metrics), "last_updated": at.isoformat() if at else None},
            "last_training": last.model_dump(mode="json") if last else None,
        }

    def save_checkpoint(self, filepath: str | Path | None = None) -> Path:
        """Write all that is known as JSON, by default beside the experiences; where it lies. Raises ConfigInvalid."""
        path = Path(filepath) if filepath else self.storage_dir / "checkpoint.json"
        self._write(path)
        return path

    def load_checkpoint(self, filepath: str | Path | None = None) -> None:
        """Go on from what was saved. Raises NotFound, Corrupt for a damaged file, ConfigInvalid for another tenant's;
        then everything stays as it is."""
        self._restore(Path(filepath) if filepath else self.storage_dir / "checkpoint.json")

    async def _persist_data(self) -> None:
        """Write all that is known into the experience file."""
        await asyncio.to_thread(self._write, self._experience_file)

    def _write(self, path: Path) -> None:
        with self._writing:  # so that what is known last is written last
            save(path, self.learner.known)

    @property
    def _experience_file(self) -> Path:
        return self.storage_dir / self.config.experience_file

    def _load_stored_data(self) -> None:
        try:
            self._restore(self._experience_file)
        except NotFound:
            return

    def _restore(self, path: Path) -> None:
        found = read_saved(path, RoutingState)
        try:
            self.learner.restore(found)
        except ConfigInvalid as error:
            raise ConfigInvalid(f"{str(path)!r} is not used: {error}") from error
