"""Adapted modules: what optimizers and serving can call where a user's module is asynchronous only, or gives back a
value by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import dspy

from argotune.programs.module_fields import is_async_only
from argotune.programs.returned_names import returned_by


class Adapted(dspy.Module):
    """Asks a module and gives back a prediction; its predictors are tuned as they are. `answer` is the name of a value
    that is given back by itself, "" where there is none."""

    def __init__(self, program: dspy.Module, answer: str) -> None:
        dspy.Module.__init__(self)
        self.program = program
        self.answer = answer

    def forward(self, **inputs: object) -> Any:
        found = _awaited(self.program, inputs) if is_async_only(self.program) else self.program(**inputs)
        is_bare = self.answer and found is not None and not isinstance(found, dspy.Prediction)
        return dspy.Prediction(**{self.answer: found}) if is_bare else found


def adapted(module: dspy.Module) -> dspy.Module:
    """The module, adapted where it cannot be tuned as it is."""
    returned = returned_by(module)
    bare = next(iter(returned.names)) if returned and returned.is_bare and len(returned.names) == 1 else ""
    return Adapted(module, bare) if bare or is_async_only(module) else module


def _awaited(module: dspy.Module, inputs: Mapping[str, object]) -> object:
    """What `aforward` gives back, also to a caller in whose thread other coroutines run."""
    ask = copy_context().run
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(ask, lambda: asyncio.run(module.acall(**inputs))).result()
