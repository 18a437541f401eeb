"""Intake: which of a module's traces a pass takes in. Who counts them counts by the same rules, and no others."""

from __future__ import annotations

from datetime import datetime, timedelta

from argotune.data.cursor import Cursor, Reading
from argotune.data.source import TraceSource
from argotune.data.stream import Stream
from argotune.runs.progress import PassState
from argotune.store.moments import believed
from argotune.tenants.config import RoutingConfigUnified

OLDER = "older than phoenix_lookback_hours"

BEGUN_ANEW = "the last trace read is gone (was its database replaced?): reading begins anew"


def since_of(passes: PassState, config: RoutingConfigUnified, now: datetime) -> datetime | None:
    """When the first traces to be read started, None when a pass has settled some: then all that is new is read.

    The lookback reaches back from the first look at the module, so that a few traces a day add up to enough.
    """
    if passes.settled_cursor is not None:
        return None
    return (believed(passes.first_look_at, now) or now) - timedelta(hours=config.phoenix_lookback_hours)


def is_lost(traces: TraceSource, stream: Stream, cursor: Cursor | None) -> bool:
    """Whether a cursor belongs to another database. Raises what the trace source raises.

    A deleted span may look the same; reading what was read before changes nothing.
    """
    return cursor is not None and not traces.holds(stream, cursor)


def begun_anew(passes: PassState, reading: Reading, now: datetime) -> tuple[PassState, Reading]:
    """What is known of a module whose traces are in another database now. The lookback reaches back from the last pass:
    what came since then was never read. What was counted is counted anew with the spans."""
    looked = believed(passes.last_run_at, now) or now
    begun = passes.model_copy(update={"settled_cursor": None, "settled_labels": 0, "first_look_at": looked})
    return begun, Reading(newest_at=reading.newest_at, doubted_at=reading.doubted_at)
