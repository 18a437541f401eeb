"""`argotune demo --on-argo`, in a namespace of its own. Needs an image with the embedded LM in the cluster."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.installed import RUN_LIMIT_S, run_command
from deploy.binaries import program

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(5 * RUN_LIMIT_S)]


@pytest.fixture
def image() -> str:
    found = os.environ.get("ARGOTUNE_TEST_EMBEDDED_IMAGE")
    if not found:
        pytest.skip("ARGOTUNE_TEST_EMBEDDED_IMAGE names no image that has the embedded LM")
    return found


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"argotune-demo-{secrets.token_hex(3)}"
    yield name
    run_command(["kubectl", "delete", "namespace", name, "--wait=false"])


@pytest.fixture
def path(tmp_path: Path) -> str:
    """PATH with a helm."""
    (tmp_path / "helm").symlink_to(program("helm", "3"))
    return f"{tmp_path}:{os.environ['PATH']}"


def test_the_demo_installs_serves_forces_a_round_and_shows_what_came_of_it(
    image: str, namespace: str, path: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "argotune.cli", "demo", "--on-argo", "--image", image, "--namespace", namespace]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path / "demo")],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=4 * RUN_LIMIT_S,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^demo-\S+: 3 tenants: 3 submitted, 0 skipped, 0 failed$", done.stdout, re.M)
    rows = re.findall(r"^(acme_corp|globex|initech) +(\S+) +(Promoted|Rejected|Skipped)", done.stdout, re.M)
    assert {tenant for tenant, _, _ in rows} == {"acme_corp", "globex", "initech"}
    assert f"helm uninstall argotune -n {namespace}" in done.stdout
