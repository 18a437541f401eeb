"""One record that cannot be read stops nothing but itself, and is told by tenant, collection and id."""

from __future__ import annotations

import json

import pytest
from world import START, World, filled, traffic

from argotune.adapters.memory.runner import MemoryRunner
from argotune.decisions.ledger import ledger_of
from argotune.errors import Corrupt
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.inspecting import status_of
from argotune.pipeline.passes import run_module
from argotune.pipeline.stages.discover import discover
from argotune.pipeline.stages.dispatch import dispatch
from argotune.pipeline.stages.learn import learn
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.runs.reports import report_json
from argotune.runs.step_outcomes import outcome_of_reports
from argotune.runs.tallies import keep_round, read_overview, rounds
from argotune.scheduling.next_check import agenda_of
from argotune.scheduling.rounds import RoundRequest
from argotune.store import records
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record, Store
from argotune.store.sealing import digest, seal, unseal
from argotune.tenants.agenda import keep_agenda, seen_agenda
from argotune.tenants.catalog import Configs


@pytest.fixture(autouse=True)
def _nothing_told():
    records._told.clear()


DAMAGES = {
    "flipped": lambda text: text[:-9] + chr(ord(text[-9]) ^ 1) + text[-8:],
    "cut": lambda text: text[: len(text) // 2],
    "no record": lambda _text: "\ufffd",
    "another shape": lambda _text: seal("Run", {"of": "another release"}),
}
OF_TENANT = (
    *(
        Collection.MARKERS,
        Collection.OPENINGS,
        Collection.CONTESTS,
        Collection.SHADOW,
        Collection.RUNS,
        Collection.RUN_SUMS,
        Collection.LEDGER,
    ),
    *(Collection.QUEUE, Collection.ANNOTATORS, Collection.HISTORY),
    *(f"{kind}.routing" for kind in (Collection.EXPERIENCES, Collection.EXAMPLES)),
)
OF_ALL = (Collection.AGENDA, Collection.TENANTS, Collection.TALLIES, Collection.ROUNDS, Collection.ACTIVATIONS)


def in_two_ways(collections: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each collection by a flipped bit, and by one of the other damages in turn."""
    flipped, *others = DAMAGES
    return [(c, how) for n, c in enumerate(collections) for how in (flipped, others[n % len(others)])]


def world_after_a_run() -> tuple[World, object]:
    """Tenants acme, who had a run and has new traces, and globex, who has traces."""
    world, config = filled()
    world.traces.record("acme", traffic("acme", 40, first=900)[0])  # nobody has labelled these
    world.tenant("globex")
    world.traces.record("globex", traffic("globex", 120)[0])
    run_module(world.ports, config, "routing", Request())
    for tenant_id in ("acme", "globex"):
        looks = [world.look(Configs(world.store).get(tenant_id))]
        keep_agenda(world.store, agenda_of(tenant_id, looks, START), seen_agenda(world.store, tenant_id))
    learn(world.store, START)
    world.later(hours=2)
    world.receive(150, first=300)
    return world, config


def damage(store: Store, tenant_id: str, collection: str, how: str) -> list[str]:
    """Damage every record of a collection; their ids."""
    stored = list(store.scan(tenant_id, collection))
    for record in stored:
        store.write(tenant_id, [Record(collection, record.id, DAMAGES[how](record.text))])
    return [record.id for record in stored]


def round_of(world: World):
    runner = MemoryRunner(lambda: world.now)
    return dispatch(world.store, world.traces, runner, RoundRequest("r", "u", "t"), world.now, pause=lambda _s: None)


@pytest.mark.parametrize(("collection", "how"), in_two_ways(OF_TENANT))
def test_a_pass_goes_on_past_damaged_records_of_its_tenant(collection: str, how: str):
    world, config = world_after_a_run()
    ids = damage(world.store, "acme", collection, how)
    assert ids, "nothing was damaged"
    run_module(world.ports, config, "routing", Request(is_forced=True, is_training_forced=True))
    run = RunBook(world.store, "acme").sums()[0].latest
    assert run is not None
    assert run.outcome in ("promoted", "rejected", "undecided"), run.sentence
    assert run.started_at == world.now
    assert learn(world.store, world.now).number == 2
    assert [status.tenant_id for status in status_of(world.store).programs] == ["acme"]
    assert {line.tenant_id: line.outcome for line in round_of(world).lines}["globex"] == "submitted"


@pytest.mark.parametrize(("collection", "how"), in_two_ways(OF_ALL))
def test_a_round_goes_on_past_damaged_records_that_all_share(collection: str, how: str):
    world, _ = world_after_a_run()
    keep_round(world.store, _record_of_round(world))
    only = digest("acme") if collection in (Collection.AGENDA, Collection.TENANTS, Collection.TALLIES) else None
    stored = [r for r in world.store.scan(EVERYONE, collection) if only in (None, r.id)]
    assert stored
    for record in stored:
        world.store.write(EVERYONE, [Record(collection, record.id, DAMAGES[how](record.text))])
    submitted = {line.tenant_id for line in round_of(world).of("submitted")}
    assert submitted == ({"acme", "globex"} if collection == Collection.AGENDA else {"globex"})
    assert discover(world.store) == (["globex"] if collection == Collection.TENANTS else ["acme", "globex"])
    learn(world.store, world.now)
    keep_round(world.store, _record_of_round(world))
    assert len(rounds(world.store)) == 1
    read_overview(world.store, world.now)


def _record_of_round(world: World):
    from argotune.runs.tallies import RoundRecord

    return RoundRecord(name="r1", started_at=world.now, ended_at=world.now)


def test_what_was_left_out_is_told_once_by_tenant_collection_and_id(caplog: pytest.LogCaptureFixture):
    world, config = world_after_a_run()
    ids = damage(world.store, "acme", "examples.routing", "flipped")
    spans = [record.id for record in world.store.scan("acme", "experiences.routing")][:1]
    world.store.write("acme", [Record("experiences.routing", spans[0], "damaged")])
    report = run_module(world.ports, config, "routing", Request(is_forced=True))
    told = {(record.tenant_id, record.collection, record.id) for record in report.unreadable}
    assert told == {("acme", "experiences.routing", spans[0]), *(("acme", "examples.routing", id) for id in ids)}
    assert f"experiences.routing '{spans[0]}' of tenant 'acme'" in caplog.text
    assert caplog.text.count(f"'{spans[0]}'") == 1, "read several times in a pass, told once"
    words = f"{len(ids) + 1} stored records cannot be read and were left out"
    assert words in outcome_of_reports([report], {})
    assert any(words in line for line in report.lines)
    shown = report_json("acme", [report], {}, world.now)["modules"][0]["unreadable"]
    assert {"collection": "experiences.routing", "id": spans[0], "why": shown[0]["why"]} in shown


def test_while_an_opening_is_damaged_no_sealed_example_judges():
    world, config = world_after_a_run()
    damage(world.store, "acme", Collection.OPENINGS, "cut")
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=True, is_training_forced=True)).runs
    assert ContestBook(world.store, "acme").contest(run.contest).sealed_ids == ()


def test_a_damaged_champion_stops_its_own_program_only_and_reading_it_says_which():
    world, config = filled(modules=["routing", "cross_modal"])
    run_module(world.ports, config, "routing", Request())
    damage(world.store, "acme", Collection.CHAMPIONS, "flipped")
    world.later(hours=2)
    report = run_module(world.ports, config, "routing", Request(is_forced=True))
    named = "champions 'routing' of tenant 'acme': a Champion record does not match its hash"
    assert (report.runs, str(report.failure).startswith(named)) == ((), True)
    assert any(named in line for line in report.lines)
    with pytest.raises(Corrupt, match=named):
        Registry(world.store, "acme").champion("routing")
    assert Registry(world.store, "acme").champions() == []
    assert ModuleBook(world.store, "acme", "routing").read(PassState).pass_id is None


def test_one_damaged_config_hides_no_other():
    world, _ = world_after_a_run()
    damage(world.store, "acme", Collection.CONFIG, "cut")
    assert [config.tenant_id for config in Configs(world.store).readable()] == ["globex"]
    with pytest.raises(Corrupt, match="config of tenant 'acme'"):
        Configs(world.store).get("acme")


def sealed_anew(store: Store, tenant_id: str) -> int:
    """Give every record of a tenant a field more; how many there are."""
    kinds = [v for n, v in vars(Collection).items() if n.isupper() and v != Collection.LEASES]
    count = 0
    for kind in (*kinds, "experiences.routing", "examples.routing"):
        for record in list(store.scan(tenant_id, kind)):
            kind_name = json.loads(record.text)["kind"]
            body = {**unseal(kind_name, record.text), "later_field": {"deep": 1}}
            store.write(tenant_id, [Record(kind, record.id, seal(kind_name, body))])
            count += 1
    return count


def test_records_of_a_later_release_with_further_fields_are_read_without_them():
    world, config = world_after_a_run()
    champion, _ = Registry(world.store, "acme").champion("routing")
    assert sealed_anew(world.store, "acme") > 100
    assert sealed_anew(world.store, EVERYONE) > 4
    assert Configs(world.store).get("acme") == config
    assert Registry(world.store, "acme").champion("routing")[0] == champion
    report = run_module(world.ports, config, "routing", Request(is_forced=True, is_training_forced=True))
    assert report.runs[0].outcome in ("promoted", "rejected", "undecided"), report.lines
    assert report.unreadable == ()
    assert len(list(ledger_of(world.store, "acme"))) == 2
    assert discover(world.store) == ["acme", "globex"]
