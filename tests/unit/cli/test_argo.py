"""Tenants' runs on Argo from the command line, on the in-memory twin: what is submitted, shown, and ended with."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from argotune.adapters.memory.runner import MemoryRunner
from argotune.cli import main, workflows
from argotune.errors import AccessDenied, Unavailable
from argotune.scheduling.watching import again, events, exit_code
from argotune.scheduling.workflow import FORCED_PRIORITY, Submission, Workflow, manifest, workflow_of

NAME = "auto-opt-acme-12345"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PROMOTED = "routing: promoted v3f2a1b, 71.0 % -> 78.5 %, p = 0.0040"


def node(name: str, phase: str, *, type: str = "Pod", code: int | None = None, outcome="", message="") -> dict:
    outputs: dict[str, Any] = {"parameters": [{"name": "outcome", "value": outcome}]} if outcome else {}
    return {
        "id": f"{NAME}-{name}",
        "displayName": name,
        "type": type,
        "phase": phase,
        "message": message,
        "outputs": {**outputs, **({} if code is None else {"exitCode": str(code)})},
        "startedAt": "2026-11-21T12:00:05Z",
        "finishedAt": None if phase in ("Running", "Pending") else "2026-11-21T12:00:35Z",
    }


def workflow(phase: str, *nodes: dict, outputs: dict[str, str] | None = None, message="", **asked) -> Workflow:
    """What the API says of a tenant's run."""
    created = manifest(Submission("acme", **asked), NAME)
    status = {
        "phase": phase,
        "message": message,
        "nodes": {each["id"]: each for each in nodes},
        "outputs": {"parameters": [{"name": name, "value": value} for name, value in (outputs or {}).items()]},
        "finishedAt": "2026-11-21T12:01:00Z" if phase in ("Succeeded", "Failed", "Error") else None,
    }
    metadata = {**created["metadata"], "creationTimestamp": "2026-11-21T12:00:00Z"}
    return workflow_of({**created, "metadata": metadata, "status": status})


class Playing(MemoryRunner):
    """Every submitted workflow goes through the same states, one at each look."""

    def __init__(self, *states: Workflow) -> None:
        super().__init__(lambda: NOW)
        self.play, self.at_look = list(states), lambda: None

    def workflow(self, name: str) -> Workflow:
        self.at_look()
        if self.play and name in (NAME, *self.manifests):
            return self.play.pop(0) if len(self.play) > 1 else self.play[0]
        return super().workflow(name)

    def workflows(self, tenant_id: str | None = None) -> list[Workflow]:
        return [*super().workflows(tenant_id), *(state for state in self.play[-1:] if tenant_id in (None, "acme"))]


Runs = Callable[..., int]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Calls `argotune` with a runner in the place of the cluster's."""
    monkeypatch.setattr(workflows, "POLL_S", 0.0)
    monkeypatch.setenv("ARGOTUNE_ARGO_URL", "https://argo.example/")
    monkeypatch.delenv("KUBERNETES_NAMESPACE", raising=False)

    def call(runner: MemoryRunner, *arguments: str) -> int:
        monkeypatch.setattr("argotune.wiring.open_runner", lambda _settings: runner)
        return main(arguments)

    return call


def parameters(runner: MemoryRunner) -> list[dict[str, str]]:
    bodies = [body["spec"]["arguments"]["parameters"] for body in runner.manifests.values()]
    return [{each["name"]: each["value"] for each in body} for body in bodies]


def test_a_run_is_submitted_with_all_that_was_asked_and_its_name_and_link_are_printed(
    runs: Runs, capsys: pytest.CaptureFixture[str]
):
    runner = MemoryRunner(lambda: NOW)
    flags = ("--module", "routing", "--optimizer", "bootstrap", "--max-lm-calls", "500", "--memory", "4Gi", "--force")
    flags += ("--use-synthetic-data=false", "--force-training")
    assert runs(runner, "run", "--on-argo", "--tenant", "acme_corp", *flags) == 0
    ((name, body),) = runner.manifests.items()
    assert body["spec"]["priority"] == FORCED_PRIORITY
    assert parameters(runner) == [
        {
            "tenant-id": "acme_corp",
            "force": "true",
            "modules": "routing",
            "optimizer": "bootstrap",
            "max-lm-calls": "500",
            "use-synthetic-data": "false",
            "force-training": "true",
            "memory": "4Gi",
        }
    ]
    assert capsys.readouterr().out.splitlines() == [
        f"submitted {name}",
        f"https://argo.example/workflows/cogniverse/{name}",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("stop", "auto-opt-nobody-12345"), "NotFound: workflow: there is no 'auto-opt-nobody-12345'"),
        (("stop",), "argotune argo stop: the following arguments are required: name"),
    ],
)
def test_in_a_pod_the_reason_for_the_end_is_left_where_kubernetes_looks(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
):
    (log := tmp_path / "termination-log").touch()
    monkeypatch.setattr("argotune.cli.output.TERMINATION_LOG", log)
    with suppress(SystemExit):
        runs(MemoryRunner(lambda: NOW), "argo", *arguments)
    assert log.read_text() == told


