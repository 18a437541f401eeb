"""Serving: what an application imports to answer with the champions and to record what happened.

    serving = open_serving("acme_corp")
    decision = serving.decide("routing", query="find the keynote")
    span.set_attributes(decision.attributes(agent_success=True, search_quality=0.9))

Config and champions are held in a local copy that a background thread refreshes, so a lookup never waits for the
store, and a store that is down stops nobody: the copy keeps serving. `status()` says how old it is and what is wrong.
"""

from __future__ import annotations

import functools
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING

from argotune.data.field_types import NotOfType
from argotune.data.fields import Fields
from argotune.data.span_format import OUTCOMES
from argotune.errors import ConfigInvalid, Unavailable
from argotune.errors.lines import in_short
from argotune.lm.effort import Measuring
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.port import LMs, LMSource
from argotune.programs.answering import answer
from argotune.programs.embedder import Embedders
from argotune.serving.decision import Decision
from argotune.serving.exploration import given_answer
from argotune.serving.local_copy import Loaded, LocalCopy, Problem, Served
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

if TYPE_CHECKING:
    from argotune.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProgramStatus:
    """What serves for one program. `age_s`: since the store last said so, None where it never could be read. `epsilon`:
    the share of its answers that is drawn at random now, 0 where none is."""

    program: str
    version: str
    age_s: float | None
    problem: Problem | None
    epsilon: float = 0.0


@dataclass(frozen=True)
class ServingStatus:
    """How fresh what serves is. `age_s`: since the store was last read through, in seconds.

    `problems` are those that are not mended, with how often in a row each was met; `decisions` counts the questions of
    this process, `unanswered` those without a usable answer, an outage included, and `last_lack` says why the last was.
    """

    tenant_id: str
    age_s: float
    programs: tuple[ProgramStatus, ...]
    problems: tuple[Problem, ...]
    decisions: int
    unanswered: int
    last_lack: str


