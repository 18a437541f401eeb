"""`argotune explain-decision`, `ledger` and `learn` over a store with one real run."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from world import World, filled

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.sqlite import SQLiteStore
from argotune.cli import main
from argotune.decisions.active_model import ActiveModel
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.rounds import learn_and_forget
from argotune.pipeline.passes import run_module
from argotune.tenants.catalog import Configs


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command against a store that holds a run of `acme`; (exit code, stdout, stderr)."""
    filled_world, config = filled(decisions={"exploration_share": 0})
    world = World(store=SQLiteStore(tmp_path / "state.db"), traces=filled_world.traces)
    Configs(world.store).save(config)
    (run,) = run_module(world.ports, config, "routing", Request()).runs

    def tell(*argv: str) -> tuple[int, str, str]:
        words = [run.id if word == "RUN" else word for word in argv]
        code = main([*words, "--store-url", f"sqlite:///{tmp_path}/state.db"])
        out, err = capsys.readouterr()
        return code, out, err

    return tell


def test_a_decision_is_explained_by_its_rule_its_probability_and_what_was_known(told):
    code, out, _ = told("explain-decision", "--tenant", "acme", "RUN")
    assert code == 0
    for part in (
        "decided    pure_real nearest",
        "the cold-start rules",
        "never trained",
        "probability 1",
        "test_count = ",
    ):
        assert part in out
    code, out, _ = told("explain-decision", "--tenant", "acme", "RUN", "--json")
    assert json.loads(out)["decision"]["by"] == "rules"


def test_an_unknown_run_is_4_and_names_it(told):
    code, out, err = told("explain-decision", "--tenant", "acme", "routing-77")
    assert (code, out) == (4, "")
    assert "routing-77" in err


def test_the_ledger_shows_what_was_decided_spent_and_gained_without_a_tenants_name(told):
    code, out, _ = told("ledger")
    assert code == 0
    assert "pure_real nearest" in out
    assert "acme" not in out
    (row,) = json.loads(told("ledger", "--tenant", "acme", "--json")[1])
    assert row["outcome"] == "promoted"


def test_learn_says_who_decides_and_keeps_it(told):
    assert "the rules decide: 1 decision in the ledger, 60 are needed" in told("learn")[1]
    assert told("learn")[0] == 0
    assert [a["number"] for a in json.loads(told("learn", "--history", "--json")[1])] == [1, 2]


def test_a_round_settles_who_decides_once_a_day():
    store, world = MemoryStore(), World()
    told = [learn_and_forget(store, world.now + timedelta(hours=hours)).learned for hours in (0, 23, 24)]
    assert [a.at for a in ActiveModel(store).history()] == [world.now, world.now + timedelta(hours=24)]
    assert [bool(learned) for learned in told] == [True, False, True]
    assert str(told[0]).startswith("the rules decide")


def test_what_a_round_settled_with_a_clock_far_ahead_is_settled_again():
    store, world = MemoryStore(), World()
    for days in (730, 0):
        learn_and_forget(store, world.now + timedelta(days=days))
    assert len(ActiveModel(store).history()) == 2
