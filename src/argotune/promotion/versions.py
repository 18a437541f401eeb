"""Versions of a program, which of them serves, and the lines of history that say why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from argotune.promotion.verdicts import Way
from argotune.store.collections import Collection
from argotune.store.port import Record
from argotune.store.records import StoredValue, to_record
from argotune.store.sealing import digest

if TYPE_CHECKING:  # the room imports DSPy, and who only looks at versions does not need it
    from argotune.programs.states import Stored


class Lineage(StoredValue):
    """Where a version comes from."""

    parent: str | None
    data_hash: str
    optimizer: str
    reason: str
    seed: int
    lms: dict[str, str]
    packages: dict[str, str]
    run_id: str | None
    created_at: datetime


class Version(StoredValue):
    """One immutable state of a program. `state` is what programs.state dumps; no LM is in it."""

    id: str
    program: str
    signature_hash: str
    state: dict[str, object]
    lineage: Lineage


class Champion(StoredValue):
    """The version that serves, and the one before it."""

    program: str
    version: str
    previous: str | None
    since: datetime
    sequence: int


class Change(StoredValue):
    """One line of history: why a champion pointer moved; of a promotion by which `way`."""

    program: str
    sequence: int
    version: str
    previous: str | None
    at: datetime
    how: Literal["promoted", "rolled back", "overridden"]
    who: str
    reason: str
    run_id: str | None = None
    way: Way = "better"


class Bar(StoredValue):
    """That a version was rolled back: the gate does not promote it until somebody lifts the bar."""

    program: str
    version: str
    at: datetime
    who: str
    reason: str
    lifted_at: datetime | None = None
    lifted_by: str = ""
    lift_reason: str = ""

    @property
    def record(self) -> Record:
        return to_record(Collection.BARS, self.version, self)

    @property
    def sentence(self) -> str:
        """Why it must not be promoted, and what lifts that."""
        when = f"{self.at:%Y-%m-%d %H:%M}"
        return (
            f"{self.version} was rolled back at {when} by {self.who}: {self.reason}; "
            "`argotune lift` lets the gate promote it again"
        )

    def lifted(self, who: str, reason: str, now: datetime) -> Bar:
        """The bar as it stands when somebody has lifted it."""
        return self.model_copy(update={"lifted_at": now, "lifted_by": who, "lift_reason": reason})


def version_id(program: str, signature_hash: str, state: Stored) -> str:
    """The content address of a version: `v` and 12 hex digits."""
    return "v" + digest([program, signature_hash, state])[:12]


def new_version(program: str, signature_hash: str, state: Stored, lineage: Lineage) -> Version:
    """A version under its content address, not yet stored."""
    id = version_id(program, signature_hash, state)
    return Version(id=id, program=program, signature_hash=signature_hash, state=dict(state), lineage=lineage)


def why_not_cheaper(history: Sequence[Change], champion: str, since: datetime | None) -> str:
    """Why no challenger may take over from a champion as not worse and cheaper; "" where one may.

    The champion itself was promoted so: small losses that nobody can see must not add up, so there is at most one
    such promotion between gains that were shown. By the last line of history, oldest first, that made it serve; one by
    a person, or a start anew by one `since`, lets it be. Going back is no line of its own: whoever serves again owes
    what it owed.
    """
    line = next((c for c in reversed(history) if c.version == champion and c.how != "rolled back"), None)
    if line is None or line.how != "promoted" or line.way != "cheaper" or (since and since > line.at):
        return ""
    return f"{champion} was itself promoted as not worse and cheaper, and none since as better"


def why_no_contest(version: Version, champion: str, bar: Bar | None) -> str:
    """Why the test must not be opened for a version: it is the one that serves, or was rolled back. "" where it may."""
    if version.id == champion:
        return f"what was trained is what serves: {version.lineage.reason}"
    return bar.sentence if bar else ""
