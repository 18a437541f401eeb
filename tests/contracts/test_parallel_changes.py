"""Many processes change configs at the same moment: no change is lost that was told to be made."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import parallel_changes
import pytest

from argotune.errors import Conflict
from argotune.settings import Settings
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.wiring import open_store

COUNT = 20


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=[pytest.mark.redis, pytest.mark.slow])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server = request.getfixturevalue("redis_server")
    server.call("FLUSHALL")
    return server.url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_store(Settings(CONFIG_STORE_URL=url))) as store:
        yield store


def at_once(url: str, *arguments: str) -> list[int]:
    program = parallel_changes.__file__
    command = [sys.executable, program, str(COUNT), *arguments, "--store-url", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    found = re.search(r"codes \[(.*)\]", done.stdout)
    assert found, done.stderr[-2000:]
    return [int(code) for code in found.group(1).split(",")]


def test_parallel_changes_of_one_config_are_all_kept(url: str, store: Store):
    configs = Configs(store)
    assert main_of(url, "tenants", "add", "acme") == 0
    codes = at_once(url, "tenants", "set", "acme", "agents.agent_{n}=does {n}")
    assert codes == [0] * COUNT
    assert {f"agent_{n}" for n in range(COUNT)} <= set(configs.get("acme").agents)


def main_of(url: str, *arguments: str) -> int:
    from argotune.cli import main

    return main([*arguments, "--store-url", url])


def test_of_parallel_additions_of_one_tenant_one_is_made_and_the_others_are_told(url: str, store: Store):
    codes = at_once(url, "tenants", "add", "acme", "min_samples_for_optimization=10{n}")
    assert sorted(codes) == [0] + [Conflict.exit_code] * (COUNT - 1)
    winner = codes.index(0)
    assert Configs(store).get("acme").min_samples_for_optimization == int(f"10{winner}")
    assert Configs(store).tenant_ids() == ["acme"]


def test_the_list_says_what_the_config_says_whoever_changed_both_last(url: str, store: Store, tmp_path: Path):
    assert main_of(url, "tenants", "add", "acme") == 0
    for number in range(COUNT):
        config = {"tenant_id": "acme", "enable_auto_optimization": number % 2 == 0}
        (tmp_path / f"{number}.json").write_text(json.dumps(config))
    codes = at_once(url, "tenants", "import", f"{tmp_path}/{{n}}.json")
    assert 0 in codes
    assert set(codes) <= {0, Conflict.exit_code}
    (entry,) = Configs(store).entries()
    assert entry.is_enabled == Configs(store).get("acme").enable_auto_optimization
