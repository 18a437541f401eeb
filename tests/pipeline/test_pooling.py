"""Pooled programs: made of what tenants share and of nothing else, and no tenant is served by one that has not won."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from world import AGENTS, World, run_once, traffic

from argotune.adapters.sqlite import SQLiteStore
from argotune.cli import main
from argotune.data.archive import ExperienceLog
from argotune.data.splitting import Split
from argotune.errors import ConfigInvalid
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.operations import pooling
from argotune.pipeline.operations.inspecting import status_of
from argotune.pipeline.operations.pooling import Pooling, pool_programs, pooled_versions
from argotune.pipeline.operations.versions import explain_version
from argotune.pipeline.stages.collect import collect
from argotune.programs import programs_of, state
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.store.collections import EVERYONE, OF_EVERYONE
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified


def joined(world: World, tenant_id: str, n: int = 60, **fields) -> RoutingConfigUnified:
    """A tenant whose labelled examples are kept, and that has trained nothing yet."""
    config = world.tenant(tenant_id, **{"preferred_optimizer": "labeled", "shared": True, **fields})
    world.receive(n, tenant_id)
    collect(Pass(world.ports, config, "routing"), [p.fields for p in programs_of(config, "routing")])
    return config


def shared(world: World, n: int = 60) -> Pooling:
    joined(world, "globex", n)
    joined(world, "initech", n)
    return pool_programs(world.ports)


def questions(tenant_id: str, n: int = 60) -> list[str]:
    return [str(span.attributes["routing.query"]) for span in traffic(tenant_id, n)[0]]


def kept_for_all(store: Store) -> str:
    return "\n".join(record.text for collection in OF_EVERYONE for record in store.scan(EVERYONE, collection))


def test_tenants_that_share_and_they_alone_are_pooled_and_nothing_of_what_they_said_is_kept():
    world = World()
    joined(world, "private", shared=False)
    (found,) = shared(world).versions
    archive = [e for id in ("globex", "initech") for e in ExperienceLog(world.store, id).examples("routing")]
    assert found.tenants == 2
    assert found.examples == sum(example.split is not Split.TEST for example in archive)
    assert found.version.state["kind"] == "student"
    for text in (*questions("private"), *questions("globex"), *questions("initech"), "globex", "private"):
        assert text not in found.version.model_dump_json()
    assert not any(text in kept_for_all(world.store) for tenant in ("private", "globex") for text in questions(tenant))


def test_what_no_student_is_made_of_is_not_shared(monkeypatch):
    monkeypatch.setattr(pooling, "BY", "labeled")
    found = shared(World())
    assert found.versions == ()
    assert "holds more than numbers, and is not shared" in next(iter(found.left_out.values()))


@pytest.mark.parametrize("inside", [lambda text: {text: 1.0}, lambda text: [{"query": text}]], ids=["key", "value"])
def test_a_state_that_says_what_an_example_says_is_not_shared(monkeypatch, inside):
    world, dump = World(), state.dump
    for tenant_id in ("globex", "initech"):
        joined(world, tenant_id)
    kept = ExperienceLog(world.store, "globex").examples("routing")
    text = next(example.inputs["query"] for example in kept if example.split is Split.TRAIN)
    monkeypatch.setattr(state, "dump", lambda module: {**dump(module), "more": inside(text)})
    found = pool_programs(world.ports)
    assert found.versions == ()
    assert "holds more than numbers, and is not shared" in next(iter(found.left_out.values()))


def test_programs_with_other_labels_are_not_pooled_together_and_one_tenant_is_no_pool():
    world = World()
    joined(world, "globex")
    joined(world, "initech", agents={**AGENTS, "maps": "finds places"})
    found = pool_programs(world.ports)
    assert found.versions == ()
    assert set(found.left_out.values()) == {"1 of 1 tenants that share have examples, 2 are needed"}


def test_who_shares_no_more_is_gone_with_the_next_pooling():
    world = World()
    joined(world, "acme")
    assert shared(world).versions[0].tenants == 3
    Configs(world.store).change("acme", lambda config: config.model_copy(update={"shared": False}))
    assert pool_programs(world.ports).versions[0].tenants == 2
    Configs(world.store).change("globex", lambda config: config.model_copy(update={"shared": False}))
    found = pool_programs(world.ports)
    assert (found.versions, found.gone) == ((), 1)
    assert pooled_versions(world.store) == []


def test_no_tenant_gives_more_examples_than_asked_for_and_no_number_is_refused():
    world = World()
    shared(world)
    assert pool_programs(world.ports, most=10).versions[0].examples == 20
    with pytest.raises(ConfigInvalid, match="examples: 0 is no number of examples"):
        pool_programs(world.ports, most=0)


def test_a_tenant_that_shares_tries_the_pooled_program_first_and_its_own_has_to_beat_it():
    world = World()
    (found,) = shared(world, n=200).versions
    config = joined(world, "acme", n=300)
    run = run_once(world, config)
    assert (run.plan.optimizer, run.challenger, run.outcome) == ("pooled", found.version.id, "promoted")
    assert run.lm_calls == len(run.comparison.scores)  # of the program as written alone
    (status,) = status_of(world.store, "acme").programs
    assert (status.champion, status.is_pooled) == (found.version.id, True)
    story = explain_version(world.store, "acme", found.version.id).lines()
    assert any(f"by pooled: trained on {found.examples} examples of 2 tenants that share" in line for line in story)
    world.receive(100, "acme", first=300)
    again = run_once(world, config, forced=True)
    assert (again.plan.optimizer, again.champion) == ("labeled", found.version.id)
    assert Registry(world.store, "acme").champion("routing")[0].version == found.version.id


@pytest.mark.parametrize("fields", [{"shared": False}, {"agents": {**AGENTS, "maps": "finds places"}}])
def test_who_does_not_share_or_has_other_labels_begins_with_its_own(fields):
    world = World()
    shared(world)
    assert run_once(world, joined(world, "acme", n=200, **fields)).plan.optimizer == "labeled"


def test_a_pooled_program_that_did_not_win_serves_nobody_and_is_not_tried_again():
    world = World()
    shared(world)
    config = joined(world, "acme", n=200, contest={"min_people_labels": 1000})
    run = run_once(world, config)
    assert (run.plan.optimizer, run.outcome) == ("pooled", "undecided")
    assert Registry(world.store, "acme").champion("routing") == (None, None)
    ContestBook(world.store, "acme").stop(run.contest, who="ann", reason="a test", now=world.now)
    assert run_once(world, config, forced=True).plan.optimizer == "labeled"


def test_the_command_lists_what_is_pooled(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    world = World(store=SQLiteStore(tmp_path / "state.db"))
    (found,) = shared(world).versions
    assert main(["pool", "--list", "--json", "--store-url", f"sqlite:///{tmp_path}/state.db"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["pooled"]
    assert (told["version"], told["tenants"], told["examples"]) == (found.version.id, "2", str(found.examples))
    assert main(["pool", "--list", "--examples", "3", "--store-url", f"sqlite:///{tmp_path}/state.db"]) == 2
    assert "examples" in capsys.readouterr().err


def test_the_step_of_a_workflow_says_its_outcome_in_one_line(tmp_path: Path):
    world = World(store=SQLiteStore(tmp_path / "state.db"))
    shared(world)
    where = ["--store-url", f"sqlite:///{tmp_path}/state.db", "--outcome-file", str(tmp_path / "outcome")]
    for shares, told in ((True, "1 program pooled; 0 of before went"), (False, "0 programs pooled, 1 not; 1 of")):
        world.tenant("globex", preferred_optimizer="labeled", shared=shares)
        assert main(["pool", "--examples", "50", *where]) == 0
        assert (tmp_path / "outcome").read_text().startswith(told)
