"""Logs: with ARGOTUNE_LOG_FORMAT=json every line on stderr is one object that says what it is about; stdout stays."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from factories import NOON
from hypothesis import given
from hypothesis import strategies as st
from world import filled

from argotune.cli import main
from argotune.cli.output import complain, note, say
from argotune.cli.progress import shown_progress
from argotune.errors import ArgotuneError, ConfigInvalid, NotFound
from argotune.logs import about, fields_now, fields_of, json_line
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.settings import read_settings, wants_json_logs

EVIL = 'a"\n{"level":"x"}\x1b[2J\ud800'


@pytest.fixture
def json_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGOTUNE_LOG_FORMAT", "json")


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


# What a line is about


def test_fields_are_those_of_the_blocks_around():
    with about(tenant="acme", module="routing"):
        with about(run="r1"):
            assert fields_now() == {"tenant": "acme", "module": "routing", "run": "r1"}
        assert fields_now() == {"tenant": "acme", "module": "routing"}
        with about(tenant=None, module="modality"):
            assert fields_now() == {"tenant": "acme", "module": "modality"}
    assert fields_now() == {}


def test_an_error_takes_the_innermost_fields_out_with_it():
    with pytest.raises(NotFound) as caught, about(tenant="acme"), about(run="r1"):
        raise NotFound("gone")
    assert fields_now() == {}
    assert fields_of(caught.value) == {"tenant": "acme", "run": "r1"}
    assert fields_of(ValueError("nobody said")) == {}


@given(st.text(st.characters()), st.text(st.characters()))
def test_a_line_is_one_line_of_ascii_that_says_the_same(message: str, tenant: str):
    line = json_line("info", message, NOON, {"tenant": tenant})
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {"at": "2026-03-02T12:00:00.000+00:00", "level": "info", "message": message} | {
        "tenant": tenant
    }


def test_the_time_is_utc_wherever_it_was_taken():
    at = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert json.loads(json_line("info", "", at, {}))["at"] == "2026-03-02T12:00:00.000+00:00"


# What commands write


def test_notes_and_errors_are_objects_and_results_are_not(json_logs, capsys: pytest.CaptureFixture[str]):
    with about(tenant=EVIL, module="routing"):
        say("a result")
        note(f"watch {EVIL}")
        complain("argotune", ConfigInvalid("field: wrong"))
    captured = capsys.readouterr()
    assert captured.out == "a result\n"
    watch, error = (json.loads(line) for line in captured.err.splitlines())
    assert list(watch) == ["at", "level", "message", "tenant", "module"]
    assert (watch["level"], watch["tenant"]) == ("info", EVIL)
    assert watch["message"] == 'watch a"\\n{"level":"x"}\\x1b[2J\\ud800'
    assert (error["level"], error["message"], error["module"]) == ("error", "ConfigInvalid: field: wrong", "routing")
    assert datetime.fromisoformat(watch["at"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize("named", [None, "text", ""])
def test_text_is_the_default(named: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.delenv("ARGOTUNE_LOG_FORMAT", raising=False)
    if named is not None:
        monkeypatch.setenv("ARGOTUNE_LOG_FORMAT", named)
    note("watch")
    complain("argotune", NotFound("gone"))
    assert capsys.readouterr().err == "watch\nargotune: NotFound: gone\n"


def test_another_format_is_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARGOTUNE_LOG_FORMAT", "xml")
    with pytest.raises(ConfigInvalid, match="ARGOTUNE_LOG_FORMAT"):
        read_settings()
    assert not wants_json_logs()


def test_progress_is_a_line_each_even_on_a_terminal(json_logs, monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    with shown_progress() as progress, about(run="r1"):
        progress("training", 0, 9)
        progress("training", 9, 9)
    lines = [json.loads(line) for line in terminal.getvalue().splitlines()]
    assert [(line["message"], line["run"]) for line in lines] == [("training", "r1")]


def test_a_failed_command_says_its_tenant_and_module(
    json_logs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("argotune.cli.output.catch_others", lambda _clock: None)  # process-wide, tried below
    found = main(["evaluate", "--tenant", EVIL, "--module", "routing", "--store-url", "memory://"])
    (line,) = told(capsys)
    assert (found, line["level"], line["tenant"], line["module"]) == (2, "error", EVIL, "routing")
    assert main(["runs", "--tenant", "nobody", "--store-url", "postgres://me:hunter2@db"]) == 2
    assert "hunter2" not in json.dumps(told(capsys))


def test_whatever_else_a_process_prints_to_stderr_is_an_object_too():
    program = """
import logging, sys, warnings
from argotune.cli.output import prepare_stderr
from argotune.logs import about
prepare_stderr()
with about(tenant="acme"):
    warnings.warn("old\\nthing")
    logging.getLogger("other").error("went %s", "wrong")
raise ValueError("nobody\\nforesaw")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "/usr/bin:/bin", "ARGOTUNE_LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    warning, error, critical = (json.loads(line) for line in done.stderr.splitlines())
    assert (done.returncode, done.stdout) == (1, "")
    assert (warning["level"], warning["logger"], warning["tenant"]) == ("warning", "py.warnings", "acme")
    assert (error["level"], error["message"]) == ("error", "went wrong")
    assert (critical["level"], critical["message"]) == ("critical", "ValueError: nobody\nforesaw")
    assert critical["traceback"].startswith("Traceback")


# The pipeline


def test_a_run_says_itself_in_its_lines_and_in_the_error_that_ends_it():
    world, config = filled(200)
    heard = []

    def listen(what: str, _done: int, _total: int) -> None:
        heard.append(dict(fields_now()))
        if "training" in what:
            raise ArgotuneError("broken")

    with pytest.raises(ArgotuneError) as caught:
        run_module(dataclasses.replace(world.ports, progress=listen), config, "routing", Request(is_forced=True))
    run = {"tenant": "acme", "module": "routing", "run": "routing-id-0002"}
    assert heard[0] == {"tenant": "acme", "module": "routing"}
    assert heard[-1] == fields_of(caught.value) == run
