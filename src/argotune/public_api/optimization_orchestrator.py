"""OptimizationOrchestrator of "Optimization Module": the continuous service for one tenant, as an object."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypedDict

from argotune import wiring
from argotune.data.archive import ExperienceLog
from argotune.data.experiences import Experience
from argotune.data.rewards import reward
from argotune.errors import ConfigInvalid, Conflict
from argotune.pipeline.operations.asked import Overrides
from argotune.pipeline.operations.attending import Visit, VisitAsked, attend
from argotune.pipeline.ports import Ports
from argotune.programs import programs_of
from argotune.promotion.registry import Registry
from argotune.public_api.field_rules import is_number
from argotune.public_api.orchestrated_parts import (
    AnnotationAgent,
    AnnotationFeedbackLoop,
    AnnotationStorage,
    Feedback,
    LLMAutoAnnotator,
    OfOneTenant,
    PhoenixSpanEvaluator,
    SpanEvaluation,
    feedback,
    span_evaluation,
)
from argotune.runs.pass_figures import PassFigures
from argotune.runs.run import Run
from argotune.scheduling.chores import LONGEST, Chore, Periods
from argotune.service.loop import Service
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RewardWeights

log = logging.getLogger(__name__)

HEALTHY_ABOVE = 50
HEALTHY_REWARD = 0.5
"""Experiences and their mean reward, of the document's health check."""


class VisitResults(TypedDict):
    """What one visit came to, under the document's keys."""

    span_evaluation: SpanEvaluation
    annotation_requests: int
    annotations_generated: int
    feedback_loop: Feedback


class OrchestratorMetrics(TypedDict):
    """What an orchestrator has done since it began. `total_improvement`: the gains of what was promoted, in score."""

    tenant_id: str
    uptime_seconds: float
    spans_evaluated: int
    experiences_created: int
    annotations_requested: int
    annotations_completed: int
    optimizations_triggered: int
    total_improvement: float
    last_visit_at: str | None


class OrchestratorHealth(TypedDict):
    """The document's health check, whether `start` is at work, and when the newest experience was made."""

    healthy: bool
    optimizer_ready: bool
    total_experiences: int
    avg_reward: float
    last_updated: str | None
    running: bool


