"""RoutingOptimizer and AutoTuningOptimizer of "Optimization Module": how good an application's routing is, and settings
that are tuned when it is due.

For applications that tell of their decisions in one process and want tuned settings at once. They replace those in use
where they answer more of the held back decisions right. A tenant whose programs must not get worse beyond doubt has
`preferred_optimizer: ensemble`: the same tuning, and a contest before anything serves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from pydantic import Field, JsonValue, ValidationError

from argotune import wiring
from argotune.data.guards.masking import Mask
from argotune.data.spans import Json
from argotune.errors import ArgotuneError, ConfigInvalid, NotFound, first_problem
from argotune.errors.lines import in_short
from argotune.lm.port import LMSource
from argotune.programs.embedder import Embedders
from argotune.programs.entities import EntityFinder, EntityModel
from argotune.promotion.versions import Version
from argotune.public_api.routing_experiences import read_inputs
from argotune.public_api.routing_performance import (
    OptimizationMetrics,
    RoutingDecision,
    TrackedDecision,
    performance_metrics,
    read_feedback,
    tracked_examples,
)
from argotune.public_api.routing_policy import RoutingPolicy
from argotune.public_api.saved_files import read_saved, save, write_whole
from argotune.public_api.tuning_config import OptimizationConfig
from argotune.store.records import StoredValue
from argotune.tenants.config import BudgetLimits
from argotune.tenants.ids import slug
from argotune.tenants.optimizer_settings import EnsemblePart

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


class StrategyResult(TypedDict):
    """What came of tuning one strategy. `score` and `before` are the shares of the held back decisions that it and what
    was in use answer right, None without such; `why` and `notes` are for people."""

    tuned: bool
    score: float | None
    before: float | None
    why: str
    notes: list[str]


class OptimizationReport(TypedDict, total=False):
    """What an optimization came to. `strategies` and `settings` are those of an AutoTuningOptimizer; `why` alone is
    there where it failed in the background."""

    metrics: Mapping[str, Json]
    baseline_updated: bool
    shortfalls: list[str]
    strategies: dict[str, StrategyResult]
    settings: Mapping[str, Json]
    why: str


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


PARTS: Mapping[str, EnsemblePart] = {"gliner": "entities", "llm": "lm", "keyword": "words", "composite": "weights"}
"""The strategies of the document, as the optimizer `ensemble` calls them."""


class AutoTuningOptimizer(RoutingOptimizer):
    """Tunes each strategy on what is known to have been right: each on training examples, chosen on dev.

    `gliner` is called as GLiNER is, for `gliner_labels`; without one, entities are those that decisions tell.
    `keywords`: answer -> words that speak for it, to begin with.
    """

    def __init__(
        self,
        config: OptimizationConfig | None = None,
        tenant_id: str = "default",
        *,
        gliner: EntityModel | None = None,
        gliner_labels: Sequence[str] = (),
        keywords: Mapping[str, Sequence[str]] | None = None,
        **given: Any,
    ) -> None:
        """`given` as of a RoutingOptimizer."""
        finder = EntityFinder("gliner", gliner) if gliner is not None else None
        self._labels, self._keywords, self._tuning = tuple(gliner_labels), dict(keywords or {}), threading.Lock()
        super().__init__(config, tenant_id, finder=finder, **given)

    async def optimize(self) -> OptimizationReport:
        """All four, then as a RoutingOptimizer. A strategy that cannot be tuned says why, and the others go on."""
        self._set_aside_version_of_fewer_agents()
        strategies = {
            "keyword": self._optimize_keyword,
            "gliner": self._optimize_gliner,
            "llm": self._optimize_llm,
            "composite": self._optimize_composite,
        }
        tuned = dict[str, StrategyResult]()
        for name, optimize in strategies.items():
            try:
                tuned[name] = await optimize()
            except ArgotuneError as error:
                tuned[name] = _not_tuned(in_short(error))
        self.last_optimization = {**self._measured(), "strategies": tuned, "settings": self.settings}
        await asyncio.to_thread(self._export)
        return self.last_optimization

    def _set_aside_version_of_fewer_agents(self) -> None:
        """It cannot answer any more."""
        if not self._policy.is_usable(self.version):
            self.version = None

    async def _optimize_gliner(self) -> StrategyResult:
        """Threshold and labels, by a grid from 0.1 to 0.9 over what the model really finds."""
        if not (self.config.gliner_threshold_optimization or self.config.gliner_label_optimization):
            return _not_tuned("gliner_threshold_optimization and gliner_label_optimization are off")
        return await asyncio.to_thread(self._tuned, "gliner")

    async def _optimize_llm(self) -> StrategyResult:
        """The temperature and, where `dspy_enabled`, demonstrations by BootstrapFewShot."""
        return await asyncio.to_thread(self._tuned, "llm")

    async def _optimize_keyword(self) -> StrategyResult:
        """Which words tell an answer."""
        return await asyncio.to_thread(self._tuned, "keyword")

    async def _optimize_composite(self) -> StrategyResult:
        """The weights of the votes, and below which confidence the LM is asked."""
        return await asyncio.to_thread(self._tuned, "composite")

    def _tuned(self, strategy: str) -> StrategyResult:
        """Tune one strategy, and the weights with it; what it makes is used where dev is answered better."""
        tunes: list[EnsemblePart] = list(dict.fromkeys([PARTS[strategy], "weights"]))
        examples = list(tracked_examples(self.performance_history, "routing"))
        if not examples:
            return _not_tuned("of no decision it is known who would have been right")
        settings = self.config.optimizer_settings(tunes, self._keywords, self._labels)
        with self._tuning:  # each goes on from what the one before it left in use
            found = self._policy.tuned(
                examples, ["ensemble"], self.version, settings=settings, seed=0, now=self._clock(), goes_on=True
            )
            self.version = found.version or self.version
        return {
            "tuned": found.version is not None,
            "score": found.score,
            "before": found.before,
            "why": found.why,
            "notes": list(found.made.state.get("notes", ())) if found.made else [],
        }

    @property
    def settings(self) -> dict[str, Json]:
        """What is in use of the tuned settings, as JSON values (`kind: settings`); {} before anything was tuned."""
        return {} if self.version is None else dict(self.version.state)

    async def route(self, query: str, entities: Sequence[Mapping[str, JsonValue]] = ()) -> RoutingDecision:
        """Who is to answer, by the settings in use. Raises NotFound before anything was tuned, ConfigInvalid without a
        usable answer, and what the LM's server raises."""
        version = self.version
        if version is None:
            raise NotFound("no settings are tuned yet")
        began = asyncio.get_running_loop().time()
        found = tuple(dict(each) for each in entities)
        said = await asyncio.to_thread(self._policy.answer, read_inputs(query, found), version)
        taken = (asyncio.get_running_loop().time() - began) * 1000
        return RoutingDecision(agent=said.agent, confidence=said.confidence, latency_ms=taken, entities=found)


def _not_tuned(why: str) -> StrategyResult:
    return {"tuned": False, "score": None, "before": None, "why": why, "notes": []}
