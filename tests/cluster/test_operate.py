"""What people type: the documented commands to look at runs, and our own command on Argo with its exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import httpx
import pytest
from cluster.installed import RUN_LIMIT_S, Installed, Promoted, described
from cluster.manifests import REPOSITORY

from argotune.runs.book import RunBook

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]
PAGE = (REPOSITORY / "docs" / "kubernetes.md").read_text("utf-8")
LOOKS = [
    command
    for command in re.findall(r"`((?:kubectl|argo) [^`]+)`", PAGE)
    if re.match(r"kubectl (get|logs|auth can-i) |argo (get|logs|list) ", command) and "-n cogniverse" in command
]
SAYS = {
    "cronworkflow": "auto-optimization-multi-tenant",
    "can-i": "yes",
    "optimization-multi-tenant -c main": "Discovered tenants: [",
}
"""What a command prints that does not concern the run it is asked about."""


@pytest.fixture(scope="module")
def round_name(site: Installed, promoted: Promoted) -> str:
    """Of a round that is over."""
    return site.ended(site.start_round(dry_run="true", tenants=promoted.tenant_id)).name


@pytest.mark.parametrize("command", LOOKS)
def test_a_documented_look_works_as_written(site: Installed, promoted: Promoted, round_name: str, command: str) -> None:
    here = command.replace("cogniverse", site.namespace).replace("acme_corp", promoted.tenant_id)
    here = re.sub(r"\bNAME\b", promoted.run.name, here)
    done = subprocess.run(["bash", "-c", here], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = next((said for part, said in SAYS.items() if part in command), promoted.run.name)
    assert said in done.stdout or "routing: promoted" in done.stdout, done.stdout[-2000:]


def test_the_documented_looks_are_found() -> None:
    assert len(LOOKS) >= 8


def test_the_documented_question_to_phoenix_is_answered(site: Installed, promoted: Promoted) -> None:
    found = re.search(r"-d '(\{\"query\".*\})'", PAGE)
    assert found is not None
    answer = httpx.post(f"{site.settings.phoenix_endpoint}/graphql", json=json.loads(found[1]), timeout=60)
    body = answer.raise_for_status().json()
    assert "errors" not in body, body
    assert any(edge["node"]["experimentCount"] >= 2 for edge in body["data"]["datasets"]["edges"])


def argotune(site: Installed, *arguments: str, limit_s: int = 600) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBERNETES_NAMESPACE": site.namespace}
    command = [sys.executable, "-m", "argotune.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit_s, check=False)


def test_our_command_waits_for_a_forced_run_and_ends_as_it_ends(site: Installed, new_id: str) -> None:
    tenant_id = f"waited_{new_id}"
    site.tenant(tenant_id)
    done = argotune(site, "run", "--on-argo", "--tenant", tenant_id, "--force", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^submitted auto-opt-waited-\S+", done.stdout, re.M)
    assert re.search(r"routing +Succeeded +routing: promoted v", done.stdout)
    assert "/compare?experimentId=" in done.stdout
    assert site.champion_of(tenant_id)

    listed = json.loads(argotune(site, "argo", "list", "--tenant", tenant_id, "--json").stdout)
    assert [(run["phase"], run["forced"]) for run in listed] == [("Succeeded", True)]
    name = listed[0]["name"]
    assert "routing: promoted" in argotune(site, "argo", "logs", name).stdout
    assert argotune(site, "argo", "follow", name).returncode == 0
    assert argotune(site, "argo", "stop", name).returncode == 9
    assert argotune(site, "argo", "retry", name).returncode == 9


def test_training_can_be_forced_and_synthetic_data_left_out_from_here(site: Installed, new_id: str) -> None:
    tenant_id = f"forced_{new_id}"
    site.tenant(tenant_id, use_synthetic_data=True, decisions={"synthetic_threshold": 500})
    flags = ("--force-training", "--use-synthetic-data=false")
    done = argotune(site, "run", "--on-argo", "--tenant", tenant_id, "--force", *flags, "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = [run for run in RunBook(site.store, tenant_id).runs() if run.program == "routing"]
    assert (run.decision.by, run.decision.action.strategy, run.plan.synthetic_count) == ("forced", "pure_real", 0)
    told = argotune(site, "explain-decision", "--tenant", tenant_id, run.id, "--store-url", site.settings.store_url)
    assert "a person forced the training" in told.stdout


def test_our_command_ends_with_the_code_of_the_step_that_failed(site: Installed, new_id: str) -> None:
    unknown = argotune(site, "run", "--on-argo", "--tenant", f"unknown_{new_id}", "--force", "--wait")
    assert unknown.returncode == 4, unknown.stdout + unknown.stderr
    assert f"no tenant 'unknown_{new_id}'" in unknown.stdout


def test_a_run_that_a_person_stops_is_red_and_can_be_made_up_for(site: Installed, lm, new_id: str) -> None:
    tenant_id = f"stopped_{new_id}"
    site.tenant(tenant_id)
    lm.delay_s = 2.0
    name = site.submit(tenant_id, force="true")
    before = lm.calls
    site.when(name, lambda _run: lm.calls > before + 4, "asks the LM", 240)
    assert argotune(site, "argo", "stop", name).returncode == 0
    stopped = site.ended(name)
    assert stopped.phase == "Failed", described(stopped)
    assert site.champion_of(tenant_id) is None
    lm.delay_s = 0.0
    retried = argotune(site, "argo", "retry", name)
    assert retried.returncode == 0, retried.stderr
    again = site.ended(retried.stdout.split()[1])
    assert again.phase == "Succeeded", described(again)
    assert site.champion_of(tenant_id)
    assert lm.asked_again(before) <= 4
