"""The book of contests on every store: what is written together, who comes second, what damage costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from factories import NOON, make_contest

from argotune.errors import Conflict, NewerRecord, NotFound
from argotune.promotion.contest_book import OPEN, SHARES, ContestBook, ended
from argotune.promotion.contests import Contest, ContestState, Share, Shares
from argotune.promotion.openings import Opening
from argotune.promotion.pairs import Answer, Pair
from argotune.store import sealing
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import to_record

TENANT, DAY = "acme_corp", timedelta(days=1)
OVER = ContestState.NO_BETTER


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest, open_store: Callable[[str], Store]) -> Store:
    return open_store(request.param)


def book_of(store: Store) -> ContestBook:
    return ContestBook(store, TENANT)


def write(store: Store, book: ContestBook, records: dict[Record, str | None]) -> None:
    """As a step of a run writes them, with what it is to expect."""
    store.write(TENANT, list(records), {(record.collection, record.id): tag for record, tag in records.items()})
    book.written(records)


def begun(store: Store, **fields: Any) -> tuple[ContestBook, Contest]:
    """A book, and a contest that it has opened."""
    book, contest = book_of(store), make_contest(**fields)
    shares = book.shares()
    assert book.open(contest.program) is None
    write(store, book, book.opening(contest, shares))
    return book, contest


def everything(store: Store) -> dict[tuple[str, str], str]:
    kinds = (Collection.CONTESTS, Collection.MARKERS, Collection.OPENINGS, Collection.SHADOW)
    return {(kind, record.id): record.text for kind in kinds for record in store.scan(TENANT, kind)}


def damage(store: Store, collection: str, id: str) -> None:
    store.write(TENANT, [Record(collection, id, "{}")])


def make_pair(question: str, **fields: Any) -> Pair:
    values = {"question": question, "span_id": f"span of {question}", "drawn": "lot"}
    return Pair(**{**values, "champion": Answer({"agent": "a"}), "challenger": Answer({"agent": "b"}), **fields})


def asked(book: ContestBook, contest: str) -> list[str]:
    """The questions of a journal."""
    return [pair.question for page in book.pages(contest) for pair in page.pairs]


# Opening


def test_a_contest_that_opens_is_found_by_its_program_and_holds_its_level(store: Store):
    _, contest = begun(store)
    book = book_of(store)
    assert book.open("routing") == book.contest(contest.id) == contest
    assert book.open("modality.video") is None
    assert book.shares().shares == (Share(contest=contest.id, opened_at=NOON, level=contest.level),)
    assert ContestBook(store, "globex").open("routing") is None


def test_of_two_that_open_a_contest_for_one_program_the_second_writes_nothing(store: Store):
    late = book_of(store)
    shares = late.shares()
    assert late.open("routing") is None
    _, first = begun(store)
    before = everything(store)
    with pytest.raises(Conflict):
        write(store, late, late.opening(make_contest(id="routing-pass-2"), shares))
    assert everything(store) == before
    assert late.open("routing") == first


def test_of_two_programs_that_take_of_one_year_the_second_takes_of_what_is_left(store: Store):
    other = {"id": "cross_modal-pass-1", "program": "cross_modal"}
    late = book_of(store)
    shares = late.shares()
    late.open("cross_modal")
    begun(store)
    with pytest.raises(Conflict):
        write(store, late, late.opening(make_contest(**other), shares))
    left = late.shares()
    assert left.next_level(0.05, NOON) == pytest.approx(0.05 * 3 / 20)
    write(store, late, late.opening(make_contest(**other), left))
    assert {share.contest for share in book_of(store).shares().shares} == {"routing-pass-1", "cross_modal-pass-1"}


# While it is open


def test_how_a_contest_stands_is_written_in_place_of_what_was_read_only(store: Store):
    book, contest = begun(store)
    late = book_of(store)
    late.open("routing")
    later = contest.model_copy(update={"answers": 20, "judged": ("a",)})
    write(store, book, book.changing(later))
    write(store, book, book.changing(later.model_copy(update={"answers": 21})))
    with pytest.raises(Conflict):
        write(store, late, late.changing(later))
    assert late.open("routing") == later.model_copy(update={"answers": 21})


def test_contests_are_listed_oldest_first(store: Store):
    late, early, other = (
        make_contest(id=id, program=program, opened_at=NOON + days * DAY)
        for id, program, days in (("b", "routing", 2), ("c", "routing", 1), ("a", "cross_modal", 2))
    )
    store.write(TENANT, [to_record(Collection.CONTESTS, c.id, c) for c in (late, early, other)])
    assert book_of(store).contests() == [early, other, late]
    assert book_of(store).contests("routing") == [early, late]


def test_an_unknown_contest_is_not_found(store: Store):
    for ask in (
        lambda book: book.contest("nope"),
        lambda book: book.stop("nope", who="anna", reason="enough", now=NOON),
    ):
        with pytest.raises(NotFound, match="tenant 'acme_corp' has no contest 'nope'"):
            ask(book_of(store))


# Its end


def test_the_end_of_a_contest_opens_what_judged_and_lets_the_next_one_begin(store: Store):
    book, contest = begun(store)
    contest = contest.model_copy(update={"judged": ("sealed", "drawn"), "log_wealth": -0.5})
    over = ended(contest, OVER, "the gain is too small", NOON + DAY)
    write(store, book, book.ending(over))
    later = book_of(store)
    assert later.open("routing") is None
    assert later.contest(contest.id) == over
    assert later.opened("routing") == {"sealed", "drawn"}
    assert later.opened("cross_modal") == frozenset()
    assert [share.level for share in later.shares().shares] == [over.spent]
    assert 0 < (over.spent or 0) < contest.level
    begun(store, id="routing-pass-2")


def test_a_contest_ends_once(store: Store):
    book, contest = begun(store)
    late = book_of(store)
    late_end = ended(late.contest(contest.id), ContestState.PROMOTED, "better", NOON + DAY)
    records = late.ending(late_end)
    write(store, book, book.ending(ended(contest, OVER, "no gain", NOON + DAY)))
    before = everything(store)
    with pytest.raises(Conflict):
        write(store, late, records)
    assert everything(store) == before


def test_what_was_opened_void_is_as_good_as_sealed(store: Store):
    for id, void in (("routing-1", ""), ("routing-2", "nothing was measured")):
        opening = Opening(program="routing", run_id=id, at=NOON, example_ids=(id,), void=void)
        store.write(TENANT, [to_record(Collection.OPENINGS, id, opening)])
    assert book_of(store).opened("routing") == {"routing-1"}


# A person


def test_a_person_stops_a_contest_and_says_why(store: Store):
    _, contest = begun(store, judged=("a",), log_wealth=-1.0)
    found = book_of(store).stop(contest.id, who="anna", reason="wrong agents", now=NOON + DAY)
    assert (found.state, found.who, found.why) == (ContestState.STOPPED, "anna", "wrong agents")
    later = book_of(store)
    assert (later.open("routing"), later.contest(contest.id)) == (None, found)
    assert later.opened("routing") == {"a"}
    with pytest.raises(Conflict, match="stopped by a person: wrong agents"):
        later.stop(contest.id, who="bob", reason="again", now=NOON + DAY)
    assert book_of(store).contest(contest.id).who == "anna"


def test_a_stop_between_two_writes_of_a_pass_ends_what_the_pass_left(store: Store, monkeypatch: pytest.MonkeyPatch):
    book, contest = begun(store)
    stored = store.write

    def overtaken(*asked: Any) -> None:
        monkeypatch.setattr(store, "write", stored)
        write(store, book, book.changing(contest.model_copy(update={"answers": 20, "judged": ("late",)})))
        stored(*asked)

    monkeypatch.setattr(store, "write", overtaken)
    found = book_of(store).stop(contest.id, who="anna", reason="enough", now=NOON + DAY)
    assert (found.answers, found.judged) == (20, ("late",))
    assert book_of(store).opened("routing") == {"late"}
    with pytest.raises(Conflict):
        write(store, book, book.changing(contest))


def test_a_contest_that_ended_while_somebody_would_stop_it_says_how(store: Store, monkeypatch: pytest.MonkeyPatch):
    book, contest = begun(store)
    stored = store.write

    def overtaken(*asked: Any) -> None:
        monkeypatch.setattr(store, "write", stored)
        write(store, book, book.ending(ended(contest, OVER, "no gain", NOON)))
        stored(*asked)

    monkeypatch.setattr(store, "write", overtaken)
    with pytest.raises(Conflict, match="routing-pass-1 has ended: no better: no gain"):
        book_of(store).stop(contest.id, who="anna", reason="enough", now=NOON + DAY)


def test_a_year_that_is_set_back_begins_anew_but_for_what_open_contests_hold(store: Store):
    book, contest = begun(store, id="over", log_wealth=-1.0)
    write(store, book, book.ending(ended(contest, OVER, "no gain", NOON + DAY)))
    begun(store, level=0.01)
    found = book_of(store).set_back(who="anna", reason="a new product", now=NOON + 2 * DAY)
    assert found == book_of(store).shares()
    assert (found.since, found.who, found.why) == (NOON + 2 * DAY, "anna", "a new product")
    assert [share.contest for share in found.shares] == ["routing-pass-1"]
    assert found.next_level(0.05, NOON) == Shares(shares=found.shares).next_level(0.05, NOON)


# The journal


def test_pages_of_a_journal_are_read_in_the_order_in_which_they_were_written(store: Store):
    book = book_of(store)
    pages = [[make_pair(f"q{page}{n}") for n in range(3)] for page in range(12)]
    for number, page in enumerate(pages):
        book.append("c1", page, NOON, passed=[f"p{number}"])
    found = book_of(store).pages("c1")
    assert [list(page.pairs) for page in found] == pages
    assert [page.passed for page in found] == [(f"p{number}",) for number in range(12)]
    assert [page.number for page in found] == list(range(12))
    assert book_of(store).pages("c2") == []


def test_of_two_that_write_the_next_page_the_second_writes_nothing(store: Store):
    first, late = book_of(store), book_of(store)
    assert (first.pages("c1"), late.pages("c1")) == ([], [])
    first.append("c1", [make_pair("q1")], NOON)
    with pytest.raises(Conflict):
        late.append("c1", [make_pair("q1")], NOON)
    assert asked(late, "c1") == ["q1"]
    late.append("c1", [make_pair("q2")], NOON)
    assert asked(first, "c1") == ["q1", "q2"]


def test_a_book_that_has_read_nothing_appends_behind_what_is_there(store: Store):
    book_of(store).append("c1", [make_pair("q1")], NOON)
    book_of(store).append("c1", [make_pair("q2")], NOON)
    assert asked(book_of(store), "c1") == ["q1", "q2"]


# Examples by another name


def test_what_was_seen_stays_seen_by_its_new_name(store: Store):
    book, contest = begun(store, seen_ids=("a", "b"), sealed_ids=("c",), judged=("c", "d"))
    book.append(contest.id, [make_pair("c"), make_pair("d"), make_pair("e", repeats="d")], NOON)
    for program in ("routing", "cross_modal"):
        opening = Opening(program=program, run_id=f"{program}-0", at=NOON, example_ids=("c", "x"))
        store.write(TENANT, [to_record(Collection.OPENINGS, opening.run_id, opening)])
    for _ in range(2):  # done again, as after a crash, it ends the same
        book_of(store).rename_examples("routing", {"b": "B", "c": "C", "d": "D"})
    later = book_of(store)
    found = later.contest(contest.id)
    assert (found.seen_ids, found.sealed_ids, found.judged) == (("a", "b", "B"), ("c", "C"), ("c", "d", "C", "D"))
    assert [(pair.question, pair.repeats) for page in later.pages(contest.id) for pair in page.pairs] == [
        ("C", None),
        ("D", None),
        ("e", "D"),
    ]
    assert later.opened("routing") == {"c", "x", "C"}
    assert later.opened("cross_modal") == {"c", "x"}


def test_a_rename_of_what_no_contest_knows_writes_nothing_new(store: Store):
    begun(store)
    before = everything(store)
    book_of(store).rename_examples("routing", {"other": "OTHER"})
    assert everything(store) == before


# Damage


def test_a_damaged_record_of_the_year_frees_nothing(store: Store):
    book, contest = begun(store, id="over", log_wealth=-1.0)
    over = ended(contest, OVER, "no gain", NOON + DAY)
    write(store, book, book.ending(over))
    _, running = begun(store)
    damage(store, Collection.MARKERS, SHARES)
    found = book_of(store)
    assert {share.contest: share.level for share in found.shares().shares} == {
        "over": over.spent,
        running.id: running.level,
    }
    write(store, found, found.ending(ended(found.contest(running.id), OVER, "no gain", NOON + DAY)))
    assert len(book_of(store).shares().shares) == 2


def test_where_it_is_damaged_which_contest_is_open_the_contests_say_it(store: Store):
    _, contest = begun(store)
    damage(store, Collection.MARKERS, f"{OPEN}routing")
    book = book_of(store)
    assert book.open("routing") == contest
    write(store, book, book.ending(ended(contest, OVER, "no gain", NOON + DAY)))
    assert book_of(store).open("routing") is None


def test_a_contest_that_cannot_be_read_is_open_no_more_and_seals_nothing(store: Store):
    begun(store)
    assert not book_of(store).has_lost_openings("routing")
    damage(store, Collection.CONTESTS, "routing-pass-1")
    book = book_of(store)
    assert book.open("routing") is None
    assert book.has_lost_openings("routing")
    assert not book.has_lost_openings("cross_modal")
    begun(store, id="routing-pass-2")
    assert book_of(store).open("routing") == make_contest(id="routing-pass-2")


def test_an_opening_that_cannot_be_read_may_have_opened_every_example(store: Store):
    damage(store, Collection.OPENINGS, "routing-1")
    assert book_of(store).has_lost_openings("routing")
    assert not book_of(store).has_lost_openings("cross_modal")


def test_a_page_that_cannot_be_read_costs_its_answers_and_no_others(store: Store):
    book = book_of(store)
    for question in ("q0", "q1", "q2"):
        book.append("c1", [make_pair(question)], NOON)
    damage(store, Collection.SHADOW, "c1/000001")
    later = book_of(store)
    assert asked(later, "c1") == ["q0", "q2"]
    later.append("c1", [make_pair("q1")], NOON)
    assert asked(book_of(store), "c1") == ["q0", "q2", "q1"]


def test_what_a_newer_release_wrote_is_not_written_over(store: Store, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as newer:
        newer.setattr(sealing, "SCHEMA", sealing.SCHEMA + 1)
        begun(store)
    before = everything(store)
    for ask in (
        lambda book: book.open("routing"),
        lambda book: book.shares(),
        lambda book: book.stop("routing-pass-1", who="anna", reason="enough", now=NOON),
    ):
        with pytest.raises(NewerRecord):
            ask(book_of(store))
    assert everything(store) == before
