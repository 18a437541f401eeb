"""Serving: what an application imports to answer with the champions and to record what happened.

    serving = open_serving("acme_corp")
    decision = serving.decide("routing", query="find the keynote", entities="", relationships="", enhanced_query="")
    span.set_attributes(decision.attributes(agent_success=True, search_quality=0.9))

Champions are held in a local copy that a background thread refreshes, so a lookup never waits for the
store, and a store that is down stops nobody: the copy keeps serving.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

from argotune.champions import standing
from argotune.configs import Configs
from argotune.errors import ArgotuneError, ConfigInvalid
from argotune.experiences import attribute_names, clean
from argotune.ports import Embedder, LMs, Store
from argotune.programs import programs_of
from argotune.programs.answering import answer
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.registry import Registry
from argotune.tenants import RoutingConfigUnified

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A program as it serves now."""

    program: Program
    version: str
    module: Any


@dataclass(frozen=True)
class Decision:
    """One answer of one program. `propensity`: the probability with which it was chosen, 1 without exploring."""

    tenant_id: str
    program: str
    version: str
    inputs: Mapping[str, str]
    answers: Mapping[str, str]
    confidence: float | None
    processing_time_s: float
    propensity: float = 1.0

    def attributes(self, **outcome: bool | float | str | None) -> dict[str, bool | float | str]:
        """Span attributes of this decision (docs/traces.md), with the outcome that the application saw."""
        fields = {**self.inputs, **self.answers}
        decided: dict[str, bool | float | str | None] = {
            "routing.tenant_id": self.tenant_id,
            "routing.program": self.program,
            "routing.program_version": self.version,
            "routing.confidence": self.confidence,
            "routing.propensity": self.propensity,
            "routing.processing_time": self.processing_time_s,
            **{attribute_names(name)[0]: value for name, value in fields.items()},
            **{f"routing.{name}": value for name, value in outcome.items()},
        }
        return {name: _storable(value) for name, value in decided.items() if value is not None}


def _storable(value: bool | float | str) -> bool | float | str:
    """OpenTelemetry fails on a lone surrogate and takes every span of the batch with it."""
    return clean(value) if isinstance(value, str) else value


class Serving:
    """The champions of one tenant. Safe to share between threads; close it, or use it in a `with`."""

    def __init__(
        self,
        store: Store,
        config: RoutingConfigUnified,
        lms: LMs,
        embedder: Callable[[], Embedder],
        clock: Callable[[], datetime],
        refresh_s: float = 30.0,
    ) -> None:
        self._store, self._config, self._lms = store, config, lms
        self._embedder, self._clock, self._refresh_s = embedder, clock, refresh_s
        self._loaded: dict[str, Loaded] = {}
        self._set_aside: dict[str, str | None] = {}
        self._over = threading.Event()
        self.refresh()
        self._thread = threading.Thread(target=self._keep_fresh, name="argotune-serving", daemon=True)
        self._thread.start()

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop refreshing."""
        self._over.set()
        self._thread.join(timeout=5)

    def champion(self, program: str) -> Loaded:
        """The program that serves now, from the local copy. Raises ConfigInvalid for an unknown program."""
        try:
            return self._loaded[program]
        except KeyError:
            known = ", ".join(sorted(self._loaded))
            raise ConfigInvalid(f"program: {program!r} is none of this tenant's: {known}") from None

    def decide(self, program: str, **inputs: str) -> Decision:
        """Answer with the champion. `inputs` are the program's input fields; missing ones are empty."""
        loaded = self.champion(program)
        given = {name: inputs.get(name, "") for name in loaded.program.fields.inputs}
        started = time.perf_counter()
        answers, confidence = answer(loaded.module, loaded.program, given, self._lms)
        took_s = time.perf_counter() - started
        return Decision(self._config.tenant_id, program, loaded.version, given, answers, confidence, took_s)

    def refresh(self) -> None:
        """Load champions that changed. Raises Unavailable when the store is down."""
        registry = Registry(self._store, self._config.tenant_id)
        for module in self._config.modules:
            for program in programs_of(self._config, module):
                self._refresh_one(registry, program)

    def _refresh_one(self, registry: Registry, program: Program) -> None:
        stands = standing(registry, program, self._clock())
        if stands.set_aside and self._set_aside.get(program.name) != stands.set_aside:
            log.warning(
                "champion %s of %s has another signature, serving it as written", stands.set_aside, program.name
            )
        self._set_aside[program.name] = stands.set_aside
        loaded = self._loaded.get(program.name)
        if loaded is None or loaded.version != stands.version.id:
            module = load(program, stands.version.state, stands.version.signature_hash, self._embedder)
            self._loaded[program.name] = Loaded(program, stands.version.id, module)

    def _keep_fresh(self) -> None:
        while not self._over.wait(self._refresh_s):
            try:
                self.refresh()
            except ArgotuneError as error:  # a damaged record ends the refreshing no more than an outage does
                log.warning("champions not refreshed, serving the local copy: %s", error)


def open_serving(tenant_id: str, refresh_s: float = 30.0) -> Serving:
    """The champions of a tenant, by the settings in the environment. Raises NotFound or Unavailable."""
    from argotune import wiring
    from argotune.answers import NoAnswers
    from argotune.budget import Meter
    from argotune.settings import read_settings
    from argotune.tenants import BudgetLimits

    settings = read_settings()
    store = wiring.open_store(settings)
    config = Configs(store).get(tenant_id)
    unlimited = Meter(BudgetLimits(max_lm_calls=2**62, max_lm_tokens=2**62))
    lms = wiring.open_lms(settings).open(config.lm, unlimited, NoAnswers())
    return Serving(store, config, lms, wiring.open_embedder, wiring.utc_now, refresh_s)
