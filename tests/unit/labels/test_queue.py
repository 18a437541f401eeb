"""The annotation queue: a limit a day that all modules share, items that are queued once, and their order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import NOON
from watched_store import Fails, Meanwhile, WatchedStore

from argotune.data.splitting import Split
from argotune.errors import Conflict
from argotune.labels.queue import AnnotationQueue, QueueItem, all_waiting, drop_waiting, hard_spans, keep_waiting
from argotune.labels.selection import Reason
from argotune.store.port import Record
from argotune.store.records import to_record

TODAY = NOON.date()


def item(n: int, **fields) -> QueueItem:
    values = {
        "span_id": f"{n:016x}",
        "program": "routing",
        "module": "routing",
        "split": Split.TEST,
        "reason": Reason.LOT,
        "probability": 0.5,
        "queued_at": NOON,
    }
    return QueueItem(**{**values, **fields})


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def queue(store: WatchedStore) -> AnnotationQueue:
    return AnnotationQueue(store, "acme")


def test_what_does_not_fit_into_the_day_is_not_queued(queue: AnnotationQueue):
    assert len(queue.add([item(n) for n in range(4)], TODAY, 5)) == 4
    assert len(queue.add([item(n) for n in range(4, 8)], TODAY, 5)) == 1
    assert len(queue.add([item(9)], TODAY, 5)) == 0
    assert (len(queue.items()), queue.queued_on(TODAY)) == (5, 5)
    tomorrow = TODAY + timedelta(days=1)
    assert queue.queued_on(tomorrow) == 0
    assert len(queue.add([item(9)], tomorrow, 5)) == 1


def test_two_modules_that_queue_at_the_same_time_keep_the_limit(store: WatchedStore, queue: AnnotationQueue):
    others = [item(n, program="modality.video") for n in range(3)]
    store.before = Meanwhile(lambda: AnnotationQueue(store, "acme").add(others, TODAY, 4))
    assert len(queue.add([item(n) for n in range(10, 13)], TODAY, 4)) == 1
    assert len(queue.items()) == queue.queued_on(TODAY) == 4


def test_a_day_that_is_changed_all_the_time_is_a_conflict(store: WatchedStore, queue: AnnotationQueue):
    store.before = Fails(("write",), Conflict())
    with pytest.raises(Conflict, match="'acme'"):
        queue.add([item(1)], TODAY, 5)


def test_a_label_closes_an_item_once_and_what_is_not_queued_is_left_alone(queue: AnnotationQueue):
    queue.add([item(1, is_marked=True)], TODAY, 5)
    queue.close(item(1).span_id, NOON)
    queue.close(item(1).span_id, NOON + timedelta(hours=1))
    queue.close("unknown", NOON)
    (found,) = queue.items()
    assert (found.done_at, found.is_waiting, found.is_marked) == (NOON, False, False)


def test_second_looks_come_first_then_the_oldest_day_in_an_order_that_says_nothing(queue: AnnotationQueue):
    old = [item(n, queued_at=NOON - timedelta(days=1)) for n in range(3)]
    again = item(9, second_look_at=NOON)
    queue.add([*(item(n, split=Split.TRAIN, reason=Reason.UNSURE) for n in range(20, 30)), again, *old], TODAY, 50)
    shown = queue.items()
    assert shown[0] == again
    assert {i.span_id for i in shown[1:4]} == {i.span_id for i in old}
    assert [i.span_id for i in shown[4:]] != sorted(i.span_id for i in shown[4:])
    assert queue.items("modality.video") == []


def test_items_are_hard_when_they_were_chosen_for_what_is_known_of_them():
    items = {
        item(1): False,
        item(2, split=Split.TRAIN): True,
        item(3, split=Split.TRAIN, reason=Reason.UNSURE): True,
        item(4, split=Split.TRAIN, reason=Reason.ANNOTATORS): False,
        item(5, second_look_at=NOON): False,
    }
    assert hard_spans(items) == {i.span_id for i, is_hard in items.items() if is_hard}


def test_forgotten_items_are_gone(queue: AnnotationQueue):
    queue.add([item(1), item(2)], TODAY, 5)
    assert queue.forget([item(1).span_id]) == 1
    assert queue.forget([]) == 0
    assert [i.span_id for i in queue.items()] == [item(2).span_id]


ASKED = item(1)
ANSWERED = item(1, done_at=NOON)
STALE = item(1, is_marked=True)


def stored(store: WatchedStore, *items: QueueItem | str) -> None:
    """Written past any queue; a text is a damaged record."""
    texts = [(i if isinstance(i, str) else to_record("queue", i.span_id, i).text) for i in items]
    store.write("acme", [Record("queue", ASKED.span_id, text) for text in texts])


@pytest.mark.parametrize("meanwhile", [[ANSWERED], [], ["{}"]], ids=["answered", "forgotten", "damaged"])
def test_what_others_did_to_an_item_meanwhile_stays_and_the_others_are_changed(store, queue, meanwhile):
    queue.add([ASKED, item(2)], TODAY, 5)
    queue.items()
    store.remove("acme", "queue", [ASKED.span_id])
    stored(store, *meanwhile)
    is_mended = meanwhile == ["{}"]
    for _ in range(2):  # refused once, it is not known any better
        changed = queue.change([STALE, item(2, is_marked=True)])
        assert [i.span_id for i in changed] == [i.span_id for i in ([STALE] if is_mended else []) + [item(2)]]
    found = {i.span_id: i for i in AnnotationQueue(store, "acme").items()}
    assert found.pop(item(2).span_id).is_marked
    assert list(found.values()) == ([STALE] if is_mended else meanwhile)


def test_an_item_that_somebody_else_has_queued_first_is_not_queued_again(store, queue):
    other = AnnotationQueue(store, "acme")
    other.add([ASKED], TODAY, 5)
    other.change([ANSWERED])
    assert queue.add([ASKED, item(2)], TODAY, 5) == [item(2)]
    assert ANSWERED in queue.items()
    assert queue.queued_on(TODAY) == 2


def test_a_label_given_while_the_item_is_marked_is_not_lost(store, queue):
    queue.add([ASKED], TODAY, 5)
    store.before = Meanwhile(lambda: stored(store, STALE))
    queue.close(ASKED.span_id, NOON)
    assert queue.items() == [ANSWERED]


def test_what_waits_is_counted_for_all_tenants_and_kept_only_where_it_changed(store: WatchedStore, queue):
    queue.add([item(1), item(2, program="modality.video"), item(3)], TODAY, 10)
    queue.close(item(3).span_id, NOON)
    keep_waiting(store, "acme")
    writes = store.count("write")
    keep_waiting(store, "acme")
    assert store.count("write") == writes
    (found,) = all_waiting(store).values()
    assert (found.tenant_id, found.programs, found.since) == ("acme", {"modality.video": 1, "routing": 1}, NOON)
    standing = queue.standing(TODAY, 7)
    assert (standing.waiting, standing.by_program, standing.by_contest) == (2, dict(found.programs), {})
    assert (standing.oldest_at, standing.queued_today, standing.daily_limit) == (NOON, 3, 7)
    for number in (1, 2):
        queue.close(item(number).span_id, NOON)
    keep_waiting(store, "acme")
    assert all_waiting(store)["acme"].programs == {}
    drop_waiting(store, "acme")
    assert all_waiting(store) == {}


def test_a_count_that_another_wrote_meanwhile_is_counted_again(store: WatchedStore, queue):
    queue.add([item(1)], TODAY, 10)

    def another_closes() -> None:
        AnnotationQueue(store, "acme").close(item(1).span_id, NOON)
        keep_waiting(store, "acme")

    store.before = Meanwhile(another_closes, "scan")
    keep_waiting(store, "acme")
    assert all_waiting(store)["acme"].programs == {}
