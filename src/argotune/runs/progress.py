"""Progress: where a module of a tenant stands between two passes. RunBook keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from argotune.data.cursor import Cursor
from argotune.decisions.values import CutShort, Shortfall, TrainingHistory
from argotune.store.documents import Document


class Marker(Document):
    """Where a module of a tenant stands: what was read, what a finished pass has taken in, and when that was.

    `pass_id` names the pass over the module's programs that has begun and not ended; a rerun takes it up. `learned`
    is the lesson of each program's last plan that was carried out, `cut_short` its last plan where the budget ended
    that, `history` what its trainings left, `short` what it lacked to detect a
    gain after the last pass, `settled_group` the group whose pass ended last. `settled_labels` are the labels, of
    answers called `label_names`, that lay on the module's spans when that pass collected. `masked` counts
    what was masked, by kind, under the rules with the digest `masking`. From `again_at` on the module is due without
    anything new: a run of the last pass has to be repeated.

    `first_look_at`: since when the module is looked at. `read_since`: traces that started earlier were passed over, so
    many of them as `passed_over` says. `cursor` is behind the last span read, `settled_cursor` behind those that the
    last pass took in. `newest_at`: when the newest span started. `doubted_at`: since when the clock is far
    beyond that (pipeline/retention.py).
    """

    cursor: Cursor | None = None
    settled_cursor: Cursor | None = None
    settled_group: str = ""
    settled_labels: int = 0
    label_names: tuple[str, ...] = ()
    pass_id: str | None = None
    again_at: datetime | None = None
    last_run_at: datetime | None = None
    learned: dict[str, str] = Field(default_factory=dict)
    cut_short: dict[str, CutShort] = Field(default_factory=dict)
    history: dict[str, TrainingHistory] = Field(default_factory=dict)
    short: dict[str, Shortfall] = Field(default_factory=dict)
    unusable: dict[str, int] = Field(default_factory=dict)
    masked: dict[str, int] = Field(default_factory=dict)
    masking: str = ""
    first_look_at: datetime | None = None
    read_since: datetime | None = None
    passed_over: int = 0
    newest_at: datetime | None = None
    doubted_at: datetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_rows(cls, found: Any) -> Any:
        """Earlier releases read Phoenix alone and kept row ids: a cursor of them is as phoenix/place.py says."""
        if not isinstance(found, dict) or "row_id" not in found:
            return found
        kept = {name: value for name, value in found.items() if name not in _ROWS}
        row_id, settled, span_row = (found.get(name) or 0 for name in ("row_id", "settled_row_id", "last_span_row"))
        read = f"phoenix:{row_id}:{span_row}:{found.get('last_span_id') or ''}" if row_id else None
        return {**kept, "cursor": read, "settled_cursor": f"phoenix:{settled}:0:" if settled else None}


_ROWS = frozenset({"row_id", "settled_row_id", "last_span_id", "last_span_row"})
