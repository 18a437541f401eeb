"""Returned names: which answers a user's `forward` gives back, as its source says."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import dspy

from argotune.programs.signatures import asked_signature

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Returned:
    """The names that are given back; `is_bare`: one value by itself and no prediction that names it."""

    names: frozenset[str]
    is_bare: bool = False


def returned_by(module: dspy.Module) -> Returned | None:
    """What `forward` (or `aforward`, where there is no other) gives back, None where its source does not tell.

    Read are `Prediction(name=...)`, `self.part(...)`, `self.part(...).name`, what is awaited, and variables of these.
    """
    function = _source_of(module)
    if function is None:
        return None
    reading = _Reading(module, function)
    found = [reading.of(statement.value) for statement in _statements(function) if isinstance(statement, ast.Return)]
    known = [returned for returned in found if returned]
    if not known or len(known) < len(found):
        return None
    return Returned(frozenset().union(*(one.names for one in known)), any(one.is_bare for one in known))


def _source_of(module: dspy.Module) -> _Function | None:
    kind = type(module)
    function = getattr(kind, "forward", None) or getattr(kind, "aforward", None)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))) if function else ast.Module([], [])
    except (OSError, TypeError, SyntaxError):
        return None
    first = tree.body[0] if tree.body else None
    return first if isinstance(first, _Function) else None


def _statements(function: _Function) -> Iterator[ast.AST]:
    """All that is in a function, but in no function within it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _Function | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


class _Reading:
    def __init__(self, module: dspy.Module, function: _Function) -> None:
        self._module = module
        self._said: dict[str, list[ast.expr]] = {}
        for node in _statements(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._said.setdefault(target.id, []).append(node.value)

    def of(self, expression: ast.expr | None, depth: int = 0) -> Returned | None:
        """What an expression gives back."""
        if isinstance(expression, ast.Await):
            return self.of(expression.value, depth)
        if isinstance(expression, ast.Name) and depth < 5:
            found = [self.of(said, depth + 1) for said in self._said.get(expression.id, [])]
            return found[0] if found and all(one == found[0] for one in found) else None
        if isinstance(expression, ast.Attribute):
            whole = self.of(expression.value, depth)
            is_part = whole and not whole.is_bare and expression.attr in whole.names
            return Returned(frozenset({expression.attr}), is_bare=True) if is_part else None
        return self._of_call(expression) if isinstance(expression, ast.Call) else None

    def _of_call(self, call: ast.Call) -> Returned | None:
        name = ast.unparse(call.func)
        if name.rpartition(".")[2] == "Prediction":
            names = [keyword.arg for keyword in call.keywords if keyword.arg]
            is_all = not call.args and len(names) == len(call.keywords) and names
            return Returned(frozenset(names)) if is_all else None
        part = name.removesuffix(".acall").removeprefix("self.") if name.startswith("self.") else ""
        found = getattr(self._module, part, None) if part.isidentifier() else None
        return _of_module(found) if isinstance(found, dspy.Module) else None


def _of_module(module: dspy.Module) -> Returned | None:
    own = None if type(module).__module__.startswith("dspy.") else returned_by(module)
    if own or not module.predictors():
        return own
    return Returned(frozenset(asked_signature(module.predictors()[-1]).output_fields))
