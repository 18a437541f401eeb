"""Ports: what the pipeline needs from the world. Each has a few methods and several adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from argotune.annotations import Annotation
from argotune.content import Sample
from argotune.experiences import Span
from argotune.tenants import LMChoice, RoutingConfigUnified

if TYPE_CHECKING:
    from argotune.answers import Answers
    from argotune.budget import Meter
    from argotune.workflows import Manifest, Workflow

ANY = "*"
"""In `expect`: whatever is there now may be overwritten."""


@dataclass(frozen=True)
class Record:
    """One stored document. `document` is JSON text sealed by `records.seal`."""

    collection: str
    id: str
    document: str


class Store(Protocol):
    """Documents of tenants: (tenant, collection, id) -> JSON text.

    A tag is the content hash of a document. Adapters raise Unavailable when the product is down and
    Conflict when an expectation fails; they know nothing of what the documents mean.
    """

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        """The document, or None."""

    def scan(self, tenant_id: str, collection: str) -> Iterator[Record]:
        """All documents of a collection, in no particular order, in constant memory."""

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        """Store all records in one step or none.

        `expect` maps (collection, id) to the tag that must be there now (None: nothing is there).
        Raises Conflict, and stores nothing, when one of them is not met.
        """

    def remove(
        self,
        tenant_id: str,
        collection: str,
        ids: Iterable[str] | None = None,
        expect: Mapping[tuple[str, str], str | None] | None = None,
    ) -> int:
        """Forget the named documents, or the whole collection; the number that was there.

        Raises Conflict when something that is expected, as by `write`, is not met. Of many documents some may be gone
        then: they go in steps, and each expects it.
        """

    def hold(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """Take the lease `name` for `ttl_s` seconds; False when somebody else holds it."""

    def renew(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """Let a lease last `ttl_s` seconds from now on; False when it has lapsed or is not `holder`'s.

        A lapsed lease is not taken again: somebody else may have held it meanwhile.
        """

    def let_go(self, tenant_id: str, name: str, holder: str) -> None:
        """Give a lease back; nothing happens when it is not held by `holder`."""


class TraceSource(Protocol):
    """Where production traces are, and the annotations on them.

    Raises ProjectMissing, Unavailable, RateLimited, AccessDenied or BadAnswer.
    """

    def spans_after(self, tenant_id: str, module: str, row_id: int, since: datetime | None = None) -> Iterator[Span]:
        """Spans of a module with a row id above `row_id`, in order of row id, in constant memory.

        `since` leaves out spans that started earlier; in a first read (`row_id` 0) they lie behind it all the same: row
        ids say how far everything has been given, and the last one is the highest there is. Late and back-dated spans
        have high row ids, so they are found.
        """

    def count_after(
        self,
        tenant_id: str,
        module: str,
        row_id: int,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """How many spans of a module lie above `row_id` and started in [since, until); counting stops at `limit`."""

    def row_of(self, tenant_id: str, span_id: str) -> int | None:
        """The row id of a span, None when it is not there."""

    def annotations(self, tenant_id: str, module: str, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """All annotations with one of these names on a module's spans that started at `since` or later."""

    def count_labels(self, tenant_id: str, module: str, names: Sequence[str], since: datetime | None = None) -> int:
        """How many labels lie on a module's spans that started at `since` or later (None: on all), under that of the
        names which has the most.

        One request for each name, whatever the number of spans. A corrected label counts once, a second opinion twice.
        """

    def annotate(self, tenant_id: str, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier). Raises NotFound, storing nothing, for a span that is gone."""

    def newest(self) -> Mapping[str, datetime]:
        """When each tenant's newest trace ended, or up to two minutes later. Tenants without traces are not in it."""

    def ping(self) -> str:
        """The product's version, when it can be reached and lets us in."""


