"""The dashboard as it is started by its documented command: figures of its pages are those of the commands, what a
tenant sent is text, and what is wrong is a sentence.

Pages are drawn by Streamlit's own tests, over a store that real passes with a scripted LM have filled.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from world import World, run_once, traffic

from argotune.adapters.sqlite import SQLiteStore
from argotune.pipeline.operations.tenants import add_tenant
from tests.conftest import python_with

READER = Path(__file__).with_name("drawn_pages.py")
HOSTILE = "**x** [a](javascript:alert(1)) <img src=x onerror=alert(1)>"
SHOWN = ("fleet", "tenant", "version", "decisions")


@pytest.fixture(scope="session")
def dashboard_python() -> Path:
    """An interpreter that has Streamlit installed."""
    return python_with("dashboard", "make .venv-dashboard/.ready")


def fill(store: SQLiteStore, tenant_id: str) -> None:
    """A champion, and then a contest that waits for labels of spans whose queries are hostile."""
    world = World(store=store)
    config = world.tenant(tenant_id, contest={"max_labels": 200})
    world.receive(100, tenant_id, noise=True)
    run_once(world, config)
    spans, _ = traffic(tenant_id, 100, first=1000)
    at = world.now + timedelta(seconds=5)
    texts = [{**span.attributes, "routing.query": f"{span.attributes['routing.query']} {HOSTILE}"} for span in spans]
    seen = [replace(s, started_at=at, ended_at=at, attributes=t) for s, t in zip(spans, texts, strict=True)]
    world.later(minutes=1)
    run_once(world, config, forced=True, seen=seen)


def records_of(folder: Path) -> str:
    """All that is in the store."""
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        return "\n".join(connection.iterdump())


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of commands and pages: a store in which a tenant with a hostile name has an open contest."""
    folder = tmp_path_factory.mktemp("dashboard")
    store = SQLiteStore(folder / "store.db")
    fill(store, HOSTILE)
    add_tenant(store, "idle", {})
    Path(folder, "before.sql").write_text(records_of(folder), "utf-8", "backslashreplace")
    url = f"sqlite:///{folder}/store.db"
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "CONFIG_STORE_URL": url,
        "PHOENIX_ENDPOINT": "http://127.0.0.1:9",
    }


Asked = tuple[str, dict[str, str], list[str]]
"""A page: its path, the parameters of its URL, and what the dashboard was started with."""


