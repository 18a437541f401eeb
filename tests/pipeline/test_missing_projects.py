"""A module for which nothing was ever sent: it is told, and stops nothing but itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from world import World, filled

from argotune import wiring
from argotune.cli import main, run_command
from argotune.cli.commands import trigger
from argotune.cli.commands.run import optimization_parser
from argotune.cli.commands.trigger import trigger_parser
from argotune.data.stream import Stream
from argotune.errors import ProjectMissing
from argotune.runs.book import RunBook

MODULES = ["modality", "routing", "cross_modal"]


class Projects:
    """The traces of a world, of which some modules have no project."""

    def __init__(self, world: World, *missing: str) -> None:
        self._of, self._missing = world.traces._module, missing
        world.traces._module = self.module  # type: ignore[method-assign]

    def module(self, stream: Stream):
        if stream.module in self._missing:
            raise ProjectMissing(f"no project of {stream.module}")
        return self._of(stream)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world, _ = filled(modules=MODULES)
    for name, value in (("store_of", world.store), ("settings_of", None)):
        monkeypatch.setattr(trigger, name, lambda _arguments, value=value: value)
    monkeypatch.setattr(wiring, "open_traces", lambda _settings: world.traces)
    monkeypatch.setattr(wiring, "open_ports", lambda _settings, _progress: world.ports)
    monkeypatch.setattr(wiring, "utc_now", lambda: world.now)
    return world


def report_of(path: Path) -> tuple[list[str], list[str]]:
    """Of which modules a report tells, and which of them failed."""
    report = json.loads(path.read_text())
    return [m["module"] for m in report["modules"]], [m["module"] for m in report["failed"]]


def test_the_trigger_runs_what_is_due_though_another_module_has_no_project(world: World, tmp_path: Path, capsys):
    Projects(world, "modality")
    output = tmp_path / "report.json"
    assert run_command(trigger_parser(), ["--tenant-id=acme", f"--output={output}"]) == 0
    assert "not due: no traces yet: no project of modality" in capsys.readouterr().out
    assert [run.module for run in RunBook(world.store, "acme").runs()] == ["routing"]
    assert report_of(output) == (["cross_modal", "routing"], ["modality"])


@pytest.mark.parametrize("flags", [["--dry-run"], []])
def test_the_trigger_ends_well_where_nothing_is_due_and_a_project_is_missing(world: World, tmp_path, flags):
    Projects(world, "routing")
    output = tmp_path / "report.json"
    assert run_command(trigger_parser(), ["--tenant-id=acme", *flags, f"--output={output}"]) == 0
    assert report_of(output) == (["modality", "cross_modal"], ["routing"])


def test_the_check_tells_of_each_module(world: World, capsys):
    Projects(world, "modality")
    assert main(["trigger", "--tenant", "acme", "--json", "--force"]) == 0
    found = {row["module"]: (row["due"], row["why_not"]) for row in json.loads(capsys.readouterr().out)}
    assert found["modality"] == (False, "no project of modality")
    assert found["routing"] == found["cross_modal"] == (True, None)


def test_a_run_of_all_modules_ends_well_where_one_has_no_project(world: World, tmp_path: Path, capsys):
    Projects(world, "cross_modal")
    output = tmp_path / "report.json"
    assert run_command(optimization_parser(), ["--tenant-id=acme", "--force=false", f"--output={output}"]) == 0
    assert report_of(output) == (["modality", "routing"], ["cross_modal"])
    assert "cross_modal: ProjectMissing: no project of cross_modal" in capsys.readouterr().err


@pytest.mark.parametrize("missing", [MODULES, ["routing"]], ids=["of all", "of the one that is asked for"])
@pytest.mark.parametrize("parser", [trigger_parser, optimization_parser])
def test_nothing_at_all_is_4(world: World, missing: list[str], parser, capsys):
    Projects(world, *missing)
    module = "all" if missing == MODULES else "routing"
    assert run_command(parser(), ["--tenant-id=acme", f"--module={module}"]) == ProjectMissing.exit_code
    assert "no project of" in capsys.readouterr().err
