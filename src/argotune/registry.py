"""Registry: versions of a tenant's programs, which of them is champion, and how it came to be.

Versions are immutable and content-addressed. The champion pointer moves only by compare-and-set, in the
same step as its line of history, so there is no promotion without an explanation.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from argotune.documents import Document, find, find_all, to_record
from argotune.errors import Conflict, NotFound
from argotune.ports import Record, Store
from argotune.records import Collection, digest


class Lineage(Document):
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


class Version(Document):
    """One immutable state of a program. `state` is what programs.state dumps; no LM is in it."""

    id: str
    program: str
    signature_hash: str
    state: dict[str, Any]
    lineage: Lineage


class Champion(Document):
    """The version that serves, and the one before it."""

    program: str
    version: str
    previous: str | None
    since: datetime
    sequence: int


class Change(Document):
    """One line of history: why a champion pointer moved."""

    program: str
    sequence: int
    version: str
    previous: str | None
    at: datetime
    how: Literal["promoted", "rolled back", "overridden"]
    who: str
    reason: str
    run_id: str | None = None


def version_id(program: str, signature_hash: str, state: dict[str, Any]) -> str:
    """The content address of a version: `v` and 12 hex digits."""
    return "v" + digest([program, signature_hash, state])[:12]


def new_version(program: str, signature_hash: str, state: dict[str, Any], lineage: Lineage) -> Version:
    """A version under its content address, not yet stored."""
    id = version_id(program, signature_hash, state)
    return Version(id=id, program=program, signature_hash=signature_hash, state=state, lineage=lineage)


class Registry:
    """The versions of one tenant."""

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store = store
        self._tenant_id = tenant_id

    def record_of(self, version: Version) -> Record:
        """The record under which a version is kept, for writing it together with others."""
        return to_record(Collection.VERSIONS, version.id, version)

    def keep(self, version: Version) -> Version:
        """Store a version unless the same content is already there; the stored one is returned."""
        known, _ = find(self._store, self._tenant_id, Collection.VERSIONS, version.id, Version)
        if known is None:
            self._store.write(self._tenant_id, [self.record_of(version)])
        return known or version

    def version(self, id: str) -> Version:
        """Raises NotFound."""
        version, _ = find(self._store, self._tenant_id, Collection.VERSIONS, id, Version)
        if version is None:
            raise NotFound(f"version: tenant {self._tenant_id!r} has no version {id!r}")
        return version

    def versions(self, program: str | None = None) -> list[Version]:
        """All versions, oldest first."""
        found = find_all(self._store, self._tenant_id, Collection.VERSIONS, Version)
        wanted = (version for version in found if program in (None, version.program))
        return sorted(wanted, key=lambda version: (version.lineage.created_at, version.id))

    def champion(self, program: str) -> tuple[Champion, str] | tuple[None, None]:
        """The champion and the tag that a change must expect, or (None, None)."""
        return find(self._store, self._tenant_id, Collection.CHAMPIONS, program, Champion)

    def champions(self) -> list[Champion]:
        """The champions of all programs, by program name."""
        found = find_all(self._store, self._tenant_id, Collection.CHAMPIONS, Champion)
        return sorted(found, key=lambda champion: champion.program)

    def history(self, program: str) -> list[Change]:
        """Every move of the pointer, oldest first."""
        found = find_all(self._store, self._tenant_id, Collection.HISTORY, Change)
        return sorted((c for c in found if c.program == program), key=lambda change: change.sequence)

    def crown(
        self,
        change: Change,
        tag: str | None,
        also: tuple[Record, ...] = (),
        expect: Mapping[tuple[str, str], str | None] | None = None,
    ) -> Champion:
        """Move the pointer as `change` says, if it still has `tag`; `also` is written in the same step, if what
        `expect` says of it is met.

        Raises Conflict when somebody else was first.
        """
        champion = Champion(
            program=change.program,
            version=change.version,
            previous=change.previous,
            since=change.at,
            sequence=change.sequence,
        )
        pointer = to_record(Collection.CHAMPIONS, change.program, champion)
        line = to_record(Collection.HISTORY, f"{change.program}/{change.sequence:08d}", change)
        pointed = {(Collection.CHAMPIONS, change.program): tag, (Collection.HISTORY, line.id): None}
        try:
            self._store.write(self._tenant_id, [pointer, line, *also], {**pointed, **(expect or {})})
        except Conflict as error:
            raise Conflict(f"the champion of {change.program} was changed by somebody else first") from error
        return champion

    def roll_back(self, program: str, *, who: str, reason: str, now: datetime) -> Champion:
        """Make the version before the present champion serve again. Raises NotFound where there is none."""
        champion, tag = self.champion(program)
        if champion is None or champion.previous is None:
            raise NotFound(f"program: {program} of tenant {self._tenant_id!r} has no earlier champion to go back to")
        return self._crown_by_hand(champion, tag, champion.previous, "rolled back", who, reason, now)

    def override(self, program: str, version: str, *, who: str, reason: str, now: datetime) -> Champion:
        """Make a version serve because a person says so, past the gate; who and why are kept.

        Raises NotFound, and Conflict for the version that serves already: a retry must not make it its own
        predecessor, or there would be nothing left to roll back to.
        """
        if self.version(version).program != program:
            raise NotFound(f"version: {version} is not a version of {program}")
        champion, tag = self.champion(program)
        if champion is not None and champion.version == version:
            raise Conflict(f"version: {version} is the champion of {program} already")
        return self._crown_by_hand(champion, tag, version, "overridden", who, reason, now)

    def _crown_by_hand(
        self,
        champion: Champion | None,
        tag: str | None,
        version: str,
        how: Literal["rolled back", "overridden"],
        who: str,
        reason: str,
        now: datetime,
    ) -> Champion:
        change = Change(
            program=self.version(version).program,
            sequence=champion.sequence + 1 if champion else 1,
            version=version,
            previous=champion.version if champion else None,
            at=now,
            how=how,
            who=who,
            reason=reason,
        )
        return self.crown(change, tag)
