"""Next check: what the last look at a tenant's modules says about when they can be due next.

One small record per tenant, all in one collection, so that a round can pass over thousands of tenants after reading a
few pages. It only ever saves looks: whatever it cannot rule out is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from argotune.scheduling.trigger_check import Conditions
from argotune.store.moments import believed
from argotune.tenants.agenda import Agenda

LOOK_AGAIN = timedelta(days=1)
"""A tenant is looked at this often in any case: traces with old times do not show in the newest one's."""


@dataclass(frozen=True)
class Need:
    """Why a tenant is submitted. Rounds begin with the lowest `rank`, of these with the earliest `since`."""

    rank: int
    since: datetime
    reason: str


def agenda_of(tenant_id: str, modules: Sequence[Conditions], now: datetime) -> Agenda:
    """The agenda after a look at all modules of a tenant at `now`."""
    due = [now for m in modules if m.is_unfinished or m.is_degraded_anew]
    due += [_period_end(m, now) for m in modules if m.has_news]
    due += [max(m.again_at, _period_end(m, now)) for m in modules if m.again_at and not m.has_news]
    waiting = [_period_end(m, now) for m in modules if not m.has_news and not m.is_unfinished]
    waiting += [m.look_at for m in modules if m.look_at and m.is_enabled]
    return Agenda(tenant_id=tenant_id, looked_at=now, due_at=min(due, default=None), open_at=min(waiting, default=None))


def _period_end(conditions: Conditions, now: datetime) -> datetime:
    return now if conditions.last_run_at is None else conditions.last_run_at + conditions.period


def need_of(agenda: Agenda | None, newest_trace_at: datetime | None, now: datetime) -> Need | str:
    """Why something may be due for a tenant, or why nothing can be. `newest_trace_at` None: it has no traces."""
    if agenda is None:
        return Need(1, datetime.min.replace(tzinfo=now.tzinfo), "never looked at")
    if believed(agenda.looked_at, now) is None:
        return Need(1, now, "its last look is dated in the future")
    if agenda.due_at is not None and agenda.due_at <= now:
        return Need(0, agenda.due_at, "its period is over")
    if now - agenda.looked_at >= LOOK_AGAIN:
        return Need(3, agenda.looked_at, "not looked at for a day")
    if newest_trace_at is None or newest_trace_at < agenda.looked_at:
        return "no traces since the last look"
    if agenda.open_at is None or now < agenda.open_at:
        return "its period is not over"
    return Need(2, agenda.looked_at, "new traces")