def drawn(python: Path, env: dict[str, str], *pages: Asked) -> list[Any]:
    """What is on these pages."""
    done = subprocess.run(
        [python, READER], input=json.dumps(pages), env=env, capture_output=True, text=True, timeout=400, cwd=env["HOME"]
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # Streamlit says what it thinks of a script on stdout too


@pytest.fixture(scope="module")
def pages(dashboard_python: Path, env: dict[str, str]) -> dict[str, Any]:
    """Each page of the tenant with the hostile name."""
    asked: list[Asked] = [(path, {"tenant": HOSTILE}, []) for path in SHOWN]
    return dict(zip(SHOWN, drawn(dashboard_python, env, *asked), strict=True))


def told(env: dict[str, str], *arguments: str) -> Any:
    """What a command says with --json."""
    command = [sys.executable, "-m", "argotune.cli", *arguments, "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def points_of(page: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """The points of all plots that have this field."""
    return [row for row in page["points"] if field in row]


def test_figures_of_the_fleet_are_those_of_the_command(pages: dict[str, Any], env: dict[str, str]):
    page, fleet = pages["fleet"], told(env, "fleet")
    totals = fleet["totals"]
    assert page["metrics"] == {
        "Tenants": str(totals["enabled"] + totals["disabled"]),
        "Running": str(totals["at_work"]),
        "Labels to give": str(totals["waiting"]),
        "Open contests": str(totals["open_contests"]),
        "Degraded": str(totals["degraded"]),
        "LM calls": f"{totals['spent']['lm_calls']:,}",
        "US dollars": "-",
    }
    assert totals["waiting"] > 0
    bars = {row["name"]: row["length"] for row in points_of(page, "length")}
    assert {name: n for name, n in bars.items() if name in totals["runs"]} == totals["runs"]
    assert bars[HOSTILE]
    names = [row.get("tenant") for table in page["tables"] for row in table]
    assert {each["tenant_id"] for each in fleet["tenants"]} <= set(names)


def test_figures_of_a_tenant_are_those_of_the_commands(pages: dict[str, Any], env: dict[str, str]):
    page = pages["tenant"]
    whose = ("--tenant", HOSTILE)
    queue = told(env, "annotate", *whose, "--status")
    assert page["metrics"] == {
        "Wait for a label": str(queue["waiting"]),
        "Queued today": str(queue["queued_today"]),
        "Daily limit": str(queue["daily_limit"]),
    }
    texts = " ".join(page["text"])
    for served in told(env, "status", *whose):
        assert served["sentence"] in texts
    (contest,) = told(env, "contests", *whose)["contests"]
    assert contest["sentence"] in texts
    curve = {(row["at"], round(row["power"], 6)) for row in points_of(page, "power")}
    asked = {(p["at"].replace("Z", "+00:00"), round(p["log_wealth"] / 2.302585092994046, 6)) for p in contest["curve"]}
    assert curve == asked
    (accuracy,) = told(env, "accuracy", *whose)
    gains = {round(row["gain"], 6) for row in points_of(page, "gain")}
    assert gains == {round(100 * each["effect"], 6) for each in accuracy["held_out"]}


def test_figures_of_a_version_are_those_of_the_command(
    pages: dict[str, Any], env: dict[str, str], dashboard_python: Path
):
    listed = told(env, "versions", "--tenant", HOSTILE)
    challenger = told(env, "contests", "--tenant", HOSTILE)["contests"][0]["challenger"]
    (page,) = drawn(dashboard_python, env, ("version", {"tenant": HOSTILE, "version": challenger}, []))
    story = told(env, "explain", "--tenant", HOSTILE, challenger)
    numbers = (story["judged"] or story["run"])["numbers"]
    assert page["metrics"]["Gain in points"] == f"{100 * numbers['effect']:+.1f}"
    assert page["metrics"]["Labels of people"] == str(numbers["labels"])
    assert page["metrics"]["Answers of both"] == str(numbers["answers"])
    changed = [line for line in story["prompt_diff"] if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    shown = "\n".join(page["code"])
    assert changed
    assert all(line in shown for line in changed)
    assert page["selects"]["Version"] == challenger
    assert len(listed) > 1


def test_figures_of_decisions_are_those_of_the_command(pages: dict[str, Any], env: dict[str, str]):
    page, found = pages["decisions"], told(env, "decisions", "--tenant", HOSTILE)
    assert page["metrics"]["Runs"] == str(len(found))
    assert page["metrics"]["Trained"] == str(sum(each["trains"] for each in found))
    assert page["metrics"]["LM calls"] == f"{sum(each['spent']['lm_calls'] for each in found):,}"
    assert {row["run_id"] for row in points_of(page, "outcome")} == {each["run_id"] for each in found}
    assert found[0]["sentence"] in page["text"]
    assert found[0]["reason"] in page["text"]


@pytest.mark.parametrize("path", SHOWN)
def test_no_page_reads_a_tenants_text_as_markup(pages: dict[str, Any], path: str):
    """Where Markdown is read, it is inside of a piece of code."""
    page = pages[path]
    assert page["exceptions"] == []
    read = [text for kind in ("markdown", "caption", "subheader", "error", "warning", "info") for text in page[kind]]
    outside = ["".join(text.split("`")[::2]) for text in read]
    assert [text for text in outside if "onerror" in text or "javascript" in text] == []
    assert any(HOSTILE in text for text in read) or path == "version" or path == "fleet"


def test_a_page_puts_into_its_url_what_it_shows(pages: dict[str, Any]):
    assert pages["tenant"]["query"] == {"tenant": HOSTILE}
    version = pages["version"]
    assert version["query"] == {"tenant": HOSTILE, "version": version["selects"]["Version"]}
    assert pages["decisions"]["query"]["run"] == pages["decisions"]["selects"]["Run"]


BAD: list[tuple[Asked, str, str]] = [
    (("tenant", {"tenant": "nobody"}, []), "It is not there.", "nobody"),
    (("version", {"tenant": HOSTILE, "version": "v000000000000"}, []), "It is not there.", "v000000000000"),
    (("decisions", {"tenant": HOSTILE, "run": "gone"}, []), "It is not there.", "gone"),
    (("tenant", {"tenant": "idle"}, ["--tenants", HOSTILE]), "It is not there.", "was started for others"),
    (("fleet", {}, ["--phoenix-endpoint", "localhost"]), "An argument or a setting is wrong.", "PHOENIX_ENDPOINT"),
    (("fleet", {}, ["--tenants"]), "An argument or a setting is wrong.", "expected at least one argument"),
    (("fleet", {}, ["--store-url", "redis://127.0.0.1:9/0"]), "A server does not answer.", "127.0.0.1:9"),
    (("fleet", {}, ["--store-url", "sqlite:///none.db"]), "It is not there.", "there is no file"),
    (("fleet", {}, ["--store-url", "nowhere"]), "An argument or a setting is wrong.", "CONFIG_STORE_URL"),
]


EMPTY: list[Asked] = [
    *((path, {"tenant": "idle"}, []) for path in SHOWN[1:]),
    ("fleet", {}, ["--tenants", "idle", "nobody"]),
    ("fleet", {}, ["--store-url", "sqlite:///empty.db"]),
]


@pytest.fixture(scope="module")
def other_pages(dashboard_python: Path, env: dict[str, str]) -> list[Any]:
    """What is shown of what is wrong, and then where there is little or nothing to show."""
    SQLiteStore(Path(env["HOME"], "empty.db"))
    return drawn(dashboard_python, env, *(asked for asked, _, _ in BAD), *EMPTY)


@pytest.mark.parametrize("number", range(len(BAD)))
def test_what_is_wrong_is_a_sentence(other_pages: list[Any], number: int):
    page, (_, heading, sentence) = other_pages[number], BAD[number]
    assert page["exceptions"] == []
    assert any(told.startswith(heading) for told in page["error"])
    assert any(sentence in text for text in page["text"])


def test_no_page_changes_the_store(pages: dict[str, Any], other_pages: list[Any], env: dict[str, str]):
    assert pages
    assert other_pages
    folder = Path(env["HOME"])
    assert records_of(folder) == Path(folder, "before.sql").read_text("utf-8")


def test_an_idle_tenant_and_phoenix_away_are_sentences(other_pages: list[Any]):
    tenant, version, decisions = other_pages[len(BAD) : -2]
    assert "Nothing has run for this tenant yet, and the programs as written serve." in tenant["info"]
    assert tenant["warning"] == ["A server does not answer. Nothing is lost: read again later."]
    assert any("127.0.0.1:9" in text for text in tenant["text"])
    assert version["info"] == ["No version of this tenant is stored: its programs serve as they are written."]
    assert decisions["info"] == ["Nothing has run for this tenant yet."]
    assert tenant["exceptions"] + version["exceptions"] + decisions["exceptions"] == []


def test_a_dashboard_of_some_tenants_shows_these_and_names_those_that_nobody_has_added(other_pages: list[Any]):
    page = other_pages[-2]
    assert page["metrics"]["Tenants"] == "1"
    assert page["warning"] == ["Nobody has added these tenants: ` nobody `"]


def test_a_store_without_tenants_says_how_to_add_one(other_pages: list[Any]):
    page = other_pages[-1]
    assert page["info"] == ["There are no tenants yet. Add one, then look again:"]
    assert page["code"] == ["argotune tenants add NAME"]