class OptimizationOrchestrator(OfOneTenant):
    """Visits one tenant again and again, as `argotune serve --continuous` does all of them. Several of one tenant, in
    whatever processes, share it by its lease."""

    def __init__(
        self,
        tenant_id: str = "default",
        span_eval_interval_minutes: float = 15,
        annotation_interval_minutes: float = 30,
        feedback_interval_minutes: float = 15,
        confidence_threshold: float = 0.6,
        min_annotations_for_optimization: int = 50,
        optimization_improvement_threshold: float = 0.05,
        *,
        ports: Ports | None = None,
    ) -> None:
        """`confidence_threshold` (decisions below it are worth a label), `min_annotations_for_optimization` (new labels
        that make a module due) and `optimization_improvement_threshold` (the smallest useful gain) go before the
        tenant's config here. Nothing is opened before it is needed. Raises ConfigInvalid for an interval that is none.
        """
        super().__init__(tenant_id, ports=ports)
        self._periods = Periods(
            spans=_period("span_eval_interval_minutes", span_eval_interval_minutes),
            annotation=_period("annotation_interval_minutes", annotation_interval_minutes),
            feedback=_period("feedback_interval_minutes", feedback_interval_minutes),
        )
        self._min_annotations = min_annotations_for_optimization
        self._overrides = Overrides(
            confidence_threshold=confidence_threshold,
            min_annotations=min_annotations_for_optimization,
            min_effect=optimization_improvement_threshold,
        )
        self._stop, self._is_running, self._lock = threading.Event(), False, threading.Lock()
        self._seen, self._runs, self._gained = PassFigures(), 0, 0.0
        self._began_at: datetime | None = None
        self._last_at: datetime | None = None

    @cached_property
    def span_evaluator(self) -> PhoenixSpanEvaluator:
        """Takes new spans in."""
        return PhoenixSpanEvaluator(self.tenant_id, ports=self._ports)

    @cached_property
    def annotation_agent(self) -> AnnotationAgent:
        """Knows what waits for a label."""
        return AnnotationAgent(self.tenant_id, ports=self._ports)

    @cached_property
    def auto_annotator(self) -> LLMAutoAnnotator:
        """Labels what waits."""
        return LLMAutoAnnotator(self.tenant_id, ports=self._ports)

    @cached_property
    def annotation_storage(self) -> AnnotationStorage:
        """Writes labels of people."""
        return AnnotationStorage(self.tenant_id, ports=self._ports)

    @cached_property
    def feedback_loop(self) -> AnnotationFeedbackLoop:
        """Takes new labels in."""
        return AnnotationFeedbackLoop(self.tenant_id, self._min_annotations, ports=self._ports)

    async def start(self) -> None:
        """Visit the tenant until `stop` is called or this is cancelled; what was begun by then is given up where it can
        be taken up. Raises NotFound for an unknown tenant, and Conflict where this object has been started already."""
        Configs(self._ports.store).get(self.tenant_id)
        rules = replace(wiring.service_rules(read_settings()), periods=self._periods, at_once=1)
        service = Service(self._ports, rules, log.info, [self.tenant_id], self._overrides, self._remember)
        with self._lock:
            if self._is_running:
                raise Conflict(f"this orchestrator of tenant {self.tenant_id!r} has been started already")
            self._is_running, self._began_at = True, self._ports.clock()
            self._stop.clear()
        work = asyncio.create_task(asyncio.to_thread(service.run, self._stop))
        try:
            await asyncio.shield(work)
        finally:
            self._stop.set()
            await asyncio.wait([work])
            self._is_running = False

    def stop(self) -> None:
        """Let `start` come to its end."""
        self._stop.set()

    async def run_once(self) -> VisitResults:
        """One visit, whether or not anything is due: the passes that `argotune run --force` does, and what waits is
        labelled by the LM annotator. Labels that this visit makes are taken in by the next one.

        Raises NotFound for an unknown tenant, Conflict while another visit is at work, and the gravest failure.
        """
        return await asyncio.to_thread(self._visited)

    def _visited(self) -> VisitResults:
        asked = VisitAsked(self.tenant_id, frozenset(Chore), self._overrides, is_forced=True)
        self._began_at = self._began_at or self._ports.clock()
        visit = attend(self._ports, asked)
        assert visit is not None
        self._remember(visit)
        if visit.failure is not None:
            raise visit.failure
        found = visit.figures
        return {
            "span_evaluation": span_evaluation(found),
            "annotation_requests": found.asked,
            "annotations_generated": found.lm_labels,
            "feedback_loop": feedback(found),
        }

    def _remember(self, visit: Visit) -> None:
        runs = visit.report.runs if visit.report else ()
        with self._lock:
            self._seen += visit.figures
            self._runs += sum(run.plan is not None for run in runs)
            self._gained += sum(map(_gain, runs))
            self._last_at = self._ports.clock()

    def get_metrics(self) -> OrchestratorMetrics:
        """What this object has done since it began."""
        with self._lock:
            found, now = self._seen, self._ports.clock()
            return {
                "tenant_id": self.tenant_id,
                "uptime_seconds": (now - self._began_at).total_seconds() if self._began_at else 0.0,
                "spans_evaluated": found.spans,
                "experiences_created": found.experiences,
                "annotations_requested": found.asked,
                "annotations_completed": found.lm_labels,
                "optimizations_triggered": self._runs,
                "total_improvement": self._gained,
                "last_visit_at": self._last_at.isoformat() if self._last_at else None,
            }

    def get_health(self) -> OrchestratorHealth:
        """The document's health check: something serves that was tuned, on more than 50 experiences, of which the mean
        reward is above 0.5. Reads the tenant's experiences. Raises NotFound, and what the store raises."""
        config, ports = Configs(self._ports.store).get(self.tenant_id), self._ports
        archive = ExperienceLog(ports.store, self.tenant_id)
        names = [program.name for module in config.modules for program in programs_of(config, module)]
        total, mean, last = _sums((x for name in names for x in archive.experiences(name)), config.reward)
        is_ready = bool(Registry(ports.store, self.tenant_id).champions())
        return {
            "healthy": is_ready and total > HEALTHY_ABOVE and mean > HEALTHY_REWARD,
            "optimizer_ready": is_ready,
            "total_experiences": total,
            "avg_reward": mean,
            "last_updated": last.isoformat() if last else None,
            "running": self._is_running,
        }


def _period(name: str, minutes: object) -> timedelta:
    """Raises ConfigInvalid that names the parameter."""
    if not is_number(minutes) or not 0 < minutes <= LONGEST / timedelta(minutes=1):
        raise ConfigInvalid(f"{name}: {minutes!r} minutes are not above 0 and at most {LONGEST.days} days")
    return timedelta(minutes=minutes)


def _gain(run: Run) -> float:
    numbers = run.verdict.numbers if run.verdict and run.outcome == "promoted" else None
    return numbers.effect if numbers else 0.0


def _sums(found: Iterable[Experience], weights: RewardWeights) -> tuple[int, float, datetime | None]:
    """How many experiences there are, the mean reward of those with an outcome (else 0), and the newest's time."""
    total, rewarded, rewards, last = 0, 0, 0.0, None
    for experience in found:
        total, last = total + 1, max(last or experience.at, experience.at)
        worth = reward(experience, weights)
        if worth is not None:
            rewarded, rewards = rewarded + 1, rewards + worth
    return total, rewards / rewarded if rewarded else 0.0, last
