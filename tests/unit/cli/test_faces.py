"""Faces ask operations: the contract that forbids them a store names every module that asks one."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
ASKED = {"read", "scan", "write", "remove", "hold", "renew", "let_go"}
BEHIND = ("argotune.pipeline.operations.", "argotune.serving.")
"""What faces may import all the same: what asks there is asked through a function that they are meant to call."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


def asks_a_store(path: Path) -> bool:
    """Whether a method of the Store port is called on something that is called a store."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    asked = [call for call in calls if isinstance(call, ast.Attribute) and call.attr in ASKED]
    return any(ast.unparse(call.value).endswith("store") for call in asked)


def test_what_asks_a_store_is_forbidden_to_faces():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    forbidden = next(contract["forbidden_modules"] for contract in contracts if contract["name"].startswith("Faces"))
    asking = [module_of(path) for path in (ROOT / "src/argotune").rglob("*.py") if asks_a_store(path)]
    assert len(asking) > 15
    assert [name for name in asking if not name.startswith((*forbidden, *BEHIND))] == []
