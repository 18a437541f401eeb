"""The Helm chart, rendered by both lines of Helm without a cluster."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from deploy.binaries import CHART, REPOSITORY, Helm
from deploy.command_lines import command_lines, refusal
from deploy.manifest_rules import containers_of, is_ours, nodes, pod_of, problems, strings
from deploy.strict_schema import (
    ARGO_VERSIONS,
    Object,
    argo_problems,
    core_problems,
    is_argo,
    load_files,
    title,
)

WORKFLOWS = REPOSITORY / "workflows"
ELSEWHERE = "chart-check"
DIGEST = "sha256:" + "0123456789abcdef" * 4
OPTIONS = [
    "networkPolicy",
    "admissionPolicy",
    "pool",
    "exporter",
    "service",
    "redis",
    "phoenix",
    "prometheusRule",
    "grafanaDashboard",
]
EVERYTHING: Object = {
    **{option: {"enabled": True} for option in [*OPTIONS, "serviceMonitor"]},
    "pool": {"enabled": True, "schedules": ["5 4 * * 0"]},
    "namespace": {"create": True},
    "image": {
        "repository": "mirror.example:5000/team/optimization",
        "digest": DIGEST,
        "pullSecrets": [{"name": "mirror"}],
    },
    "size": "medium",
    "schedules": ["7,37 * * * *", "@daily"],
    "timezone": "Europe/Berlin",
    "suspend": True,
    "round": {"maxSubmissions": 1000000, "submitRate": 2.5},
    "priorityClassName": "batch",
    "settings": {"ARGOTUNE_TASK_MODEL": "azure/gpt", "ARGOTUNE_LM_THREADS": 8, "ARGOTUNE_LEASE_SECONDS": 45.5},
    "existingSecret": "keys",
    "externalSecret": {
        "enabled": True,
        "secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"},
        "remoteRefs": {"store-url": {"key": "argotune", "property": "store-url"}, "task-api-key": {"key": "openai"}},
    },
    "serviceAccounts": {
        "runner": {"name": "train", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/train"}},
        "dispatcher": {"name": "rounds"},
    },
    "nodeSelector": {"pool": "batch"},
    "tolerations": [{"key": "batch", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "podAnnotations": {"sidecar.istio.io/inject": "false"},
    "podLabels": {"team": "search", "app.kubernetes.io/name": "other"},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraEnvFrom": [{"configMapRef": {"name": "argotune-settings"}}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
}
VALUE_SETS: dict[str, Object] = {
    "defaults": {},
    "everything": EVERYTHING,
    "large": {"size": "large", "resources": {"limits": {"memory": "48Gi"}}},
    **{path.stem: yaml.safe_load(path.read_text()) for path in sorted((CHART / "sizes").glob("*.yaml"))},
}


def raw(*patterns: str) -> list[Object]:
    return load_files(*(path for pattern in patterns for path in sorted(REPOSITORY.glob(pattern))))


def by_title(objects: list[Object]) -> dict[str, Object]:
    named = {title(found): found for found in objects}
    assert len(named) == len(objects), "two objects of one name"
    return named


def pick(objects: list[Object], wanted: str) -> Object:
    return by_title(objects)[wanted]


@pytest.fixture(scope="session")
def rendered(helm: Helm) -> dict[str, list[Object]]:
    return {name: helm.render(values, ELSEWHERE) for name, values in VALUE_SETS.items()}


def test_lint_finds_nothing(helm: Helm) -> None:
    done = helm.run("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout


def test_copies_equal_their_sources() -> None:
    """`make sync-chart` copies again."""
    copies = {path.relative_to(CHART / "files") for path in (CHART / "files").rglob("*") if path.is_file()}
    for copy in copies:
        assert (CHART / "files" / copy).read_bytes() == (REPOSITORY / copy).read_bytes(), copy
    sources = {path.relative_to(REPOSITORY) for path in WORKFLOWS.rglob("*.yaml")}
    assert sources <= copies


def test_defaults_render_the_very_objects_that_kubectl_applies(helm: Helm) -> None:
    objects = by_title(helm.render({}))
    assert set(objects) - {"Pod argotune-doctor"} == set(by_title(raw("workflows/*.yaml"))) - {"Namespace cogniverse"}
    for name, found in by_title(raw("workflows/*.yaml")).items():
        assert objects.get(name, found) == found


def test_options_render_the_very_objects_of_the_optional_files(helm: Helm) -> None:
    options = {option: {"enabled": True} for option in OPTIONS}
    objects = by_title(helm.render({**options, "namespace": {"create": True}}))
    for name in ("exporter", "service"):
        pod = objects[f"Deployment argotune-{name}"]["spec"]["template"]["metadata"]
        assert set(pod.pop("annotations")) == {"checksum/settings"}
    assert objects["Namespace cogniverse"]["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    sources = raw(
        "workflows/*.yaml", "workflows/optional/*.yaml", "overlays/development/[rp]*.yaml", "monitoring/*.yaml"
    )
    links = objects["ConfigMap argotune-settings"]["data"]
    assert links.pop("ARGOTUNE_PHOENIX_URL") == "http://localhost:6006"
    links["ARGOTUNE_PHOENIX_URL"] = ""
    extra = ["Pod argotune-doctor", "ConfigMap argotune-dashboard"]
    assert {name: found for name, found in objects.items() if name not in extra} == by_title(sources)
    dashboard = objects["ConfigMap argotune-dashboard"]["data"]["argotune.json"]
    assert dashboard == (REPOSITORY / "monitoring/dashboard.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", VALUE_SETS)
def test_renders_break_no_rule(rendered: dict[str, list[Object]], name: str) -> None:
    objects = rendered[name]
    assert problems(objects) == []
    assert [problem for found in objects for problem in core_problems(found)] == []
    assert not [found for found in objects if found["kind"] == "Secret"]


@pytest.mark.parametrize("version", ARGO_VERSIONS)
def test_argo_crds_know_every_field_of_renders(rendered: dict[str, list[Object]], version: str) -> None:
    objects = [found for objects in rendered.values() for found in objects if is_argo(found)]
    assert [problem for found in objects for problem in argo_problems(found, version)] == []


@pytest.mark.parametrize("name", VALUE_SETS)
def test_command_lines_of_renders_parse(rendered: dict[str, list[Object]], name: str) -> None:
    lines = command_lines(rendered[name])
    assert ["argotune", "doctor"] in lines
    assert {" ".join(line): said for line in lines if (said := refusal(line, REPOSITORY))} == {}


def test_nothing_points_to_another_namespace(rendered: dict[str, list[Object]]) -> None:
    objects = rendered["everything"]
    assert {found["metadata"].get("namespace", ELSEWHERE) for found in objects} == {ELSEWHERE}
    stays = {"docker.io/cogniverse/optimization", "cogniverse-config", "cogniverse"}
    texts = {
        text
        for found in objects
        for text in strings(found)
        if "cogniverse" in text and found["kind"] != "PrometheusRule"
    }
    assert texts - stays == set(), texts
    for name in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        assert pick(objects, f"{name} argotune-templates-only-{ELSEWHERE}")
    rule = " ".join(strings(pick(objects, "PrometheusRule argotune")))
    assert f"-n {ELSEWHERE}" in rule
    assert "-n cogniverse" not in rule


def test_values_reach_every_pod_of_ours(rendered: dict[str, list[Object]]) -> None:
    objects = rendered["everything"]
    makers = [found for found in objects if any(is_ours(container) for container in containers_of(found))]
    assert len(makers) == 6
    for found in makers:
        pod = pod_of(found)
        assert pod["serviceAccountName"] == ("rounds" if "auto-optimization-multi" in title(found) else "train")
        assert pod["nodeSelector"] == {"pool": "batch"}
        assert pod["tolerations"] == EVERYTHING["tolerations"]
        assert pod["imagePullSecrets"] == [{"name": "mirror"}]
        for container in containers_of(found):
            assert container["image"] == f"mirror.example:5000/team/optimization@{DIGEST}"
            assert container["env"][-1]["name"] == "HTTPS_PROXY"
            assert container["volumeMounts"][-1]["mountPath"] == "/etc/ca"
    keys = [node["secretKeyRef"]["name"] for node in nodes(objects) if "secretKeyRef" in node]
    assert set(keys) == {"keys"}


@pytest.mark.parametrize("assigns", [False, True])
def test_uid_and_groups_can_be_left_to_the_cluster(helm: Helm, assigns: bool) -> None:
    on = {option: {"enabled": True} for option in ("exporter", "redis", "phoenix")}
    objects = helm.render({**on, "clusterAssignsIds": assigns})
    contexts = {title(found): pod["securityContext"] for found in objects if (pod := pod_of(found))}
    assert len(contexts) == 6
    for name, context in contexts.items():
        assert ("runAsUser" in context, "runAsGroup" in context, "fsGroup" in context) == (not assigns,) * 3, name
        assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"})


def test_labels_that_policies_select_by_cannot_be_changed(rendered: dict[str, list[Object]]) -> None:
    labels = pick(rendered["everything"], "WorkflowTemplate tenant-auto-optimization")["spec"]["podMetadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "argotune"
    assert labels["team"] == "search"


def test_round_schedule_and_settings_are_as_said(rendered: dict[str, list[Object]]) -> None:
    objects = rendered["everything"]
    cron = pick(objects, "CronWorkflow auto-optimization-multi-tenant")["spec"]
    assert (cron["schedules"], cron["timezone"], cron["suspend"]) == (["7,37 * * * *", "@daily"], "Europe/Berlin", True)
    pooling = pick(objects, "CronWorkflow argotune-pool")["spec"]
    assert (pooling["schedules"], pooling["timezone"], pooling["suspend"]) == (["5 4 * * 0"], "Europe/Berlin", True)
    template = pick(objects, "WorkflowTemplate auto-optimization-multi-tenant")
    parameters = {p["name"]: p["value"] for p in template["spec"]["arguments"]["parameters"]}
    assert (parameters["max-submissions"], parameters["submit-rate"]) == ("1000000", "2.5")
    settings = pick(objects, "ConfigMap argotune-settings")["data"]
    assert settings["PHOENIX_ENDPOINT"] == f"http://phoenix.{ELSEWHERE}.svc.cluster.local:6006"
    assert (settings["ARGOTUNE_LM_THREADS"], settings["ARGOTUNE_LEASE_SECONDS"]) == ("8", "45.5")


@pytest.mark.parametrize(
    ("name", "amounts"),
    [
        ("defaults", ["1", "2Gi", "4", "8Gi"]),
        ("everything", ["2", "4Gi", "8", "16Gi"]),
        ("large", ["4", "8Gi", "16", "48Gi"]),
    ],
)
def test_sizes_are_those_of_the_documentation(rendered: dict[str, list[Object]], name: str, amounts: list[str]) -> None:
    spec = pick(rendered[name], "WorkflowTemplate tenant-auto-optimization")["spec"]
    parameters = {p["name"]: p.get("value") for p in spec["arguments"]["parameters"]}
    assert [parameters[key] for key in ("cpu", "memory", "cpu-limit", "memory-limit")] == amounts
    resources = next(t for t in spec["templates"] if t["name"] == "optimize-module")["container"]["resources"]
    assert [resources[kind][what] for kind in ("requests", "limits") for what in ("cpu", "memory")] == amounts


def test_external_secret_names_keys_and_holds_no_value(rendered: dict[str, list[Object]]) -> None:
    found = pick(rendered["everything"], "ExternalSecret keys")
    assert found["spec"]["target"]["name"] == "keys"
    assert found["spec"]["data"] == [
        {"secretKey": "store-url", "remoteRef": {"key": "argotune", "property": "store-url"}},
        {"secretKey": "task-api-key", "remoteRef": {"key": "openai"}},
    ]


BAD_VALUES: list[tuple[Object, str]] = [
    ({"imgae": {}}, "imgae"),
    ({"round": {"maxSubmission": 3}}, "maxSubmission"),
    ({"round": {"maxSubmissions": 0}}, "0 is less than"),
    ({"settings": {"CONFIG_STORE_URL": "redis://x"}}, "CONFIG_STORE_URL"),
    ({"settings": {"ARGOTUNE_LM_THREADS": 0}}, "0 is less than"),
    ({"size": "huge"}, "huge"),
    ({"schedules": []}, "non-empty"),
    ({"schedules": ["7 * * *"]}, "7 * * *"),
    ({"timezone": "Berlin!"}, "Berlin!"),
    ({"image": {"repository": "x", "pullPolicy": "Always", "digest": "sha256:12"}}, "sha256:12"),
    ({"image": {"repository": "x:latest/y z", "pullPolicy": "Always"}}, "x:latest/y z"),
    ({"image": {"repository": "x", "pullPolicy": "Sometimes"}}, "Sometimes"),
    ({"resources": {"limits": {"memory": "eight"}}}, "eight"),
    ({"podGC": {"round": {"strategy": "Never"}}}, "Never"),
    ({"extraEnv": [{"name": "ARGOTUNE_TASK_KEY", "value": "x"}]}, "ARGOTUNE_TASK_KEY"),
    ({"existingSecret": ""}, "''"),
    ({"externalSecret": {"remoteRefs": {"store_url": {"key": "x"}}}}, "store_url"),
    ({"tolerations": [{"key": "x", "effects": "NoSchedule"}]}, "effects"),
    ({"extraVolumes": [{"name": "work", "emptyDir": {}}]}, "work"),
]


@pytest.mark.parametrize(("values", "said"), BAD_VALUES, ids=str)
def test_schema_refuses_typos_and_bad_values(values: Object, said: str) -> None:
    errors = jsonschema.Draft7Validator(json.loads((CHART / "values.schema.json").read_text())).iter_errors(values)
    assert said in " ".join(error.message for error in errors)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"imgae": {}, "size": "huge", "schedules": ["7 * * *"]}, ["imgae", "size", "schedules"]),
        ({"schedules": ["7 24 * * *"]}, ['"24" is no hour']),
        ({"externalSecret": {"enabled": True}}, ["remoteRefs must say where store-url is"]),
        ({"serviceMonitor": {"enabled": True}}, ["serviceMonitor.enabled needs exporter.enabled or service.enabled"]),
    ],
    ids=str,
)
def test_helm_refuses_with_a_sentence(helm: Helm, values: Object, said: list[str]) -> None:
    refusal = helm.refusal(values)
    assert [words for words in said if not re.search(words, refusal)] == []


CLUSTER = ["--api-versions", "apiregistration.k8s.io/v1"]
ARGO = ["--api-versions", "argoproj.io/v1alpha1/CronWorkflow"]


def test_a_cluster_without_what_is_needed_is_told_so(helm: Helm) -> None:
    """A cluster is known by an API that `helm template` has not unless it is told to."""
    assert "install Argo Workflows" in helm.refusal({}, *CLUSTER)
    assert helm.refusal({}, *CLUSTER, *ARGO) == ""
    watched = {"exporter": {"enabled": True}, "serviceMonitor": {"enabled": True}}
    assert "needs the Prometheus Operator" in helm.refusal(watched, *CLUSTER, *ARGO)
    said = helm.refusal({"admissionPolicy": {"enabled": True}}, "--kube-version", "1.29.4")
    assert "admissionPolicy.enabled needs Kubernetes 1.30, this is v1.29.4" in said


def test_what_is_enabled_is_asked_for_metrics_and_those_of_the_store_once(helm: Helm) -> None:
    def relabelled(*options: str) -> dict[str, object]:
        values = {option: {"enabled": True} for option in (*options, "serviceMonitor")}
        found = [o for o in helm.render(values) if o["kind"] == "ServiceMonitor"]
        return {o["metadata"]["name"]: o["spec"]["endpoints"][0].get("metricRelabelings") for o in found}

    own = [{"sourceLabels": ["__name__"], "regex": "argotune_service_.*", "action": "keep"}]
    assert relabelled("exporter") == {"argotune-exporter": None}
    assert relabelled("service") == {"argotune-service": None}
    assert relabelled("exporter", "service") == {"argotune-exporter": None, "argotune-service": own}


def test_schema_is_closed_everywhere_and_knows_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(values) | {"global"} == set(schema["properties"])
    assert [node for node in nodes(schema) if "properties" in node and "additionalProperties" not in node] == [
        schema["properties"]["extraVolumes"]["items"]
    ]
    assert set(schema["properties"]["settings"]["properties"]) == set(values["settings"])


def test_values_explain_themselves_in_the_readme() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    rows = [_row(*leaf) for leaf in _leaves(yaml.safe_load((CHART / "values.yaml").read_text()))]
    assert [row for row in rows if row not in readme] == []


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted names of all values with their defaults; maps that users fill are leaves."""
    if not isinstance(node, dict) or not node or path.endswith(("labels", "resources")):
        yield path, node
        return
    for key, value in node.items():
        yield from _leaves(value, f"{path}.{key}" if path else key)


