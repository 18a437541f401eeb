"""Tallies: the same numbers in any order, none lost between two passes, none lowered by what other tenants do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from factories import LATER, NOON, after, make_config, make_run, make_verdict
from hypothesis import given
from hypothesis import strategies as st
from watched_store import Call, Meanwhile, WatchedStore

from argotune import wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.cli import run_command
from argotune.cli.commands.aggregate import aggregate_parser
from argotune.errors import Conflict
from argotune.pipeline.operations.inspecting import status_of
from argotune.runs.book import RunBook
from argotune.runs.run import Run, RunState
from argotune.runs.sums import ModuleTally, sums_of
from argotune.runs.tallies import (
    RoundRecord,
    Tally,
    keep_round,
    keep_tally,
    leave_tally,
    read_overview,
    read_tally,
    rounds,
    tally_of,
)
from argotune.settings import read_settings
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record, Store
from argotune.store.records import to_record
from argotune.store.sealing import digest, seal
from argotune.store.turns import TURNS
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODULES

PROMOTED = {"state": RunState.REPORTED, "verdict": make_verdict(), "ended_at": after(90.5)}
REJECTED = {"state": RunState.REPORTED, "verdict": make_verdict("rejected"), "ended_at": after(60)}
SKIPPED = {"state": RunState.SKIPPED, "ended_at": after(1)}
JUDGED = {"state": RunState.JUDGED, "verdict": make_verdict(), "lm_calls": 7}


def keep_runs(store: Store, *runs: Run) -> None:
    for run in runs:
        store.write(run.tenant_id, [RunBook.record_of(run)])


def tenant(store: MemoryStore, tenant_id: str, *runs: dict, is_enabled: bool = True) -> None:
    Configs(store).save(make_config(tenant_id=tenant_id, enable_auto_optimization=is_enabled))
    keep_runs(store, *(make_run(id=f"r{n}", tenant_id=tenant_id, **run) for n, run in enumerate(runs)))
    keep_tally(store, tenant_id, LATER)


def numbered(runs: Sequence[Run]) -> list[Run]:
    return [run.model_copy(update={"id": f"r{n}"}) for n, run in enumerate(runs)]


def summed(runs: Sequence[Run]) -> Tally:
    return tally_of("acme_corp", sums_of(run.summary for run in runs).values(), LATER)


def tally(*runs: Run) -> Tally:
    return summed(numbered(runs))


def make_round(name: str = "round-1", **fields) -> RoundRecord:
    return RoundRecord(**{"name": name, "started_at": NOON, "ended_at": after(30), "is_complete": True, **fields})


# One tenant


def test_runs_are_counted_by_module_and_outcome():
    runs = [make_run(**fields) for fields in (PROMOTED, REJECTED, REJECTED, SKIPPED, JUDGED)]
    other = make_run(module="modality", program="modality.video", lm_calls=2, lm_tokens=30, lm_reused=4)
    found = tally(*runs, other)
    assert found.last_ended_at == after(90.5)
    assert found.modules["routing"] == ModuleTally(
        runs={"promoted": 1, "rejected": 2, "skipped": 1, "unfinished": 1},
        run_ms={"promoted": 90_500, "rejected": 120_000, "skipped": 1_000},
        lm_calls=7,
        unfinished_since=NOON,
    )
    modality = ModuleTally(runs={"unfinished": 1}, lm_calls=2, lm_tokens=30, lm_reused=4, unfinished_since=NOON)
    assert found.modules["modality"] == modality


def test_a_tenant_without_runs_has_an_empty_tally():
    assert tally() == Tally(tenant_id="acme_corp") == read_tally(MemoryStore(), "acme_corp")


def test_a_clock_that_went_back_takes_no_time_off():
    found = tally(make_run(**{**SKIPPED, "ended_at": after(-5)}))
    assert found.modules["routing"].run_ms == {"skipped": 0}


RUNS = st.lists(
    st.builds(
        lambda fields, start, took, module: make_run(
            **{**fields, "started_at": after(start), "ended_at": fields.get("ended_at") and after(start + took)},
            module=module,
            program=module,
        ),
        st.sampled_from([PROMOTED, REJECTED, SKIPPED, JUDGED]),
        st.floats(0, 1e6),
        st.floats(0, 1e5),
        st.sampled_from(["routing", "modality"]),
    ),
    max_size=8,
)


@given(RUNS, st.randoms())
def test_the_order_of_the_records_changes_nothing_and_a_further_run_lowers_nothing(runs, random):
    shuffled = numbered(runs)
    random.shuffle(shuffled)
    whole = tally(*runs)
    assert summed(shuffled) == whole
    for name, before in tally(*runs[:-1]).modules.items():
        assert all(whole.modules[name].runs[outcome] >= number for outcome, number in before.runs.items())
        assert all(whole.modules[name].run_ms[outcome] >= time for outcome, time in before.run_ms.items())


def test_a_kept_tally_is_read_back_and_kept_again_it_is_the_same():
    store = MemoryStore()
    tenant(store, "Größe/ä", PROMOTED, JUDGED)
    text = store.read(EVERYONE, Collection.TALLIES, digest("Größe/ä"))
    kept = keep_tally(store, "Größe/ä", LATER)
    assert read_tally(store, "Größe/ä") == kept
    assert kept.modules["routing"].runs == {"promoted": 1, "unfinished": 1}
    assert store.read(EVERYONE, Collection.TALLIES, digest("Größe/ä")) == text


def interrupted(times: int) -> WatchedStore:
    """Before each of the first `times` writes of a tally, another pass ends and writes its own."""
    store, left = WatchedStore(), iter(range(times))

    def before(call: Call) -> None:
        if call.verb == "write" and call.places == (Collection.TALLIES,) and (number := next(left, None)) is not None:
            skipped = make_run(id=f"other-{number}", module="modality", program="modality.video", **SKIPPED)
            keep_runs(store, skipped)
            keep_tally(store, "acme_corp", LATER)

    store.before = before
    return store


def test_the_last_step_of_a_workflow_counts_the_run_of_a_pod_that_was_killed(tmp_path: Path) -> None:
    settings = read_settings(store_url=f"sqlite:///{tmp_path}/store.db")
    with closing(wiring.open_store(settings)) as store:
        Configs(store).save(make_config())
        keep_runs(store, make_run(state=RunState.OPENED))
        flags = ["--tenant-id=acme_corp", f"--store-url={settings.store_url}", "--status=routing=Failed"]
        assert run_command(aggregate_parser(), flags) == 1
        assert read_tally(store, "acme_corp").modules["routing"].unfinished_since == NOON


@pytest.mark.parametrize("times", [1, TURNS - 1])
def test_two_passes_that_end_together_lose_no_run(times: int):
    store = interrupted(times)
    keep_runs(store, make_run(**PROMOTED))
    assert keep_tally(store, "acme_corp", LATER).modules["modality"].runs == {"skipped": times}
    assert read_tally(store, "acme_corp").modules["routing"].runs == {"promoted": 1}


def test_a_tally_that_never_gets_its_turn_is_a_conflict():
    with pytest.raises(Conflict, match="that of tenant 'acme_corp' was changed by others"):
        keep_tally(interrupted(TURNS), "acme_corp", LATER)


@pytest.mark.parametrize("text", ["no record at all", seal("Tally", {"of": "another release"})])
def test_a_damaged_tally_is_replaced_by_a_whole_one(text: str):
    store = MemoryStore()
    store.write(EVERYONE, [Record(Collection.TALLIES, digest("acme_corp"), text)])
    tenant(store, "acme_corp", SKIPPED)
    assert read_tally(store, "acme_corp").modules["routing"].runs == {"skipped": 1}


def test_a_damaged_run_is_counted_apart_and_holds_nobody_up():
    store = MemoryStore()
    store.write("acme_corp", [Record(Collection.RUNS, "broken", seal("Run", {"id": "broken"}))])
    tenant(store, "acme_corp", SKIPPED)
    assert (read_tally(store, "acme_corp").unreadable, read_overview(store, LATER).unreadable["runs"]) == (1, 1)


# Rounds


def test_rounds_are_told_oldest_first_and_numbered_as_they_are_first_kept():
    store = MemoryStore()
    for name, start in (("b", 0), ("a", 3600), ("c", 7200)):
        keep_round(store, make_round(name, started_at=after(start), ended_at=None))
    ended = keep_round(store, make_round("a", started_at=after(3600), submitted=3, skipped={"not due": 2}))
    assert [(r.name, r.number) for r in rounds(store)] == [("b", 1), ("a", 2), ("c", 3)]
    assert rounds(store)[1] == ended
    assert read_overview(store, LATER).last_round == ended  # c is under way


def test_two_rounds_that_are_kept_at_once_get_a_number_each():
    store = WatchedStore()
    keep_round(store, make_round("first"))
    store.before = Meanwhile(lambda: keep_round(store, make_round("other")))
    assert keep_round(store, make_round("own")).number == 3
    assert [(r.name, r.number) for r in rounds(store)] == [("first", 1), ("other", 2), ("own", 3)]


def test_rounds_of_a_release_that_kept_no_count_are_counted_on():
    store = MemoryStore()
    store.write(EVERYONE, [to_record(Collection.ROUNDS, "old", make_round("old", number=7))])
    assert [keep_round(store, make_round(name)).number for name in ("old", "new")] == [7, 8]


def test_old_rounds_are_forgotten_and_still_counted():
    store = MemoryStore()
    for day in range(40):
        keep_round(store, make_round(f"day-{day}", started_at=NOON + timedelta(days=day)))
    assert [r.name for r in rounds(store)] == [f"day-{day}" for day in range(9, 40)]
    assert read_overview(store, LATER).rounds == 40


def test_a_round_with_a_clock_far_ahead_forgets_none_and_is_not_the_last_for_ever():
    store = MemoryStore()
    for name, day in (("one", 0), ("two", 1), ("wrong", 500), ("three", 2)):
        keep_round(store, make_round(name, started_at=NOON + timedelta(days=day)))
    assert [r.name for r in rounds(store)] == ["one", "two", "wrong", "three"]
    assert read_overview(store, LATER).last_round == rounds(store)[-1]


def test_a_damaged_round_is_passed_over_and_told():
    store = MemoryStore()
    store.write(EVERYONE, [Record(Collection.ROUNDS, "broken", "{}")])
    keep_round(store, make_round())
    assert [r.name for r in rounds(store)] == ["round-1"]
    assert read_overview(store, LATER).unreadable == {"tenants": 0, "tallies": 0, "rounds": 1, "runs": 0}


# All tenants


def test_an_empty_store_shows_every_module_with_zeros():
    overview = read_overview(MemoryStore(), LATER)
    assert overview.modules == dict.fromkeys((*MODULES, "own"), ModuleTally())
    assert (overview.enabled, overview.disabled, overview.rounds, overview.last_round) == (0, 0, 0, None)


def test_tenants_are_summed_and_their_own_modules_share_a_name():
    store = MemoryStore()
    tenant(store, "a", PROMOTED, {**SKIPPED, "module": "support_bot", "program": "support_bot"})
    tenant(store, "b", PROMOTED, {**SKIPPED, "module": "triage", "program": "triage"}, JUDGED, is_enabled=True)
    tenant(store, "c", is_enabled=False)
    overview = read_overview(store, LATER)
    assert overview.modules["routing"].runs == {"promoted": 2, "unfinished": 1}
    assert overview.modules["own"].runs == {"skipped": 2}
    assert set(overview.modules) == {*MODULES, "own"}
    assert (overview.enabled, overview.disabled, overview.last_ended_at) == (2, 1, after(90.5))


@pytest.mark.parametrize("end", ["removed", "disabled"])
def test_a_tenant_that_leaves_lowers_no_count_and_leaves_nothing_unfinished(end: str):
    store = MemoryStore()
    tenant(store, "acme_corp", PROMOTED, JUDGED)
    before = read_overview(store, LATER).modules["routing"]
    if end == "removed":
        Configs(store).remove("acme_corp")
    else:
        Configs(store).save(make_config(enable_auto_optimization=False))
    assert read_overview(store, LATER).modules["routing"] == before.model_copy(
        update={"runs": {"promoted": 1}, "unfinished_since": None}
    )


def test_a_store_of_an_earlier_release_is_summed_once_and_then_no_old_run_is_read_again():
    store = WatchedStore()
    keep_runs(store, *(make_run(id=f"old-{n}", started_at=after(n), **SKIPPED) for n in range(5)))
    keep_runs(store, make_run(id="else", program="modality.video", module="modality", **PROMOTED))
    before, book = keep_tally(store, "acme_corp", LATER), RunBook(store, "acme_corp")
    run = book.open(make_run(id="new", started_at=after(60)))
    store.calls.clear()
    run = book.keep(book.advanced(run, RunState.SKIPPED, ended_at=after(61)))
    assert [found.latest.id for found in book.sums()] == ["else", "new"]
    told = keep_tally(store, "acme_corp", LATER).modules
    assert "scan runs" not in map(str, store.calls)
    assert told["routing"].runs == {"skipped": before.modules["routing"].runs["skipped"] + 1}
    assert told["modality"].runs == {"promoted": 1}


def test_status_and_the_latest_challenger_read_no_run():
    store = WatchedStore()
    Configs(store).save(make_config(tenant_id="acme_corp"))
    book = RunBook(store, "acme_corp")
    run = book.open(make_run(challenger="v1"))
    store.calls.clear()
    (status,) = status_of(store, "acme_corp").programs
    assert (status.outcome, status.sentence) == ("unfinished", run.sentence)
    assert book.latest_challenger("routing") == "v1"
    assert not [call for call in store.calls if call.places == (Collection.RUNS,)]


def test_a_run_is_summed_once_however_often_it_is_written():
    book = RunBook(MemoryStore(), "acme_corp")
    run = book.open(make_run(lm_calls=2))
    ended = book.keep(book.advanced(book.open(run), RunState.SKIPPED, ended_at=after(1), lm_calls=5))
    book.open(ended.model_copy(update={"group": "asked again"}))
    (found,) = book.sums()
    assert (found.tally.runs, found.tally.lm_calls, found.latest.group) == ({"skipped": 1}, 5, "asked again")


def test_a_damaged_sum_is_counted_anew_from_the_runs():
    store = MemoryStore()
    book = RunBook(store, "acme_corp")
    book.keep(book.advanced(book.open(make_run()), RunState.SKIPPED, ended_at=after(1)))
    store.write("acme_corp", [Record(Collection.RUN_SUMS, "routing", "{}")])
    assert keep_tally(store, "acme_corp", LATER).modules["routing"].runs == {"skipped": 1}
    book.open(make_run(id="next", started_at=after(5)))
    assert keep_tally(store, "acme_corp", LATER).modules["routing"].runs == {"skipped": 1, "unfinished": 1}


def test_the_overview_takes_three_scans_however_many_tenants_there_are():
    store = WatchedStore()
    for number in range(20):
        one = Tally(tenant_id=f"t{number}", modules={"routing": ModuleTally(runs={"promoted": 1})})
        store.write(EVERYONE, [to_record(Collection.TALLIES, digest(one.tenant_id), one)])
    assert read_overview(store, LATER).modules["routing"].runs == {"promoted": 20}
    assert [str(call) for call in store.calls if call.verb != "write"] == [
        "scan tenants",
        "scan tallies",
        "scan rounds",
    ]


@pytest.mark.parametrize("wrong", ["the program's own", "another program's", "another tenant's", "a removed tenant's"])
def test_a_run_that_is_dated_in_the_future_hides_none_that_ended_later(wrong: str):
    store, ahead = MemoryStore(), after(800 * 86_400)
    others = {"program": "modality.video", "module": "modality"} if wrong == "another program's" else {}
    tenant_id = "acme_corp" if "tenant" not in wrong else "globex"
    ended(store, "acme_corp", "first", after(1))
    ended(store, tenant_id, "wrong", ahead, **others)
    keep_tally(store, tenant_id, ahead)  # by the same clock
    if wrong == "a removed tenant's":
        leave_tally(store, tenant_id, ahead)
        ended(store, "initech", "later", after(60))
        keep_tally(store, "initech", after(60))
        leave_tally(store, "initech", after(60))
    assert read_overview(store, after(70)).last_ended_at in (None, after(60))
    ended(store, "acme_corp", "second", after(90))
    keep_tally(store, "acme_corp", after(90))
    assert read_overview(store, after(100)).last_ended_at == after(90)


def ended(store: Store, tenant_id: str, id: str, at: datetime, **fields) -> None:
    book = RunBook(store, tenant_id)
    book.keep(book.advanced(book.open(make_run(id=id, tenant_id=tenant_id, **fields)), RunState.SKIPPED, ended_at=at))
