"""Pages name what is there: files, headings, rooms. A commit is checked by the tools that `make check` runs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from factories import make_run
from pydantic import BaseModel

from argotune.cli.parser import build_parser
from argotune.runs.reports import run_json, summary_json
from argotune.tenants.config import ContestRules, GateRules
from argotune.tenants.masking_rules import MaskedKind
from argotune.tenants.optimizer_settings import OptimizerSettings

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("scripts/*.md")})
    if path.name != "CHANGELOG.md"  # tells of other releases too
}
_FILE = r"(?<![\w/.:*<>{}$~-])(?:[\w.-]+/)*[\w.-]+\.(?:py|md|ya?ml|toml|tpl|jsonl?)\b"
_FOLDER = r"(?<![\w/.:])(?:[\w-]+/)+(?![\w*<.{$-])"
PATH = re.compile(f"{_FILE}|{_FOLDER}")
ABSENT = {
    # A reader's own package.
    "docs/extend.md": {"shop/programs.py", "shop/replies.py", "shop/shortest.py", "shop/shared_words.py"},
    # What the class writes.
    "docs/python-api.md": {"routing_experiences.json"},
    # Files of a model.
    "docs/operate.md": {"tokenizer.json"},
    # What the command writes.
    "scripts/README.md": {"results/all.json"},
}
NAMES = {path.name for path in (*ROOT.glob("*"), *ROOT.glob("[a-z]*/**/*"))}


def is_there(page: str, path: str) -> bool:
    """Paths are told from the page, from the repository or from the package; a bare name is any file's."""
    if "/" not in path:
        return path in NAMES
    return any((folder / path).exists() for folder in ((ROOT / page).parent, ROOT, ROOT / "src/argotune"))


def anchors(text: str) -> set[str]:
    """What GitHub makes of a page's headings."""
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize("page", TEXTS)
def test_every_path_that_a_page_names_exists(page: str):
    found = set(PATH.findall(TEXTS[page]))
    assert {path for path in found if not is_there(page, path)} == ABSENT.get(page, set())


@pytest.mark.parametrize("page", TEXTS)
def test_links_of_a_page_lead_to_files_and_headings(page: str):
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        target, _, heading = link.partition("#")
        path = ((ROOT / page).parent / target if target else ROOT / page).resolve()
        assert "://" in link or path.exists(), link
        assert "://" in link or not heading or heading in anchors(path.read_text(encoding="utf-8")), link


def test_architecture_has_the_rooms_and_layers_of_the_import_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["argotune"])
    rows = re.findall(r"^\| (\d+) \| `(\w+)(?:/|\.py)` \|", TEXTS["docs/architecture.md"], re.M)
    assert {(int(n), room) for n, room in rows} == {
        (n, room) for n, layer in enumerate(layers, 1) for room in layer.split(" | ")
    }


def test_readme_lists_every_room():
    rooms = {path.name for path in (ROOT / "src/argotune").iterdir() if (path / "__init__.py").exists()}
    listed = set(re.findall(r"\b(\w+)/", TEXTS["README.md"].partition("## Layout")[2]))
    assert rooms - listed == set()


def test_a_commit_is_checked_by_every_tool_of_make_check():
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    tools = set(re.findall(r"^\t(\.venv/bin/\S+)", check[1], re.M))
    assert tools
    assert tools <= {hook["entry"].split()[0] for hook in hooks}


def named(page: str, row: str) -> set[str]:
    """What stands in code type in the row of a page's table that begins so."""
    line = next(line for line in TEXTS[page].splitlines() if line.startswith(f"| `{row}` |"))
    return set(re.findall(r"`(\w+)`", line)) - {row}


def test_operate_names_every_masked_kind_and_no_other():
    assert named("docs/operate.md", "kinds") == set(get_args(MaskedKind))


@pytest.mark.parametrize(("name", "rules"), [("gate", GateRules), ("contest", ContestRules)])
def test_operate_names_every_setting_of_contests_with_its_default(name: str, rules: type[BaseModel]):
    rows = dict(re.findall(rf"^\| `{name}\.(\w+)` \| (\S+) \|", TEXTS["docs/operate.md"], re.M))
    assert {setting: float(default) for setting, default in rows.items()} == rules().model_dump()


def test_every_setting_of_an_optimizer_is_told_with_its_default():
    rows = dict(re.findall(r"^\| `optimizers\.([\w.]+)` \| ([^|]*?) *\|", TEXTS["docs/optimizers.md"], re.M))
    rows = {name: default.replace("`", "") for name, default in rows.items()}
    assert rows == dict(defaults_in(OptimizerSettings().model_dump()))


def defaults_in(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Of what can be set, by its dotted name."""
    for name, default in settings.items():
        if isinstance(default, dict) and default:
            yield from defaults_in(default, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "" if default in (None, {}) else str(default).strip("[]").replace("'", "")


def test_operate_names_every_field_of_a_report():
    assert named("docs/operate.md", "summary") == summary_json([]).keys()
    assert run_json(make_run()).keys() - named("docs/operate.md", "modules[].runs[]") == set()


def test_every_command_is_told_of_on_a_page():
    (commands,) = (action for action in build_parser()._actions if action.dest == "command")
    told = set(re.findall(r"\bargotune ([a-z-]+)", "\n".join(TEXTS.values())))
    assert set(commands.choices) - told == set()
