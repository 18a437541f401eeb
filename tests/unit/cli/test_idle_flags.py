"""No flag is ignored: one that has nothing to do where it is given is refused by name, and every report is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from argotune.adapters.memory.traces import MemoryTraces
from argotune.cli import main, run_command
from argotune.cli.commands.aggregate import aggregate_parser
from argotune.cli.commands.rounds import SUBMIT_ONLY, discover_parser
from argotune.cli.commands.run import optimization_parser
from argotune.cli.commands.trigger import trigger_parser
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import parse_config
from argotune.wiring import open_store

SCRIPTS = {
    "discover": discover_parser,
    "trigger": trigger_parser,
    "run_module": optimization_parser,
    "aggregate": aggregate_parser,
}
Called = Callable[..., int]


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Called:
    """Calls a command or a script on a store that has the tenant acme, whose traces are ten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    config = parse_config({"tenant_id": "acme", "modules": ["routing"], "min_samples_for_optimization": 20})
    Configs(open_store(read_settings())).save(config)
    monkeypatch.setattr("argotune.wiring.open_traces", lambda _settings: MemoryTraces())
    monkeypatch.setattr(MemoryTraces, "count_after", lambda *_: 10)

    def call(line: str) -> int:
        name, *flags = line.split()
        return run_command(SCRIPTS[name](), flags) if name in SCRIPTS else main([name, *flags])

    return call


ROUND_FLAGS = [f"--{name.replace('_', '-')}" for name in SUBMIT_ONLY if name not in ("dry_run", "force")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        *((f"discover {flag}=1", f"{flag}: only with --submit") for flag in ROUND_FLAGS),
        ("discover --rate 0", "--rate: only with --submit"),
        ("discover --dry-run", "--dry-run: only with --submit"),
        ("discover --force", "--force: only with --submit"),
        ("trigger --tenant acme --due-dir due --dry-run", "--dry-run: only with a run in this process"),
        ("run --tenant acme --wait", "--wait: only with --on-argo"),
        ("run --tenant acme --cpu 1", "--cpu: only with --on-argo"),
        ("run --tenant acme --on-argo --lookback-hours 0", "--lookback-hours: does not reach a workflow"),
        ("run --tenant acme --on-argo --min-confidence 0", "--min-confidence: does not reach a workflow"),
        ("run --tenant acme --on-argo --max-iterations 0", "--max-iterations: does not reach a workflow"),
        ("mask --store-url sqlite:///x.db text", "--store-url: only with --tenant"),
        ("demo --image x", "--image: only with --on-argo"),
        ("demo --namespace x", "--namespace: only with --on-argo"),
        ("demo --on-argo --phoenix-port 1", "--phoenix-port: only with a demo on this machine"),
        ("annotate --tenant acme --status --limit 3", "--limit: only with the queue"),
        ("annotate --tenant acme --list --who kim", "--who: only with labels of your own"),
        ("annotate --tenant acme --llm --who kim", "--who: only with labels of your own"),
    ],
)  # fmt: skip
def test_a_flag_that_would_do_nothing_is_refused_by_name(
    called: Called, line: str, told: str, capsys: pytest.CaptureFixture[str]
):
    assert called(line) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "line",
    [
        "aggregate --tenant acme --since-hours nan",
        "aggregate --tenant acme --since-hours inf",
        "aggregate --tenant acme --since-hours -1",
        "aggregate --tenant acme --since-hours 1e300",
        "evaluate --tenant acme --phoenix-endpoint http://x",
        "tenants set acme",
        "demo --phoenix-port 99999",
        "demo --phoenix-port 0",
    ],
)
def test_a_value_that_is_none_is_a_wrong_command_line(called: Called, line: str):
    with pytest.raises(SystemExit) as ended:
        called(line)
    assert ended.value.code == 2


@pytest.mark.parametrize("line", ["argo stop", "argo logs", "explain --tenant acme", "annotate --tenant acme --label"])
def test_an_empty_name_is_a_wrong_command_line(called: Called, line: str):
    with pytest.raises(SystemExit) as ended:
        main([*line.split(), ""])
    assert ended.value.code == 2


# The documented trigger


@pytest.mark.parametrize("flags", ["", "--dry-run", "--due-dir due", "--due-dir due --force"])
def test_a_trigger_that_runs_nothing_writes_its_report_all_the_same(called: Called, flags: str, tmp_path: Path):
    assert called(f"trigger --tenant acme --output report.json {flags}") == 0
    report = json.loads((tmp_path / "report.json").read_text())
    (module,) = report["modules"]
    assert (module["module"], module["traces"], module["runs"]) == ("routing", 10, [])
    is_due = "--force" in flags
    assert (module["due"], report["summary"]["not_due"]) == (is_due, int(not is_due))
    assert report["schema"] == "argotune.report/1"


def test_a_dry_run_of_what_is_due_reports_it_as_due(called: Called, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert called("trigger --tenant acme --force --dry-run --output report.json") == 0
    assert "[DRY RUN] Would trigger optimization with:" in capsys.readouterr().out
    assert [m["due"] for m in json.loads((tmp_path / "report.json").read_text())["modules"]] == [True]


def test_flags_of_a_round_reach_it(called: Called, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from argotune.adapters.memory.runner import MemoryRunner
    from argotune.wiring import utc_now

    opened: list[tuple[str, str]] = []

    def open_runner(settings, template):
        opened.append((settings.namespace, template))
        return MemoryRunner(utc_now)

    monkeypatch.setattr("argotune.wiring.open_runner", open_runner)
    flags = "--namespace far --template mine --tenants acme --dry-run --outcome-file out --output out.json --force"
    assert called(f"discover --submit {flags} --round r1 --round-uid u1 --max-submissions 1 --rate 5") == 0
    assert opened == [("far", "mine")]
    assert (tmp_path / "out").read_text().startswith("1 tenant: 1 submitted, 0 skipped, 0 failed")
    assert json.loads((tmp_path / "out.json").read_text())["round"] == "r1"
