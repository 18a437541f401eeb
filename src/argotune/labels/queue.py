"""Queue: the spans of a tenant that wait for a person's label, with a limit a day.

An item names a span; what was asked is in its experience and nowhere else. Items stay until their experience is
forgotten, so that no span is queued twice and a question keeps the split it was chosen for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from argotune.data.spans import Json
from argotune.data.splitting import Split
from argotune.errors import Conflict, NewerRecord
from argotune.labels.selection import Reason, lot_of
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record, Store
from argotune.store.records import StoredValue, find_all, find_renewable, find_tagged, to_record
from argotune.store.sealing import tag_of
from argotune.store.turns import in_turn
from argotune.tenants.ids import record_id

TRIES = 5
"""How often a write is tried while others change the same day or item."""


class ItemKind(StrEnum):
    """What a person is asked: what is right, or which of two answers is better."""

    LABEL = "label"
    PAIR = "pair"


class QueueItem(StoredValue):
    """One span that a person is asked about. `probability` is that with which it was chosen (selection.py).

    `second_look_at`: when it came back because annotators said different things, which it does once. `is_marked`:
    whether the trace source shows it as it is now. `contest` is the open contest that its label judges in, `place` its
    place among what that has drawn.
    """

    span_id: str
    program: str
    module: str
    split: Split
    reason: Reason
    probability: float
    queued_at: datetime
    second_look_at: datetime | None = None
    done_at: datetime | None = None
    is_marked: bool = False
    contest: str = ""
    place: int = 0
    kind: ItemKind = ItemKind.LABEL

    @property
    def is_waiting(self) -> bool:
        return self.done_at is None

    @property
    def is_by_lot(self) -> bool:
        """Whether it stands for all questions of its split. Training questions are chosen for what they are."""
        return self.split is not Split.TRAIN and self.reason is Reason.LOT

    @property
    def is_hard(self) -> bool:
        """Whether it was chosen for what was known of it, so that nothing may be estimated for all questions by it."""
        return not self.is_by_lot and self.reason is not Reason.ANNOTATORS

    @property
    def asked_at(self) -> datetime:
        """Since when it waits, or waited."""
        return self.second_look_at or self.queued_at

    @property
    def why(self) -> Reason:
        """Why it is asked about now."""
        return Reason.ANNOTATORS if self.second_look_at else self.reason


class QueueDay(StoredValue):
    """How many items were put before people on a day (UTC), the only thing that all modules of a tenant share."""

    day: date
    queued: int


@dataclass(frozen=True)
class QueueStanding:
    """`waiting` spans, by program, and by the open contest that they judge in; since when the oldest waits, and how
    many were queued today (UTC) of how many a day."""

    tenant_id: str
    waiting: int
    by_program: Mapping[str, int]
    by_contest: Mapping[str, int]
    oldest_at: datetime | None
    queued_today: int
    daily_limit: int

    def as_json(self) -> Mapping[str, Json]:
        """For programs."""
        return {**asdict(self), "oldest_at": self.oldest_at.isoformat() if self.oldest_at else None}


_DAY = "day"


class AnnotationQueue:
    """The queue of one tenant.

    It writes an item only in place of what it has itself read or written of it: what somebody else wrote meanwhile
    stays, such as that a person has answered.
    """

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store = store
        self._tenant_id = tenant_id
        self._tags: dict[str, str | None] = {}
        self.added = 0
        """How many items, new ones and second looks, were queued through this."""

    def items(self, program: str | None = None) -> list[QueueItem]:
        """Items, done ones too, in the order in which people should see them."""
        found = dict(find_tagged(self._store, self._tenant_id, Collection.QUEUE, QueueItem))
        self._tags.update((item.span_id, tag) for item, tag in found.items())
        return sorted((item for item in found if program in (None, item.program)), key=_order)

    def queued_on(self, day: date) -> int:
        """How many were queued on this day."""
        known, _ = self._day(day)
        return known.queued

    def standing(self, today: date, daily_limit: int, program: str | None = None) -> QueueStanding:
        """How the queue stands, of all programs or of one."""
        items = [item for item in self.items(program) if item.is_waiting]
        return QueueStanding(
            tenant_id=self._tenant_id,
            waiting=len(items),
            by_program=dict(sorted(Counter(item.program for item in items).items())),
            by_contest=dict(sorted(Counter(item.contest for item in items if item.contest).items())),
            oldest_at=min((item.asked_at for item in items), default=None),
            queued_today=self.queued_on(today),
            daily_limit=daily_limit,
        )

    def add(self, items: Sequence[QueueItem], day: date, limit: int) -> Sequence[QueueItem]:
        """Queue items, new ones or second looks, as far as the day's limit goes; those that were queued.

        All or none of them are stored, with the day's count: a crash queues nothing twice.
        """
        left = items
        for _ in range(TRIES):
            known, tag = self._day(day)
            fitting = left[: max(0, limit - known.queued)]
            counted = to_record(Collection.ANNOTATORS, _DAY, QueueDay(day=day, queued=known.queued + len(fitting)))
            if not fitting or self._is_written(fitting, counted, tag):
                self.added += len(fitting)
                return fitting
            left = self._untouched(left)
        raise Conflict(f"the annotation queue of {self._tenant_id!r} is changed by others all the time")

    def change(self, items: Iterable[QueueItem]) -> Sequence[QueueItem]:
        """Store items that are queued already in their new state; those that nobody else has changed since they were
        read here."""
        left = list(items)
        for _ in range(TRIES):
            if not left or self._is_written(left):
                return left
            left = self._untouched(left)
        raise Conflict(f"the annotation queue of {self._tenant_id!r} is changed by others all the time")

    def close(self, span_id: str, at: datetime) -> None:
        """A person has answered: the item is done, if there is one."""
        for _ in range(TRIES):
            item, self._tags[span_id] = self._item(span_id)
            if item is None or not item.is_waiting:
                return
            if self.change([item.model_copy(update={"done_at": at, "is_marked": False})]):
                return
        raise Conflict(f"the annotation queue of {self._tenant_id!r} is changed by others all the time")

    def withdraw(self, contest: str, at: datetime) -> Sequence[QueueItem]:
        """A contest was ended: nobody is asked about what it waits for any more. Which items were closed: one that
        somebody else changes meanwhile stays, and the next pass forgets it with them. Raises Conflict."""
        waiting = [item for item in self.items() if item.is_waiting and item.contest == contest]
        return self.change([item.model_copy(update={"done_at": at, "is_marked": False}) for item in waiting])

    def forget(self, span_ids: Iterable[str]) -> int:
        """Drop items; the number dropped."""
        gone = list(span_ids)
        return self._store.remove(self._tenant_id, Collection.QUEUE, gone) if gone else 0

    def _day(self, day: date) -> tuple[QueueDay, str | None]:
        known, tag = find_renewable(self._store, self._tenant_id, Collection.ANNOTATORS, _DAY, QueueDay)
        if known is None:
            asked = sum(item.asked_at.date() == day for item in self.items()) if tag else 0  # it was damaged
            return QueueDay(day=day, queued=asked), tag
        return (known if known.day == day else QueueDay(day=day, queued=0)), tag

    def _item(self, span_id: str) -> tuple[QueueItem | None, str | None]:
        return find_renewable(self._store, self._tenant_id, Collection.QUEUE, span_id, QueueItem)

    def _untouched(self, items: Iterable[QueueItem]) -> list[QueueItem]:
        """Those that nobody else has changed since they were read here; what is damaged may be written over."""
        return [item for item in items if self._is_untouched(item.span_id)]

    def _is_untouched(self, span_id: str) -> bool:
        try:
            item, tag = self._item(span_id)
        except NewerRecord:
            return False
        if item is None and tag is not None:
            self._tags[span_id] = tag
        return self._tags.get(span_id) == tag

    def _is_written(self, items: Iterable[QueueItem], counted: Record | None = None, tag: str | None = None) -> bool:
        """Whether all were as they were expected to be, and the day's count had `tag`."""
        records = list(map(_record, items))
        expect = {(record.collection, record.id): self._tags.get(record.id) for record in records}
        day = {} if counted is None else {(counted.collection, counted.id): tag}
        try:
            self._store.write(self._tenant_id, [*records, *([counted] if counted else [])], {**expect, **day})
        except Conflict:
            return False
        self._tags.update((record.id, tag_of(record.text)) for record in records)
        return True


