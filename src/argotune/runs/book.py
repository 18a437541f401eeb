"""Run book: the runs of a tenant in the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from argotune.errors import Conflict, Corrupt, NotFound
from argotune.lm.meter import Spent
from argotune.runs.run import NEXT, Run, RunState
from argotune.runs.sums import ProgramSum, RunSummary, sums_of
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import (
    StoredValue,
    find,
    find_all,
    find_renewable,
    find_tagged,
    from_text,
    readable,
    to_record,
)
from argotune.store.sealing import tag_of

SPENT = "spent/"
"""How the ids of spendings begin, in the collection of markers."""


class Spending(StoredValue):
    """What the program's latest run has spent, written with every paid answer, so that a crash forgets nothing."""

    run_id: str
    calls: int
    tokens: int
    reused: int
    priced: int = 0
    nano_usd: int = 0


class RunBook:
    """The runs of one tenant.

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

    def keep(self, run: Run, also: Iterable[Record] = (), expecting: Mapping[Record, str | None] | None = None) -> Run:
        """Write an advanced run down, together with `also`, the sum of the program's runs, and records `expecting` what
        these tags say is there of them.

        Raises Conflict when somebody else wrote one of them, or another run of the program, meanwhile.
        """
        known, tag = self._sum(run)
        record, changed = to_record(Collection.RUN_SUMS, run.program, known.with_run(run.summary)), expecting or {}
        expect = {(other.collection, other.id): found for other, found in changed.items()}
        expect |= {**self.expected(run), (record.collection, record.id): tag}
        self._store.write(self.tenant_id, [self.record_of(run), record, *also, *changed], expect)
        return self.kept(run)

    def expected(self, run: Run) -> dict[tuple[str, str], str | None]:
        """What must be there of a run when it is written next."""
        return {(Collection.RUNS, run.id): self._tags.get(run.id)}

    def kept(self, run: Run) -> Run:
        """Take note that a run was written, together with something else."""
        self._tags[run.id] = tag_of(self.record_of(run).text)
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

    def known_run(self, id: str) -> Run | None:
        """None for a run that was forgotten or cannot be read."""
        try:
            return self.run(id)
        except (Corrupt, NotFound):
            return None

    def runs_named(self, ids: Iterable[str]) -> list[Run]:
        """Those of these that are kept and can be read, in no particular order."""
        stored = self._store.read_many(self.tenant_id, Collection.RUNS, dict.fromkeys(ids))
        records = [Record(Collection.RUNS, id, text) for id, text in stored.items()]
        return list(readable(self.tenant_id, records, lambda text: from_text(Run, text)))

    def runs(self, *, group: str | None = None, since: datetime | None = None) -> list[Run]:
        """All runs that can be read, oldest first."""
        found = find_all(self._store, self.tenant_id, Collection.RUNS, Run)
        wanted = (r for r in found if group in (None, r.group) and (since is None or r.started_at >= since))
        return sorted(wanted, key=lambda run: (run.started_at, run.id))

    def spent(self, run: Run) -> Spent:
        """What the run has spent, by its last answer or its record, whichever came later."""
        latest, _ = find_renewable(self._store, self.tenant_id, Collection.MARKERS, f"{SPENT}{run.program}", Spending)
        recorded = Spent(run.lm_calls, run.lm_tokens, run.lm_reused, run.lm_priced, run.lm_nano_usd)
        if latest is None or latest.run_id != run.id:
            return recorded
        spent = Spent(latest.calls, latest.tokens, latest.reused, latest.priced, latest.nano_usd)
        return max(recorded, spent, key=lambda s: (s.calls, s.tokens, s.reused))  # none of them ever shrinks

    def spending_record(self, run: Run, spent: Spent) -> Record:
        """What `spent` will read."""
        spending = Spending(run_id=run.id, **asdict(spent))
        return to_record(Collection.MARKERS, f"{SPENT}{run.program}", spending)

    def rename_examples(self, program: str, renamed: Mapping[str, str]) -> None:
        """Let the program's unfinished runs know examples by their new ids."""
        runs = [
            (run.model_copy(update={"plan": run.plan.with_renamed(renamed)}), tag)
            for run, tag in find_tagged(self._store, self.tenant_id, Collection.RUNS, Run)
            if run.program == program and run.plan and not run.is_over
        ]
        if runs:
            expect = {(Collection.RUNS, run.id): tag for run, tag in runs}
            self._store.write(self.tenant_id, [self.record_of(run) for run, _ in runs], expect)
