"""Runs the loop on a store and stops itself at an LM call, as a frozen node would.

stopped_runner.py STORE_URL CALL
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

from world import World

from argotune.errors import ArgotuneError
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.settings import Settings
from argotune.store.collections import Collection
from argotune.store.port import Store
from argotune.wiring import new_id, open_store

TENANT, MODULE = "acme", "routing"
KINDS = (
    *(Collection.CONFIG, Collection.MARKERS, Collection.VERSIONS, Collection.CHAMPIONS, Collection.HISTORY),
    *(Collection.OPENINGS, Collection.RUNS, Collection.LEDGER, Collection.QUEUE, Collection.LEASES, Collection.ANSWERS),
    *(f"{kind}.{MODULE}" for kind in (Collection.EXPERIENCES, Collection.EXAMPLES)),
)


def world_on(store: Store) -> World:
    """A world with 150 labelled decisions on a store; the trace source is rebuilt the same each time."""
    world = World(store=store, lease_s=4.0)
    world.receive(150, TENANT)
    world.config = world.tenant(TENANT)
    return world


def run(world: World) -> None:
    """One pass, as a process of its own would make it: with ids that no other has."""
    run_module(replace(world.ports, new_id=new_id), world.config, MODULE, Request())


def texts(store: Store) -> dict[tuple[str, str], str]:
    """Everything that the store holds of the tenant."""
    return {(kind, record.id): record.text for kind in KINDS for record in store.scan(TENANT, kind)}


def main(url: str, call: int) -> int:
    world = world_on(open_store(Settings(CONFIG_STORE_URL=url)))
    world.lms.on_call = lambda: os.kill(os.getpid(), signal.SIGSTOP) if world.lms.calls == call else None
    try:
        run(world)
    except ArgotuneError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
