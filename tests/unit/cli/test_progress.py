"""Long work as people see it: a bar with rate and time left on a terminal, lines elsewhere, JSON lines in pods."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest
from terminal import HIDE_CURSOR, Watched, on_terminal

from argotune.cli.progress import LINE_EVERY_S, Lines, shown_progress
from argotune.logs import about


class Watch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(lines: Lines, watch: Watch, *steps: tuple[float, str, int, int]) -> None:
    for seconds, what, done, total in steps:
        watch.now += seconds
        lines.tell(what, done, total)


# Without a terminal


def test_a_line_says_that_work_begins_another_now_and_then_how_it_goes_and_one_that_it_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("ARGOTUNE_LOG_FORMAT", raising=False)
    lines = Lines(watch := Watch())
    reading = "routing: spans read"
    told(lines, watch, (0, reading, 0, 100), (5, reading, 10, 100), (5, reading, 20, 100), (5, reading, 90, 100))
    told(lines, watch, (1, reading, 100, 100))
    assert capsys.readouterr().err.splitlines() == [
        reading,
        f"{reading}: 20 of 100, 2 a second, about 40 s left",
        f"{reading}: 100 of 100, 6 a second",
    ]


def test_short_work_is_one_line_and_the_same_of_another_tenant_is_another(capsys: pytest.CaptureFixture[str]):
    lines = Lines(watch := Watch())
    for tenant in ("acme", "zebra"):
        with about(tenant=tenant):
            told(lines, watch, (1, "training", 0, 0), (LINE_EVERY_S / 2, "training", 0, 0))
    assert capsys.readouterr().err.splitlines() == ["training", "training"]


def test_where_logs_are_json_the_figures_are_fields(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ARGOTUNE_LOG_FORMAT", "json")
    lines = Lines(watch := Watch())
    with about(tenant="acme", run="r1"):
        told(lines, watch, (0, "training", 0, 0), (LINE_EVERY_S, "training", 20, 100))
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert "done" not in first
    assert {name: second[name] for name in ("done", "total", "per_second", "left_s", "tenant", "run")} == {
        **{"done": 20, "total": 100, "per_second": 2.0, "left_s": 40.0},
        **{"tenant": "acme", "run": "r1"},
    }


# On a terminal

ERASED = "\x1b[2K"

WORK = """
import time
from argotune.cli.output import note, say
from argotune.cli.progress import shown_progress
with shown_progress() as progress:
    for done in range(1, 31):
        progress("[red]routing\\x1b[2J: training on very many examples of all kinds", done, 30)
        time.sleep(0.05)
        if done == 20:
            say("a result")
            note("a note")
    progress("publishing", 0, 0)
    print("printed by a library")
    time.sleep(0.3)
"""


def shown_by(folder: Path, code: str = WORK, term: str = "xterm-256color", **given: object) -> Watched:
    env = {"PATH": "/usr/bin:/bin", "TERM": term}
    env |= {name: str(value) for name, value in given.items() if name.isupper()}
    ways = {name: value for name, value in given.items() if not name.isupper()}
    return on_terminal([sys.executable, "-c", code], env, folder=folder, **ways)


def test_a_bar_shows_the_rate_and_the_time_that_is_left(tmp_path: Path):
    found = shown_by(tmp_path)
    assert (found.code, found.out) == (0, "a result\n")
    assert re.search(r"\d+/30, \d+ a second, \d+ s left", found.shown), found.shown
    assert "━" in found.shown
    assert "publishing" in found.shown
    assert "\x1b[2J" not in found.shown
    assert r"[red]routing\x1b[2J" in found.shown


def test_what_is_written_to_stay_stands_on_lines_of_its_own(tmp_path: Path):
    lines = shown_by(tmp_path, is_out_shown=True).shown.split("\r\n")
    left = {re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", line.rpartition(ERASED)[2]) for line in lines}
    assert {"a result", "a note", "printed by a library"} <= left


@pytest.mark.parametrize("columns", [40, 80])
def test_a_bar_fits_on_one_line(tmp_path: Path, columns: int):
    found = shown_by(tmp_path, columns=columns)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", found.shown)
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= columns
    assert columns < 80 or re.search(r"\d+ a second, \d+ s left", plain)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_the_cursor_is_there_whatever_ends_the_work(tmp_path: Path, number: int, code: int):
    endless = f"""
import argparse
from argotune.cli import run_command
parser = argparse.ArgumentParser()
def call(_):
    {WORK.strip().replace(chr(10), chr(10) + "    ")}
    time.sleep(60)
parser.set_defaults(call=call)
raise SystemExit(run_command(parser, []))
"""
    found = shown_by(tmp_path, endless, signal_at=(" s left", number))
    assert found.code == code
    assert HIDE_CURSOR not in found.shown


def test_no_color_is_a_bar_without_color(tmp_path: Path):
    found = shown_by(tmp_path, NO_COLOR=1)
    assert re.search(r"\d+ s left", found.shown)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", found.shown), found.shown


@pytest.mark.parametrize(
    "env", [{"term": "dumb"}, {"term": ""}, {"ARGOTUNE_LOG_FORMAT": "json"}], ids=["dumb", "no TERM", "JSON"]
)
def test_where_no_bar_can_be_there_are_lines(tmp_path: Path, env: dict[str, str]):
    found = shown_by(tmp_path, **env)
    assert "\x1b" not in found.shown
    assert found.shown.count("training on very many examples") == 1
    assert found.shown.count("publishing") == 1


def test_nobody_watching_is_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TERM", "xterm")
    with shown_progress() as progress:
        progress("training", 1, 2)
    assert capsys.readouterr().err == "training\n"
