"""Vectors of a run: made once, counted where they cost something, and never the reason why a run ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from enhancing import routed
from twin_embedders import twins
from world import World, filled, run_once

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.adapters.memory.store import MemoryStore
from argotune.errors import ConfigInvalid, Unavailable
from argotune.lm.meter import Meter
from argotune.pipeline import run_steps
from argotune.pipeline.module_pass import Pass, Request
from argotune.pipeline.operations.scoring import dev_scores
from argotune.pipeline.passes import run_module
from argotune.programs import state
from argotune.programs.embedder import Embedders, PaidEmbedder, Vectors
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.run import RunState
from argotune.store.collections import Collection
from argotune.store.port import Record


class WithoutVectors(MemoryStore):
    """A store that fails for vectors alone."""

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        if collection == Collection.VECTORS:
            raise Unavailable("no vectors today")
        return super().read_many(tenant_id, collection, ids)

    def write(self, tenant_id: str, records: Sequence[Record], expect=None) -> None:
        if any(record.collection == Collection.VECTORS for record in records):
            raise Unavailable("no vectors today")
        super().write(tenant_id, records, expect)


def vectors_in(world: World) -> int:
    return sum(1 for _ in world.store.scan("acme", Collection.VECTORS))


@pytest.mark.parametrize("most", [5_000, 10, 0])
def test_a_run_keeps_vectors_for_the_next_one_and_no_more_than_is_set(most: int):
    world, config = filled(preferred_optimizer="nearest", retention={"vectors_kept": most}, optimizers={})
    run = run_once(world, config)
    assert run.challenger is not None
    assert min(most, 50) <= vectors_in(world) <= most


def test_a_store_that_fails_for_vectors_changes_nothing_of_a_run():
    found = []
    for store in (MemoryStore(), WithoutVectors()):
        world = World(store=store)
        config = world.tenant(preferred_optimizer="nearest", optimizers={})
        world.receive(300)
        run = run_once(world, config)
        found.append((run.state, run.challenger, run.outcome))
    assert found[0] == found[1]
    assert found[0][0] is not RunState.STARTED


class Paid(HashedEmbedder, PaidEmbedder):
    """A token for each text."""

    meter: Meter | None = None

    def paid_by(self, meter: Meter) -> Paid:
        twin = Paid("paid")
        twin.meter = meter
        return twin

    def vectors(self, texts: Sequence[str]) -> Vectors:
        if self.meter:
            with self.meter.beside_answers(len(texts)) as bill:
                bill.tokens = len(texts)
        return super().vectors(texts)


def test_what_vectors_cost_counts_against_the_budget_of_a_run_once():
    world = World()
    config = world.tenant(embedder="paid")
    ports = replace(world.ports, embedders=lambda: Embedders({}, {"paid": lambda _: Paid("paid")}, "paid"))
    meter = Meter(config.budget)
    for _ in range(2):
        Pass(ports, config, "routing").embedders(meter).sentences().vectors(["a", "b"])
    assert (meter.spent.calls, meter.spent.tokens) == (1, 2)


class Unpaid(Paid):
    """Tells of requests that no run pays for."""

    def __init__(self, told: list[str]) -> None:
        super().__init__("paid")
        self.told = told

    def vectors(self, texts: Sequence[str]) -> Vectors:
        self.told += texts
        return super().vectors(texts)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="with an enhancement"),
        pytest.param({"preferred_optimizer": "student", "enhancement": "off"}, id="with a tutor"),
        pytest.param(
            {
                "preferred_optimizer": "auto",
                "optimizers": {"portfolio": {"candidates": ["labeled", "nearest"]}},
                "enhancement": "off",
            },
            id="with a champion in the race",
        ),
    ],
)
def test_a_run_and_scoring_pay_for_every_vector_they_ask_for(fields):
    by_vectors = {"preferred_optimizer": "nearest", "optimizers": {}, "embedder": "paid"}
    unpaid, usual = list[str](), {**by_vectors, "retention": {"vectors_kept": 0}}
    paid = Embedders({}, {"paid": lambda _: Unpaid(unpaid)}, "paid")
    world, config = routed(n=300, **usual)
    ports = replace(world.ports, embedders=lambda: paid)
    (first,) = run_module(ports, config, "routing", Request()).runs
    assert first.outcome == "promoted"
    world.receive(100, first=300)
    (run,) = run_module(ports, world.tenant(**{**usual, **fields}), "routing", Request(is_forced=True)).runs
    assert run.plan is not None
    (scored,) = dev_scores(Pass(ports, config, "routing"))
    assert scored.examples > 0
    assert unpaid == []


def test_a_training_loads_its_champion_once(monkeypatch: pytest.MonkeyPatch):
    fields = {"preferred_optimizer": "nearest", "optimizers": {}}
    world, config = filled(300, **fields)
    first = run_once(world, config)
    assert first.outcome == "promoted"
    world.receive(100, first=300)
    champion, loaded, load = Registry(world.store, "acme").version(first.challenger), list[object](), state._load
    monkeypatch.setattr(state, "_load", lambda *given: loaded.append(given[1]) or load(*given))
    monkeypatch.setattr(run_steps, "why_no_contest", lambda *_: "only the training is looked at")
    raced = {"optimizers": {"portfolio": {"candidates": ["labeled", "nearest"]}}, "preferred_optimizer": "auto"}
    assert run_once(world, world.tenant(**raced), forced=True).race.champion is not None
    assert loaded.count(champion.state) == 1


def test_a_tenant_whose_embedder_cannot_be_opened_is_told_so():
    world, config = filled(preferred_optimizer="nearest", embedder="static:missing", optimizers={})
    with pytest.raises(ConfigInvalid, match="embedder: 'static:missing' is not known here"):
        run_once(world, config)
    mended = world.tenant(preferred_optimizer="nearest", optimizers={})
    assert run_once(world, mended).challenger is not None, "the run is gone on with"


# An embedder that is another under its name

CHANGED = twins(hashed=lambda _: HashedEmbedder(digest="other weights"))


@pytest.mark.parametrize("method", ["student", "cascade", "policy", "nearest"])
def test_a_champion_whose_embedder_has_changed_is_set_aside_and_another_may_win(method: str):
    world, config = filled(300, preferred_optimizer=method, optimizers={})
    first = run_once(world, config)
    assert first.outcome == "promoted"
    world.embedders = CHANGED
    world.later(hours=2)
    world.receive(200, first=1000)
    run = run_once(world, config, forced=True)
    assert run.counts["champion set aside: its embedder has changed"] == 1
    assert (run.champion, run.outcome) == (first.champion, "promoted")
    assert Registry(world.store, "acme").champion("routing")[0].version == run.challenger


def test_a_challenger_whose_embedder_has_changed_ends_its_contest_and_is_not_promoted():
    world, config = filled(100, preferred_optimizer="student", optimizers={}, gate={"significance": 1e-9})
    assert run_once(world, config, forced=True).outcome == "undecided"
    world.embedders = CHANGED
    world.later(hours=2)
    world.receive(100, first=1000)
    run = run_once(world, config, forced=True)
    assert (run.outcome, run.verdict.rule, run.lm_calls) == ("rejected", "embedder_changed", 0)
    assert "the challenger cannot be loaded: embedder: 'hashed' was" in run.sentence
    assert Registry(world.store, "acme").champion("routing")[0] is None
    assert [contest.state for contest in ContestBook(world.store, "acme").contests()] == ["embedder changed"]
    world.later(hours=2)
    world.receive(100, first=2000)
    assert run_once(world, config, forced=True).challenger not in (None, run.challenger)
