"""Cursor: how far a module's spans were read, as only their source understands it, and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import NewType

from pydantic import Field

from argotune.store.records import StoredValue

Cursor = NewType("Cursor", str)
"""Text that a trace source gave with a span. Nobody else reads it, compares it or makes one; it is kept, and given back
to the source. Where nothing was read there is none: None."""


class Reading(StoredValue):
    """How far a module's spans were read: `cursor` is behind the last one.

    `unusable` counts those that were refused, by reason, `failed` those in which the program failed, by error.
    `read_since`: spans that started earlier were passed over, so many of them as `passed_over` says. `newest_at`: when
    the newest span started. `doubted_at`: since when the clock is far beyond that (pipeline/retention.py).
    """

    cursor: Cursor | None = None
    unusable: dict[str, int] = Field(default_factory=dict)
    failed: dict[str, int] = Field(default_factory=dict)
    read_since: datetime | None = None
    passed_over: int = 0
    newest_at: datetime | None = None
    doubted_at: datetime | None = None
