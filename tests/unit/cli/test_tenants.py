"""What people type or import as a tenant's config: one line names what is wrong, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from argotune.cli import main
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import parse_config
from argotune.wiring import open_store


@pytest.fixture(autouse=True)
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a store that has the tenant acme."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    Configs(open_store(read_settings())).save(parse_config({"tenant_id": "acme"}))
    return read_settings().store_url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('[{"tenant_id": "new"}, {"tenant_id": "new"}]', "tenant 'new' stands twice"),
        ('{"tenant_id": "new", "tenant_id": "other"}', "'tenant_id' stands twice in one object"),
        ('{"tenant_id": "new", "gate": {"min_effect": NaN}}', "NaN is no number in JSON"),
        ('{"tenant_id": "new", "decisions": {"stale_days": 1e999}}', "decisions.stale_days: "),
        ('{"tenant_id": "new", "agents": {"": "x", "b": "y"}}', "it is empty"),
        ('{"tenant_id": "new", "agents": {" ": "x", "b": "y"}}', "it is empty"),
        ('{"tenant_id": "new", "agents": {"a": "\\ud800", "b": "y"}}', "agents.a: "),
        ('{"tenant_id": "new", "fusion_strategies": [""]}', "fusion_strategies.0: "),
        ('{"tenant_id": "new", "fusion_modalities": ["a", "a"]}', "'a' stands twice"),
        ('{"tenant_id": "new", "fusion_strategies": ["\\ud800"]}', "fusion_strategies.0: "),
        ('{"tenant_id": "new", "modules": ["routing", "routing"]}', "'routing' stands twice"),
        ('{"tenant_id": "new", "lm": {"task_model": "\\ud800"}}', "lm.task_model: "),
        (
            '{"tenant_id": "new", "min_samples_for_optimization": 99999999999999999999}',
            "min_samples_for_optimization: ",
        ),
        ("[5]", "config: "),
        ("null", "config: "),
    ],
    ids=lambda text: text[:60],
)
def test_a_file_that_holds_no_tenants_is_2_and_changes_nothing(
    text: str, told: str, tmp_path: Path, store_url: str, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "tenants.json").write_text(text)
    assert main(["tenants", "import", "tenants.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert len(line) < 500
    assert Configs(open_store(read_settings())).tenant_ids() == ["acme"]


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path):
    (tmp_path / "tenants.json").write_bytes(b'\xef\xbb\xbf{"tenant_id": "new"}')
    assert main(["tenants", "import", "tenants.json"]) == 0
    assert Configs(open_store(read_settings())).tenant_ids() == ["acme", "new"]


@pytest.mark.parametrize(
    "fields",
    [
        ["agents=" + "[" * 100_000],
        ["decisions.stale_days=1e999"],
        ["decisions.growth_share=Infinity"],
        ["reward.processing_time_scale_s=NaN"],
        ['agents={"a": "x", "a": "y"}'],
        ["gate.min_effect=0.1", "gate.min_effect=0.2"],
    ],
    ids=lambda fields: fields[0][:40],
)
def test_a_field_that_cannot_be_kept_is_2_and_changes_nothing(fields: list[str], store_url: str):
    assert main(["tenants", "set", "acme", *fields]) == 2
    assert Configs(open_store(read_settings())).get("acme") == parse_config({"tenant_id": "acme"})


def test_a_text_that_begins_like_json_is_a_text(store_url: str):
    agents = 'agents={"a": "[the] first", "b": "y"}'
    assert main(["tenants", "set", "acme", agents, "lm.task_model=[odd"]) == 0
    assert Configs(open_store(read_settings())).get("acme").lm.task_model == "[odd"


def test_a_setting_nested_too_deeply_is_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("ARGOTUNE_VESPA_LAYOUT", "[" * 100_000)
    assert main(["tenants", "list"]) == 2
    assert "ARGOTUNE_VESPA_LAYOUT" in capsys.readouterr().err


def test_a_status_that_is_given_twice_is_2():
    from argotune.cli import run_command
    from argotune.cli.commands.aggregate import aggregate_parser

    flags = ["--tenant", "acme", "--status", "routing=Failed", "--status", "routing=Succeeded"]
    assert run_command(aggregate_parser(), flags) == 2


def test_a_demo_whose_folder_is_a_file_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").touch()
    assert main(["demo", "--folder", "file"]) == 2
    assert "--folder: 'file' cannot be written" in capsys.readouterr().err
