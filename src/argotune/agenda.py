"""Agenda: what the last look at a tenant's modules says about when they can be due next.

One small document per tenant, all in one collection, so that a round can pass over thousands of tenants after reading a
few pages. It only ever saves looks: whatever it cannot rule out is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from argotune.conditions import Conditions
from argotune.documents import Document, find_all, find_renewable, to_record
from argotune.errors import Conflict
from argotune.moments import believed
from argotune.ports import Store
from argotune.records import EVERYONE, Collection, digest

LOOK_AGAIN = timedelta(days=1)
"""A tenant is looked at this often in any case: traces with old times do not show in the newest one's."""

NEVER = datetime.min.replace(tzinfo=UTC)
"""When a look was whose agenda was forgotten."""

TRIES = 50
"""Forgetting gives way to looks so often; each of them writes once."""


class Agenda(Document):
    """What a look at all modules of a tenant found.

    `due_at`: when a module will be due that has traces enough (None: none has). `open_at`: from when on new traces can
    make one due (None: no module waits for traces). `forgotten` counts how often the tenant's agenda was forgotten, so
    that a look that began before finds another tag.
    """

    tenant_id: str
    looked_at: datetime
    due_at: datetime | None
    open_at: datetime | None
    forgotten: int = 0


@dataclass(frozen=True)
class Place:
    """What was there of a tenant's agenda before a look. `tag` must be there when what the look found is kept."""

    tenant_id: str
    forgotten: int
    tag: str | None


@dataclass(frozen=True)
class Need:
    """Why a tenant is submitted. Rounds begin with the lowest `rank`, of these with the earliest `since`."""

    rank: int
    since: datetime
    reason: str


def agenda_of(tenant_id: str, modules: Sequence[Conditions], now: datetime) -> Agenda:
    """The agenda after a look at all modules of a tenant at `now`."""
    due = [now if m.is_unfinished else _interval_end(m, now) for m in modules if m.has_news or m.is_unfinished]
    due += [max(m.again_at, _interval_end(m, now)) for m in modules if m.again_at and not m.has_news]
    waiting = [_worth_a_look(m, now) for m in modules if not m.has_news and not m.is_unfinished]
    return Agenda(tenant_id=tenant_id, looked_at=now, due_at=min(due, default=None), open_at=min(waiting, default=None))


def _interval_end(conditions: Conditions, now: datetime) -> datetime:
    return now if conditions.last_run_at is None else conditions.last_run_at + conditions.interval


def _worth_a_look(conditions: Conditions, now: datetime) -> datetime:
    """When new traces can be enough. Of the many that showing a gain takes, half must be due by the rate so far: a look
    costs a pod, and to look too late costs at most a day."""
    end, since = _interval_end(conditions, now), conditions.last_run_at
    if conditions.gain_asked is None or since is None or not conditions.traces:
        return end
    missing = (conditions.traces_needed - conditions.traces) / conditions.traces
    return max(end, now + min(missing * (now - since) / 2, LOOK_AGAIN))


def need_of(agenda: Agenda | None, newest_trace_at: datetime | None, now: datetime) -> Need | str:
    """Why something may be due for a tenant, or why nothing can be. `newest_trace_at` None: it has no traces."""
    if agenda is None:
        return Need(1, datetime.min.replace(tzinfo=now.tzinfo), "never looked at")
    if believed(agenda.looked_at, now) is None:
        return Need(1, now, "its last look is dated in the future")
    if agenda.due_at is not None and agenda.due_at <= now:
        return Need(0, agenda.due_at, "due by its interval")
    if now - agenda.looked_at >= LOOK_AGAIN:
        return Need(3, agenda.looked_at, "not looked at for a day")
    if newest_trace_at is None or newest_trace_at < agenda.looked_at:
        return "no traces since the last look"
    if agenda.open_at is None or now < agenda.open_at:
        return "its interval is not over"
    return Need(2, agenda.looked_at, "new traces")


def place_of(store: Store, tenant_id: str) -> Place:
    """Read this before the config and before anything that the look is about."""
    known, tag = find_renewable(store, EVERYONE, Collection.AGENDA, digest(tenant_id), Agenda)
    return Place(tenant_id, known.forgotten if known else 0, tag)


def keep_agenda(store: Store, agenda: Agenda, place: Place) -> None:
    """Store what a look found, save where the agenda was forgotten or another look kept one since `place` was read."""
    with suppress(Conflict):
        _write(store, agenda, place)


def forget_agenda(store: Store, tenant_id: str) -> None:
    """The next round looks at the tenant, whatever was found before, or is being found: its config has changed."""
    for _ in range(TRIES):
        with suppress(Conflict):
            unknown = Agenda(tenant_id=tenant_id, looked_at=NEVER, due_at=None, open_at=None)
            place = place_of(store, tenant_id)
            return _write(store, unknown, replace(place, forgotten=place.forgotten + 1))
    raise Conflict(f"agenda: that of tenant {tenant_id!r} was changed by others {TRIES} times in a row")


def _write(store: Store, agenda: Agenda, place: Place) -> None:
    kept = agenda.model_copy(update={"forgotten": place.forgotten})
    record = to_record(Collection.AGENDA, digest(place.tenant_id), kept)
    store.write(EVERYONE, [record], {(record.collection, record.id): place.tag})


def drop_agenda(store: Store, tenant_id: str) -> None:
    """Leave nothing of the agenda of a tenant that is removed."""
    store.remove(EVERYONE, Collection.AGENDA, [digest(tenant_id)])


def agendas(store: Store) -> dict[str, Agenda]:
    """All agendas, by tenant id. One that cannot be read or was forgotten is none, so its tenant is looked at."""
    found = find_all(store, EVERYONE, Collection.AGENDA, Agenda)
    return {agenda.tenant_id: agenda for agenda in found if agenda.looked_at != NEVER}
