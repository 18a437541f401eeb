"""A process that stands still for longer than its lease lasts writes nothing more once another has taken over."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from stopped_runner import MODULE, TENANT, run, texts, world_on

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import ArgotuneError, Conflict
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.store.collections import Collection
from argotune.store.port import Record


class StandsStill(MemoryStore):
    """At its n-th write the clock jumps far beyond any lease and another pass runs first; then it goes on."""

    stop_at = 0
    writes = claimed_at = 0
    after_other: dict[tuple[str, str], str] | None = None

    def __init__(self) -> None:
        self.jumped_s = 0.0
        super().__init__(now_s=lambda: time.monotonic() + self.jumped_s)

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        self.writes += 1
        if records and records[0].collection == Collection.LEASES:
            self.claimed_at = self.writes
        if self.writes == self.stop_at:
            self.jumped_s += 3600
            run(world_on(self))
            self.after_other = texts(self)
        super().write(tenant_id, records, expect)


def stands_still(stop_at: int) -> tuple[StandsStill, ArgotuneError | None]:
    store = StandsStill()
    world = world_on(store)
    store.writes, store.stop_at = 0, stop_at
    try:
        run(world)
    except ArgotuneError as error:
        return store, error
    return store, None


def test_whoever_stood_still_before_any_of_its_writes_changes_nothing_that_another_wrote():
    (undisturbed, error), stops = stands_still(0), 0
    assert error is None
    first = undisturbed.claimed_at + 1  # whoever stood still before it has its claim is no holder yet
    early = range(first, first + 7)
    late = range(undisturbed.writes - 9, undisturbed.writes + 1)  # in between lie the LM's answers
    for stop_at in (*early, undisturbed.writes // 2, *late):
        store, error = stands_still(stop_at)
        # At first it only notes when it looked; it looks anew and nothing is due any more.
        assert isinstance(error, Conflict) or (stop_at == first and error is None), stop_at
        assert texts(store) == store.after_other, stop_at
        assert [run.outcome for run in RunBook(store, TENANT).runs()] == ["promoted"], stop_at
        assert [c.state for c in ContestBook(store, TENANT).contests()] == ["promoted"], stop_at
        assert len(Registry(store, TENANT).history(MODULE)) == 1, stop_at
        stops += 1
    assert stops == len(early) + 1 + len(late)
