"""Faces ask operations: what the command line may import is listed here, and none of it reads or writes a store.

A test and no contract: import-linter forbids named modules to a package, or keeps a module for named importers. Neither
says that a package may import these and nothing else, so a new module that asks a store would be free to every face.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3] / "src"
ASK = ("argotune.cli", "argotune.pipeline.operations", "argotune.service", "argotune.serving", "argotune.wiring")
"""Other parts of the face, and what is there to be asked: by the command line, by applications, and for ports."""

KNOW = (
    "argotune.data.annotations", "argotune.data.field_types", "argotune.data.fields", "argotune.data.source",
    "argotune.data.spans", "argotune.data.stream", "argotune.decisions.ledger.LedgerRow", "argotune.errors",
    "argotune.labels.agreement", "argotune.logs", "argotune.pipeline.ports", "argotune.promotion.contests",
    "argotune.promotion.verdicts", "argotune.runs.explain", "argotune.runs.reports", "argotune.runs.run",
    "argotune.runs.step_outcomes", "argotune.runs.tenant_report", "argotune.scheduling", "argotune.settings",
    "argotune.stats", "argotune.store.port", "argotune.store.sealing", "argotune.store.texts",
    "argotune.synthetic.values", "argotune.tenants.config", "argotune.tenants.ids",
)  # fmt: skip
"""Values, errors, settings and wording: what an operation takes and answers, and how it is said."""

STORES = {"Store", "Ports", "Pass"}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text("utf-8")))


def imported(path: Path) -> set[str]:
    """Every name of ours that a file imports, with its module, inside functions too."""
    found = [node for node in nodes(path) if isinstance(node, ast.ImportFrom | ast.Import)]
    names = {f"{getattr(node, 'module', '')}.{alias.name}".lstrip(".") for node in found for alias in node.names}
    return {name for name in names if name.startswith("argotune.")}


def files_of(name: str) -> list[Path]:
    """Those of a package, or the one of a module or of something in it."""
    path = SOURCES.joinpath(*name.split("."))
    return list(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def is_given_a_store(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef):
        return False
    given = [*node.args.args, *node.args.kwonlyargs]
    return any(argument.annotation and ast.unparse(argument.annotation) in STORES for argument in given)


def is_within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{each}.") for each in allowed)


def test_faces_import_what_is_listed_and_nothing_else():
    names = {name for path in files_of("argotune.cli") for name in imported(path)}
    assert [name for name in sorted(names) if not is_within(name, ASK + KNOW)] == []
    assert [each for each in ASK + KNOW if not any(is_within(name, (each,)) for name in names)] == []


@pytest.mark.parametrize("known", [each for each in KNOW if each.rpartition(".")[2].islower()])
def test_what_faces_may_know_is_given_no_store(known: str):
    assert [path for path in files_of(known) if any(map(is_given_a_store, nodes(path)))] == []
