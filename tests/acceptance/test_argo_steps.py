"""The command lines of the workflow's pods: what each writes for the next, says in one line, and ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from argotune import wiring
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODULES, USUAL_MODULES, parse_config
from tests.acceptance.conftest import SAMPLE, SCRIPTS

NOTHING_DUE = dict.fromkeys(("any", *MODULES, "own"), "false")


class Pods:
    """Runs the scripts as the workflow's pods do: one environment, a fresh folder for what a pod writes."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder, self._count = folder, 0
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "CONFIG_STORE_URL": f"sqlite:///{folder}/store.db",
            "PHOENIX_ENDPOINT": "http://127.0.0.1:9",
            "ARGOTUNE_PHOENIX_TIMEOUT_SECONDS": "2",
            "PHOENIX_PROJECT_PREFIX": "steps",
            **env,
        }

    def tenant(self, tenant_id: str, **fields) -> None:
        store = wiring.open_store(read_settings(store_url=self.env["CONFIG_STORE_URL"]))
        Configs(store).save(parse_config({"tenant_id": tenant_id, **fields}))

    def run(self, script: str, *arguments: str) -> Pod:
        self._count += 1
        work = self.folder / f"pod-{self._count}"
        work.mkdir()
        placed = [argument.replace("/work", str(work)) for argument in arguments]
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / script), *placed], env=self.env, capture_output=True, text=True, timeout=500
        )
        return Pod(done, work)

    def trigger(self, tenant_id: str, *, module: str = "all", force: str = "false") -> Pod:
        flags = (f"--tenant-id={tenant_id}", f"--module={module}", f"--force={force}", "--due-dir=/work")
        return self.run("auto_optimization_trigger.py", *flags)

    def optimize(self, tenant_id: str, module: str, *, force: str = "false", optimizer="config", calls="") -> Pod:
        flags = (f"--tenant-id={tenant_id}", f"--module={module}", f"--force={force}", f"--optimizer={optimizer}")
        files = ("--outcome-file=/work/outcome", "--links-file=/work/links", "--output=/work/report.json")
        return self.run("run_module_optimization.py", *flags, f"--max-lm-calls={calls}", "--group=wf-1", *files)

    def aggregate(self, tenant_id: str, *statuses: str) -> Pod:
        flags = (f"--tenant-id={tenant_id}", "--group=wf-1", *(f"--status={status}" for status in statuses))
        files = ("--outcome-file=/work/outcome", "--links-file=/work/links", "--output=/work/summary.json")
        return self.run("aggregate_results.py", *flags, *files)


class Pod:
    """A pod that has ended: its exit code, its words and the files it left."""

    def __init__(self, done: subprocess.CompletedProcess[str], work: Path) -> None:
        self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.files = {path.name: path.read_text() for path in work.iterdir()}

    @property
    def due(self) -> dict[str, str]:
        return {name: text for name, text in self.files.items() if name != "outcome"}


@pytest.fixture
def pods(tmp_path: Path) -> Pods:
    """No Phoenix can be reached."""
    return Pods(tmp_path)


def test_a_phoenix_that_is_away_is_75_and_nothing_is_written(pods: Pods):
    pods.tenant("acme_corp")
    pod = pods.trigger("acme_corp")
    assert (pod.code, pod.files) == (75, {})


def test_a_tenant_that_was_removed_meanwhile_is_nothing_to_do(pods: Pods):
    pod = pods.trigger("Größe {{workflow.uid}} $(id)")
    assert (pod.code, pod.due) == (0, NOTHING_DUE)
    assert pod.files["outcome"] == "tenant 'Größe {{workflow.uid}} $(id)' has no routing config any more"


def test_a_forced_run_of_a_tenant_that_does_not_exist_is_4(pods: Pods):
    pod = pods.trigger("nobody", force="true")
    assert (pod.code, pod.files) == (4, {})
    assert "'nobody'" in pod.stderr


def test_a_tenant_without_programs_of_its_own_has_none_due_and_none_to_run(pods: Pods):
    pods.tenant("acme_corp")
    pod = pods.trigger("acme_corp", module="own", force="true")
    assert (pod.code, pod.due, pod.files["outcome"]) == (0, NOTHING_DUE, "no module to look at")
    pod = pods.optimize("acme_corp", "own", force="true")
    assert (pod.code, pod.files["outcome"]) == (0, "no module to optimize"), pod.stderr


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--force=yes", "'yes' is neither true nor false"),
        ("--optimizer=magic", "preferred_optimizer"),
        ("--max-lm-calls=0", "budget.max_lm_calls"),
        ("--max-lm-calls=many", "budget.max_lm_calls"),
        ("--module=teleport", "'teleport' is not one of this tenant's modules"),
        ("--outcome-file=/proc/none/outcome", "'/proc/none/outcome' cannot be written"),
    ],
)
def test_a_value_that_cannot_be_is_2_and_named(pods: Pods, flag: str, told: str):
    pods.tenant("acme_corp")
    pod = pods.run("run_module_optimization.py", "--tenant-id=acme_corp", "--module=own", flag)
    assert pod.code == 2
    assert told in pod.stderr


