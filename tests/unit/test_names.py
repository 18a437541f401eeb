"""One word, one idea: in the names of classes, and in the glossary. Files and functions that can be read at once."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from statistics import median

SOURCES = Path(__file__).parents[2] / "src" / "argotune"
OF_AN_OPTION = {"add_commands", "compile", "goals", "in_another_modality", "iterations", "main", "negative", "programs"}
OF_AN_OPTION |= {"signature", "unlabelled"}
"""What every file of a folder of options has, under one name: the folder's table calls it."""

MAX_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_MEDIAN_LINES = 8


def test_no_two_modules_call_a_class_by_one_name():
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for path in SOURCES.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(path.relative_to(SOURCES)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_no_two_modules_call_a_function_by_one_name():
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for path in SOURCES.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in OF_AN_OPTION:
                homes[node.name].append(str(path.relative_to(SOURCES)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_files_and_functions_are_short():
    sources = {path: path.read_text("utf-8") for path in SOURCES.rglob("*.py")}
    assert [path for path, text in sources.items() if text.count("\n") > MAX_LINES] == []
    nodes = [node for text in sources.values() for node in ast.walk(ast.parse(text))]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lines = [((node.end_lineno or 0) - node.lineno + 1, node.name) for node in functions]
    assert [name for n, name in lines if n > MAX_FUNCTION_LINES] == []
    assert median(n for n, _ in lines) <= MAX_MEDIAN_LINES