def test_two_runs_of_one_tenant_have_two_names(runs: Runs):
    runner = MemoryRunner(lambda: NOW)
    for _ in range(2):
        assert runs(runner, "run", "--on-argo", "--tenant", "acme_corp") == 0
    assert len(runner.manifests) == 2
    assert all("priority" not in body["spec"] for body in runner.manifests.values())


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--on-argo", "--tenant", " acme"), "tenant_id: "),
        (("--on-argo", "--tenant", "a\x1bb"), "tenant_id: "),
        (("--on-argo", "--tenant", "acme", "--module", "mine"), "--module: 'mine' is none of all, own, modality"),
        (("--on-argo", "--tenant", "acme", "--optimizer", "magic"), "--optimizer: 'magic'"),
        (("--on-argo", "--tenant", "acme", "--max-lm-calls", "0"), "--max-lm-calls: '0'"),
        (("--on-argo", "--tenant", "acme", "--max-lm-calls", "-5"), "--max-lm-calls: '-5'"),
        (("--on-argo", "--tenant", "acme", "--memory", "lots"), "--memory: 'lots'"),
        (("--on-argo", "--tenant", "acme", "--lookback-hours", "24"), "--lookback-hours: does not reach a workflow"),
        (("--on-argo", "--tenant", "acme", "--json"), "--json: "),
        (("--on-argo", "--tenant", "acme", "--namespace", "No Such"), "KUBERNETES_NAMESPACE"),
        (("--tenant", "acme", "--wait"), "--wait: only with --on-argo"),
    ],
)
def test_a_flag_that_cannot_be_meant_is_2_and_nothing_is_submitted(
    runs: Runs, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], told: str
):
    runner = MemoryRunner(lambda: NOW)
    assert runs(runner, "run", *flags) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1
    assert runner.manifests == {}


STATES = (
    workflow("", is_forced=True),
    workflow("Pending", message="Waiting for cogniverse/Mutex/auto-opt-acme lock. Lock status: 0/1"),
    workflow("Running", node("trigger-check(0)", "Running")),
    workflow("Running", node("trigger-check(0)", "Running")),
    workflow(
        "Running",
        node("trigger-check", "Succeeded", type="Retry", outcome="routing due"),
        node("trigger-check(0)", "Succeeded", code=0, outcome="routing due (120 traces)"),
        node("optimize", "Running", type="DAG"),
        node("modality", "Skipped", type="Skipped", message="when ''false' == 'true'' evaluated false"),
        node("routing", "Pending", type="Retry", message="Waiting for concurrent-optimizations lock"),
    ),
    workflow(
        "Running",
        node("routing(0)", "Failed", code=75, message="Error (exit code 75): Unavailable: lm: down"),
        node("routing(1)", "Running"),
    ),
    workflow(
        "Succeeded",
        node("routing(0)", "Failed", code=75, message="Error (exit code 75): Unavailable: lm: down"),
        node("routing(1)", "Succeeded", code=0, outcome=PROMOTED),
        outputs={"outcome": PROMOTED, "links": "http://phoenix/compare?experimentId=1\nhttp://phoenix/2"},
    ),
)


