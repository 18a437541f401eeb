"""Progress: where a module of a tenant stands between two passes. ModuleBook keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from argotune.data.cursor import Cursor, Reading
from argotune.decisions.degradation import Degradations
from argotune.decisions.lessons import Lessons
from argotune.store.records import StoredValue


class PassState(StoredValue):
    """What the passes over a module have taken in, and when the next one is due.

    `pass_id` names the pass over the module's programs that has begun and not ended; a rerun takes it up.
    `settled_cursor` is behind the spans that the last finished pass took in, `settled_labels` are the labels, of
    answers called `label_names`, that lay on the module's spans when that pass collected, `settled_labelled` the
    experiences with one, and `settled_group` is its group. From `again_at` on the module is due without anything new: a
    run of the last pass has to be repeated. `first_look_at`: since when the module is looked at.
    """

    pass_id: str | None = None
    settled_cursor: Cursor | None = None
    settled_labels: int = 0
    settled_labelled: int = 0
    settled_group: str = ""
    label_names: tuple[str, ...] = ()
    last_run_at: datetime | None = None
    again_at: datetime | None = None
    first_look_at: datetime | None = None


@dataclass(frozen=True)
class ModuleState:
    """Where a module stands, as far as a look at it has to know."""

    passes: PassState = field(default_factory=PassState)
    reading: Reading = field(default_factory=Reading)
    lessons: Lessons = field(default_factory=Lessons)
    degradations: Degradations = field(default_factory=Degradations)
