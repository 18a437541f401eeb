"""Timetable: which chores of which tenants are due, who is at work, and who is left alone for a while.

Knows no clock, no store and no thread: whoever asks says what time it is. A tenant's trouble moves no other's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from argotune.scheduling.chores import Backoff, Chore, Lane, Periods
from argotune.store.moments import believed
from argotune.store.sealing import digest


@dataclass(frozen=True)
class KnownTenant:
    """A tenant of the list. `done_at`: when its chores were last done, by whomever. `has_need`: whether a look at it
    can find something due by traces."""

    tenant_id: str
    done_at: Mapping[str, datetime]
    has_need: bool


@dataclass(frozen=True)
class DueVisit:
    """Chores of a tenant that are due together, and since when each is."""

    tenant_id: str
    due_at: Mapping[Chore, datetime]


@dataclass
class _Line:
    due_at: dict[Chore, datetime]
    has_need: bool
    failures: int = 0
    again_at: datetime | None = None
    work: DueVisit | None = None
    lane: Lane = Lane.LOOKS
    begun_at: datetime | None = None
    found_at: datetime | None = None

    @property
    def is_waiting(self) -> bool:
        """Its look found something to do, and there was no place for that yet."""
        return self.work is not None and self.begun_at is None

    def is_free(self, now: datetime) -> bool:
        return self.work is None and (self.again_at is None or self.again_at <= now)

    def end(self) -> None:
        self.work = self.begun_at = self.found_at = None

    def waits_since(self, now: datetime) -> datetime | None:
        """For a place in its lane, None where it waits for none."""
        if self.is_waiting:
            return self.found_at
        due_at = min(self.due_at.values())
        is_due = self.is_free(now) and due_at <= now
        return max(due_at, self.again_at or due_at) if is_due else None


@dataclass
class Timetable:
    """Grows with the tenants of the list alone."""

    periods: Periods
    backoff: Backoff
    _lines: dict[str, _Line] = field(default_factory=dict)
    _forgiven_at: datetime | None = None

    def know(self, tenants: Iterable[KnownTenant], now: datetime) -> None:
        """The list as it is: new tenants have a line, those that are gone none, once nobody is at work for them."""
        listed = {tenant.tenant_id: tenant for tenant in tenants}
        gone = [id for id, line in self._lines.items() if id not in listed and line.begun_at is None]
        for tenant_id in gone:
            del self._lines[tenant_id]
        for tenant_id, tenant in listed.items():
            if tenant_id in self._lines:
                self._hear(self._lines[tenant_id], tenant, now)
            else:
                self._lines[tenant_id] = _Line(self._first(tenant, now), tenant.has_need)

    def _hear(self, line: _Line, tenant: KnownTenant, now: datetime) -> None:
        """What others did meanwhile is not due again."""
        line.has_need = tenant.has_need
        for chore, period in self.periods.by_chore.items():
            done_at = believed(tenant.done_at.get(chore), now)
            if done_at is not None and line.work is None:
                line.due_at[chore] = max(line.due_at[chore], done_at + period)

    def _first(self, tenant: KnownTenant, now: datetime) -> dict[Chore, datetime]:
        """What was never done is due at once by traces, else at its share of a period: not for all tenants at once."""
        share = int(digest(tenant.tenant_id)[:8], 16) / 16**8
        first = {}
        for chore, period in self.periods.by_chore.items():
            done_at = believed(tenant.done_at.get(chore), now)
            unknown = now if chore is Chore.SPANS else now + share * period
            first[chore] = unknown if done_at is None else done_at + period
        return first

    def begin(self, now: datetime, places: int) -> list[DueVisit]:
        """At most so many visits that are due, the longest due first; their looks are at work from now on."""
        found = sorted(self._due(now), key=lambda due: (min(due.due_at.values()), due.tenant_id))[: max(0, places)]
        for due in found:
            line = self._lines[due.tenant_id]
            line.work, line.lane, line.begun_at = due, Lane.LOOKS, now
        return found

    def found_work(self, tenant_id: str, now: datetime) -> None:
        """The look of a visit found something to do, which waits for a place from now on."""
        line = self._lines[tenant_id]
        line.lane, line.begun_at, line.found_at = Lane.PASSES, None, now

    def go_on(self, now: datetime, places: int) -> list[DueVisit]:
        """At most so many visits whose looks found something to do, the longest waiting first."""
        waiting = [(line.found_at, id, line) for id, line in self._lines.items() if line.is_waiting]
        found = sorted(waiting, key=lambda each: each[:2])[: max(0, places)]
        for _, _, line in found:
            line.begun_at = now
        return [line.work for _, _, line in found if line.work]

    def _due(self, now: datetime) -> Iterator[DueVisit]:
        for tenant_id, line in self._lines.items():
            if not line.is_free(now):
                continue
            due = {chore: at for chore, at in line.due_at.items() if at <= now}
            if Chore.SPANS in due and not line.has_need:
                line.due_at[Chore.SPANS] = self._next(Chore.SPANS, due.pop(Chore.SPANS), now)
            if due:
                yield DueVisit(tenant_id, due)

    def _next(self, chore: Chore, due_at: datetime, now: datetime) -> datetime:
        """A period later; what was missed meanwhile is not made up for."""
        period = self.periods.by_chore[chore]
        return due_at + period * ((now - due_at) // period + 1)

    def done(self, tenant_id: str, now: datetime) -> None:
        """The visit came to its end, and what it did is due a period later."""
        line = self._lines[tenant_id]
        for chore, due_at in line.work.due_at.items() if line.work else ():
            line.due_at[chore] = self._next(chore, due_at, now)
        line.failures, line.again_at = 0, None
        line.end()

    def failed(self, tenant_id: str, now: datetime) -> datetime:
        """The visit failed: nothing is done for the tenant before the moment that comes back. One that was begun before
        what all had to wait for was back is forgiven as well."""
        line = self._lines[tenant_id]
        is_forgiven = self._forgiven_at and line.begun_at and line.begun_at <= self._forgiven_at
        line.failures = 0 if is_forgiven else line.failures + 1
        line.again_at = now + self.backoff.after(line.failures) if line.failures else now
        line.end()
        return line.again_at

    def put_off(self, tenant_id: str, until: datetime) -> None:
        """Somebody else is at work for the tenant: nothing is done for it before this moment."""
        self._lines[tenant_id].again_at = until
        self._lines[tenant_id].end()

    def forgive(self, now: datetime) -> None:
        """What all had to wait for is back: nobody waits any longer for what failed."""
        self._forgiven_at = now
        for line in self._lines.values():
            line.failures, line.again_at = 0, None

    def at_work(self, lane: Lane) -> Mapping[str, datetime]:
        """Tenants for whom somebody is at work in a lane, and since when."""
        return {id: line.begun_at for id, line in self._lines.items() if line.begun_at and line.lane is lane}

    def waits_s(self, now: datetime) -> Mapping[Lane, float]:
        """How many seconds the visit has waited that waits longest for a place, by lane."""
        longest = dict.fromkeys(Lane, 0.0)
        for line in self._lines.values():
            if (since := line.waits_since(now)) is not None:
                lane = Lane.PASSES if line.is_waiting else Lane.LOOKS
                longest[lane] = max(longest[lane], (now - since).total_seconds())
        return longest

    def counts(self, now: datetime) -> Mapping[str, int]:
        """Tenants by where they stand: at work, left alone after a failure, due and waiting for a place, idle."""
        found = {"at work": 0, "backing off": 0, "waiting": 0, "idle": 0}
        for line in self._lines.values():
            where = "waiting" if line.waits_since(now) is not None else "idle"
            where = "backing off" if line.failures and not line.work and not line.is_free(now) else where
            found["at work" if line.begun_at else where] += 1
        return found


def lateness_s(due: DueVisit, now: datetime) -> Mapping[Chore, float]:
    """How many seconds after it was due each chore is begun."""
    return {chore: max(timedelta(0), now - at).total_seconds() for chore, at in due.due_at.items()}
