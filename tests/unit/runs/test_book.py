"""Run records: which step may follow which, what a crash leaves, and what is refused when it is read back."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import product

import pytest
from factories import NOON, after, make_run, make_verdict
from watched_store import Call, WatchedStore

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import Conflict, Corrupt, NotFound
from argotune.lm.meter import Spent
from argotune.promotion.openings import Opening
from argotune.promotion.verdicts import Undecided
from argotune.runs.book import RunBook
from argotune.runs.run import NEXT, Plan, RunState, Skip
from argotune.store.collections import Collection
from argotune.store.port import Record
from argotune.store.records import to_record
from argotune.store.sealing import SCHEMA, digest, seal

S = RunState
LEGAL = {
    (S.STARTED, S.PLANNED),
    (S.STARTED, S.OPENED),
    (S.STARTED, S.SKIPPED),
    (S.PLANNED, S.TRAINED),
    (S.PLANNED, S.SKIPPED),
    (S.TRAINED, S.OPENED),
    (S.TRAINED, S.SKIPPED),
    (S.OPENED, S.COMPARED),
    (S.OPENED, S.SKIPPED),
    (S.COMPARED, S.JUDGED),
    (S.COMPARED, S.SKIPPED),
    (S.JUDGED, S.REPORTED),
}
PLAN = Plan(
    optimizer="nearest",
    reason="few examples",
    seed=7,
    max_iterations=10,
    train_ids=("a", "b"),
    dev_ids=("c",),
    test_ids=("d",),
    data_hash="0" * 64,
)

ALSO = to_record(
    Collection.OPENINGS, "routing-1", Opening(program="routing", run_id="routing-1", at=NOON, example_ids=("d",))
)


UNDECIDED = Undecided("undecided: few labels", make_verdict().numbers)


def book_of(store: MemoryStore | None = None) -> RunBook:
    return RunBook(store or MemoryStore(), "acme_corp")


# States


@pytest.mark.parametrize(("state", "following"), [pair for pair in product(S, S) if pair in LEGAL])
def test_a_legal_step_is_written_down(state: RunState, following: RunState):
    book = book_of()
    run = book.open(make_run(state=state))
    later = book.keep(book.advanced(run, following, lm_calls=3))
    assert later == book.run(run.id) == make_run(state=following, lm_calls=3)


@pytest.mark.parametrize(("state", "following"), [pair for pair in product(S, S) if pair not in LEGAL])
def test_an_illegal_step_is_a_conflict_that_leaves_nothing(state: RunState, following: RunState):
    store = MemoryStore()
    book = book_of(store)
    run = book.open(make_run(state=state))
    with pytest.raises(Conflict, match=f"routing-pass-1 cannot go from {state} to {following}"):
        book.keep(book.advanced(run, following, lm_calls=3), also=[ALSO])
    assert book.run(run.id) == run
    assert store.read("acme_corp", ALSO.collection, ALSO.id) is None


def test_every_state_is_in_the_table_and_leads_to_an_end():
    assert set(NEXT) == set(S)
    reached, waiting = set(), [S.STARTED]
    while waiting:
        state = waiting.pop()
        reached.add(state)
        waiting += NEXT[state] - reached
    assert reached == set(S)
    assert {state for state in S if not NEXT[state]} == {S.REPORTED, S.SKIPPED}


def test_a_step_is_written_together_with_what_it_promises():
    store = MemoryStore()
    book = book_of(store)
    book.keep(book.advanced(make_run(state=S.TRAINED), S.OPENED, contest="routing-pass-1"), also=[ALSO])
    assert book.run("routing-pass-1").contest == "routing-pass-1"
    assert store.read("acme_corp", ALSO.collection, ALSO.id) == ALSO.text


@pytest.mark.parametrize("is_there", [False, True])
def test_a_step_that_expects_other_records_is_written_with_all_of_them_or_with_none(is_there: bool):
    store = MemoryStore()
    book = book_of(store)
    run = book.open(make_run(state=S.TRAINED))
    if is_there:
        store.write("acme_corp", [ALSO])
        with pytest.raises(Conflict):
            book.keep(book.advanced(run, S.OPENED), expecting={ALSO: None})
        assert (book.run(run.id), book.sums()[0].latest.outcome) == (run, "unfinished")
    else:
        opened = book.keep(book.advanced(run, S.OPENED), expecting={ALSO: None})
        assert (book.run(run.id), store.read("acme_corp", ALSO.collection, ALSO.id)) == (opened, ALSO.text)


@pytest.mark.parametrize("changes", [{"lm_cals": 3}, {"lm_calls": "many"}, {"plan": {"optimizer": "x"}}])
def test_a_field_that_no_run_has_is_not_written(changes: dict[str, object]):
    with pytest.raises(ValueError, match="Run"):
        RunBook.advanced(make_run(), S.PLANNED, **changes)


@pytest.mark.parametrize(
    ("fields", "outcome", "sentence"),
    [
        ({}, "unfinished", "unfinished, started"),
        ({"state": S.COMPARED, "plan": PLAN}, "unfinished", "unfinished, compared"),
        ({"state": S.JUDGED, "verdict": make_verdict("promoted", "better")}, "unfinished", "better"),
        ({"state": S.REPORTED, "verdict": make_verdict("promoted", "better")}, "promoted", "better"),
        ({"state": S.REPORTED, "verdict": make_verdict("rejected", "no gain")}, "rejected", "no gain"),
        ({"state": S.REPORTED, "verdict": UNDECIDED}, "undecided", "undecided: few labels"),
        ({"state": S.SKIPPED, "skip": Skip(reason="no labels")}, "skipped", "skipped: no labels"),
    ],
)
def test_a_run_says_what_came_of_it(fields: dict[str, object], outcome: str, sentence: str):
    run = make_run(**fields)
    assert (run.outcome, run.sentence) == (outcome, sentence)
    assert run.is_over is (outcome != "unfinished")


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_run_that_another_process_has_taken_further_is_not_written_over(has_ended: bool):
    store = MemoryStore()
    stale, quick = book_of(store), book_of(store)
    stale.open(make_run())
    run = quick.open(make_run(group="later"))
    run = quick.keep(quick.advanced(run, S.SKIPPED if has_ended else S.PLANNED))
    with pytest.raises(Conflict):
        stale.keep(stale.advanced(make_run(), S.PLANNED), also=[ALSO])
    with pytest.raises(Conflict):
        stale.keep(make_run())
    assert (quick.runs(), store.read("acme_corp", ALSO.collection, ALSO.id)) == ([run], None)


def test_two_processes_that_begin_the_same_run_do_not_both_begin_it():
    store = MemoryStore()
    one, other = book_of(store), book_of(store)
    one.open(make_run())
    with pytest.raises(Conflict):
        other.keep(make_run(started_at=after(1)))


def test_renaming_examples_expects_the_runs_that_were_read():
    def changed(call: Call) -> None:
        if (call.verb, *call.places) == ("scan", Collection.RUNS):
            store.write("acme_corp", [RunBook.record_of(make_run(plan=PLAN, lm_calls=99))])

    store = WatchedStore()
    store.after = changed
    book = book_of(store)
    store.write("acme_corp", [book.record_of(make_run(plan=PLAN))])
    with pytest.raises(Conflict):
        book.rename_examples("routing", {"a": "z"})
    assert book.run("routing-pass-1").lm_calls == 99


# Reading back


def test_opening_twice_gives_the_run_that_is_written_down():
    book = book_of()
    run = book.keep(book.advanced(book.open(make_run()), S.PLANNED, plan=PLAN))
    assert book.open(make_run(started_at=after(60), forced=True)) == run
    assert book.runs() == [run]


def test_runs_are_listed_oldest_first_by_group_and_time():
    book = book_of()
    late, early, twin = (
        make_run(id=id, started_at=after(at_s), group=group)
        for id, at_s, group in [("a", 9, "z"), ("b", 1, "y"), ("c", 9, "x")]
    )
    for run in (twin, late, early):
        book.open(run)
    assert book.runs() == [early, late, twin]
    assert book.runs(group="z") == [late]
    assert book.runs(since=after(9)) == [late, twin]
    assert book.runs(group="y", since=after(9)) == []


def test_an_unknown_run_is_not_found():
    with pytest.raises(NotFound, match="routing-pass-9"):
        book_of().run("routing-pass-9")


def other_schema(body: object) -> str:
    inner = {"body": body, "kind": "Run", "schema": SCHEMA + 1}
    return json.dumps({"hash": digest(inner), **inner}, separators=(",", ":"))


BODY = make_run(plan=PLAN).model_dump(mode="json")


@pytest.mark.parametrize(
    "text",
    [
        seal("Run", {**BODY, "state": "pondering"}),
        seal("Run", {name: value for name, value in BODY.items() if name != "program"}),
        seal("Run", None),
        seal("Version", BODY),
        other_schema(BODY),
        seal("Run", BODY).replace("nearest", "gepa"),
        "",
        "null",
    ],
    ids=["state", "missing", "null", "kind", "schema", "changed", "empty", "no record"],
)
def test_a_record_that_this_release_does_not_know_is_corrupt(text: str):
    store = MemoryStore()
    store.write("acme_corp", [Record(Collection.RUNS, "routing-pass-1", text)])
    for ask in (lambda book: book.run("routing-pass-1"), lambda book: book.open(make_run())):
        with pytest.raises(Corrupt, match="runs 'routing-pass-1' of tenant 'acme_corp': "):
            ask(book_of(store))
    store.write("acme_corp", [book_of().record_of(make_run(id="routing-pass-2"))])
    assert [run.id for run in book_of(store).runs()] == ["routing-pass-2"]


@pytest.mark.parametrize(
    "body",
    [{**BODY, "later_field": 1}, {**BODY, "plan": {**BODY["plan"], "later_field": {"deep": 1}}}],
    ids=["field", "inner field"],
)
def test_a_field_of_a_later_release_is_left_out(body: dict[str, object]):
    store = MemoryStore()
    store.write("acme_corp", [Record(Collection.RUNS, "routing-pass-1", seal("Run", body))])
    assert book_of(store).run("routing-pass-1") == make_run(plan=PLAN)


# Spending


@pytest.mark.parametrize(
    ("latest", "found"),
    [
        (None, Spent(5, 500, 1)),
        (("routing-pass-1", Spent(9, 900, 1)), Spent(9, 900, 1)),
        (("routing-pass-1", Spent(4, 400, 1)), Spent(5, 500, 1)),
        (("routing-pass-1", Spent(5, 400, 1)), Spent(5, 500, 1)),
        (("routing-pass-1", Spent(5, 500, 0)), Spent(5, 500, 1)),
        (("routing-pass-1", Spent(5, 500, 8)), Spent(5, 500, 8)),
        (("routing-pass-0", Spent(9, 900, 9)), Spent(5, 500, 1)),
    ],
    ids=["no record", "more calls", "fewer calls", "fewer tokens", "less reused", "more reused", "another run"],
)
def test_what_a_run_has_spent_is_the_later_of_its_record_and_its_last_answer(
    latest: tuple[str, Spent] | None, found: Spent
):
    store = MemoryStore()
    book, run = book_of(store), make_run(lm_calls=5, lm_tokens=500, lm_reused=1)
    if latest:
        store.write("acme_corp", [book.spending_record(make_run(id=latest[0]), latest[1])])
    assert book.spent(run) == found


def test_the_run_that_began_last_is_the_latest_whatever_its_clock_said():
    book = RunBook(MemoryStore(), "acme_corp")
    for name, at in (("first", NOON), ("ahead", NOON + timedelta(days=730)), ("second", after(60))):
        run = book.open(make_run(id=name, started_at=at))
        book.keep(book.advanced(book.keep(run), RunState.SKIPPED, skip=Skip(reason="x"), ended_at=at))
    (known,) = book.sums()
    assert (known.latest.id, known.ended.runs) == ("second", {"skipped": 3})