def _row(path: str, default: Any) -> str:
    shown = default if isinstance(default, str) else json.dumps(default)
    return f"| `{path}` | {f'`{shown}`' if shown else ''} |"


def test_versions_are_the_projects() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_the_oldest_kubernetes_is_the_same_everywhere() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (oldest,) = re.findall(r"^>=(1\.\d+)\.0-0$", chart["kubeVersion"])
    for page in (REPOSITORY / "docs/kubernetes.md", CHART / "README.md"):
        assert re.findall(r"Kubernetes (1\.\d+) or later", page.read_text()) == [oldest], page


@pytest.fixture
def notes_of(helm: Helm, tmp_path: Path) -> Callable[[Object], str]:
    """The notes for values, rendered as a file of the chart: `helm template` leaves them out."""
    chart = shutil.copytree(CHART, tmp_path / "argotune")
    (chart / "templates/NOTES.txt").rename(chart / "files/NOTES.txt")
    probe = "apiVersion: v1\nkind: Notes\nmetadata: {name: x}\ntext: "
    (chart / "templates/probe.yaml").write_text(probe + '{{ tpl (.Files.Get "files/NOTES.txt") . | toJson }}\n')

    def notes(values: Object) -> str:
        return pick(helm.render(values, ELSEWHERE, chart), "Notes x")["text"].replace("\\\n", " ")

    return notes


