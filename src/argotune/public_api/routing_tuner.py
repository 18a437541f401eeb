"""AutoTuningOptimizer of "Optimization Module": a RoutingOptimizer that tunes settings when it is due.

For applications that tell of their decisions in one process and want tuned settings at once. They replace those in use
where they answer more of the held back decisions right. A tenant whose programs must not get worse beyond doubt has
`preferred_optimizer: ensemble`: the same tuning, and a contest before anything serves.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from pydantic import JsonValue

from argotune.errors import ArgotuneError, NotFound
from argotune.errors.lines import in_short
from argotune.programs.entities import EntityFinder, EntityModel
from argotune.programs.states import Stored
from argotune.promotion.versions import Version
from argotune.public_api.routing_experiences import read_inputs
from argotune.public_api.routing_performance import RoutingDecision, tracked_examples
from argotune.public_api.routing_tracker import OptimizationReport, RoutingOptimizer, RoutingParts
from argotune.public_api.tuning_config import OptimizationConfig
from argotune.tenants.optimizer_settings import EnsemblePart

PARTS: Mapping[str, EnsemblePart] = {"gliner": "entities", "llm": "lm", "keyword": "words", "composite": "weights"}
"""The strategies of the document, as the optimizer `ensemble` calls them."""


class StrategyResult(TypedDict):
    """What came of tuning one strategy. `score` and `before` are the shares of the held back decisions that it and what
    was in use answer right, None without such; `why` and `notes` are for people."""

    tuned: bool
    score: float | None
    before: float | None
    why: str
    notes: list[str]


class TuningReport(OptimizationReport, total=False):
    """What came of each strategy, too, and the settings in use."""

    strategies: dict[str, StrategyResult]
    settings: Stored


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
        **given: Unpack[RoutingParts],
    ) -> None:
        """`given` as of a RoutingOptimizer."""
        finder = EntityFinder("gliner", gliner) if gliner is not None else None
        self._labels, self._keywords, self._tuning = tuple(gliner_labels), dict(keywords or {}), threading.Lock()
        super().__init__(config, tenant_id, finder=finder, **given)

    async def optimize(self) -> TuningReport:
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
        found: TuningReport = {**self._measured(), "strategies": tuned, "settings": self.settings}
        self.last_optimization = found
        await asyncio.to_thread(self._export)
        return found

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
            "notes": _notes(found.made),
        }

    @property
    def settings(self) -> Stored:
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


def _notes(made: Version | None) -> list[str]:
    """How what is in a version was found, as an ensemble tells it."""
    told = made.state.get("notes") if made else None
    return list(map(str, told)) if isinstance(told, list) else []


def _not_tuned(why: str) -> StrategyResult:
    return {"tuned": False, "score": None, "before": None, "why": why, "notes": []}
