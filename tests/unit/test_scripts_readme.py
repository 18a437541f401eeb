"""scripts/README.md and the files that a public repository is asked for say what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from argotune.cli.commands.aggregate import aggregate_parser
from argotune.cli.commands.rounds import discover_parser
from argotune.cli.commands.run import optimization_parser
from argotune.cli.commands.trigger import trigger_parser

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "scripts/README.md").read_text(encoding="utf-8")
PARSERS = {
    "discover": discover_parser,
    "trigger": trigger_parser,
    "run": optimization_parser,
    "aggregate": aggregate_parser,
}


def rows() -> dict[str, str]:
    """Flag -> the cell that says of which scripts it is."""
    found = re.findall(r"^\| (`--[^|]+) \| ([^|]+) \|", README, re.M)
    return {flag: of for flags, of in found for flag in re.findall(r"--[\w-]+", flags)}


@pytest.mark.parametrize("name", PARSERS)
def test_the_table_has_the_flags_of_each_script_and_no_other(name: str):
    options = {option for action in PARSERS[name]()._actions for option in action.option_strings}
    flags = options - {"-h", "--help"}
    but = f"all but {name}"
    said = {flag for flag, of in rows().items() if of != but and (name in of or of.startswith("all"))}
    assert said == flags


def test_every_script_is_in_the_table():
    scripts = {path.name for path in (ROOT / "scripts").glob("*.py")}
    assert {name for name in scripts if f"| `{name}` |" in README} == scripts


def test_the_license_is_the_one_that_the_package_names():
    license_text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in license_text
    assert "END OF TERMS AND CONDITIONS" in license_text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
