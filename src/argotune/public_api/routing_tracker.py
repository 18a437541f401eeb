"""RoutingOptimizer of "Optimization Module": tracks how good an application's routing is, in one process, and optimizes
when that is due."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from pydantic import Field, ValidationError

from argotune import wiring
from argotune.data.guards.masking import Mask
from argotune.data.spans import Json
from argotune.errors import ArgotuneError, ConfigInvalid, NotFound, first_problem
from argotune.errors.lines import in_short
from argotune.lm.port import LMSource
from argotune.programs.embedder import Embedders
from argotune.programs.entities import EntityFinder
from argotune.promotion.versions import Version
from argotune.public_api.routing_experiences import read_inputs
from argotune.public_api.routing_performance import (
    OptimizationMetrics,
    RoutingDecision,
    TrackedDecision,
    performance_metrics,
    read_feedback,
)
from argotune.public_api.routing_policy import RoutingPolicy
from argotune.public_api.saved_files import read_saved, save, write_whole
from argotune.public_api.tuning_config import OptimizationConfig
from argotune.store.records import StoredValue
from argotune.tenants.config import BudgetLimits
from argotune.tenants.ids import slug

log = logging.getLogger(__name__)


class TrackedState(StoredValue):
    """All that a RoutingOptimizer knows, as it is saved."""

    tenant_id: str
    history: tuple[TrackedDecision, ...] = ()
    total: int = 0
    baseline: OptimizationMetrics | None = None
    optimized_at: datetime | None = None
    optimized_total: int = 0
    agents: dict[str, str] = Field(default_factory=dict)
    version: Version | None = None


class OptimizationReport(TypedDict, total=False):
    """What an optimization came to; `why` alone is there where it failed in the background."""

    metrics: Mapping[str, Json]
    baseline_updated: bool
    shortfalls: list[str]
    why: str


class RoutingParts(TypedDict, total=False):
    """What a RoutingOptimizer may be given beside its config, by the names of its arguments."""

    agents: Mapping[str, str] | None
    lms: LMSource | None
    embedders: Embedders | None
    limits: BudgetLimits | None
    clock: Callable[[], datetime]


class RoutingOptimizer:
    """Tracks routing decisions, and optimizes in the background when that is due."""

    def __init__(
        self,
        config: OptimizationConfig | None = None,
        tenant_id: str = "default",
        *,
        agents: Mapping[str, str] | None = None,
        lms: LMSource | None = None,
        embedders: Embedders | None = None,
        limits: BudgetLimits | None = None,
        finder: EntityFinder | None = None,
        clock: Callable[[], datetime] = wiring.utc_now,
    ) -> None:
        """Goes on from what `checkpoint_dir` holds. Raises Corrupt where that cannot be read."""
        self.config, self.tenant_id, self._clock = config or OptimizationConfig(), tenant_id, clock
        self._policy = RoutingPolicy(tenant_id, agents, lms, embedders, limits or BudgetLimits(), finder)
        self._history = deque[TrackedDecision](maxlen=self.config.max_history_size)
        self._total, self._optimized_total = 0, 0
        self._optimized_at: datetime | None = None
        self.baseline_metrics: OptimizationMetrics | None = None
        self.version: Version | None = None
        self.last_optimization: OptimizationReport = {}
        self._lock, self._writing, self._task = threading.RLock(), threading.Lock(), threading.Thread()
        self._load()

    @property
    def performance_history(self) -> list[TrackedDecision]:
        """The newest decisions, oldest first, at most `max_history_size`."""
        with self._lock:
            return list(self._history)

    def track_performance(
        self,
        query: str,
        predicted: RoutingDecision,
        actual: RoutingDecision | None = None,
        user_feedback: Mapping[str, object] | None = None,
    ) -> None:
        """Keep a decision, and who would have been right (`actual`) or what the user said of it, where that is known.

        Personal data is masked. Where an optimization is due it begins in the background. Raises ConfigInvalid that
        names the argument.
        """
        said, mask = read_feedback(user_feedback), Mask(self._policy.config.masking)
        right = actual.agent if actual is not None else said.right
        try:
            kept = TrackedDecision(
                inputs={name: mask.text(text) for name, text in read_inputs(query, predicted.entities).items()},
                predicted=predicted.model_copy(update={"entities": (), "error": mask.text(predicted.error)}),
                right=right,
                success=said.success,
                error=mask.text(said.error),
                at=self._clock(),
            )
        except ValidationError as error:
            raise ConfigInvalid(first_problem(error)) from None
        with self._lock:
            for agent in filter(None, (predicted.agent, right)):
                self._policy.know(agent)
            self._history.append(kept)
            self._total += 1
            if self._is_due() and not self._task.is_alive():
                self._task = threading.Thread(target=self._in_background, name="argotune-routing", daemon=True)
                self._task.start()

    def _is_due(self) -> bool:
        config, since = self.config, self._total - self._optimized_total
        if len(self._history) < min(config.min_samples_for_optimization, config.max_history_size) or not since:
            return False
        if self._optimized_at is None:
            return True
        if (self._clock() - self._optimized_at).total_seconds() >= config.optimization_interval_seconds:
            return True
        return 2 * since >= config.min_samples_for_optimization and bool(self._degradation())

    def _degradation(self) -> list[str]:
        """Why decisions since the last optimization are not as good as they should be."""
        since = self._total - self._optimized_total
        now, before = performance_metrics(list(self._history)[-since:], self._clock()), self.baseline_metrics
        found = now.shortfalls(self.config)
        if (
            before
            and before.labelled
            and now.labelled
            and before.accuracy - now.accuracy >= self.config.performance_degradation_threshold
        ):
            found.append(f"accuracy fell from {before.accuracy:.1%} to {now.accuracy:.1%}")
        return found

    def _in_background(self) -> None:
        try:
            asyncio.run(self.optimize())
        except ArgotuneError as error:
            log.warning("routing of %s not optimized: %s", self.tenant_id, error)
            self.last_optimization = {"why": in_short(error)}

    async def wait(self) -> None:
        """Until the optimization that runs in the background, if any, is over."""
        if self._task.is_alive():
            await asyncio.to_thread(self._task.join)

    async def optimize(self) -> OptimizationReport:
        """Measure, take the metrics for the baseline where they are better, and write files. Raises ConfigInvalid for a
        place that takes none."""
        self.last_optimization = self._measured()
        await asyncio.to_thread(self._export)
        return self.last_optimization

    def _measured(self) -> OptimizationReport:
        with self._lock:
            metrics, before = self._calculate_current_metrics(), self.baseline_metrics
            is_better = before is None or metrics.accuracy > before.accuracy
            self.baseline_metrics = metrics if is_better else before
            self._optimized_at, self._optimized_total = self._clock(), self._total
        shortfalls = metrics.shortfalls(self.config)
        return {"metrics": metrics.model_dump(mode="json"), "baseline_updated": is_better, "shortfalls": shortfalls}

    def _calculate_current_metrics(self) -> OptimizationMetrics:
        """Of the kept decisions."""
        return performance_metrics(self.performance_history, self._clock())

    # Files

    def _export(self) -> None:
        """Write the metrics as JSON that other tools can read, and a checkpoint."""
        baseline = self.baseline_metrics.model_dump(mode="json") if self.baseline_metrics else None
        told = {"tenant_id": self.tenant_id, **self.last_optimization, "baseline": baseline}
        write_whole(self._folder(self.config.metrics_export_dir) / "metrics.json", json.dumps(told, indent=2) + "\n")
        self.save_checkpoint()

    def _folder(self, of: Path) -> Path:
        return of / slug(self.tenant_id)

    @property
    def _checkpoint(self) -> Path:
        return self._folder(self.config.checkpoint_dir) / "checkpoint.json"

    def save_checkpoint(self, filepath: str | Path | None = None) -> Path:
        """Write all that is known; where it lies. Raises ConfigInvalid."""
        path = Path(filepath) if filepath else self._checkpoint
        with self._writing:  # so that what is known last is written last
            save(path, self._known)
        return path

    @property
    def _known(self) -> TrackedState:
        with self._lock:
            return TrackedState(
                tenant_id=self.tenant_id,
                history=tuple(self._history),
                total=self._total,
                baseline=self.baseline_metrics,
                optimized_at=self._optimized_at,
                optimized_total=self._optimized_total,
                agents=dict(self._policy.agents),
                version=self.version,
            )

    def load_checkpoint(self, filepath: str | Path | None = None) -> None:
        """Go on from what was saved. Raises NotFound, Corrupt for a damaged file, ConfigInvalid for another
        tenant's."""
        found = read_saved(Path(filepath) if filepath else self._checkpoint, TrackedState)
        if found.tenant_id != self.tenant_id:
            raise ConfigInvalid(f"tenant_id: the checkpoint is of {found.tenant_id!r}, this is {self.tenant_id!r}")
        with self._lock:
            for agent, about in found.agents.items():
                self._policy.know(agent, about)
            self._history = deque(found.history, maxlen=self.config.max_history_size)
            self._total, self._optimized_total = found.total, found.optimized_total
            self.baseline_metrics, self._optimized_at = found.baseline, found.optimized_at
            self.version = found.version

    def _load(self) -> None:
        try:
            self.load_checkpoint()
        except NotFound:
            return
