"""Registry: versions of a tenant's programs, which of them is champion, and how it came to be.

Versions are immutable and content-addressed. The champion pointer moves only by compare-and-set, in the
same step as its line of history, so there is no promotion without an explanation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from argotune.errors import Conflict, Corrupt, NotFound
from argotune.promotion.versions import Bar, Champion, Change, Version
from argotune.store.collections import Collection
from argotune.store.pointer import Move, Pointer
from argotune.store.port import Record, Store
from argotune.store.records import find, find_all, to_record


@dataclass(frozen=True)
class RolledBack:
    """What a rollback came to: the champion now, and the line of history; `is_new` False where it was done before."""

    champion: Champion
    change: Change
    is_new: bool


def _champion_of(change: Change) -> Champion:
    """What serves when a change was the last one."""
    return Champion(
        program=change.program,
        version=change.version,
        previous=change.previous,
        since=change.at,
        sequence=change.sequence,
    )


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
        return self._pointer(program).read()

    def pointed(self, program: str) -> tuple[Champion, str] | tuple[None, None]:
        """As `champion`, for whoever wants to move the pointer. Raises Corrupt where it is lost and its history is not,
        as an eviction leaves it: no promotion could be written beside the old lines.
        """
        found = self.champion(program)
        if found[0] is None and (last := self._pointer(program).by_history()):
            raise Corrupt(
                f"champions {program!r} of tenant {self._tenant_id!r} is lost, and by its history {last.version} "
                "serves; `argotune doctor --repair` restores it"
            )
        return found

    def restore(self, program: str) -> Champion | None:
        """Make the pointer again from its history where it is lost or damaged; None where there is nothing to do."""
        return self._pointer(program).restore()

    def _pointer(self, program: str) -> Pointer[Champion, Change]:
        return Pointer(
            self._store,
            self._tenant_id,
            place=(Collection.CHAMPIONS, program),
            kind=Champion,
            lines=Collection.HISTORY,
            prefix=f"{program}/",
            line_kind=Change,
            follows=_champion_of,
        )

    def programs(self) -> list[str]:
        """The programs that ever had a champion."""
        return sorted({change.program for change in find_all(self._store, self._tenant_id, Collection.HISTORY, Change)})

    def champions(self) -> list[Champion]:
        """The champions of all programs, by program name."""
        found = find_all(self._store, self._tenant_id, Collection.CHAMPIONS, Champion)
        return sorted(found, key=lambda champion: champion.program)

    def history(self, program: str) -> list[Change]:
        """Every move of the pointer that is kept, oldest first."""
        return self._pointer(program).history()

    def forget_changes(self, kept: int) -> int:
        """Drop the lines of history before the last `kept` of each program; how many were dropped."""
        return sum(self._pointer(program).forget(kept) for program in self.programs())

    def set_champion(
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
        try:
            return self._pointer(change.program).move(Move(change, change.sequence, also, expect), tag)
        except Conflict as error:
            raise Conflict(f"the champion of {change.program} was changed by somebody else first") from error

    def roll_back(
        self, program: str, *, leaving: str | None = None, who: str, reason: str, now: datetime
    ) -> RolledBack:
        """Let the version serve again that the champion took over from, and bar the champion from promotion.

        `leaving` names the version to leave: where it serves no more because it was rolled back before, nothing is done
        and that is said. Without it the present champion is left; the same request made again (who and reason equal) is
        a repetition. Raises NotFound where there is nothing to go back to, and Conflict where another version serves.
        """
        champion, tag = self.pointed(program)
        if champion is None:
            raise NotFound(f"program: {program} of tenant {self._tenant_id!r} has no champion to roll back")
        done = self._done_before(champion, leaving, who, reason)
        if done is not None:
            return RolledBack(champion, done, is_new=False)
        if leaving not in (None, champion.version):
            raise Conflict(f"version: {leaving} does not serve {program} any more, {champion.version} does")
        change = self._by_hand(champion, self._before(champion), "rolled back", who, reason, now)
        bar = Bar(program=program, version=champion.version, at=now, who=who, reason=reason)
        return RolledBack(self.set_champion(change, tag, also=(bar.record,)), change, is_new=True)

    def _done_before(self, champion: Champion, leaving: str | None, who: str, reason: str) -> Change | None:
        """The rollback that has already done what is asked for."""
        last = next(reversed(self.history(champion.program)), None)
        if last is None or last.how != "rolled back" or last.sequence != champion.sequence:
            return None
        if leaving is None and (last.who, last.reason) != (who, reason):
            raise Conflict(
                f"program: {champion.program} was rolled back from {last.previous} at {last.at:%Y-%m-%d %H:%M} "
                f"by {last.who}; to go back further name the version to leave: {last.version}"
            )
        return last if leaving in (None, last.previous) else None

    def _before(self, champion: Champion) -> str:
        """The version that a champion took over from, past those that are barred. Raises NotFound."""
        lines = {c.version: c.previous for c in self.history(champion.program) if c.how != "rolled back"}
        before = lines.get(champion.version, champion.previous)
        seen = {champion.version}
        while before is not None and (before in seen or self.bar(before)):
            seen.add(before)
            before = lines.get(before) if lines.get(before) not in seen else None
        if before is None:
            raise NotFound(
                f"program: {champion.program} of tenant {self._tenant_id!r} has no earlier champion to go back to"
            )
        return before

    def bar(self, version: str) -> Bar | None:
        """Why a version must not be promoted by the gate; None where it may."""
        found, _ = find(self._store, self._tenant_id, Collection.BARS, version, Bar)
        return found if found and found.lifted_at is None else None

    def bars(self) -> list[Bar]:
        """All versions that are barred now, by version."""
        found = find_all(self._store, self._tenant_id, Collection.BARS, Bar)
        return sorted((bar for bar in found if bar.lifted_at is None), key=lambda bar: bar.version)

    def expected_bar(self, version: str) -> dict[tuple[str, str], str | None]:
        """What must be there of a version's bar when it is promoted: what is there now."""
        _, tag = find(self._store, self._tenant_id, Collection.BARS, version, Bar)
        return {(Collection.BARS, version): tag}

    def lift(self, version: str, *, who: str, reason: str, now: datetime) -> Bar:
        """Let the gate promote a version again; who and why are kept. Raises NotFound for one that is not barred."""
        found, tag = find(self._store, self._tenant_id, Collection.BARS, version, Bar)
        if found is None or found.lifted_at is not None:
            raise NotFound(f"version: {version} of tenant {self._tenant_id!r} is not barred")
        lifted = found.lifted(who, reason, now)
        self._store.write(self._tenant_id, [lifted.record], {(Collection.BARS, version): tag})
        return lifted

    def override(self, program: str, version: str, *, who: str, reason: str, now: datetime) -> Champion:
        """Make a version serve because a person says so, past the gate; who and why are kept. That lifts its bar.

        Raises NotFound, and Conflict for the version that serves already: a retry must not make it its own
        predecessor, or there would be nothing left to roll back to.
        """
        if self.version(version).program != program:
            raise NotFound(f"version: {version} is not a version of {program}")
        champion, tag = self.pointed(program)
        if champion is not None and champion.version == version:
            raise Conflict(f"version: {version} is the champion of {program} already")
        change = self._by_hand(champion, version, "overridden", who, reason, now)
        bar = self.bar(version)
        if bar is None:
            return self.set_champion(change, tag)
        return self.set_champion(change, tag, (bar.lifted(who, reason, now).record,), self.expected_bar(version))

    def _by_hand(
        self,
        champion: Champion | None,
        version: str,
        how: Literal["rolled back", "overridden"],
        who: str,
        reason: str,
        now: datetime,
    ) -> Change:
        return Change(
            program=self.version(version).program,
            sequence=champion.sequence + 1 if champion else 1,
            version=version,
            previous=champion.version if champion else None,
            at=now,
            how=how,
            who=who,
            reason=reason,
        )
