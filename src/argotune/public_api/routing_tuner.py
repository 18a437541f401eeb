"""AutoTuningOptimizer of "Optimization Module": a RoutingOptimizer that tunes settings when it is due.

For applications that tell of their decisions in one process. What answers more of the held back decisions right than
what was tuned before is kept; whether it serves is decided by a contest in the loop of the tenant, to which it is
offered. `preferred_optimizer: ensemble` is the same tuning on what the tenant's traces tell.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from pydantic import JsonValue

from argotune.data.experiences import query_of
from argotune.errors import ArgotuneError, NotFound
from argotune.errors.lines import in_short
from argotune.programs.entities import EntityFinder, EntityModel
from argotune.programs.states import Stored
from argotune.promotion.versions import Version
from argotune.public_api.offering import TenantLoop
from argotune.public_api.routing_experiences import read_inputs
from argotune.public_api.routing_performance import RoutingDecision, tracked_examples
from argotune.public_api.routing_tracker import OptimizationReport, RoutingOptimizer, RoutingParts
from argotune.public_api.tuning_config import OptimizationConfig
from argotune.store.port import Store
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
    """What came of each strategy, too, the settings that were tuned, and where the contest is that decides about them,
    or why there is none."""

    strategies: dict[str, StrategyResult]
    settings: Stored
    contest: str


class AutoTuningOptimizer(RoutingOptimizer):
    """Tunes each strategy on what is known to have been right: each on training examples, chosen on dev. What it finds
    is offered to the loop of the tenant in `store`, and serves when it has won its contest there.

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
        store: Store | None = None,
        **given: Unpack[RoutingParts],
    ) -> None:
        """`given` as of a RoutingOptimizer; with a `store`, `agents` are by default those of the tenant's config.

        Raises NotFound for a tenant that the store does not know, ConfigInvalid for one whose loop does not tune
        routing."""
        self._loop = None if store is None else TenantLoop(store, tenant_id)
        if self._loop and given.get("agents") is None:
            given["agents"] = self._loop.config.agents
        name = self._loop.entity_model if self._loop else ""
        finder = EntityFinder(name or "gliner", gliner) if gliner is not None else None
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
        contest, measured = await asyncio.to_thread(self._offered), self._measured()
        found: TuningReport = {**measured, "strategies": tuned, "settings": self.settings, "contest": contest}
        self.last_optimization = found
        await asyncio.to_thread(self._export)
        return found

    def _offered(self) -> str:
        """Offer what is tuned to the loop; where its contest is, or why there is none."""
        if self.version is None:
            return "nothing is tuned that could be in one"
        if self._loop is None:
            return f"none: {WITHOUT_STORE}"
        questions = dict.fromkeys(query_of(each.inputs) for each in self.performance_history if each.right_agent)
        try:
            return self._loop.offer(self.version, list(questions), self._clock())
        except ArgotuneError as error:
            return f"none: {in_short(error)}"

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
        """What was tuned, as JSON values (`kind: settings`); {} before anything was."""
        return {} if self.version is None else dict(self.version.state)

    def _serving(self, *, before_contest: bool) -> Version:
        if before_contest:
            if self.version is None:
                raise NotFound("no settings are tuned yet")
            return self.version
        if self._loop is None:
            raise NotFound(f"{WITHOUT_STORE}; before_contest=True answers by it all the same")
        return self._loop.champion()

    async def route(
        self, query: str, entities: Sequence[Mapping[str, JsonValue]] = (), *, before_contest: bool = False
    ) -> RoutingDecision:
        """Who is to answer, by what has won its contest in the loop of the tenant; with `before_contest` by what was
        tuned last, which has won none. Raises NotFound where there is none, ConfigInvalid without a usable answer, and
        what store and LM's server raise."""
        version = await asyncio.to_thread(self._serving, before_contest=before_contest)
        began = asyncio.get_running_loop().time()
        found = tuple(dict(each) for each in entities)
        said = await asyncio.to_thread(self._policy.answer, read_inputs(query, found), version)
        taken = (asyncio.get_running_loop().time() - began) * 1000
        return RoutingDecision(agent=said.agent, confidence=said.confidence, latency_ms=taken, entities=found)


WITHOUT_STORE = "store: not given, so no loop holds a contest of what is tuned here"


def _notes(made: Version | None) -> list[str]:
    """How what is in a version was found, as an ensemble tells it."""
    told = made.state.get("notes") if made else None
    return list(map(str, told)) if isinstance(told, list) else []


def _not_tuned(why: str) -> StrategyResult:
    return {"tuned": False, "score": None, "before": None, "why": why, "notes": []}
