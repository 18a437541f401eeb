"""`argotune connect` as people and scripts start it, on a real Phoenix with an ordinary application's spans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from shop import FILES, spans_of, under_other_ids

from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.tenants.binding import TraceProject

DOUBLES = Path(__file__).resolve().parents[1] / "doubles"
SUPPORT = "support=shop_modules:RewriteThenClassify"


@pytest.fixture(scope="module")
def project(phoenix_url: str) -> str:
    """A project that has all dumps."""
    name = f"shop {os.urandom(6).hex()}"
    with closing(PhoenixTraces(PhoenixHttp(phoenix_url), "acceptance")) as traces:
        traces.record("", under_other_ids(spans_of(*FILES), name), TraceProject(project=name))
    return name


@pytest.fixture
def run(phoenix_url: str, tmp_path: Path):
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "CONFIG_STORE_URL": f"sqlite:///{tmp_path}/store.db",
        "PHOENIX_ENDPOINT": phoenix_url,
        "PYTHONPATH": str(DOUBLES),
    }

    def argotune(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "argotune.cli", *arguments]
        return subprocess.run(command, env={**env, **more}, capture_output=True, text=True, timeout=120, check=False)

    argotune.env = env
    return argotune


@pytest.mark.phoenix
def test_a_script_connects_a_tenant_with_yes_and_reads_what_came_of_it(run, project: str) -> None:
    shown = run("connect", project, "--tenant", "acme", "--json")
    assert shown.returncode == 0, shown.stderr
    looked = json.loads(shown.stdout)
    assert (looked["decisions"], looked["changes"], looked["is_written"]) == (41, {}, False)
    assert {program["span"] for program in looked["programs"]} >= {"Predict", "RewriteThenClassify", "ReAct"}
    done = run("connect", project, "--tenant", "acme", "--program", SUPPORT, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["is_written"], told["fits"][0]["read"], told["is_new_tenant"]) == (True, 6, True)
    config = json.loads(run("tenants", "show", "acme").stdout)
    assert config["programs"] == told["changes"]["programs"] == {"support": "shop_modules:RewriteThenClassify"}
    assert config["traces"]["programs"]["support"]["span"] == "RewriteThenClassify"


@pytest.mark.phoenix
def test_people_see_what_is_there_and_the_command_that_writes_it(run, project: str) -> None:
    words = ("connect", project, "--tenant", "acme")
    looked = run(*words)
    assert "RewriteThenClassify: 6 decisions, 1 failed, 6 spans of RewriteThenClassify in all" in looked.stdout
    assert "metadata.tenant" in looked.stdout
    assert looked.stdout.rstrip().endswith(
        f"argotune connect '{project}' --tenant acme --program NAME=PACKAGE.MODULE:CLASS"
    )
    proposed = run(*words, "--program", SUPPORT)
    assert "Proposed for the new tenant acme:" in proposed.stdout
    assert proposed.stdout.rstrip().endswith(f"--program {SUPPORT} --yes")
    assert run("tenants", "show", "acme").returncode == 4
    assert "Written for the new tenant acme:" in run(*words, "--program", SUPPORT, "--yes").stdout
    assert "The config of acme says so already" in run(*words, "--program", SUPPORT).stdout


WRONG = {
    "no such project": ("nothing", 4, "Phoenix has no project 'nothing'; there are: "),
    "no program to write": ("{} --yes", 2, "--program: say which module of yours each program is"),
    "a path of no form": ("{} --program support", 2, "'support' is not of the form name=package.module:name"),
    "a path that does not load": ("{} --program a=no.such:Thing", 2, "programs.a: 'no.such:Thing' cannot be loaded"),
    "a name twice": (f"{{}} --program {SUPPORT} --program {SUPPORT}", 2, "--program: 'support' is given twice"),
    "a key that nobody has": ("{} --tenant-key metadata.x", 2, "--tenant-key: none of 41 decisions has 'metadata.x'"),
    "a value without a key": ("{} --tenant-value x", 2, "--tenant-value: only with --tenant-key"),
    "a sample of nothing": ("{} --sample 0", 2, "'0' is no number from 1 to 100000"),
    "an MLflow that is not named": ("{} --source mlflow", 2, "MLFLOW_TRACKING_URI names no MLflow server"),
}


@pytest.mark.phoenix
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_with_its_exit_code(run, project: str, case: str) -> None:
    words, code, told = WRONG[case]
    done = run("connect", *(word.format(project) for word in words.split()), "--tenant", "acme")
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr.splitlines()[-1]
    assert run("tenants", "show", "acme").returncode == 4


def test_a_phoenix_that_is_down_is_75(run) -> None:
    down = {"PHOENIX_ENDPOINT": "http://127.0.0.1:9", "ARGOTUNE_PHOENIX_TIMEOUT_SECONDS": "1"}
    done = run("connect", "shop", "--tenant", "acme", **down)
    assert (done.returncode, done.stdout) == (75, "")


def on_a_terminal(command: list[str], env: dict[str, str], said: str) -> str:
    """What a person sees who answers the question."""
    ours, theirs = os.openpty()
    with subprocess.Popen(command, env=env, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True) as process:
        os.write(ours, f"{said}\n".encode())
        shown, _ = process.communicate(timeout=120)
    os.close(theirs)
    os.close(ours)
    return shown


@pytest.mark.phoenix
@pytest.mark.parametrize(("said", "code"), [("", 4), ("no", 4), ("y", 0)])
def test_on_a_terminal_it_asks_and_nothing_but_a_yes_writes(run, project: str, said: str, code: int) -> None:
    command = [sys.executable, "-m", "argotune.cli", "connect", project, "--tenant", "acme", "--program", SUPPORT]
    shown = on_a_terminal(command, run.env, said)
    assert ("Written for" if code == 0 else "Proposed for") in shown
    assert run("tenants", "show", "acme").returncode == code
