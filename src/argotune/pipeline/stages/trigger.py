"""trigger: is a module of a tenant due? Enabled, period over, enough new traces or labels, or forced."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from argotune.data.cursor import Cursor, Reading
from argotune.data.source import TraceSource
from argotune.data.stream import stream_of
from argotune.errors import Conflict
from argotune.pipeline.intake import BEGUN_ANEW, begun_anew, is_lost, since_of
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import ModuleState, PassState
from argotune.scheduling.trigger_check import UNREAD_ENOUGH, Conditions
from argotune.store.moments import believed
from argotune.tenants.config import RoutingConfigUnified

COUNT_AT_LEAST = 1000
"""Traces are counted this far for people to see, further only when more are needed."""


def trigger(
    state: ModuleState,
    traces: TraceSource,
    config: RoutingConfigUnified,
    module: str,
    *,
    forced: bool,
    now: datetime,
    reach: timedelta | None = None,
) -> Conditions:
    """The conditions of the module that stands where `state` says. Raises what the trace source raises: an outage is
    never "no traces".

    `reach`: how far back traces are to be read again that were passed over; None: they are not.
    """
    found, notes = _conditions(state, config, module, forced, now), _notes(state.passes, now)
    passes, reading = state.passes, state.reading
    if is_lost(traces, stream_of(config, module), reading.cursor):
        (passes, reading), notes = begun_anew(passes, reading, now), (*notes, BEGUN_ANEW)
    counted = _count(traces, config, module, passes, reading, found.counted_up_to, now, reach)
    found = replace(found, traces=counted.new, older=counted.older, labels=counted.labels, notes=notes)
    return found if found.is_due else replace(found, unread=_unread(traces, config, module, reading, found))


def _unread(traces: TraceSource, config: RoutingConfigUnified, module: str, reading: Reading, found: Conditions) -> int:
    """Asked only where a look is wanted if there are enough."""
    is_time = found.look_at is not None and found.now >= found.look_at
    if reading.cursor is None or not (is_time and found.is_enabled):
        return 0
    return traces.count_after(stream_of(config, module), reading.cursor, UNREAD_ENOUGH, None, None)


def without_traces(
    state: ModuleState, config: RoutingConfigUnified, module: str, *, forced: bool, now: datetime
) -> Conditions:
    """The conditions of a module for which nothing was ever sent."""
    return replace(_conditions(state, config, module, forced, now), notes=_notes(state.passes, now))


def note_first_look(book: ModuleBook, now: datetime) -> None:
    """Remember when a module was first looked at, from where its lookback reaches back. Later looks change nothing."""
    passes = book.read(PassState)
    if passes.settled_cursor is None and not believed(passes.first_look_at, now):
        with suppress(Conflict):  # somebody else looked at it, or began a pass
            book.change(PassState, first_look_at=now)


@dataclass(frozen=True)
class _Counted:
    """What lies at the trace source: `new` traces would be read, `older` ones are passed over."""

    new: int
    older: int
    labels: int


def _count(
    traces: TraceSource,
    config: RoutingConfigUnified,
    module: str,
    passes: PassState,
    reading: Reading,
    limit: int,
    now: datetime,
    reach: timedelta | None,
) -> _Counted:
    stream = stream_of(config, module)

    def count(cursor: Cursor | None, since: datetime | None, until: datetime | None = None) -> int:
        return traces.count_after(stream, cursor, limit, since, until)

    since, names = since_of(passes, config, now), passes.label_names
    new = count(passes.settled_cursor, since)
    if reach and since is None and reading.read_since and now - reach < reading.read_since:
        new = min(limit, new + count(None, now - reach, reading.read_since))
    labels = traces.count_labels(stream, names, reading.read_since) if names else 0
    return _Counted(new, count(None, None, since) if since else 0, max(0, labels - passes.settled_labels))


def _believed(passes: PassState, now: datetime) -> PassState:
    """Without a last run in the future, which would put off the next one until then."""
    if passes.last_run_at is None or believed(passes.last_run_at, now):
        return passes
    return passes.model_copy(update={"last_run_at": None, "again_at": passes.again_at and now})


def _notes(passes: PassState, now: datetime) -> tuple[str, ...]:
    if passes.last_run_at is None or believed(passes.last_run_at, now):
        return ()
    return (f"the last run is dated {passes.last_run_at:%Y-%m-%d}, in the future: not believed",)


def _conditions(
    state: ModuleState, config: RoutingConfigUnified, module: str, forced: bool, now: datetime
) -> Conditions:
    """Of a module without traces."""
    passes, rules = _believed(state.passes, now), config.annotation
    waiting = state.lessons.waiting.values()
    needed = 1 if any(contest.wants_requests for contest in waiting) else config.min_samples_for_optimization
    return Conditions(
        tenant_id=config.tenant_id,
        module=module,
        is_enabled=config.enable_auto_optimization,
        is_forced=forced,
        is_unfinished=passes.pass_id is not None,
        last_run_at=passes.last_run_at,
        period=timedelta(seconds=config.optimization_interval_seconds),
        now=now,
        traces=0,
        traces_needed=needed,
        counted_up_to=max(needed, COUNT_AT_LEAST),
        labels_needed=1 if any(contest.labels for contest in waiting) else rules.min_annotations_for_optimization,
        contests=tuple(f"{name}: {state.lessons.waiting[name].told}" for name in sorted(state.lessons.waiting)),
        is_budget_raised=any(cut.has_more(config.budget) for cut in state.lessons.cut_short.values()),
        again_at=passes.again_at,
        degraded=state.degradations.sentences,
        is_degraded_anew=state.degradations.found_since(passes.last_run_at),
        looked_at=believed(state.degradations.looked_at, now),
    )