def test_a_failed_module_leaves_an_outcome_that_says_why(pods: Pods):
    pods.tenant("acme_corp", modules=["routing"])
    pod = pods.optimize("acme_corp", "routing", force="true")
    assert pod.code == 75
    assert pod.files["outcome"].startswith("routing: failed: ")
    assert json.loads(pod.files["report.json"])["failed"][0]["exit_code"] == 75


@pytest.mark.parametrize(
    ("statuses", "code", "outcome"),
    [
        (("routing=Succeeded", "own=Skipped"), 0, "routing: nothing was due any more"),
        (("routing=Skipped", "own=Omitted"), 0, "nothing was run"),
        (("routing=Failed", "modality=Error", "own=Skipped"), 1, "routing, modality failed"),
        ((), 0, "nothing was run"),
    ],
)
def test_the_last_step_is_red_when_a_module_failed_and_has_written_everything(
    pods: Pods, statuses: tuple[str, ...], code: int, outcome: str
):
    pods.tenant("acme_corp")
    pod = pods.aggregate("acme_corp", *statuses)
    assert (pod.code, pod.files["outcome"], pod.files["links"]) == (code, outcome, "")
    assert json.loads(pod.files["summary.json"])["summary"]["runs"] == 0
    assert ("ModuleFailed" in pod.stderr) == (code == 1)


def test_a_status_that_argo_does_not_have_is_2(pods: Pods):
    pods.tenant("acme_corp")
    pod = pods.aggregate("acme_corp", "routing={{tasks.routing.status}}")
    assert pod.code == 2
    assert "is not MODULE=STATUS" in pod.stderr


def test_the_trigger_pod_imports_no_optimizer(pods: Pods):
    pods.tenant("x")
    code = (
        "import sys; from argotune.cli import run_command; from argotune.cli.commands.trigger import trigger_parser;"
        f"print(run_command(trigger_parser(), ['--tenant-id=x', '--due-dir={pods.folder}/due']));"
        "print([m for m in ('dspy', 'litellm', 'sklearn', 'numpy', 'pandas', 'kubernetes') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=pods.env, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-2:] == ["75", "[]"], (
        "it looked at the tenant's traces: " + done.stdout + done.stderr
    )


@pytest.mark.phoenix
@pytest.mark.parametrize("force", ["false", "true"])
def test_a_tenant_that_has_sent_nothing_yet_has_nothing_due_not_by_force_either(
    tmp_path: Path, phoenix_url: str, force: str
):
    pods = Pods(tmp_path, PHOENIX_ENDPOINT=phoenix_url)
    pods.tenant("silent")
    pod = pods.trigger("silent", force=force)
    assert (pod.code, pod.due) == (0, NOTHING_DUE), pod.stderr
    assert pod.files["outcome"].startswith(f"{', '.join(USUAL_MODULES)} not due: no traces yet: ")
    assert pod.stdout.strip() == pod.files["outcome"]


@pytest.mark.phoenix
def test_a_module_that_cannot_run_does_not_keep_the_others_from_being_tried(tmp_path: Path, phoenix_url: str):
    pods = Pods(tmp_path, PHOENIX_ENDPOINT=phoenix_url)
    pods.tenant("silent", modules=["modality", "routing"])
    pod = pods.optimize("silent", "all", force="true")
    assert pod.code == 4
    assert [failed["module"] for failed in json.loads(pod.files["report.json"])["failed"]] == ["modality", "routing"]
    assert "modality: failed: " in pod.files["outcome"]
    assert "routing: failed: " in pod.files["outcome"]


@pytest.mark.phoenix
@pytest.mark.lm
@pytest.mark.slow
def test_the_steps_of_a_workflow_in_their_order(tmp_path: Path, sample_env: dict[str, str]):
    pods = Pods(tmp_path, **sample_env)
    looked = pods.trigger(SAMPLE)
    assert (looked.code, looked.due) == (0, {**NOTHING_DUE, "any": "true", "routing": "true"}), looked.stderr
    assert "routing due (42 traces)" in looked.files["outcome"]

    ran = pods.optimize(SAMPLE, "routing")
    assert ran.code == 0, ran.stderr
    assert ran.files["outcome"].startswith(("routing: promoted v", "routing: rejected v"))
    assert "/compare?experimentId=" in ran.files["links"]

    evicted = pods.optimize(SAMPLE, "routing", force="true")
    assert "was done for wf-1 before" in evicted.stderr
    assert evicted.files["outcome"] == ran.files["outcome"]

    summed = pods.aggregate(SAMPLE, "modality=Skipped", "cross_modal=Failed", "routing=Succeeded", "own=Skipped")
    assert summed.code == 1
    assert summed.files["outcome"] == f"cross_modal failed; {ran.files['outcome']}"
    assert summed.files["links"] == ran.files["links"]
