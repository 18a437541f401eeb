"""Module pass: one value for this tenant, this module, these ports, with the tenant's books open."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from argotune.data.archive import ExperienceLog
from argotune.data.cursor import Reading
from argotune.data.question_log import QuestionLog
from argotune.data.stream import Stream, stream_of
from argotune.data.vector_log import VectorLog
from argotune.decisions.lessons import Lessons
from argotune.labels.queue import AnnotationQueue
from argotune.lm.meter import Meter
from argotune.pipeline.ports import Ports
from argotune.pipeline.retention import Retention, is_borne_out, is_followed, retention
from argotune.promotion.contest_book import SHARES, ContestBook
from argotune.promotion.registry import Registry
from argotune.promotion.versions import why_not_cheaper
from argotune.runs.book import SPENT, RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.runs.tallies import RoundRecord, rounds
from argotune.store.collections import Collection
from argotune.store.leases import Lease
from argotune.store.port import Store
from argotune.store.read_once import ReadOnce
from argotune.tenants.config import RoutingConfigUnified

if TYPE_CHECKING:
    from argotune.programs.embedder import Embedders, SentenceEmbedder


@dataclass(frozen=True)
class Request:
    """Why the pipeline is asked to run. `group` ties the runs of one occasion together, e.g. a workflow's name: asked
    again for the same group, a finished module is reported and not run again. `is_training_forced` passes over what
    `decide` would skip because it is not worth its price; what cannot be judged is skipped all the same. `reach`:
    traces that started so long ago are read again, those that earlier passes passed over too. `only`: of these programs
    of the module alone there are runs; () of all. The module is due again at once then."""

    is_forced: bool = False
    is_training_forced: bool = False
    group: str = ""
    reach: timedelta | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pass:
    """One pass over a module of a tenant, or a part of one, such as labelling alone.

    `lease` is None where nothing is written that another pass of the module could write.
    """

    ports: Ports
    config: RoutingConfigUnified
    module: str
    request: Request = field(default_factory=Request)
    lease: Lease | None = None

    @property
    def tenant_id(self) -> str:
        return self.config.tenant_id

    @cached_property
    def stream(self) -> Stream:
        """The module's decisions, wherever they are traced."""
        return stream_of(self.config, self.module)

    @cached_property
    def store(self) -> Store:
        """Where everything of the pass is read and written; fenced where there is a lease. Markers and versions are
        read once."""
        return ReadOnce(self.lease.store if self.lease else self.ports.store, self.tenant_id, _is_kept)

    @cached_property
    def book(self) -> RunBook:
        """The tenant's runs."""
        return RunBook(self.store, self.tenant_id)

    @cached_property
    def contests(self) -> ContestBook:
        """The tenant's contests."""
        return ContestBook(self.store, self.tenant_id)

    @cached_property
    def module_book(self) -> ModuleBook:
        """Where the module stands."""
        return ModuleBook(self.store, self.tenant_id, self.module)

    @cached_property
    def archive(self) -> ExperienceLog:
        """The tenant's experiences and examples."""
        return ExperienceLog(self.store, self.tenant_id)

    @cached_property
    def registry(self) -> Registry:
        """The tenant's versions and champions."""
        return Registry(self.store, self.tenant_id)

    def withheld_as_cheaper(self, program: str, champion: str) -> str:
        """Why no challenger of this champion is promoted as not worse and cheaper; "" where one may be."""
        return why_not_cheaper(self.registry.history(program), champion, self.contests.shares().since)

    @cached_property
    def queue(self) -> AnnotationQueue:
        """The spans of the tenant that wait for a label."""
        return AnnotationQueue(self.store, self.tenant_id)

    @cached_property
    def vectors(self) -> VectorLog:
        """The vectors of the tenant's texts that runs made."""
        return VectorLog(self.store, self.tenant_id)

    def embedders(self, meter: Meter) -> Embedders:
        """Those of the tenant, which keep their vectors in its store; `meter` counts what requests cost."""
        from argotune.programs.embedder import PaidEmbedder
        from argotune.programs.kept_vectors import KeptVectors

        most = self.config.retention.vectors_kept

        def kept(embedder: SentenceEmbedder) -> SentenceEmbedder:
            paid = embedder.paid_by(meter) if isinstance(embedder, PaidEmbedder) else embedder
            return KeptVectors(paid, self.vectors, self.ports.clock, most)

        return self.ports.embedders().for_tenant(self.config.embedder, kept)

    def questions(self, program: str) -> QuestionLog:
        """What a program was asked, for one gathering or one look: a log that begins with nothing read."""
        return QuestionLog(self.store, self.tenant_id, program)

    @property
    def passes(self) -> PassState:
        """What the module's passes took in. Raises NewerRecord."""
        return self.module_book.read(PassState)

    @property
    def lessons(self) -> Lessons:
        """What they taught. Raises NewerRecord."""
        return self.module_book.read(Lessons)

    @property
    def id(self) -> str:
        """That of the pass that has begun and not ended, "" where there is none."""
        return self.passes.pass_id or ""

    @property
    def kept(self) -> Retention:
        """From when on the module's experiences are kept."""
        return retention(self.module_book.read(Reading), self.passes.last_run_at, self.config, self.now)

    @property
    def now(self) -> datetime:
        return self.ports.clock()

    @property
    def sure_now(self) -> datetime | None:
        """The present, None where neither traces nor rounds have followed the clock: it may have leapt, and nothing is
        over by it."""
        now, reading = self.now, self.module_book.read(Reading)
        is_sure = is_followed(reading, self.passes.last_run_at, now) or is_borne_out(now, self._rounds)
        return now if is_sure else None

    @cached_property
    def _rounds(self) -> list[RoundRecord]:
        """Read once in a pass, and only where the clock is doubted: each step of a contest asks."""
        return rounds(self.store)

    def check(self) -> None:
        """Raises Overtaken where another process has taken the module up, Unavailable where the lease only lapsed."""
        if self.lease:
            self.lease.check()


def _is_kept(collection: str, id: str) -> bool:
    """Versions are immutable, and markers a pass's own, save what runs and contests have spent: several threads or
    modules write that."""
    is_own = collection == Collection.MARKERS and not id.startswith(SPENT) and id != SHARES
    return is_own or collection == Collection.VERSIONS