@dataclass(frozen=True)
class TrackedExample:
    """One test example as a tracker shows it: what went in, what was right, and both programs' answers."""

    id: str
    inputs: Mapping[str, str]
    expected: Mapping[str, str]
    split: str
    label_source: str
    span_id: str | None
    champion_answers: Mapping[str, str] | None = None
    champion_score: float | None = None
    challenger_answers: Mapping[str, str] | None = None
    challenger_score: float | None = None


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of one run: the dataset, both results and the facts around them."""

    tenant_id: str
    program: str
    run_id: str
    champion_version: str
    challenger_version: str
    examples: Sequence[TrackedExample]
    facts: Mapping[str, str | float | int | bool | None]
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True)
class TrackedLinks:
    """Where a person can look at a tracked run. URLs."""

    dataset: str
    comparison: str


class Tracker(Protocol):
    """Where people look at results side by side."""

    def publish(self, run: TrackedRun) -> TrackedLinks:
        """Store dataset and both experiments; publishing the same run again changes nothing."""

    def project_link(self, tenant_id: str) -> str | None:
        """Where a tenant's traces can be seen, None when there is no such page."""

    def ping(self) -> str:
        """The product's version, when it can be reached and lets us in."""


class ContentSource(Protocol):
    """Where a tenant's content is. Raises Unavailable, BadAnswer, AccessDenied or ConfigInvalid.

    A tenant is never given another tenant's content. A document that cannot be used is counted, not raised.
    """

    def sample(
        self, tenant_id: str, count: int, modalities: Sequence[str], profiles: Sequence[str] = (), seed: int = 0
    ) -> Sample:
        """At most `count` contents, as evenly over the modalities as there are any; equal seeds give equal ones.

        `profiles` are kinds of index, none means all.
        """

    def count(self, tenant_id: str, modalities: Sequence[str]) -> int:
        """How many documents of these modalities the tenant has."""

    def ping(self) -> str:
        """What is there, in a few words, when it can be reached and lets us in."""


class Embedder(Protocol):
    """Texts to unit vectors, for finding neighbours. Saved with a version by its name and its state."""

    name: str

    def fit(self, texts: Sequence[str]) -> None:
        """Learn what it needs from training texts; a pretrained embedder does nothing."""

    def neighbours(self, text: str, k: int) -> list[int]:
        """Indices of the k fitted texts nearest to `text`, nearest first."""


class TraceSink(Protocol):
    """Where an application writes its decisions: the demo and tests use it, the pipeline never does."""

    def record(self, tenant_id: str, spans: Sequence[Span]) -> None:
        """Send spans and wait until they can be read back."""

    def annotate(self, tenant_id: str, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier)."""


@dataclass(frozen=True)
class LMs:
    """The LMs of one run, ready for `dspy.context(lm=lms.task, adapter=lms.adapter)`.

    `task` answers; it may be a DSPy decision client that scores labels and cannot write text. `teacher` writes
    instructions, None when the installation has no LM that can. An LM is never stored with a program.
    """

    task: Any
    teacher: Any | None
    adapter: Any
    names: Mapping[str, str]
    num_threads: int = 1


class LMSource(Protocol):
    """Opens LMs by name, metered and with the tenant's answers at hand."""

    def open(self, choice: LMChoice, meter: Meter, answers: Answers) -> LMs:
        """The LMs of a tenant. Raises ConfigInvalid for a name that cannot be used."""


class WorkflowRunner(Protocol):
    """Where tenants' workflows run. Raises Unavailable, AccessDenied, NotFound or ConfigInvalid."""

    def submit(self, manifest: Manifest) -> bool:
        """Create a workflow; False when one of that name is there already. Raises ConfigInvalid when it is refused."""

    def unfinished(self) -> frozenset[str]:
        """The tenant labels (workflows.label_value) of runs that have not ended."""

    def workflows(self, tenant_id: str | None = None) -> list[Workflow]:
        """Runs, of one tenant or of all, oldest first."""

    def workflow(self, name: str) -> Workflow:
        """Raises NotFound."""

    def stop(self, name: str) -> None:
        """Ask that a workflow ends early; what it has stored stays. Raises NotFound."""

    def logs(self, name: str) -> Iterator[tuple[str, str]]:
        """(pod, line) of all its pods that are still there, oldest pod first. Raises NotFound."""


Progress = Callable[[str, int, int], None]
"""Told (what, done, total) during long work; for people only."""


def silent(_what: str, _done: int, _total: int) -> None:
    """The progress nobody watches."""


@dataclass(frozen=True)
class Ports:
    """Everything a run needs from outside, time and ids included. `annotator` opens the LM that labels, by the same
    rules as others but with a key of its own; None where an installation has none."""

    store: Store
    traces: TraceSource
    tracker: Tracker
    lms: LMSource
    embedder: Callable[[], Embedder]
    content: Callable[[RoutingConfigUnified], ContentSource]
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    progress: Progress = silent
    lease_s: float = 30.0
    annotator: LMSource | None = None
