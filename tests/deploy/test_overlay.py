"""The kustomize base and the overlay for development, built by kubectl without a cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from deploy.binaries import REPOSITORY
from deploy.manifest_rules import problems
from deploy.strict_schema import Object, core_problems, load, load_files, title

OVERLAY = REPOSITORY / "overlays/development"


def build(kubectl: Path, folder: Path) -> dict[str, Object]:
    command = [str(kubectl), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"KUBECONFIG": os.devnull})
    assert done.returncode == 0, done.stderr
    return {title(found): found for found in load(done.stdout)}


@pytest.fixture(scope="module")
def development(kubectl: Path) -> dict[str, Object]:
    return build(kubectl, OVERLAY)


def test_base_is_what_kubectl_apply_reads(kubectl: Path) -> None:
    files = load_files(*sorted((REPOSITORY / "workflows").glob("*.yaml")))
    assert build(kubectl, REPOSITORY / "workflows") == {title(found): found for found in files}


def test_overlay_adds_redis_and_phoenix(kubectl: Path, development: dict[str, Object]) -> None:
    added = {"Deployment redis", "Service redis", "Deployment phoenix", "Service phoenix"}
    assert set(development) == set(build(kubectl, REPOSITORY / "workflows")) | added
    assert development["ConfigMap argotune-limits"]["data"] == {"concurrent-optimizations": "1"}
    assert development["ConfigMap argotune-settings"]["data"]["ARGOTUNE_PHOENIX_URL"] == "http://localhost:6006"


def test_overlay_breaks_no_rule(development: dict[str, Object]) -> None:
    objects = list(development.values())
    assert problems(objects) == []
    assert [problem for found in objects for problem in core_problems(found)] == []


@pytest.mark.parametrize(("name", "port", "uid"), [("redis", 6379, 999), ("phoenix", 6006, 65532)])
def test_trial_servers_are_where_settings_look_for_them(
    development: dict[str, Object], name: str, port: int, uid: int
) -> None:
    service, deployment = (development[f"{kind} {name}"] for kind in ("Service", "Deployment"))
    assert [(p["port"], p["targetPort"]) for p in service["spec"]["ports"]] == [
        (port, deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"])
    ]
    pod = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["securityContext"]["runAsUser"] == uid
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert pod["spec"]["enableServiceLinks"] is False, "a Service called phoenix would set PHOENIX_PORT"


def test_policies_of_our_pods_do_not_select_the_trial_servers(development: dict[str, Object]) -> None:
    (policy,) = load_files(REPOSITORY / "workflows/optional/network-policy.yaml")
    for name in ("redis", "phoenix"):
        labels = development[f"Deployment {name}"]["spec"]["template"]["metadata"]["labels"]
        assert not policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_nothing_is_sent_to_third_parties(development: dict[str, Object]) -> None:
    (container,) = development["Deployment phoenix"]["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environment["PHOENIX_TELEMETRY_ENABLED"] == environment["PHOENIX_ALLOW_EXTERNAL_RESOURCES"] == "false"


def test_secret_of_the_note_has_the_key_that_pods_need() -> None:
    text = (OVERLAY / "kustomization.yaml").read_text(encoding="utf-8")
    assert "--from-literal=store-url=redis://redis.cogniverse.svc.cluster.local:6379/0" in text
    assert "secretGenerator" not in yaml.safe_load(text)