class WaitingCount(StoredValue):
    """How many spans of a tenant wait for a label, by program, and since when the oldest does (None: none waits). Small
    and shared by all tenants, so that 10,000 are read in a few pages; counted from the queue and never added to."""

    tenant_id: str
    programs: dict[str, int] = Field(default_factory=dict)
    since: datetime | None = None


def keep_waiting(store: Store, tenant_id: str) -> None:
    """Count what waits and store it; doing so again changes nothing. Raises Conflict when others always were first."""
    id = record_id(tenant_id)

    def keep() -> None:
        known, tag = find_renewable(store, EVERYONE, Collection.WAITING, id, WaitingCount)  # before the queue is read
        items = [item for item in AnnotationQueue(store, tenant_id).items() if item.is_waiting]
        programs = dict(sorted(Counter(item.program for item in items).items()))
        since = min((item.asked_at for item in items), default=None)
        count = WaitingCount(tenant_id=tenant_id, programs=programs, since=since)
        if count != known:
            store.write(EVERYONE, [to_record(Collection.WAITING, id, count)], {(Collection.WAITING, id): tag})

    in_turn(f"what waits for labels of tenant {tenant_id!r}", keep)


def all_waiting(store: Store) -> dict[str, WaitingCount]:
    """Of all tenants, by id. One that cannot be read is told and none."""
    return {count.tenant_id: count for count in find_all(store, EVERYONE, Collection.WAITING, WaitingCount)}


def drop_waiting(store: Store, tenant_id: str) -> None:
    """Leave nothing of a tenant that is removed."""
    store.remove(EVERYONE, Collection.WAITING, [record_id(tenant_id)])


def hard_spans(items: Iterable[QueueItem]) -> frozenset[str]:
    """The spans of hard items."""
    return frozenset(item.span_id for item in items if item.is_hard)


def _record(item: QueueItem) -> Record:
    return to_record(Collection.QUEUE, item.span_id, item)


def _order(item: QueueItem) -> tuple[bool, bool, date, int, float, str]:
    """Contests first, in the order in which they drew; second looks, then day by day; within a day mixed, so that who
    stops early leaves out no kind."""
    lot = lot_of(item.span_id, item.program)
    return not item.contest, item.second_look_at is None, item.asked_at.date(), item.place, lot, item.span_id
