"""Reading: which of a module's traces a pass takes in. Who counts them counts by the same rules, and no others."""

from __future__ import annotations

from datetime import datetime, timedelta

from argotune.data.source import TraceSource
from argotune.runs.progress import Marker
from argotune.store.moments import believed
from argotune.tenants.config import RoutingConfigUnified

OLDER = "older than phoenix_lookback_hours"

BEGUN_ANEW = "the last trace read is gone (was Phoenix's database replaced?): reading begins anew"


def since_of(marker: Marker, config: RoutingConfigUnified, now: datetime) -> datetime | None:
    """When the first traces to be read started, None when a pass has settled some: then all that is new is read.

    The lookback reaches back from the first look at the module, so that a few traces a day add up to enough.
    """
    if marker.settled_cursor is not None:
        return None
    return (believed(marker.first_look_at, now) or now) - timedelta(hours=config.phoenix_lookback_hours)


def is_lost(traces: TraceSource, tenant_id: str, marker: Marker) -> bool:
    """Whether the cursor belongs to another database. Raises what the trace source raises.

    A deleted span may look the same; reading what was read before changes nothing.
    """
    return marker.cursor is not None and not traces.holds(tenant_id, marker.cursor)


def begun_anew(marker: Marker, now: datetime) -> Marker:
    """The marker of a module whose traces are in another database now. The lookback reaches back from the last pass:
    what came since then was never read. What was counted is counted anew with the spans."""
    from_start = {name: Marker.model_fields[name].get_default(call_default_factory=True) for name in _OF_A_DATABASE}
    return marker.model_copy(update={**from_start, "first_look_at": believed(marker.last_run_at, now) or now})


_OF_A_DATABASE = (
    "cursor",
    "settled_cursor",
    "settled_labels",
    "unusable",
    "masked",
    "read_since",
    "passed_over",
)
