"""Sums: what all runs of a program came to, kept beside the runs so that nobody reads thousands of them to know.

Written in the same step as each state of a run: a run that has ended is added once and for ever, one that has not is
replaced by its next state. So the sums stay when old runs are forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from argotune.lm.meter import NANO
from argotune.stats.wording import counted
from argotune.store.moments import believed
from argotune.store.records import StoredValue


@dataclass(frozen=True)
class Money:
    """What was paid: LM calls and their tokens, and `usd` by list prices, None where no price is known. Of
    `unpriced_calls` it is not known; `lm_reused` answers were there already and cost nothing."""

    lm_calls: int = 0
    lm_tokens: int = 0
    lm_reused: int = 0
    usd: float | None = None
    unpriced_calls: int = 0

    @property
    def sentence(self) -> str:
        """For people."""
        paid = f"{counted(self.lm_calls, 'LM call')}, {counted(self.lm_tokens, 'token')}"
        if self.usd is None:
            return paid
        unknown = f" and {counted(self.unpriced_calls, 'call')} without a known price" if self.unpriced_calls else ""
        return f"{paid}, {self.usd:,.2f} USD{unknown}"


VERDICTS = ("promoted", "rejected", "undecided", "skipped")
"""How a run can end."""


_SPENT = ("lm_calls", "lm_tokens", "lm_reused", "lm_priced", "lm_nano_usd")


class ModuleTally(StoredValue):
    """Runs by outcome (`Run.outcome`), the milliseconds that those which ended took, and what all of them have spent.

    Milliseconds are whole numbers, so that the sum is the same in whatever order the records come: a counter that
    falls by the last bit of a fraction is a restart to Prometheus. They run from a run's start to its end, so the wait
    of a run that was taken up again is in them. Of `lm_priced` of the calls the price is known, in sum `lm_nano_usd`
    billionths of a US dollar.
    """

    runs: dict[str, int] = Field(default_factory=dict)
    run_ms: dict[str, int] = Field(default_factory=dict)
    lm_calls: int = 0
    lm_tokens: int = 0
    lm_reused: int = 0
    lm_priced: int = 0
    lm_nano_usd: int = 0
    unfinished_since: datetime | None = None

    @property
    def money(self) -> Money:
        """What was paid, for people."""
        usd = self.lm_nano_usd / NANO if self.lm_priced else None
        return Money(self.lm_calls, self.lm_tokens, self.lm_reused, usd, self.lm_calls - self.lm_priced)


class RunSummary(StoredValue):
    """What is told of a run where its answers are not asked for."""

    id: str
    program: str
    module: str
    group: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    sentence: str
    challenger: str | None
    lm_calls: int
    lm_tokens: int
    lm_reused: int
    lm_priced: int = 0
    lm_nano_usd: int = 0

    @property
    def is_over(self) -> bool:
        return self.outcome != "unfinished"

    @property
    def is_judged(self) -> bool:
        """Whether the gate has spoken on it."""
        return self.outcome in VERDICTS and self.outcome != "skipped"

    @property
    def tally(self) -> ModuleTally:
        """What the run alone comes to."""
        took = max(self.ended_at - self.started_at, timedelta(0)) if self.ended_at else None
        return ModuleTally(
            runs={self.outcome: 1},
            run_ms={} if took is None else {self.outcome: took // timedelta(milliseconds=1)},
            lm_calls=self.lm_calls,
            lm_tokens=self.lm_tokens,
            lm_reused=self.lm_reused,
            lm_priced=self.lm_priced,
            lm_nano_usd=self.lm_nano_usd,
            unfinished_since=None if self.is_over else self.started_at,
        )


class ProgramSum(StoredValue):
    """All runs of a program: the sum of those that ended, those that did not by id, and the one that began last.

    `challenger` is that of the latest run that made one, `judged` the latest on which the gate has spoken, which runs
    that are skipped would hide.
    """

    program: str
    module: str
    ended: ModuleTally = Field(default_factory=ModuleTally)
    unfinished: dict[str, ModuleTally] = Field(default_factory=dict)
    latest: RunSummary | None = None
    challenger: str | None = None
    last_ended_at: datetime | None = None
    judged: RunSummary | None = None

    def with_run(self, run: RunSummary) -> ProgramSum:
        """The sum with a run in its present state. One that ended is added once, and after that only shown anew."""
        if self.latest and self.latest.id == run.id and self.latest.is_over:
            return self.model_copy(update={"latest": run, **self._judged_by(run)})
        others = {id: tally for id, tally in self.unfinished.items() if id != run.id}
        # One that was not seen before began last, whatever its clock said.
        is_latest = self.latest is None or run.id == self.latest.id or run.id not in self.unfinished
        left = others if run.is_over else {**others, run.id: run.tally}
        changes: dict[str, object] = {"unfinished": left, **self._judged_by(run)}
        if run.is_over:
            changes |= {
                "ended": total((self.ended, run.tally)),
                "last_ended_at": _last_end(self.last_ended_at, run.ended_at),
            }
        if is_latest:
            changes |= {"latest": run, "challenger": run.challenger or self.challenger}
        return self.model_copy(update=changes)

    def _judged_by(self, run: RunSummary) -> dict[str, object]:
        return {"judged": run} if run.is_judged else {}

    @property
    def tally(self) -> ModuleTally:
        return total((self.ended, *self.unfinished.values()))


def _last_end(known: datetime | None, ended_at: datetime | None) -> datetime | None:
    """The end of the run is taken for the present."""
    return known if ended_at is None else latest(known, ended_at, now=ended_at)


def sums_of(runs: Iterable[RunSummary]) -> dict[str, ProgramSum]:
    """The sums of these runs, in any order, by program."""
    found: dict[str, ProgramSum] = {}
    for run in sorted(runs, key=lambda run: (run.started_at, run.id)):
        known = found.get(run.program) or ProgramSum(program=run.program, module=run.module)
        # No order of theirs says when which of them was written, so whoever reads it leaves out a time in the future.
        last_ended_at = max(filter(None, (known.last_ended_at, run.ended_at)), default=None)
        found[run.program] = known.with_run(run).model_copy(update={"last_ended_at": last_ended_at})
    return found


def total(tallies: Iterable[ModuleTally], *, with_unfinished: bool = True) -> ModuleTally:
    """The sum of tallies. Unfinished runs may be left out, what they have spent is not."""
    runs, run_ms = Counter[str](), Counter[str]()
    spent = Counter[str](dict.fromkeys(_SPENT, 0))
    since: datetime | None = None
    for tally in tallies:
        runs.update({o: n for o, n in tally.runs.items() if with_unfinished or o in VERDICTS})
        run_ms.update(tally.run_ms)
        spent.update({name: getattr(tally, name) for name in _SPENT})
        if with_unfinished and tally.unfinished_since:
            since = min(since or tally.unfinished_since, tally.unfinished_since)
    return ModuleTally(runs=dict(runs), run_ms=dict(run_ms), unfinished_since=since, **spent)


def latest(*moments: datetime | None, now: datetime) -> datetime | None:
    """The latest of times that may be unknown; one in the future is not believed and hides none."""
    return max(filter(None, (believed(moment, now) for moment in moments)), default=None)
