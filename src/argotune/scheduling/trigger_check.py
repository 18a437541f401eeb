"""Trigger check: whether a module of a tenant is due, and if not, why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from argotune.stats.wording import counted

LOOK_EVERY = timedelta(hours=1)
UNREAD_ENOUGH = 100
"""Between passes it is seen every so often how champions do, where so many traces came since. A drop of ten points that
fewer an hour show takes longer than a day to be found anyway."""


@dataclass(frozen=True)
class Conditions:
    """What `trigger` found. `traces` is exact below `counted_up_to`; `labels` are those given since the last pass.
    `older` traces (as exact) will not be read, and `notes` say what was not believed.
    `contests` say how those of the module stand that are open, `degraded` which champions answer worse than they did,
    and `is_degraded_anew` that one was found since the last pass. `looked_at`: when it was last seen how they do;
    `unread` traces came since."""

    tenant_id: str
    module: str
    is_enabled: bool
    is_forced: bool
    is_unfinished: bool
    last_run_at: datetime | None
    period: timedelta
    now: datetime
    traces: int
    traces_needed: int
    counted_up_to: int
    labels: int = 0
    labels_needed: int = 1
    older: int = 0
    notes: tuple[str, ...] = ()
    contests: tuple[str, ...] = ()
    is_budget_raised: bool = False
    again_at: datetime | None = None
    degraded: tuple[str, ...] = ()
    is_degraded_anew: bool = False
    looked_at: datetime | None = None
    unread: int = 0

    @property
    def is_period_over(self) -> bool:
        return self.last_run_at is None or self.now - self.last_run_at >= self.period

    @property
    def has_traces(self) -> bool:
        return self.traces >= self.traces_needed

    @property
    def has_labels(self) -> bool:
        return self.labels >= self.labels_needed

    @property
    def has_news(self) -> bool:
        """Enough new traces or labels, on spans of whatever age, more budget for what ended for want of it, or a run
        that has to be repeated, after a while."""
        is_again = self.again_at is not None and self.now >= self.again_at
        return self.has_traces or self.has_labels or self.is_budget_raised or is_again

    @property
    def is_due(self) -> bool:
        """Forcing passes over period, traces and optimization being off; an unfinished pass is taken up. What
        was found of a champion that got worse waits for neither."""
        has_reason = self.is_degraded_anew or (self.is_period_over and self.has_news)
        return self.is_forced or self.is_unfinished or (self.is_enabled and has_reason)

    @property
    def look_at(self) -> datetime | None:
        """When it may be seen again how the champions do; None where no pass has ever seen it."""
        return None if self.looked_at is None else self.looked_at + LOOK_EVERY

    @property
    def is_to_look(self) -> bool:
        """Whether a module that is not due is to be read, to see how its champions do."""
        is_time = self.look_at is not None and self.now >= self.look_at
        return self.is_enabled and not self.is_due and is_time and self.unread >= UNREAD_ENOUGH

    @property
    def why_not(self) -> str:
        """One sentence for people; empty when the module is due."""
        reasons = []
        if not self.is_enabled:
            reasons.append("enable_auto_optimization is off")
        if not self.is_period_over and self.last_run_at is not None:
            wait = self.last_run_at + self.period - self.now
            reasons.append(f"next run is due in {_minutes(wait)}")
        if not self.has_news:
            short = self.traces_needed - self.traces
            labels = (
                f", or {counted(self.labels_needed - self.labels, 'label')}: {self.labels} new" if self.labels else ""
            )
            reasons.append(f"{counted(short, 'trace')} short: {self.traces} new, {self.traces_needed} needed{labels}")
        reasons += self.remarks
        return "" if self.is_due else "; ".join(reasons)

    @property
    def traces_text(self) -> str:
        """The number of new traces, with a + when counting stopped there."""
        return f"{self.traces}{'+' if self.traces >= self.counted_up_to else ''}"

    @property
    def remarks(self) -> list[str]:
        """What people should know beside the conditions, whether or not the module is due."""
        more = "+" if self.older >= self.counted_up_to else ""
        are = "trace is" if self.older == 1 else "traces are"
        older = [f"{self.older}{more} {are} older than phoenix_lookback_hours"] if self.older else []
        return [*self.degraded, *self.contests, *older, *self.notes]

    @property
    def last_run_text(self) -> str:
        """How long ago the last run was."""
        return "never" if self.last_run_at is None else f"{_minutes(self.now - self.last_run_at)} ago"


def _minutes(span: timedelta) -> str:
    seconds = max(math.ceil(span.total_seconds()), 0)
    if seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
