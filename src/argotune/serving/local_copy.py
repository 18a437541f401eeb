"""Local copy: the config, LMs and champions that a tenant is served with, as the store last said.

Each is refreshed on its own: what cannot be read or loaded freezes nothing but itself, and the last version that was
loaded keeps serving. What is wrong is kept as a Problem until it is mended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from argotune.data.question_log import decisions_taken_in
from argotune.errors import NotFound, Unavailable
from argotune.errors.lines import in_short
from argotune.lm.port import LMs
from argotune.programs import programs_of
from argotune.programs.embedder import Embedders
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.champions import ServingVersion, serving_version, untuned
from argotune.promotion.registry import Registry
from argotune.serving.exploration import epsilon_of
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.config import LMChoice, RoutingConfigUnified

log = logging.getLogger(__name__)

STORE, CONFIG, LM = "the store", "the config", "the LM"
"""What a problem may be about, beside the names of modules and programs."""


@dataclass(frozen=True)
class Loaded:
    """A program as it serves now; the share `epsilon` of its answers is drawn at random (serving/exploration.py)."""

    program: Program
    version: str
    module: Any
    epsilon: float = 0.0


@dataclass(frozen=True)
class Served:
    """What belongs together: answers are given with one of these, whatever is refreshed meanwhile."""

    config: RoutingConfigUnified
    lms: LMs
    loaded: Mapping[str, Loaded]


@dataclass(frozen=True)
class Problem:
    """What could not be refreshed, why, since when, and how often in a row."""

    about: str
    says: str
    since: datetime
    times: int


class Problems:
    """Those that are not mended, each logged when it comes up and when it is over."""

    def __init__(self) -> None:
        self._open: dict[str, Problem] = {}

    def __iter__(self) -> Iterator[Problem]:
        return iter(tuple(self._open.values()))

    def of(self, about: str) -> Problem | None:
        """The problem about this, None where there is none."""
        return self._open.get(about)

    def note(self, about: str, error: BaseException, now: datetime, what: str) -> None:
        """Count it; `what` says in the log what is done about it."""
        says, known = _said(error), self._open.get(about)
        self._open[about] = Problem(about, says, known.since if known else now, known.times + 1 if known else 1)
        if known is None or known.says != says:
            log.warning("%s: %s", what, says)

    def mended(self, about: str) -> None:
        """It is over, if there was one."""
        if self._open.pop(about, None):
            log.info("%s is refreshed again", about)

    def keep_only(self, abouts: set[str]) -> None:
        """Forget those about what is no longer there."""
        self._open = {about: problem for about, problem in self._open.items() if about in abouts}


def _said(error: BaseException) -> str:
    return str(error) if type(error).__module__ == "argotune.errors" else in_short(error)


class LocalCopy:
    """Refreshed by one thread at a time; anybody may look at `served` at any time, it is replaced as a whole."""

    def __init__(
        self,
        store: Store,
        config: RoutingConfigUnified,
        lms: LMs,
        embedders: Embedders,
        clock: Callable[[], datetime],
        open_lms: Callable[[LMChoice], LMs] | None = None,
    ) -> None:
        self._store, self._embedders, self._clock, self._open_lms = store, embedders, clock, open_lms
        self._registry = Registry(store, config.tenant_id)
        self._lock = threading.Lock()
        self._is_stored = False
        self._programs: dict[str, tuple[Program, ...]] = {}
        self._set_aside: dict[str, str | None] = {}
        self.served = Served(config, lms, {})
        self.problems = Problems()
        self.refreshed_at: datetime | None = None
        self.confirmed_at: dict[str, datetime] = {}
        """When the store last said of a program what serves; older than `refreshed_at` where it could not be read."""

    def start_over(self) -> None:
        """In a forked child: a thread of the parent may hold the lock."""
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Take over what changed. Raises Unavailable when the store is down; then everything stays as it is."""
        with self._lock:
            now = self._clock()
            try:
                self.served = self._fresh(now)
            except Exception as error:
                self.problems.note(STORE, error, now, "champions not refreshed, serving the local copy")
                raise
            self.refreshed_at = now
            self.problems.mended(STORE)

    def _fresh(self, now: datetime) -> Served:
        config = self._config(now)
        if config is not self.served.config:
            self._programs = {}
        loaded: dict[str, Loaded] = {}
        for module in config.modules:
            loaded |= self._module(config, module, now)
        self.problems.keep_only({STORE, CONFIG, LM, *config.modules, *loaded})
        self.confirmed_at = {name: at for name, at in self.confirmed_at.items() if name in loaded}
        return Served(config, self._lms(config, now), loaded)

    def _config(self, now: datetime) -> RoutingConfigUnified:
        """The stored config. The one that serves where there is none, it cannot be read, or it says the same."""
        known = self.served.config
        try:
            found = Configs(self._store).get(known.tenant_id)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the known one serves
            if self._is_stored or not isinstance(error, NotFound):
                self.problems.note(CONFIG, error, now, "config not refreshed, serving by the last one")
            return known
        self._is_stored = True
        self.problems.mended(CONFIG)
        return known if found == known else found

    def _lms(self, config: RoutingConfigUnified, now: datetime) -> LMs:
        served = self.served
        if self._open_lms is None or (config.lm == served.config.lm and not self.problems.of(LM)):
            return served.lms
        try:
            lms = self._open_lms(config.lm)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the known one serves
            self.problems.note(LM, error, now, "LM not opened, serving by the last one")
            return served.lms
        self.problems.mended(LM)
        return lms

    def _module(self, config: RoutingConfigUnified, module: str, now: datetime) -> dict[str, Loaded]:
        try:
            programs = self._programs.get(module) or programs_of(config, module)
        except Exception as error:  # noqa: BLE001 - a user's factory may raise anything
            last = {name: known for name, known in self.served.loaded.items() if known.program.module == module}
            what = "not refreshed, serving the last version" if last else "cannot be served"
            self.problems.note(module, error, now, f"{module} {what}")
            return last
        self._programs[module] = programs
        if module not in {program.name for program in programs}:
            self.problems.mended(module)
        found = ((program.name, self._program(config, program, now)) for program in programs)
        return {name: loaded for name, loaded in found if loaded is not None}

    def _program(self, config: RoutingConfigUnified, program: Program, now: datetime) -> Loaded | None:
        """The program as the store says it, else as it was last loaded, else as it was written."""
        known = self.served.loaded.get(program.name)
        try:
            loaded = self._exploring(config, self._by_store(program, known, now))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a damaged record or a user's program may raise anything
            instead = "the last version" if known else "it as written"
            self.problems.note(program.name, error, now, f"{program.name} not refreshed, serving {instead}")
            return known or self._as_written(program, now)
        self.confirmed_at[program.name] = now
        self.problems.mended(program.name)
        return loaded

    def _by_store(self, program: Program, known: Loaded | None, now: datetime) -> Loaded:
        found = serving_version(self._registry, program, now)
        self._tell_set_aside(program, found)
        if known and known.version == found.version.id and known.program is program:
            return known
        module = load(program, found.version.state, found.version.signature_hash, self._embedders)
        self._registry.keep(found.version)  # spans name it, and whoever reads them may ask what it was
        return Loaded(program, found.version.id, module)

    def _exploring(self, config: RoutingConfigUnified, loaded: Loaded) -> Loaded:
        program = loaded.program
        count = partial(decisions_taken_in, self._store, config.tenant_id, program.name)
        epsilon = epsilon_of(config, program.module, program.fields, count)
        return loaded if epsilon == loaded.epsilon else replace(loaded, epsilon=epsilon)

    def _tell_set_aside(self, program: Program, found: ServingVersion) -> None:
        if found.set_aside and self._set_aside.get(program.name) != found.set_aside:
            log.warning("champion %s of %s has another signature, serving it as written", found.set_aside, program.name)
        self._set_aside[program.name] = found.set_aside

    def _as_written(self, program: Program, now: datetime) -> Loaded | None:
        try:
            return Loaded(program, untuned(program, now).id, program.build())
        except Exception as error:  # noqa: BLE001 - a user's factory may raise anything
            self.problems.note(program.name, error, now, f"{program.name} cannot be served")
            return None
