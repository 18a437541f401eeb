"""Contest book: the contests of a tenant in the store, their journals, and what a year's significance was spent on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from argotune.errors import Conflict, NewerRecord, NotFound
from argotune.promotion.contests import Contest, ContestState, OpenContest, Share, Shares
from argotune.promotion.openings import Opening, opened_ids
from argotune.promotion.pairs import Marks, Page, Pair
from argotune.stats.significance import spent_by
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import (
    StoredValue,
    Unreadable,
    find,
    find_all,
    find_renewable,
    find_tagged,
    from_text,
    readable,
    tell,
    to_record,
)
from argotune.store.sealing import tag_of
from argotune.store.turns import in_turn

OPEN = "contest/"
"""How the ids of what names open contests begin, in the collection of markers."""

SHARES = "significance"
"""The id of a tenant's shares, in the collection of markers: several modules write them."""

Expected = dict[tuple[str, str], str | None]

D = TypeVar("D", bound=StoredValue)


class ContestBook:
    """The contests of one tenant.

    A book writes a contest only in place of what it has itself read or written of it: what somebody else wrote
    meanwhile stays, and is a Conflict.
    """

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store, self._tenant_id = store, tenant_id
        self._tags: Expected = {}
        self._n_pages: dict[str, int] = {}

    def open(self, program: str) -> Contest | None:
        """The program's open contest. One that cannot be read is told and open no more. Raises NewerRecord."""
        pointed = self._pointed(program)
        if pointed is None or pointed.contest is None:
            return None
        found, tag = find_renewable(self._store, self._tenant_id, Collection.CONTESTS, pointed.contest, Contest)
        self._tags[Collection.CONTESTS, pointed.contest] = tag
        return found if found and found.is_open else None

    def _pointed(self, program: str) -> OpenContest | None:
        """What names the program's open contest; where that is damaged, what the contests say."""
        id = f"{OPEN}{program}"
        found, tag = find_renewable(self._store, self._tenant_id, Collection.MARKERS, id, OpenContest)
        self._tags[Collection.MARKERS, id] = tag
        if found is None and tag is not None:
            return OpenContest(contest=next((c.id for c in self.contests(program) if c.is_open), None))
        return found

    def all_open(self) -> list[Contest]:
        """The open contests of all programs that can be read, oldest first."""
        ids = [record.id for record in self._store.scan(self._tenant_id, Collection.MARKERS)]
        found = list[Contest | None]()
        for id in ids:
            try:
                found += [self.open(id.removeprefix(OPEN))] if id.startswith(OPEN) else []
            except NewerRecord as error:
                tell(Unreadable(self._tenant_id, Collection.MARKERS, id, str(error)))
        return sorted(filter(None, found), key=lambda contest: (contest.opened_at, contest.id))

    def contest(self, id: str) -> Contest:
        """Raises NotFound."""
        found = self._find(Collection.CONTESTS, id, Contest)
        if found is None:
            raise NotFound(f"contest: tenant {self._tenant_id!r} has no contest {id!r}")
        return found

    def contests(self, program: str | None = None) -> list[Contest]:
        """All that can be read, oldest first."""
        found = find_all(self._store, self._tenant_id, Collection.CONTESTS, Contest)
        return sorted((c for c in found if program in (None, c.program)), key=lambda c: (c.opened_at, c.id))

    def opening(self, contest: Contest, shares: Shares) -> dict[Record, str | None]:
        """What is written when a contest opens, each record with the tag of what it is to be written in place of.

        `shares` are those that its level was taken from.
        """
        held = Share(contest=contest.id, opened_at=contest.opened_at, level=contest.level)
        return self._records(contest, OpenContest(contest=contest.id), shares.with_share(held))

    def changing(self, contest: Contest) -> dict[Record, str | None]:
        """What is written when it is known how an open contest stands."""
        return self._expecting((Collection.CONTESTS, contest.id, contest))

    def ending(self, contest: Contest) -> dict[Record, str | None]:
        """What is written when a contest has ended: the examples that judged are training data from then on."""
        self._pointed(contest.program)
        opening = Opening(
            program=contest.program,
            run_id=contest.id,
            at=contest.ended_at or contest.opened_at,
            example_ids=contest.judged,
        )
        spent = Share(contest=contest.id, opened_at=contest.opened_at, level=contest.spent or 0.0)
        ended = self._records(contest, OpenContest(contest=None), self.shares().with_share(spent))
        return {**ended, to_record(Collection.OPENINGS, contest.id, opening): None}

    def written(self, records: Iterable[Record]) -> None:
        """Take note that records were written, together with something else."""
        self._tags |= {(record.collection, record.id): tag_of(record.text) for record in records}

    def stop(self, id: str, *, who: str, reason: str, now: datetime) -> Contest:
        """End an open contest because a person says so. Raises NotFound, and Conflict for one that has ended."""

        def work() -> tuple[Contest, bool]:
            known = self.contest(id)
            if not known.is_open:
                return known, False
            stopped = ended(known, ContestState.STOPPED, reason, now, who)
            self._write(self.ending(stopped))
            return stopped, True

        found, is_stopped = in_turn(f"contest {id}", work)
        if not is_stopped:
            raise Conflict(f"contest: {id} has ended: {found.sentence}")
        return found

    def set_back(self, *, who: str, reason: str, now: datetime) -> Shares:
        """Let a new year begin for the significance: what ended contests have spent counts no more."""

        def work() -> Shares:
            held = {c.id for c in self.contests() if c.is_open}
            left = tuple(share for share in self.shares().shares if share.contest in held)
            new = Shares(shares=left, since=now, who=who, why=reason)
            self._write(self._expecting((Collection.MARKERS, SHARES, new)))
            return new

        return in_turn(f"the significance of {self._tenant_id}", work)

    def pages(self, contest: str) -> list[Page]:
        """The journal of a contest, in the order in which questions were drawn. A page that cannot be read is told, and
        what stood in it is asked again."""
        return list(self._pages(contest))

    def pairs(self, contest: str) -> list[Pair]:
        """What the pages of a contest hold."""
        return [pair for page in self._pages(contest) for pair in page.pairs]

    def let_people_decide(self, contest: Contest) -> None:
        """Take the judge from an open contest: what it was to judge alone people are asked about. Raises Conflict."""
        alone = {"judge": None, "wait_for_judge": (), "owes_answers": True}
        self._write(self.changing(contest.model_copy(update=alone)))

    def append(
        self,
        contest: str,
        pairs: Sequence[Pair],
        at: datetime,
        passed: Sequence[str] = (),
        marks: Sequence[Marks] = (),
    ) -> None:
        """Write a page behind those that are there. Raises Conflict where somebody else did."""
        number = self._n_pages[contest] if contest in self._n_pages else sum(1 for _ in self._pages(contest))
        page = Page(contest=contest, number=number, at=at, pairs=tuple(pairs), passed=tuple(passed), marks=tuple(marks))
        record = to_record(Collection.SHADOW, _page_id(contest, number), page)
        self._store.write(self._tenant_id, [record], {(record.collection, record.id): None})
        self._n_pages[contest] = number + 1

    def _pages(self, contest: str) -> Iterator[Page]:
        number = 0
        while True:
            id = _page_id(contest, number)
            page, tag = find_renewable(self._store, self._tenant_id, Collection.SHADOW, id, Page)
            if tag is None:
                self._n_pages[contest] = number
                return
            yield from [page] if page else []
            number += 1

    def opened(self, program: str) -> frozenset[str]:
        """The ids of the program's test examples that are training data by now."""
        found = find_all(self._store, self._tenant_id, Collection.OPENINGS, Opening)
        return opened_ids(opening for opening in found if opening.program == program)

    def has_lost_openings(self, program: str) -> bool:
        """Whether something cannot be read that says which examples were opened: each may have been."""
        return self._has_lost(Collection.OPENINGS, Opening, program) or self._has_lost(
            Collection.CONTESTS, Contest, program
        )

    def _has_lost(self, collection: str, kind: type[D], program: str) -> bool:
        stored = [r for r in self._store.scan(self._tenant_id, collection) if r.id.startswith(f"{program}-")]
        return len(stored) > sum(1 for _ in readable(self._tenant_id, stored, lambda text: from_text(kind, text)))

    def rename_examples(self, program: str, renamed: Mapping[str, str]) -> None:
        """Let the program's contests and openings know examples by their old and new ids: what was seen stays seen,
        whatever it is called."""
        records: dict[Record, str | None] = {}
        for opening, tag in find_tagged(self._store, self._tenant_id, Collection.OPENINGS, Opening):
            if opening.program == program and not renamed.keys().isdisjoint(opening.example_ids):
                ids = _both(opening.example_ids, renamed)
                new = opening.model_copy(update={"example_ids": ids})
                records[to_record(Collection.OPENINGS, opening.run_id, new)] = tag
        contest = self.open(program)
        if contest:
            self._change_pairs(contest.id, lambda pair: pair.with_renamed(renamed), renamed)
            new_ids = {name: _both(getattr(contest, name), renamed) for name in ("seen_ids", "sealed_ids", "judged")}
            records |= self.changing(contest.model_copy(update=new_ids))
        if records:
            self._write(records)

    def mask_pairs(self, program: str, mask: Callable[[Pair], Pair]) -> None:
        """Mask what stands in the journals of all contests of a program, ended ones too."""
        for contest in self.contests(program):
            self._change_pairs(contest.id, mask, {})

    def _change_pairs(self, contest: str, change: Callable[[Pair], Pair], renamed: Mapping[str, str]) -> None:
        """A page at a time: done again after a crash it ends the same."""
        for page in list(self._pages(contest)):
            record = to_record(Collection.SHADOW, _page_id(contest, page.number), page)
            pairs = tuple(map(change, page.pairs))
            marks = tuple(each.with_renamed(renamed) for each in page.marks)
            if (pairs, marks) != (page.pairs, page.marks):
                changed = page.model_copy(update={"pairs": pairs, "marks": marks})
                new = to_record(Collection.SHADOW, record.id, changed)
                self._store.write(self._tenant_id, [new], {(record.collection, record.id): tag_of(record.text)})

    def _records(self, contest: Contest, pointed: OpenContest, shares: Shares) -> dict[Record, str | None]:
        return self._expecting(
            (Collection.CONTESTS, contest.id, contest),
            (Collection.MARKERS, f"{OPEN}{contest.program}", pointed),
            (Collection.MARKERS, SHARES, shares),
        )

    def _expecting(self, *values: tuple[str, str, StoredValue]) -> dict[Record, str | None]:
        return {to_record(name, id, value): self._tags.get((name, id)) for name, id, value in values}

    def _write(self, records: Mapping[Record, str | None]) -> None:
        expect = {(record.collection, record.id): tag for record, tag in records.items()}
        self._store.write(self._tenant_id, list(records), expect)
        self.written(records)

    def _find(self, collection: str, id: str, kind: type[D]) -> D | None:
        found, self._tags[collection, id] = find(self._store, self._tenant_id, collection, id, kind)
        return found

    def shares(self) -> Shares:
        """What contests hold and have spent. A damaged record frees nothing: it is read from the contests then."""
        found, self._tags[Collection.MARKERS, SHARES] = find_renewable(
            self._store, self._tenant_id, Collection.MARKERS, SHARES, Shares
        )
        if found is None and self._tags[Collection.MARKERS, SHARES] is not None:
            held = (
                Share(contest=c.id, opened_at=c.opened_at, level=c.level if c.spent is None else c.spent)
                for c in self.contests()
            )
            found = Shares(shares=tuple(held))
        return found or Shares()


def ended(
    contest: Contest, state: ContestState, why: str, at: datetime, who: str = "", *, is_better: bool = False
) -> Contest:
    """The contest as it ends, with what it has spent. `is_better`: promoted as that. Where it was promoted as cheaper
    the bet against "no better" was not won, and gives back no more than what it still holds."""
    spent = spent_by(contest.level, contest.log_wealth, is_promoted=is_better)
    return contest.ended(state, why, at, spent, who)


def _page_id(contest: str, number: int) -> str:
    return f"{contest}/{number:06d}"


def _both(ids: Sequence[str], renamed: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ids, *(renamed[id] for id in ids if id in renamed))))