@pytest.mark.parametrize(
    ("values", "told", "not_told"),
    [
        ({}, "settings.ARGOTUNE_PHOENIX_URL=", "port-forward"),
        (
            {"phoenix": {"enabled": True}},
            f"kubectl port-forward --namespace {ELSEWHERE} service/phoenix 6006",
            "--set set",
        ),
        ({"settings": {"ARGOTUNE_PHOENIX_URL": "https://phoenix.example"}}, "argotune argo list", "Links to Phoenix"),
    ],
    ids=["elsewhere", "trial", "said"],
)
def test_notes_say_how_links_to_phoenix_can_be_opened(
    notes_of: Callable[[Object], str], values: Object, told: str, not_told: str
) -> None:
    notes = notes_of(values)
    assert told in notes
    assert not_told not in notes


def test_notes_tell_commands_that_work(notes_of: Callable[[Object], str]) -> None:
    notes = notes_of({"redis": {"enabled": True}})
    ours = re.findall(r"^ +(argotune .+)$", notes, re.M)
    assert len(ours) == 4
    assert [said for line in ours if (said := refusal(shlex.split(line), REPOSITORY))] == []
    assert "store-url=redis://redis.chart-check.svc.cluster.local:6379/0" in notes
    for line in re.findall(r"^ +((?:kubectl|argo|helm) .+)$", notes, re.M):
        assert re.search(rf"(--namespace|namespace) {ELSEWHERE}\b", line), line