def test_waiting_shows_each_change_once_with_outcome_or_reason_and_ends_as_the_run_ends(
    runs: Runs, capsys: pytest.CaptureFixture[str]
):
    assert runs(Playing(*STATES), "run", "--on-argo", "--tenant", "acme", "--force", "--wait") == 0
    _, _, *shown = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in shown] == [
        f"12:00:00 {NAME} Pending Waiting for cogniverse/Mutex/auto-opt-acme lock. Lock status: 0/1",
        "12:00:05 trigger-check Running",
        "12:00:35 modality Skipped",
        "12:00:05 routing Pending Waiting for concurrent-optimizations lock",
        "12:00:35 trigger-check Succeeded routing due (120 traces)",
        "12:00:35 routing Failed Error (exit code 75): Unavailable: lm: down",
        "12:00:05 routing (attempt 2) Running",
        f"12:00:35 routing (attempt 2) Succeeded {PROMOTED}",
        f"12:01:00 {NAME} Succeeded",
        "http://phoenix/compare?experimentId=1",
        "http://phoenix/2",
    ]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (workflow("Succeeded"), 0),
        (workflow("Failed", node("trigger-check(0)", "Failed", code=2)), 2),
        (workflow("Failed", node("trigger-check(0)", "Failed", code=4)), 4),
        (workflow("Failed", node("routing(0)", "Failed", code=9), node("aggregate(0)", "Failed", code=1)), 9),
        (workflow("Failed", *(node(f"routing({n})", "Failed", code=75) for n in range(4))), 75),
        (workflow("Failed", node("routing(0)", "Failed", code=75), node("modality(0)", "Failed", code=2)), 2),
        (workflow("Failed", node("routing(0)", "Failed", code=75), node("routing(1)", "Succeeded", code=0)), 1),
        (workflow("Failed", node("routing(0)", "Failed", code=137)), 1),
        (workflow("Error", message="a template is missing"), 1),
        (workflow("Failed", message="Stopped with strategy 'Stop'"), 1),
    ],
)
def test_the_exit_code_is_that_of_the_last_attempt_that_failed(runs: Runs, end: Workflow, code: int):
    assert exit_code(end) == code
    assert runs(Playing(end), "argo", "follow", NAME) == code


def test_who_stops_watching_does_not_stop_the_run_and_is_told_so(runs: Runs, capsys: pytest.CaptureFixture[str]):
    runner = Playing(workflow("Running"))

    def control_c() -> None:
        raise KeyboardInterrupt

    runner.at_look = control_c
    assert runs(runner, "argo", "follow", NAME) == 130
    assert capsys.readouterr().err == (
        f"{NAME} goes on; to see it: argotune argo follow {NAME} --namespace cogniverse\n"
    )


@pytest.mark.parametrize("command", [("list",), ("follow", NAME), ("stop", NAME), ("retry", NAME), ("logs", NAME)])
@pytest.mark.parametrize(
    ("error", "code"), [(Unavailable("Kubernetes: away"), 75), (AccessDenied("Kubernetes: 403"), 2)]
)
def test_an_api_server_that_is_away_or_refuses_is_an_exit_code(
    runs: Runs, command: tuple[str, ...], error: Exception, code: int
):
    runner = MemoryRunner(lambda: NOW, fail_with=error)
    assert runs(runner, "argo", *command) == code
    assert runs(runner, "run", "--on-argo", "--tenant", "acme") == code


@pytest.mark.parametrize("verb", ["follow", "stop", "retry", "logs"])
def test_an_unknown_workflow_is_4(runs: Runs, verb: str):
    assert runs(MemoryRunner(lambda: NOW), "argo", verb, "auto-opt-nobody-12345") == 4


def test_the_newest_run_of_a_tenant_can_be_followed_without_its_name(runs: Runs):
    assert runs(Playing(workflow("Succeeded")), "argo", "follow", "--tenant", "acme") == 0
    assert runs(Playing(workflow("Succeeded")), "argo", "follow", "--tenant", "nobody") == 4
    assert runs(Playing(workflow("Succeeded")), "argo", "follow") == 2


def test_the_list_shows_what_was_asked_and_what_came_of_it_and_escapes_it(
    runs: Runs, capsys: pytest.CaptureFixture[str]
):
    evil = PROMOTED + "\x1b[2J"
    runner = Playing(workflow("Succeeded", outputs={"outcome": evil, "links": "http://p/1"}, is_forced=True))
    assert runs(runner, "argo", "list", "--tenant", "acme") == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["WORKFLOW", "TENANT", "PHASE", "ASKED", "SUBMITTED", "TOOK", "OUTCOME"]
    assert row.split("  ")[0] == NAME
    assert "all, forced" in row
    assert "0:01:00" in row
    assert row.endswith(f"{PROMOTED}\\x1b[2J")
    assert runs(runner, "argo", "list", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["forced"], listed["comparisons"]) == (NAME, True, ["http://p/1"])
    assert listed["link"] == f"https://argo.example/workflows/cogniverse/{NAME}"


