"""What the two service accounts may do, by asking and by trying, and which Workflows the optional policy lets in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster.installed import RUN_LIMIT_S, Installed, pods, run_command
from cluster.manifests import DISPATCH, TEMPLATE, Object

from argotune.scheduling.workflow import Submission, manifest, workflow_name

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]
RUNNER, DISPATCHER = "argotune-runner", "argotune-dispatcher"
MAY = {
    (RUNNER, "create", "workflowtaskresults.argoproj.io"),
    (RUNNER, "patch", "workflowtaskresults.argoproj.io"),
    (DISPATCHER, "create", "workflowtaskresults.argoproj.io"),
    (DISPATCHER, "patch", "workflowtaskresults.argoproj.io"),
    (DISPATCHER, "create", "workflows.argoproj.io"),
    (DISPATCHER, "get", "workflows.argoproj.io"),
    (DISPATCHER, "list", "workflows.argoproj.io"),
}


def test_each_account_may_do_what_it_needs_and_nothing_else(site: Installed) -> None:
    for account in (RUNNER, DISPATCHER):
        who = f"--as=system:serviceaccount:{site.namespace}:{account}"
        lines = site.kubectl("auth", "can-i", "--list", "--no-headers", who).splitlines()
        granted = {(account, verb, line.split()[0]) for line in lines if "argoproj" in line for verb in _verbs(line)}
        assert granted == {rule for rule in MAY if rule[0] == account}


def _verbs(line: str) -> list[str]:
    return line.rpartition("[")[2].rstrip("]").split()


@pytest.mark.parametrize(
    ("account", "verb", "what"),
    [
        (RUNNER, "get", "secrets"),
        (RUNNER, "create", "pods"),
        (RUNNER, "list", "workflows.argoproj.io"),
        (RUNNER, "create", "workflows.argoproj.io"),
        (DISPATCHER, "get", "secrets"),
        (DISPATCHER, "create", "pods"),
        (DISPATCHER, "delete", "workflows.argoproj.io"),
        (DISPATCHER, "patch", "workflows.argoproj.io"),
        (DISPATCHER, "get", "workflowtemplates.argoproj.io"),
    ],
)
def test_what_nobody_granted_is_forbidden(site: Installed, account: str, verb: str, what: str) -> None:
    who = f"--as=system:serviceaccount:{site.namespace}:{account}"
    assert site.kubectl("auth", "can-i", verb, what, who, may_fail=True).strip().endswith("no")


@pytest.fixture
def config_of(site: Installed, tmp_path: Path) -> Callable[[str], str]:
    """A KUBECONFIG with the token that a service account's pods have."""

    def write(account: str) -> str:
        shown = run_command(["kubectl", "config", "view", "--minify", "--raw", "--flatten", "-o", "json"])
        config = json.loads(shown)
        config["users"][0]["user"] = {"token": site.kubectl("create", "token", account).strip()}
        path = tmp_path / account
        path.write_text(json.dumps(config))
        return str(path)

    return write


def test_the_dispatchers_token_creates_runs_and_removes_none(
    site: Installed, config_of: Callable[[str], str], new_id: str
) -> None:
    own, name = f"--kubeconfig={config_of(DISPATCHER)}", workflow_name("nobody", new_id)
    asked = manifest(Submission("nobody"), name)
    site.kubectl(own, "create", "-f", "-", stdin=json.dumps({**asked, "spec": {**asked["spec"], "suspend": True}}))
    assert name in site.kubectl(own, "get", "workflows")
    for refused in (("delete", "workflow", name), ("get", "secret", "cogniverse-config"), ("get", "pods")):
        assert "Forbidden" in site.kubectl(own, *refused, may_fail=True)
    site.kubectl("delete", "workflow", name)


def test_the_runners_token_submits_nothing_and_our_command_says_so(
    site: Installed, config_of: Callable[[str], str], new_id: str
) -> None:
    environment = {**os.environ, "KUBECONFIG": config_of(RUNNER), "KUBERNETES_NAMESPACE": site.namespace}
    command = [sys.executable, "-m", "argotune.cli", "run", "--on-argo", "--tenant", f"nobody_{new_id}", "--force"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "403" in done.stderr
    assert "cannot create resource" in done.stderr


def test_the_policy_lets_our_templates_in_and_nothing_else(
    site: Installed, templates_only: Callable[[Object], str], new_id: str
) -> None:
    ours = manifest(Submission(f"nobody_{new_id}"), workflow_name("nobody", new_id), "a-round")
    assert "created" in templates_only(ours)
    foreign = {**ours, "spec": {"workflowTemplateRef": {"name": "wrong-image"}}}
    assert "only the templates tenant-auto-optimization" in templates_only(foreign)
    for change in (
        {"serviceAccountName": DISPATCHER},
        {"podSpecPatch": "containers: []"},
        {"templates": [{"name": "mine", "container": {"image": "x"}}]},
        {"onExit": "mine"},
    ):
        refused = templates_only({**ours, "spec": {**ours["spec"], **change}})
        assert "may set arguments, priority and labels only" in refused, change


@pytest.mark.usefixtures("templates_only")
def test_people_get_past_the_policy_with_the_documented_commands(site: Installed, new_id: str) -> None:
    names = [
        site.submit(f"nobody_{new_id}"),
        site.start_round(dry_run="true"),
        site.argo("submit", "--from", f"cronwf/{DISPATCH}", "-o", "name", "-p", "dry-run=true").strip(),
    ]
    runs = [site.ended(name) for name in names]
    assert [run.phase for run in runs] == ["Succeeded"] * 3
    assert all(len(pods(run)) == 1 for run in runs)
    assert site.get("workflow", names[0])["spec"]["workflowTemplateRef"]["name"] == TEMPLATE