class _AnswerCount:
    """Questions of this process, and those without a usable answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.decisions = self.unanswered = 0
        self.last_lack = ""

    @contextmanager
    def counted(self) -> Iterator[Callable[[str], None]]:
        """Counts a question, and why it lacks an answer: what is told inside, or the error that leaves the block."""
        try:
            yield self._count
        except BaseException as error:
            self._count(in_short(error))
            raise

    def _count(self, lack: str) -> None:
        with self._lock:
            self.decisions += 1
            self.unanswered += bool(lack)
            self.last_lack = lack or self.last_lack


class Serving:
    """The champions of one tenant. Safe to share between threads; close it, or use it in a `with`.

    In a forked child (a worker of gunicorn or uvicorn) refreshing starts anew by itself, at once.
    """

    def __init__(
        self,
        store: Store,
        config: RoutingConfigUnified,
        lms: LMs,
        embedders: Embedders,
        clock: Callable[[], datetime],
        refresh_s: float = 30.0,
        *,
        open_lms: Callable[[LMChoice], LMs] | None = None,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
        rng: random.Random | None = None,
    ) -> None:
        """`config` and `lms` serve until the store has others; `open_lms` opens those of a config that names others.
        `wait` waits for an event, for so many seconds; `rng` draws where answers are explored. Raises Unavailable when
        the store is down."""
        self._copy = LocalCopy(store, config, lms, embedders, clock, open_lms)
        self._clock, self._refresh_s, self._wait = clock, refresh_s, wait
        self._rng = rng or random.Random()  # noqa: S311 (nothing secret)
        self._answered = _AnswerCount()
        self.refresh()
        self._begin(at_once=False)
        _listen_to_forks()
        _living.add(self)

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
        return self._champion(self._copy.served, program)

    def decide(self, /, program: str, **inputs: object) -> Decision:
        """Answer with the champion. `inputs` are values of the types of the program's input fields, or texts that mean
        such; where a field holds texts, all else is its text, lists and objects as JSON. Only None is missing, unless
        the type has it; what may be missing is "", or the program's default. Answers are values of their types.

        A question without an answer gives a Decision with `lack`. Raises ConfigInvalid for an unknown program, for an
        input that it does not have, is missing or not of its type; Unavailable, AccessDenied and their like when no
        question can be asked.
        """
        served = self._copy.served
        loaded = self._champion(served, program)
        fields = loaded.program.typed_fields
        given = _given(fields, inputs)
        measured = Measuring(time.perf_counter)
        started = time.perf_counter()
        with self._answered.counted() as count, measured:
            found = answer(loaded.module, loaded.program, given, served.lms)
            count(found.lack)
        took_s = time.perf_counter() - started
        said = given_answer(loaded.program.fields, found, loaded.epsilon, self._rng.random())
        return Decision(
            tenant_id=served.config.tenant_id,
            program=program,
            version=loaded.version,
            inputs=fields.values(given),
            answers=fields.values(said.answers),
            confidence=said.confidence,
            processing_time_s=took_s,
            propensity=said.propensity,
            lack=found.lack,
            texts={**given, **found.filling.texts, **said.answers},
            filled=tuple(found.filling.texts),
            unfilled=found.filling.lack,
            effort=measured.effort,
            model=served.lms.names.get("task", ""),
            greedy=said.greedy,
            by=found.by,
            fell_through=found.fell_through,
        )

    def status(self) -> ServingStatus:
        """How fresh what serves is, and what is wrong. Reads nothing but the local copy."""
        copy, now = self._copy, self._clock()
        assert copy.refreshed_at is not None
        return ServingStatus(
            tenant_id=copy.served.config.tenant_id,
            age_s=(now - copy.refreshed_at).total_seconds(),
            programs=tuple(self._status_of(loaded, now) for loaded in copy.served.loaded.values()),
            problems=tuple(copy.problems),
            decisions=self._answered.decisions,
            unanswered=self._answered.unanswered,
            last_lack=self._answered.last_lack,
        )

    def refresh(self) -> None:
        """Take over config and champions that changed. Raises Unavailable when the store is down; whatever else goes
        wrong leaves the program that it is about as it was, and is in `status()`."""
        self._copy.refresh()

    def _champion(self, served: Served, program: str) -> Loaded:
        try:
            return served.loaded[program]
        except KeyError:
            known = ", ".join(sorted(served.loaded))
            problem = self._copy.problems.of(program)
            told = f"cannot be loaded: {problem.says}" if problem else f"is none of this tenant's: {known}"
            raise ConfigInvalid(f"program: {program!r} {told}") from None

    def _status_of(self, loaded: Loaded, now: datetime) -> ProgramStatus:
        name, copy = loaded.program.name, self._copy
        at = copy.confirmed_at.get(name)
        problem = copy.problems.of(name) or copy.problems.of(loaded.program.module)
        age_s = None if at is None else (now - at).total_seconds()
        return ProgramStatus(name, loaded.version, age_s, problem, loaded.epsilon)

    def _begin(self, *, at_once: bool) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_fresh, args=(self._over, at_once), name="argotune-serving", daemon=True
        )
        self._thread.start()

    def _keep_fresh(self, over: threading.Event, at_once: bool) -> None:
        while at_once or not self._wait(over, self._refresh_s):
            at_once = False
            try:
                self.refresh()
            except Unavailable:
                continue  # counted and logged by the copy
            except Exception:
                log.exception("champions not refreshed, serving the local copy")

    def _start_over(self) -> None:
        """In a forked child: the thread stayed with the parent, and locks may be held by it for ever."""
        is_over = self._over.is_set()
        self._copy.start_over()
        self._rng.seed()  # or all children would draw alike
        self._answered = _AnswerCount()
        if not is_over:
            self._begin(at_once=True)


def _given(fields: Fields, inputs: Mapping[str, object]) -> dict[str, str]:
    """What the program is asked. Raises ConfigInvalid that names an input, and those that there are."""
    known = f"{fields.program} has {', '.join(fields.inputs)}"
    unknown = next((name for name in inputs if name not in fields.inputs), None)
    if unknown is not None:
        outcome = "; an outcome is said in Decision.attributes" if unknown in OUTCOMES else ""
        raise ConfigInvalid(f"decide: {unknown!r} is no input: {known}{outcome}")
    is_said = {name: value is not None or fields.takes_none(name) for name, value in inputs.items()}
    given = {name: _kept(fields, name, value) for name, value in inputs.items() if is_said[name]}
    if missing := fields.missing(given):
        raise ConfigInvalid(f"decide: {missing[0]!r} is missing: {known}")
    return fields.asked(given)


def _kept(fields: Fields, name: str, value: object) -> str:
    try:
        return fields.kept(name, value)
    except NotOfType as error:
        raise ConfigInvalid(f"decide: {name!r}: {error}") from error
    except ValueError as error:
        raise ConfigInvalid(f"decide: {name!r} is {error}") from error


_living: weakref.WeakSet[Serving] = weakref.WeakSet()


def _after_fork() -> None:
    for serving in tuple(_living):
        serving._start_over()


@functools.cache
def _listen_to_forks() -> None:
    """From the first Serving on: its store was opened before, so it is ready again before the refreshing begins."""
    os.register_at_fork(after_in_child=_after_fork)


def open_serving(tenant_id: str, refresh_s: float = 30.0) -> Serving:
    """The champions of a tenant, by the settings in the environment. Raises NotFound or Unavailable."""
    from argotune import wiring
    from argotune.settings import read_settings

    settings = read_settings()
    store = wiring.open_store(settings)
    config = Configs(store).get(tenant_id)
    open_lms = functools.partial(serving_lms, wiring.open_lms(settings))
    lms = open_lms(config.lm)
    return Serving(store, config, lms, _embedders_of(settings, config), wiring.utc_now, refresh_s, open_lms=open_lms)


def _embedders_of(settings: Settings, config: RoutingConfigUnified) -> Embedders:
    from argotune import wiring
    from argotune.programs.kept_vectors import RecentVectors

    return wiring.open_embedders(settings).for_tenant(config.embedder, RecentVectors)


def serving_lms(source: LMSource, choice: LMChoice) -> LMs:
    """LMs as an application asks them: without a limit, and no answer is kept."""
    return source.open(choice, Meter(BudgetLimits(max_lm_calls=2**62, max_lm_tokens=2**62)), NothingKept())
