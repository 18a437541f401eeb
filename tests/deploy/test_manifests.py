"""The manifests that `kubectl apply -f workflows/` applies, without a cluster."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from deploy.binaries import REPOSITORY
from deploy.command_lines import command_lines, refusal
from deploy.manifest_rules import containers_of, is_ours, problems
from deploy.strict_schema import (
    ARGO_VERSIONS,
    Object,
    argo_problems,
    core_problems,
    is_argo,
    load,
    load_files,
)

from argotune.settings import environment_names

WORKFLOWS = REPOSITORY / "workflows"
BASE = load_files(*sorted(WORKFLOWS.glob("*.yaml")))
OPTIONAL = load_files(*sorted((WORKFLOWS / "optional").glob("*.yaml")))
ALL = [*BASE, *OPTIONAL]


def of(kind: str, name: str) -> Object:
    return next(found for found in ALL if (found["kind"], found["metadata"]["name"]) == (kind, name))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("a: 1\na: 2", "stands twice"), ("data: {on: x}", "no text"), ("a: {b: 1, c: {b: 1, b: 2}}", "stands twice")],
)
def test_yaml_that_kubernetes_would_misread_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(yaml.YAMLError, match=complaint):
        load(text)


def test_manifests_break_no_rule() -> None:
    assert problems(ALL) == []


def test_base_stands_without_the_optional_files() -> None:
    assert problems(BASE) == []


def test_fields_of_kubernetes_own_kinds_exist() -> None:
    assert [problem for found in ALL for problem in core_problems(found)] == []


def test_an_unknown_field_of_kubernetes_own_kinds_is_seen() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"prot": 1}]}}
    assert core_problems(wrong) == ["Service x.spec.ports[0].prot: unknown field"]


@pytest.mark.parametrize("version", ARGO_VERSIONS)
def test_argo_crds_know_every_field(version: str) -> None:
    assert [problem for found in ALL if is_argo(found) for problem in argo_problems(found, version)] == []


@pytest.mark.parametrize("version", ARGO_VERSIONS)
def test_argo_crds_refuse_a_typo_and_a_field_that_is_gone(version: str) -> None:
    cron = of("CronWorkflow", "auto-optimization-multi-tenant")
    wrong = {**cron, "spec": {**cron["spec"], "concurencyPolicy": "Forbid"}}
    assert "concurencyPolicy" in " ".join(argo_problems(wrong, version))


def test_rules_see_what_is_wrong() -> None:
    text = (WORKFLOWS / "auto-optimization-multi-tenant.yaml").read_text(encoding="utf-8")
    for old, new, complaint in (
        ("{{workflow.parameters.modules}}", "{{workflow.parameters.module}}", "module}} is nothing here"),
        ("tasks.routing.status", "tasks.rooting.status", "rooting.status}} is nothing here"),
        ("template: aggregate\n", "template: agregate\n", "no template agregate"),
        ("depends: trigger-check.Succeeded", "depends: triger-check.Succeeded", "depends on {'triger-check'}"),
        ("command: [python, scripts/discover_tenants.py]", "command: [sh, -c]", "a shell"),
        ("drop: [ALL]", "drop: []", "securityContext"),
        ("semaphores:", "semaphore:", "gone in Argo 4"),
        ("configMapRef: {name: argotune-settings}", "configMapRef: {name: settings}", "no ConfigMap settings"),
        ("serviceAccountName: argotune-runner", "serviceAccountName: runner", "no ServiceAccount runner"),
        (":0.1.0", ":latest", "names no version"),
    ):
        assert old in text
        found = problems([*(o for o in BASE if not is_argo(o)), *load(text.replace(old, new))])
        assert complaint in " ".join(found), (new, found)


@pytest.mark.parametrize("line", command_lines(ALL), ids=" ".join)
def test_command_lines_parse(line: list[str]) -> None:
    assert refusal(line, REPOSITORY) == ""


def test_a_flag_that_does_not_exist_is_seen() -> None:
    assert "--modul" in refusal(["python", "scripts/aggregate_results.py", "--tenant-id=x", "--modul=y"], REPOSITORY)


def test_environment_of_the_pods_is_what_settings_read() -> None:
    given = {entry["name"] for found in ALL for c in containers_of(found) if is_ours(c) for entry in c["env"]}
    assert sorted(given | set(of("ConfigMap", "argotune-settings")["data"])) == sorted(environment_names())


def test_every_pod_gets_the_settings_and_its_store() -> None:
    ours = [c for found in ALL for c in containers_of(found) if is_ours(c)]
    assert ours
    for container in ours:
        assert {"configMapRef": {"name": "argotune-settings"}} in container["envFrom"]
        assert "CONFIG_STORE_URL" in {entry["name"] for entry in container["env"]}


KEYS = {
    "ROUTER_OPTIMIZER_TEACHER_KEY",
    "ANNOTATION_API_KEY",
    "ARGOTUNE_TASK_KEY",
    "ARGOTUNE_EMBEDDER_KEY",
    "PHOENIX_API_KEY",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "ARGOTUNE_VESPA_TOKEN",
}
SECRET_SETTINGS = {"CONFIG_STORE_URL", *KEYS}


def test_secrets_come_from_the_secret_only() -> None:
    assert not [found for found in ALL if found["kind"] == "Secret"]
    assert not SECRET_SETTINGS & set(of("ConfigMap", "argotune-settings")["data"])
    entries = [entry for found in ALL for c in containers_of(found) if is_ours(c) for entry in c["env"]]
    for entry in (entry for entry in entries if entry["name"] in SECRET_SETTINGS):
        assert entry["valueFrom"]["secretKeyRef"]["name"] == "cogniverse-config"


def test_no_file_holds_what_looks_like_a_secret() -> None:
    looks = re.compile(
        r"\bsk-\w{8,}|://[^\s/]*:[^\s/]+@|\b(api[-_]key|password|token)['\"]?[:=] *['\"]?[^\s$'\"{]{4,}", re.I
    )
    assert looks.search("redis://user:secret@host")
    assert looks.search("password: hunter2")
    files = [p for folder in ("workflows", "overlays", "helm") for p in (REPOSITORY / folder).rglob("*") if p.is_file()]
    assert files
    assert {path: found for path in files if (found := looks.findall(path.read_text(encoding="utf-8")))} == {}


def test_only_what_an_identity_needs_is_allowed() -> None:
    def rules(role: str) -> list[tuple[list[str], list[str], list[str]]]:
        return [(rule["apiGroups"], rule["resources"], rule["verbs"]) for rule in of("Role", role)["rules"]]

    assert rules("argotune-executor") == [(["argoproj.io"], ["workflowtaskresults"], ["create", "patch"])]
    assert rules("argotune-dispatcher") == [(["argoproj.io"], ["workflows"], ["create", "get", "list"])]
    bound = {f["metadata"]["name"]: {s["name"] for s in f["subjects"]} for f in BASE if f["kind"] == "RoleBinding"}
    assert bound == {
        "argotune-executor": {"argotune-runner", "argotune-dispatcher"},
        "argotune-dispatcher": {"argotune-dispatcher"},
    }


def test_namespace_enforces_restricted_pods() -> None:
    assert of("Namespace", "cogniverse")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    spaces = {found["metadata"].get("namespace", "cogniverse") for found in ALL}
    assert spaces == {"cogniverse"}


def test_a_round_ends_before_the_next_and_is_made_up_for_in_between() -> None:
    template, cron = (
        of(kind, "auto-optimization-multi-tenant")["spec"] for kind in ("WorkflowTemplate", "CronWorkflow")
    )
    assert cron["schedules"] == ["7 * * * *"]
    assert cron["concurrencyPolicy"] == "Forbid"
    assert cron["startingDeadlineSeconds"] < template["activeDeadlineSeconds"] < 3600


def test_one_run_at_a_time_per_tenant_whoever_starts_it() -> None:
    spec = of("WorkflowTemplate", "tenant-auto-optimization")["spec"]
    label = " ".join(spec["workflowMetadata"]["labelsFrom"]["tenant-id"]["expression"].split())
    assert spec["synchronization"] == {"mutexes": [{"name": f"auto-opt-{{{{={label}}}}}"}]}


def test_no_pod_is_given_a_tenant_id_that_argo_would_fill_in_once_more() -> None:
    words = [word for line in command_lines(ALL) for word in line if word.startswith("--tenant-id")]
    assert len(words) >= 3
    assert all(word.startswith("--tenant-id-base64=") for word in words)


def test_only_passing_troubles_are_retried() -> None:
    killed = "(asInt(lastRetry.exitCode) in [-1, 75, 137, 143] && !(lastRetry.message contains 'deadline'))"
    retried = f"lastRetry.status == 'Error' || {killed}"
    leaves = [t for f in ALL if f["kind"] == "WorkflowTemplate" for t in f["spec"]["templates"] if "container" in t]
    assert {leaf["retryStrategy"]["expression"] for leaf in leaves} == {retried}


def test_every_step_says_its_outcome_whether_it_ended_well_or_not() -> None:
    leaves = [t for f in ALL if f["kind"] == "WorkflowTemplate" for t in f["spec"]["templates"] if "container" in t]
    assert leaves
    for leaf in leaves:
        assert leaf["container"]["terminationMessagePolicy"] == "FallbackToLogsOnError"
        outputs = leaf["outputs"]["parameters"]
        assert "outcome" in {output["name"] for output in outputs}
        assert all("default" in output["valueFrom"] for output in outputs), "a missing file would fail the step"


def test_documented_commands_name_things_that_are_there() -> None:
    """Containers, labels, objects and parameters in the commands of docs/kubernetes.md."""
    text = (REPOSITORY / "docs/kubernetes.md").read_text(encoding="utf-8")
    told = text.partition("## Where this differs")[0]
    assert set(re.findall(r"kubectl logs [^`\n]*-c (\S+)", told)) == {"main"}
    assert set(re.findall(r"workflowtemplate/([\w-]+)", told)) <= {
        found["metadata"]["name"] for found in BASE if found["kind"] == "WorkflowTemplate"
    }
    asked = [found["spec"].get("arguments", {}) for found in BASE if is_argo(found)]
    parameters = {parameter["name"] for arguments in asked for parameter in arguments.get("parameters", ())}
    assert set(re.findall(r" -p ([\w-]+)=", told)) <= parameters
    assert (
        f"`schedules: {json.dumps(of('CronWorkflow', 'auto-optimization-multi-tenant')['spec']['schedules'])}`" in text
    )
