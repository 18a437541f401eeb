"""The query enhancer that "Auto-Optimization Workflow Documentation" shows, as a thin object over the same program."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from argotune import wiring
from argotune.data.archive import ExperienceLog
from argotune.data.experiences import Experience
from argotune.data.field_types import as_text
from argotune.errors import ConfigInvalid
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.programs import routing
from argotune.programs.answering import answer
from argotune.programs.enhanced import can_write
from argotune.programs.enhancement import Enhancement, Entity, Relationship, programs, usable_texts
from argotune.programs.patterns import patterns
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.champions import serving_version
from argotune.promotion.registry import Registry
from argotune.settings import read_settings
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified


@dataclass(frozen=True)
class QueryAnalysis:
    """What was found in a query. `lack` says why it was not enhanced, "" where it was."""

    entities: tuple[Entity, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    intent: str = ""
    modality_signals: tuple[str, ...] = ()
    lack: str = ""


class EnhancedQuery(str):
    """The query rewritten for search: a text that can be passed on as it is, with what was found in it beside it."""

    __slots__ = ("analysis",)
    analysis: QueryAnalysis

    def __new__(cls, text: str, analysis: QueryAnalysis) -> EnhancedQuery:
        made = super().__new__(cls, text)
        made.analysis = analysis
        return made


class SIMBAQueryEnhancer:
    """Spells out queries, by the program `enhancement`: as it is written, or as it was tuned for a tenant.

    `tenant_id`: with that tenant's LMs and champion. `lms` are those of the environment unless they are given, `limits`
    what all its calls may take. Raises ConfigInvalid where no LM writes, NotFound for an unknown tenant.
    """

    def __init__(
        self,
        tenant_id: str | None = None,
        *,
        lms: LMs | None = None,
        store: Store | None = None,
        limits: BudgetLimits | None = None,
    ) -> None:
        self._store = store or wiring.open_store(read_settings()) if tenant_id else None
        config = Configs(self._store).get(tenant_id) if self._store and tenant_id else None
        self._tenant_id = tenant_id or ""
        (self._program,) = programs(config or RoutingConfigUnified(tenant_id="documentation"))
        self._lms = lms or _opened(config.lm if config else LMChoice(), limits or BudgetLimits())
        if not can_write(self._program.lm_of(self._lms)):
            raise ConfigInvalid("enhancement: the LM scores labels and writes nothing: set ARGOTUNE_TASK_MODEL")
        self._module = _champion(self._store, self._tenant_id, self._program) if self._store else self._program.build()

    def enhance(self, query: str, context: object = None) -> EnhancedQuery:
        """The query rewritten, in `analysis` what was found in it; the query itself where the LM writes nothing usable.

        `context` is what is known of the conversation, the user, or those who may answer: a text, or what JSON holds.
        Raises BudgetSpent, Unavailable and their like.
        """
        inputs = {"query": query, "context": "" if context is None else as_text(context)}
        found = answer(self._module, self._program, inputs, self._lms)
        if not found.lack and "enhanced_query" not in usable_texts(found.answers):
            found = replace(found, lack="the LM repeated the form in place of an answer")
        if found.lack:
            return EnhancedQuery(query, QueryAnalysis(lack=found.lack))
        said: dict[str, Any] = self._program.typed_fields.values(found.answers)
        analysis = QueryAnalysis(
            tuple(said["entities"]), tuple(said["relationships"]), said["intent"], tuple(said["modality_signals"])
        )
        return EnhancedQuery(said["enhanced_query"], analysis)

    def learn(self, experiences: Iterable[Experience] | None = None) -> int:
        """Show the LM how queries were enhanced in decisions that went well, from now on; how many are shown.

        Without `experiences` those that are kept of the tenant's routing. Raises ConfigInvalid without a tenant.
        """
        found = patterns(self._kept() if experiences is None else experiences)
        if found and isinstance(self._module, Enhancement):
            self._module.enhance.demos = list(found)
        return len(found)

    def _kept(self) -> Iterable[Experience]:
        if self._store is None:
            raise ConfigInvalid("experiences: name a tenant, or give the experiences to learn from")
        return ExperienceLog(self._store, self._tenant_id).experiences(routing.NAME)


def _opened(choice: LMChoice, limits: BudgetLimits) -> LMs:
    return wiring.open_lms(read_settings()).open(choice, Meter(limits), NothingKept())


def _champion(store: Store, tenant_id: str, program: Program) -> Any:
    version = serving_version(Registry(store, tenant_id), program, wiring.utc_now()).version
    return load(program, version.state, version.signature_hash, wiring.open_embedders(read_settings()))
