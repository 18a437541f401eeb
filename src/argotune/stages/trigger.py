"""trigger: is a module of a tenant due? Enabled, interval over, enough new traces or labels, or forced."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from argotune.conditions import Conditions
from argotune.decisions import Shortfall
from argotune.ports import Store, TraceSource
from argotune.runs import Marker, RunBook
from argotune.tenants import RoutingConfigUnified

COUNT_AT_LEAST = 1000
"""Traces are counted this far for people to see, further only when more are needed."""


def trigger(
    store: Store, traces: TraceSource, config: RoutingConfigUnified, module: str, *, forced: bool, now: datetime
) -> Conditions:
    """The conditions as they are now. Raises what the trace source raises: an outage is never "no traces"."""

    def count(row_id: int, limit: int) -> int:
        return traces.count_after(config.tenant_id, module, row_id, limit)

    def count_labels(names: Sequence[str]) -> int:
        return traces.count_labels(config.tenant_id, module, names)

    return _conditions(store, config, module, count, count_labels, forced, now)


def without_traces(
    store: Store, config: RoutingConfigUnified, module: str, *, forced: bool, now: datetime
) -> Conditions:
    """The conditions of a module for which nothing was ever sent."""
    return _conditions(store, config, module, lambda _row_id, _limit: 0, lambda _names: 0, forced, now)


def _conditions(
    store: Store,
    config: RoutingConfigUnified,
    module: str,
    count: Callable[[int, int], int],
    count_labels: Callable[[Sequence[str]], int],
    forced: bool,
    now: datetime,
) -> Conditions:
    marker, _ = RunBook(store, config.tenant_id).marker(module)
    short = _shortfall(marker, config, now)
    needed = max(config.min_samples_for_optimization, short.traces if short else 0)
    limit = max(needed, COUNT_AT_LEAST)
    return Conditions(
        tenant_id=config.tenant_id,
        module=module,
        is_enabled=config.enable_auto_optimization,
        is_forced=forced,
        is_unfinished=marker.pass_id is not None,
        last_run_at=marker.last_run_at,
        interval=timedelta(seconds=config.optimization_interval_seconds),
        now=now,
        traces=count(marker.settled_row_id, limit),
        traces_needed=needed,
        counted_up_to=limit,
        gain_asked=short.gain if short and needed == short.traces else None,
        labels=max(0, count_labels(marker.label_names) - marker.settled_labels) if marker.label_names else 0,
        labels_needed=_labels_needed(short, config),
        is_budget_raised=any(cut.has_more(config.budget) for cut in marker.cut_short.values()),
        again_at=marker.again_at,
    )


def _labels_needed(short: Shortfall | None, config: RoutingConfigUnified) -> int:
    """While test examples are missing to show a gain: so many that the test split gets these, by its share."""
    missing = math.ceil(short.test_examples / config.split.test) if short else 0
    return max(config.annotation.min_annotations_for_optimization, missing)


def _shortfall(marker: Marker, config: RoutingConfigUnified, now: datetime) -> Shortfall | None:
    """That of the program that lacks least, when all programs lack traces to show a gain.

    It is forgotten after a while: what drifted meanwhile shows only in the traces themselves, and may promise more.
    """
    patience = timedelta(hours=config.decisions.look_again_hours)
    is_waiting = marker.last_run_at is not None and now - marker.last_run_at < patience
    if not is_waiting or not marker.short or not marker.history.keys() <= marker.short.keys():
        return None
    return min(marker.short.values(), key=lambda short: short.traces)
