"""Routing policy: the shipped program `routing` over agents that may grow, tuned and asked outside of a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from argotune import wiring
from argotune.data.examples import Example
from argotune.data.fields import Fields
from argotune.errors import ConfigInvalid
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.port import LMs, LMSource
from argotune.programs.answering import answer
from argotune.programs.embedder import Embedders
from argotune.programs.entities import EntityFinder
from argotune.programs.program import Program
from argotune.programs.routing import programs
from argotune.promotion.champions import untuned
from argotune.promotion.versions import Version
from argotune.public_api.tuning import Tuned, Workbench, loaded, tuned
from argotune.settings import read_settings
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified, parse_config
from argotune.tenants.optimizer_settings import OptimizerSettings

UNLIMITED = BudgetLimits(max_lm_calls=2**62, max_lm_tokens=2**62)


@dataclass(frozen=True)
class PolicyAnswer:
    """An agent, how sure it is in 0..1, and why, for people."""

    agent: str
    confidence: float
    reasoning: str = ""


class RoutingPolicy:
    """Opens LMs and embedders when they are first needed: by default those of the environment."""

    def __init__(
        self,
        tenant_id: str,
        agents: Mapping[str, str] | None,
        lms: LMSource | None,
        embedders: Embedders | None,
        limits: BudgetLimits,
        finder: EntityFinder | None = None,
    ) -> None:
        """Raises ConfigInvalid for agents or an id that no tenant can have."""
        self._finder = finder
        given = {} if agents is None else {"agents": dict(agents)}
        self.config: RoutingConfigUnified = parse_config({"tenant_id": tenant_id, **given})
        self._source, self._given_embedders, self._limits = lms, embedders, limits
        self._program = self._of_agents()
        self._loaded: tuple[str, Any] | None = None

    @property
    def agents(self) -> Mapping[str, str]:
        """Who can be chosen, and what each is for."""
        return self.config.agents

    @property
    def fields(self) -> Fields:
        return self._program.fields

    def is_usable(self, version: Version | None) -> bool:
        """Whether there is a version, and it was made for the agents of now."""
        return version is not None and version.signature_hash == self._program.signature_hash

    def as_written(self, now: datetime) -> Version:
        """The program before any tuning."""
        return untuned(self._program, now)

    def know(self, agent: str, about: str = "") -> None:
        """Add an agent that is not known. Policies of fewer agents cannot answer from then on: they are tuned again.
        Raises ConfigInvalid for what is no name of one, and beyond a hundred."""
        if agent in self.agents:
            return
        self.config = parse_config({**self.config.model_dump(mode="json"), "agents": {**self.agents, agent: about}})
        self._program = self._of_agents()

    def _of_agents(self) -> Program:
        return replace(programs(self.config)[0], finder=self._finder)

    def tuned(
        self,
        examples: Sequence[Example],
        methods: Sequence[str],
        in_use: Version | None,
        *,
        settings: OptimizerSettings,
        seed: int,
        now: datetime,
        goes_on: bool = False,
    ) -> Tuned:
        """What the methods make of the examples; `goes_on` as of a Workbench. Raises Unavailable and its like."""
        meter = Meter(self._limits)
        bench = Workbench(
            self._opened(meter), meter, self._embedders, now, seed=seed, settings=settings, goes_on=goes_on
        )
        return tuned(self._program, examples, methods, in_use, bench)

    def answer(self, inputs: Mapping[str, str], version: Version) -> PolicyAnswer:
        """What a version says. Raises ConfigInvalid without a usable answer, ProgramChanged for a version of other
        agents or another embedder, and what the LM's server raises."""
        program = self._program
        asked = {name: inputs.get(name, "") for name in program.fields.inputs}
        found = answer(self._module(program, version), program, asked, self._lms)
        if found.lack:
            raise ConfigInvalid(f"the LM gave no usable answer: {found.lack}")
        return PolicyAnswer(found.answers["agent"], 0.5 if found.confidence is None else found.confidence)

    def _module(self, program: Program, version: Version) -> Any:
        id = f"{program.signature_hash} {version.id}"
        if self._loaded is None or self._loaded[0] != id:
            self._loaded = id, loaded(program, version, self._embedders)
        return self._loaded[1]

    @cached_property
    def _lms(self) -> LMs:
        """As an application asks them: without a limit."""
        return self._opened(Meter(UNLIMITED))

    def _opened(self, meter: Meter) -> LMs:
        source = self._source or wiring.open_lms(read_settings())
        return source.open(LMChoice(), meter, NothingKept())

    @cached_property
    def _embedders(self) -> Embedders:
        return self._given_embedders or wiring.open_embedders(read_settings())
