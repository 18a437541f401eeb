"""Long work says how much of it is done, and of how much: what a bar is drawn of, whichever command does it."""

from __future__ import annotations

from dataclasses import replace

from judge import Judge, annotator
from shop import FILES, SHOP, spans_of
from world import World, filled, traffic

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.connecting import DEFAULT_SAMPLE, Wanted, connect
from argotune.pipeline.operations.pooling import pool_programs
from argotune.pipeline.passes import run_module


class Heard:
    """What was told, by the name of the work."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[int, int]]] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        self.of.setdefault(what, []).append((done, total))

    def only(self, part: str) -> list[tuple[int, int]]:
        (what,) = [what for what in self.of if part in what]
        return self.of[what]


def test_a_run_tells_of_each_part_how_far_it_is():
    world, config = filled(200, preferred_optimizer="bootstrap")
    heard = Heard()
    run_module(replace(world.ports, progress=heard), config, "routing", Request(is_forced=True))
    assert heard.only("spans read") == [(200, 200)]
    answers = [done for done, _ in heard.only("LM answers")]
    assert answers == list(range(1, len(answers) + 1)) != []
    sealed = heard.only("champion and challenger on sealed questions")
    assert sealed[-1][0] == sealed[-1][1] > 0
    drawn = heard.only("champion and challenger on fresh questions")
    assert all(0 <= done <= total for done, total in drawn)
    assert [done for done, _ in drawn] == sorted(done for done, _ in drawn)


def test_the_annotator_tells_how_many_questions_are_labelled():
    world = World(annotator=annotator(Judge()))
    config = world.tenant(annotation={"daily_limit": 6})
    world.traces.record("acme", traffic("acme", 60)[0])
    heard = Heard()
    run_module(replace(world.ports, progress=heard), config, "routing", Request(is_forced=True))
    told = heard.only("the annotator's labels")
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))


def test_a_look_at_a_project_tells_how_many_spans_of_the_sample_it_saw():
    traces, heard = MemoryTraces(), Heard()
    traces.record("", spans_of(*FILES), SHOP)
    found = connect(MemoryStore(), traces, Wanted(SHOP, "acme"), heard)
    assert heard.only("spans looked at")[-1] == (found.sight.sampled, DEFAULT_SAMPLE)


def test_pooling_tells_how_many_programs_are_done():
    world, heard = World(), Heard()
    for tenant_id in ("acme", "zebra"):
        world.tenant(tenant_id, shared=True)
    pool_programs(replace(world.ports, progress=heard))
    assert heard.only("pooling programs")[0] == (0, len(heard.only("pooling programs")))
