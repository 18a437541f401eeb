"""What a small tenant is served with: champions that teach one label, and a store that can go down."""

from __future__ import annotations

import time
from collections.abc import Callable

from factories import NOON
from small_routing import AGENTS, ROUTING, example

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import Unavailable
from argotune.programs.program import Program
from argotune.programs.state import dump
from argotune.promotion.champions import untuned
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Version, version_id

FIRST = next(iter(AGENTS))
"""What the program as written answers."""

NEVER_S = 3600.0
ENOUGH_S = 10.0


class Fragile(MemoryStore):
    """A store that can go down."""

    is_down = False

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        if self.is_down:
            raise Unavailable("the store is down")
        return super().read(tenant_id, collection, id)


def tuned(label: str, signature_hash: str | None = None, program: Program = ROUTING) -> Version:
    """A version whose only demonstration teaches one label."""
    module = program.build()
    for predictor in module.predictors():
        predictor.demos = [example("anything", label)]
    state, signature_hash = dump(module), signature_hash or program.signature_hash
    id = version_id(program.name, signature_hash, state)
    return untuned(program, NOON).model_copy(update={"id": id, "state": state, "signature_hash": signature_hash})


def set_champion(store: MemoryStore, version: Version) -> Version:
    """Make it the champion of its program."""
    registry = Registry(store, "acme")
    registry.keep(version)
    registry.override(version.program, version.id, who="kim", reason="test", now=NOON)
    return version


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so while another thread works."""
    until_s = time.monotonic() + ENOUGH_S
    while not is_so() and time.monotonic() < until_s:
        time.sleep(0.01)
    return is_so()