def test_a_run_is_stopped_once(runs: Runs):
    runner = MemoryRunner(lambda: NOW)
    runner.submit(manifest(Submission("acme"), NAME))
    assert runs(runner, "argo", "stop", NAME) == 0
    assert runner.states[NAME].phase == "Failed"
    assert runs(runner, "argo", "stop", NAME) == 9


FAILED_ROUTING = (
    node("modality", "Succeeded", type="Retry"),
    node("cross-modal", "Skipped", type="Skipped"),
    node("routing", "Failed", type="Retry"),
    node("own-programs", "Skipped", type="Skipped"),
)


@pytest.mark.parametrize(
    ("nodes", "modules"),
    [
        ((), ["all"]),
        ((node("trigger-check", "Failed", type="Retry"),), ["all"]),
        ((node("routing", "Failed", type="Retry"), node("modality", "Skipped", type="Skipped")), ["all"]),
        (FAILED_ROUTING, ["routing"]),
        ((*FAILED_ROUTING[:3], node("own-programs", "Error", type="Retry")), ["own", "routing"]),
    ],
)
def test_a_retry_asks_for_the_same_again_but_not_for_modules_that_finished(
    runs: Runs, nodes: tuple[dict, ...], modules: list[str]
):
    runner = Playing(workflow("Failed", *nodes, is_forced=True, optimizer="simba", max_lm_calls=7, cpu="2"))
    assert runs(runner, "argo", "retry", NAME, "--memory", "8Gi") == 0
    asked = {"tenant-id": "acme", "force": "true", "optimizer": "simba", "max-lm-calls": "7", "cpu": "2"}
    assert parameters(runner) == [{**asked, "memory": "8Gi", "modules": module} for module in modules]


@pytest.mark.parametrize("phase", ["", "Running", "Succeeded"])
def test_a_run_that_goes_on_or_has_succeeded_is_not_retried(runs: Runs, phase: str):
    runner = Playing(workflow(phase))
    assert runs(runner, "argo", "retry", NAME) == 9
    assert runner.manifests == {}


def test_a_round_is_not_retried_as_if_it_were_a_tenant(runs: Runs):
    of_no_tenant = workflow("Failed").__class__(**{**vars(workflow("Failed")), "tenant_id": ""})
    assert runs(Playing(of_no_tenant), "argo", "retry", NAME) == 2


def test_logs_name_the_pod_of_each_line_and_are_escaped(runs: Runs, capsys: pytest.CaptureFixture[str]):
    runner = MemoryRunner(lambda: NOW)
    runner.submit(manifest(Submission("acme"), NAME))
    executors = 'time=2026-11-21T16:29:49.237Z level=INFO msg="sub-process exited" argo=true error=<nil>'
    runner.lines[NAME] = [("pod-1", "routing: training\x1b[31m"), ("pod-1", executors), ("pod-2", "done")]
    assert runs(runner, "argo", "logs", NAME) == 0
    assert capsys.readouterr().out == "pod-1: routing: training\\x1b[31m\npod-2: done\n"


def test_a_message_is_one_line_without_the_executors_and_a_long_one_keeps_its_end():
    executors = 'time="2026-11-21T16:29:49Z" level=info msg="sub-process exited" argo=true\n'
    for log, words in (("", "main: Error (exit code 2): no key"), ("a line of a log\n" * 100, "no key")):
        message = f"main: Error (exit code 2): {executors}{log}no key\n{executors}"
        event, _ = events(workflow("Failed", node("routing(0)", "Failed", message=message)))
        assert event.words.endswith(words)
        assert "argo=true" not in event.words
        assert "\n" not in event.words
        assert len(event.words) <= 400


def test_a_submission_comes_back_from_its_workflow_as_it_was():
    asked = {"is_forced": True, "modules": "own", "optimizer": "gepa", "max_lm_calls": 5, "cpu": "2", "memory": "4Gi"}
    assert again(workflow("Failed", **asked)) == [Submission("acme", **asked)]
