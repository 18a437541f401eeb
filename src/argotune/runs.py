"""Runs: one pass of the pipeline for one program of one tenant, written down at every step to survive crashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from argotune.budget import Spent
from argotune.decisions import ModelingContext, Strategy, TrainingDecision
from argotune.documents import Document, find, find_all, find_renewable, find_tagged, from_text, readable, to_record
from argotune.errors import Conflict, NotFound
from argotune.ports import Record, Store
from argotune.progress import Marker
from argotune.records import Collection, tag_of
from argotune.run_sums import ProgramSum, RunSummary, sums_of
from argotune.synthesis import SyntheticReport
from argotune.verdicts import Comparison, Verdict


class RunState(StrEnum):
    """How far a run has come."""

    STARTED = "started"
    PLANNED = "planned"
    TRAINED = "trained"
    OPENED = "opened"
    COMPARED = "compared"
    JUDGED = "judged"
    REPORTED = "reported"
    SKIPPED = "skipped"


NEXT: dict[RunState, frozenset[RunState]] = {
    RunState.STARTED: frozenset({RunState.PLANNED, RunState.SKIPPED}),
    RunState.PLANNED: frozenset({RunState.TRAINED, RunState.SKIPPED}),
    RunState.TRAINED: frozenset({RunState.OPENED}),
    RunState.OPENED: frozenset({RunState.COMPARED, RunState.JUDGED, RunState.SKIPPED}),
    RunState.COMPARED: frozenset({RunState.JUDGED}),
    RunState.JUDGED: frozenset({RunState.REPORTED}),
    RunState.REPORTED: frozenset(),
    RunState.SKIPPED: frozenset(),
}
"""Which state may follow which."""


class Plan(Document):
    """What `decide` wants to be done. `synthetic_count` examples are made for training beside `train_ids`.

    `max_iterations` is the number of candidates that this optimizer tries at most, not what the config asks for.
    """

    optimizer: str
    reason: str
    seed: int
    max_iterations: int
    train_ids: tuple[str, ...]
    dev_ids: tuple[str, ...]
    test_ids: tuple[str, ...]
    data_hash: str
    strategy: Strategy = Strategy.PURE_REAL
    synthetic_count: int = 0

    @property
    def lesson(self) -> str:
        """Equal for plans that would train the same challenger, seeds apart."""
        mixed = f" {self.strategy} {self.synthetic_count}" if self.strategy is not Strategy.PURE_REAL else ""
        return f"{self.optimizer} {self.max_iterations} {self.data_hash}{mixed}"

    def with_renamed(self, renamed: Mapping[str, str]) -> Plan:
        """The plan with the new ids of examples; those that became one are named once."""
        ids = {name: _renamed(getattr(self, name), renamed) for name in ("train_ids", "dev_ids", "test_ids")}
        return self.model_copy(update=ids)


def _renamed(ids: Iterable[str], renamed: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(renamed.get(id, id) for id in ids))


class Skip(Document):
    """Why a run ended early. An outcome, not an error."""

    reason: str


class Run(Document):
    """The record of a run. Later fields are filled as it goes on. `is_cut_short`: an LM call was refused for want of
    budget, so it trained or measured less than it was to. `is_to_repeat`: what ended it says nothing of its data or its
    program, so a later pass may do the same again."""

    id: str
    tenant_id: str
    module: str
    program: str
    state: RunState
    started_at: datetime
    group: str = ""
    forced: bool = False
    ended_at: datetime | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    context: ModelingContext | None = None
    decision: TrainingDecision | None = None
    plan: Plan | None = None
    skip: Skip | None = None
    is_to_repeat: bool = False
    synthetic: SyntheticReport | None = None
    champion: str | None = None
    champion_tag: str | None = None
    challenger: str | None = None
    attempt: int | None = None
    comparison: Comparison | None = None
    champion_answers: dict[str, dict[str, str]] = Field(default_factory=dict)
    challenger_answers: dict[str, dict[str, str]] = Field(default_factory=dict)
    verdict: Verdict | None = None
    lm_calls: int = 0
    lm_tokens: int = 0
    lm_reused: int = 0
    is_cut_short: bool = False
    dataset_link: str | None = None
    comparison_link: str | None = None

    @property
    def is_over(self) -> bool:
        return not NEXT[self.state]

    @property
    def is_carried_out(self) -> bool:
        """Whether its plan was carried out, so that doing the same again would teach nothing."""
        return not self.is_cut_short and not self.is_to_repeat

    @property
    def trained_on(self) -> Strategy:
        """The data that the challenger was really trained on. The plan may have wanted synthetic examples that could
        not be made, or that showed no gain on dev."""
        if self.plan is None or self.challenger is None:
            return Strategy.SKIP
        if self.synthetic is None or not self.synthetic.is_used:
            return Strategy.PURE_REAL
        return Strategy.HYBRID if self.plan.train_ids else Strategy.SYNTHETIC

    @property
    def outcome(self) -> str:
        """`promoted`, `rejected`, `skipped` or `unfinished`."""
        if self.state is RunState.SKIPPED:
            return "skipped"
        return self.outcome_of_verdict if self.is_over else "unfinished"

    @property
    def outcome_of_verdict(self) -> str:
        """`promoted`, `rejected`, or `unfinished` before the gate has spoken."""
        return self.verdict.outcome if self.verdict else "unfinished"

    @property
    def sentence(self) -> str:
        """What came of it, for people."""
        if self.skip:
            return f"skipped: {self.skip.reason}"
        return self.verdict.reason if self.verdict else f"unfinished, {self.state}"

    @property
    def summary(self) -> RunSummary:
        """What is told of it without its answers."""
        return RunSummary(
            id=self.id,
            program=self.program,
            module=self.module,
            group=self.group,
            started_at=self.started_at,
            ended_at=self.ended_at,
            outcome=self.outcome,
            sentence=self.sentence,
            challenger=self.challenger,
            lm_calls=self.lm_calls,
            lm_tokens=self.lm_tokens,
            lm_reused=self.lm_reused,
        )


class Attempt(Document):
    """That a run opened the sealed test split: written before it is opened. `void` says why it measured nothing."""

    program: str
    run_id: str
    at: datetime
    example_ids: tuple[str, ...]
    void: str = ""


class Spending(Document):
    """What the program's latest run has spent, written with every paid answer, so that a crash forgets nothing."""

    run_id: str
    calls: int
    tokens: int
    reused: int


