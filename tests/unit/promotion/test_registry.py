"""Versions that never change, and a champion pointer that never moves without an explanation."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

import pytest
from factories import after, make_run, make_version
from hypothesis import given
from hypothesis import strategies as st
from watched_store import Meanwhile, WatchedStore

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import Conflict, NotFound
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Champion, Change, Version, version_id
from argotune.runs.book import RunBook
from argotune.store.sealing import digest

FIRST, SECOND, THIRD = (make_version(text, created_at=after(n)) for n, text in enumerate(["first", "second", "third"]))


def registry_of(*versions: Version, tenant_id: str = "acme_corp") -> Registry:
    registry = Registry(WatchedStore(), tenant_id)
    for version in versions:
        registry.keep(version)
    return registry


def change_to(version: Version, sequence: int = 1, previous: Version | None = None, **fields: object) -> Change:
    values = {
        "program": version.program,
        "sequence": sequence,
        "version": version.id,
        "previous": previous.id if previous else None,
        "at": after(sequence),
        "how": "promoted",
        "who": "run routing-pass-1",
        "reason": "better",
        "run_id": "routing-pass-1",
    }
    return Change(**{**values, **fields})


def override(registry: Registry, version: Version, reason: str = "looks good") -> Champion:
    return registry.override(version.program, version.id, who="kim", reason=reason, now=after(9))


def roll_back(
    registry: Registry, program: str = "routing", leaving: str | None = None, reason: str = "complaints"
) -> Champion:
    return registry.roll_back(program, leaving=leaving, who="lee", reason=reason, now=after(10)).champion


def story(registry: Registry, program: str = "routing") -> list[tuple[int, str, str | None, str, str, str]]:
    return [(c.sequence, c.version, c.previous, c.how, c.who, c.reason) for c in registry.history(program)]


# Versions


STATES = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4)


@given(STATES)
def test_an_id_is_the_content_whatever_the_order_of_keys(state: dict[str, object]):
    id = version_id("routing", "s", state)
    assert id == version_id("routing", "s", dict(reversed(state.items()))) == "v" + digest(["routing", "s", state])[:12]


@pytest.mark.parametrize("other", [("cross_modal", "s", {"k": 1}), ("routing", "t", {"k": 1}), ("routing", "s", {})])
def test_another_program_signature_or_state_is_another_id(other: tuple[str, str, dict[str, int]]):
    assert version_id(*other) != version_id("routing", "s", {"k": 1})


def test_a_kept_version_comes_back_as_it_was():
    assert registry_of(FIRST).version(FIRST.id) == FIRST


def test_keeping_the_same_content_twice_keeps_the_first_lineage():
    registry = registry_of(FIRST)
    again = make_version("first", reason="made again", created_at=after(99))
    assert registry.keep(again) == FIRST
    assert registry.versions() == [FIRST]


def test_versions_are_listed_oldest_first_and_by_program():
    other = make_version("first", program="cross_modal", created_at=after(1.5))
    registry = registry_of(THIRD, other, FIRST, SECOND)
    assert registry.versions() == [FIRST, SECOND, other, THIRD]
    assert registry.versions("routing") == [FIRST, SECOND, THIRD]
    assert registry.versions("none") == []


def test_versions_of_the_same_moment_are_listed_by_id():
    twins = [make_version(text) for text in "abcdef"]
    assert registry_of(*twins).versions() == sorted(twins, key=lambda version: version.id)


def test_another_tenant_has_none_of_them():
    store = MemoryStore()
    override(Registry(store, "acme_corp"), Registry(store, "acme_corp").keep(FIRST))
    theirs = Registry(store, "globex")
    assert (theirs.versions(), theirs.champions(), theirs.champion("routing")) == ([], [], (None, None))


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry: registry.version("v000000000000"),
        lambda registry: registry.override("routing", "v000000000000", who="kim", reason="why", now=after(1)),
        lambda registry: registry.override("cross_modal", FIRST.id, who="kim", reason="why", now=after(1)),
        lambda registry: roll_back(registry),
        lambda registry: roll_back(registry, "no program"),
    ],
    ids=["version", "override unknown", "override of another program", "rollback of nothing", "unknown program"],
)
def test_what_does_not_exist_is_not_found_and_leaves_nothing(ask: Callable[[Registry], object]):
    registry = registry_of(FIRST)
    with pytest.raises(NotFound):
        ask(registry)
    assert (registry.champions(), registry.history("routing"), registry.history("cross_modal")) == ([], [], [])


# The pointer


def test_set_champion_moves_pointer_and_history_and_what_else_is_asked_in_one_step():
    store = MemoryStore()
    registry, run = Registry(store, "acme_corp"), make_run()
    champion = registry.set_champion(change_to(FIRST), None, also=(RunBook.record_of(run),))
    assert champion == Champion(program="routing", version=FIRST.id, previous=None, since=after(1), sequence=1)
    assert registry.champion("routing")[0] == champion
    assert registry.history("routing") == [change_to(FIRST)]
    assert RunBook(store, "acme_corp").run(run.id) == run


def tag_of(registry: Registry) -> str | None:
    return registry.champion("routing")[1]


@pytest.mark.parametrize("expected", [lambda old: None, lambda old: old, lambda old: "0" * 64])
def test_an_unexpected_tag_is_a_conflict_that_leaves_nothing(expected: Callable[[str], str | None]):
    store = MemoryStore()
    registry = Registry(store, "acme_corp")
    registry.set_champion(change_to(FIRST), None)
    old = tag_of(registry)
    registry.set_champion(change_to(SECOND, 2, FIRST), old)
    before = registry.champion("routing"), registry.history("routing")
    with pytest.raises(Conflict, match="champion of routing was changed by somebody else"):
        registry.set_champion(change_to(THIRD, 3, FIRST), expected(old), also=(RunBook.record_of(make_run()),))
    assert (registry.champion("routing"), registry.history("routing")) == before
    assert RunBook(store, "acme_corp").runs() == []


def test_a_line_of_history_is_never_overwritten():
    registry = registry_of()
    registry.set_champion(change_to(FIRST), None)
    with pytest.raises(Conflict):
        registry.set_champion(change_to(SECOND, 1, FIRST), tag_of(registry))
    assert [change.version for change in registry.history("routing")] == [FIRST.id]


def test_of_many_that_set_a_champion_at_once_one_wins():
    registry, start, won = registry_of(), threading.Barrier(8), []

    def set_champion(number: int) -> None:
        start.wait()
        try:
            won.append(registry.set_champion(change_to(FIRST, who=f"run {number}"), None))
        except Conflict:
            return

    threads = [threading.Thread(target=set_champion, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(registry.history("routing")) == 1


def test_champions_are_listed_by_program():
    other = make_version("first", program="cross_modal")
    registry = registry_of(FIRST, other)
    override(registry, FIRST)
    override(registry, other)
    assert [(c.program, c.version) for c in registry.champions()] == [("cross_modal", other.id), ("routing", FIRST.id)]


# Moves by people


def test_overrides_and_rollbacks_are_numbered_and_say_who_and_why():
    registry = registry_of(FIRST, SECOND)
    registry.set_champion(change_to(FIRST), None)
    override(registry, SECOND, "asked by the search team")
    champion = roll_back(registry)
    assert (champion.version, champion.previous, champion.sequence) == (FIRST.id, SECOND.id, 3)
    assert champion.since == after(10)
    assert story(registry) == [
        (1, FIRST.id, None, "promoted", "run routing-pass-1", "better"),
        (2, SECOND.id, FIRST.id, "overridden", "kim", "asked by the search team"),
        (3, FIRST.id, SECOND.id, "rolled back", "lee", "complaints"),
    ]


def test_history_is_in_order_beyond_nine_moves():
    registry = registry_of(FIRST, SECOND)
    for turn in range(12):
        override(registry, (FIRST, SECOND)[turn % 2])
    assert [change.sequence for change in registry.history("routing")] == list(range(1, 13))
    assert registry.champion("routing")[0].version == SECOND.id


def test_the_first_champion_has_nothing_to_go_back_to():
    registry = registry_of(FIRST)
    override(registry, FIRST)
    with pytest.raises(NotFound, match="no earlier champion"):
        roll_back(registry)


def test_an_override_sent_twice_is_refused_so_that_the_way_back_stays():
    registry = registry_of(FIRST, SECOND)
    override(registry, FIRST)
    override(registry, SECOND)
    with pytest.raises(Conflict, match=f"{SECOND.id} is the champion of routing already"):
        override(registry, SECOND)
    assert roll_back(registry).version == FIRST.id


def three_champions() -> Registry:
    """First, second and third were promoted one after the other."""
    registry = registry_of(FIRST, SECOND, THIRD)
    registry.set_champion(change_to(FIRST), None)
    registry.set_champion(change_to(SECOND, 2, FIRST), registry.champion("routing")[1])
    registry.set_champion(change_to(THIRD, 3, SECOND), registry.champion("routing")[1])
    return registry


@pytest.mark.parametrize("leaving", [THIRD.id, None], ids=["named", "unnamed"])
def test_a_rollback_sent_twice_finds_it_done_and_serves_the_bad_version_never_again(leaving: str | None):
    registry = three_champions()
    for is_new in (True, False, False):
        found = registry.roll_back("routing", leaving=leaving, who="lee", reason="complaints", now=after(10))
        assert (found.champion.version, found.change.previous, found.is_new) == (SECOND.id, THIRD.id, is_new)
    assert len(registry.history("routing")) == 4


def test_a_rollback_of_a_version_that_serves_no_more_is_a_conflict():
    registry = three_champions()
    with pytest.raises(Conflict, match=f"{SECOND.id} does not serve routing any more, {THIRD.id} does"):
        roll_back(registry, leaving=SECOND.id)
    assert roll_back(registry).version == SECOND.id
    with pytest.raises(Conflict, match=f"to go back further name the version to leave: {SECOND.id}"):
        roll_back(registry, reason="still complaints")
    assert len(registry.history("routing")) == 4


def test_going_back_further_passes_over_what_was_rolled_back():
    registry = three_champions()
    assert roll_back(registry).version == SECOND.id
    assert roll_back(registry, leaving=SECOND.id).version == FIRST.id
    with pytest.raises(NotFound, match="no earlier champion"):
        roll_back(registry, leaving=FIRST.id)
    assert [bar.version for bar in registry.bars()] == sorted([SECOND.id, THIRD.id])


def test_a_bar_stays_until_it_is_lifted_or_a_person_lets_the_version_serve():
    registry = three_champions()
    roll_back(registry)
    roll_back(registry, leaving=SECOND.id)
    bar = registry.bar(THIRD.id)
    assert bar is not None
    assert f"{THIRD.id} was rolled back" in bar.sentence
    registry.lift(THIRD.id, who="kim", reason="it was the network", now=after(20))
    override(registry, SECOND)
    assert registry.bars() == []
    for version in (THIRD.id, FIRST.id, "v0"):
        with pytest.raises(NotFound, match="is not barred"):
            registry.lift(version, who="kim", reason="again", now=after(30))


def test_a_version_that_is_barred_or_lifted_while_it_is_made_to_serve_is_a_conflict():
    registry = three_champions()
    roll_back(registry)
    lifted = functools.partial(registry.lift, THIRD.id, who="kim", reason="it was the network", now=after(20))
    registry._store.before = Meanwhile(lifted)
    with pytest.raises(Conflict):
        override(registry, THIRD)
    assert registry.champion("routing")[0].version == SECOND.id