class RunBook:
    """The runs, attempts and markers of one tenant.

    A book writes a run only in place of what it has itself read or written of it: what somebody else wrote meanwhile
    stays, and is a Conflict.
    """

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store = store
        self.tenant_id = tenant_id
        self._tags: dict[str, str | None] = {}

    def open(self, run: Run) -> Run:
        """The run that is already written down under this id, now of the group that goes on with it, else `run`."""
        known, self._tags[run.id] = find(self._store, self.tenant_id, Collection.RUNS, run.id, Run)
        opened = known.model_copy(update={"group": run.group or known.group}) if known else run
        return opened if opened == known else self.keep(opened)

    def advance(self, run: Run, state: RunState, also: Iterable[Record] = (), **changes: Any) -> Run:
        """Write the run down in its next state, together with `also`. Raises Conflict for an illegal step."""
        return self.keep(self.advanced(run, state, **changes), also)

    def keep(self, run: Run, also: Iterable[Record] = ()) -> Run:
        """Write an advanced run down, together with `also` and the sum of the program's runs.

        Raises Conflict when somebody else wrote it, or another run of the program, meanwhile.
        """
        known, tag = self._sum(run)
        record = to_record(Collection.RUN_SUMS, run.program, known.with_run(run.summary))
        expect = {**self.expected(run), (record.collection, record.id): tag}
        self._store.write(self.tenant_id, [self.record_of(run), record, *also], expect)
        return self.kept(run)

    def expected(self, run: Run) -> dict[tuple[str, str], str | None]:
        """What must be there of a run when it is written next."""
        return {(Collection.RUNS, run.id): self._tags.get(run.id)}

    def kept(self, run: Run) -> Run:
        """Take note that a run was written, together with something else."""
        self._tags[run.id] = tag_of(self.record_of(run).document)
        return run

    def _sum(self, run: Run) -> tuple[ProgramSum, str | None]:
        """The sum of a program's runs, counted from them where none is stored, and the tag that a change expects."""
        known, tag = find_renewable(self._store, self.tenant_id, Collection.RUN_SUMS, run.program, ProgramSum)
        if known is None:
            known = self._counted(run.program).get(run.program)
        return known or ProgramSum(program=run.program, module=run.module), tag

    def _counted(self, program: str) -> dict[str, ProgramSum]:
        """The sums of all programs, from their runs. Those of others are stored too, where they are missing: whoever
        finds a sum takes all to be there."""
        found = sums_of(self._summaries())
        for name in sorted(found.keys() - {program}):
            record = to_record(Collection.RUN_SUMS, name, found[name])
            with suppress(Conflict):
                self._store.write(self.tenant_id, [record], {(record.collection, name): None})
        return found

    def _summaries(self) -> Iterator[RunSummary]:
        """Of all runs that can be read."""
        return (run.summary for run in find_all(self._store, self.tenant_id, Collection.RUNS, Run))

    def sums(self) -> list[ProgramSum]:
        """What the runs of each program came to, by program. Reads no run where the sums are stored."""
        stored = list(find_all(self._store, self.tenant_id, Collection.RUN_SUMS, ProgramSum))
        return sorted(stored or sums_of(self._summaries()).values(), key=lambda found: found.program)

    def kept_sums(self) -> list[ProgramSum]:
        """The sums, stored before anything that they are sums of is forgotten."""
        if next(find_all(self._store, self.tenant_id, Collection.RUN_SUMS, ProgramSum), None) is None:
            self._counted("")
        return self.sums()

    def latest_challenger(self, program: str) -> str | None:
        """The version that the program's runs made last, whatever became of it."""
        return next((found.challenger for found in self.sums() if found.program == program), None)

    @staticmethod
    def advanced(run: Run, state: RunState, **changes: Any) -> Run:
        """The run in its next state, not yet written."""
        if state not in NEXT[run.state]:
            raise Conflict(f"run {run.id} cannot go from {run.state} to {state}")
        return Run.model_validate({**run.model_dump(), **changes, "state": state})

    @staticmethod
    def record_of(run: Run) -> Record:
        return to_record(Collection.RUNS, run.id, run)

    def run(self, id: str) -> Run:
        """Raises NotFound."""
        run, _ = find(self._store, self.tenant_id, Collection.RUNS, id, Run)
        if run is None:
            raise NotFound(f"run: tenant {self.tenant_id!r} has no run {id!r}")
        return run

    def runs(self, *, group: str | None = None, since: datetime | None = None) -> list[Run]:
        """All runs that can be read, oldest first."""
        found = find_all(self._store, self.tenant_id, Collection.RUNS, Run)
        wanted = (r for r in found if group in (None, r.group) and (since is None or r.started_at >= since))
        return sorted(wanted, key=lambda run: (run.started_at, run.id))

    def spent(self, run: Run) -> Spent:
        """What the run has spent, by its last answer or its record, whichever came later."""
        latest, _ = find_renewable(self._store, self.tenant_id, Collection.MARKERS, f"spent/{run.program}", Spending)
        recorded = Spent(run.lm_calls, run.lm_tokens, run.lm_reused)
        if latest is None or latest.run_id != run.id:
            return recorded
        spent = Spent(latest.calls, latest.tokens, latest.reused)
        return max(recorded, spent, key=lambda s: (s.calls, s.tokens, s.reused))  # none of them ever shrinks

    def spending_record(self, run: Run, spent: Spent) -> Record:
        """What `spent` will read."""
        spending = Spending(run_id=run.id, calls=spent.calls, tokens=spent.tokens, reused=spent.reused)
        return to_record(Collection.MARKERS, f"spent/{run.program}", spending)

    def attempts(self, program: str) -> list[Attempt]:
        """Every opening of the program's test split that can be read, oldest first."""
        found = find_all(self._store, self.tenant_id, Collection.ATTEMPTS, Attempt)
        return sorted((a for a in found if a.program == program), key=lambda attempt: (attempt.at, attempt.run_id))

    def lost_attempts(self, program: str) -> int:
        """How many openings cannot be read: each may have seen any example."""
        stored = [r for r in self._store.scan(self.tenant_id, Collection.ATTEMPTS) if r.id.startswith(f"{program}-")]
        return len(stored) - len(list(readable(self.tenant_id, stored, lambda document: from_text(Attempt, document))))

    def rename_examples(self, program: str, renamed: Mapping[str, str]) -> None:
        """Let the program's unfinished runs know examples by their new ids, and its attempts by both: what was seen
        stays seen, whatever it is called."""
        attempts = [
            (
                attempt.model_copy(
                    update={"example_ids": attempt.example_ids + _renamed(attempt.example_ids, renamed)}
                ),
                tag,
            )
            for attempt, tag in find_tagged(self._store, self.tenant_id, Collection.ATTEMPTS, Attempt)
            if attempt.program == program and not renamed.keys().isdisjoint(attempt.example_ids)
        ]
        runs = [
            (run.model_copy(update={"plan": run.plan.with_renamed(renamed)}), tag)
            for run, tag in find_tagged(self._store, self.tenant_id, Collection.RUNS, Run)
            if run.program == program and run.plan and not run.is_over
        ]
        records = [*(self.attempt_record(a) for a, _ in attempts), *(self.record_of(r) for r, _ in runs)]
        tags = [tag for _, tag in (*attempts, *runs)]
        if records:
            expect = {(record.collection, record.id): tag for record, tag in zip(records, tags, strict=True)}
            self._store.write(self.tenant_id, records, expect)

    def attempt_record(self, attempt: Attempt) -> Record:
        return to_record(Collection.ATTEMPTS, attempt.run_id, attempt)

    def void_record(self, run_id: str, why: str) -> Record:
        """The run's attempt as one that measured nothing. Raises NotFound."""
        attempt, _ = find(self._store, self.tenant_id, Collection.ATTEMPTS, run_id, Attempt)
        if attempt is None:
            raise NotFound(f"attempt: tenant {self.tenant_id!r} has none of run {run_id!r}")
        return self.attempt_record(attempt.model_copy(update={"void": why}))

    def marker(self, module: str) -> tuple[Marker, str | None]:
        """Where the module stands, and the tag that a change must expect.

        A damaged marker is a new one: the module is due, its traces are read again, which stores nothing twice.
        """
        marker, tag = find_renewable(self._store, self.tenant_id, Collection.MARKERS, f"module/{module}", Marker)
        return marker or Marker(), tag

    def change_marker(self, module: str, **changes: Any) -> None:
        """Change fields of a module's marker. Raises Conflict when somebody else changed it meanwhile."""
        marker, tag = self.marker(module)
        record = self.marker_record(module, Marker.model_validate({**marker.model_dump(), **changes}))
        self._store.write(self.tenant_id, [record], {(record.collection, record.id): tag})

    def marker_record(self, module: str, marker: Marker) -> Record:
        return to_record(Collection.MARKERS, f"module/{module}", marker)
