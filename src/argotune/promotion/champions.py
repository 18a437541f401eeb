"""Champions: the program a tenant is served with, as a DSPy module, and the untuned program it began with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from argotune.programs.embedder import Embedders
from argotune.programs.program import Program
from argotune.programs.state import dump, embedder_changed
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Lineage, Version, new_version

UNTUNED = "none"
"""In the place of an optimizer: the program as its author wrote it."""


@dataclass(frozen=True)
class ServingVersion:
    """The version that serves, which a challenger has to beat. `tag` is what a change of the pointer must expect.

    `set_aside` names a champion that cannot serve, and `why` says what of it has changed.
    """

    version: Version
    tag: str | None
    set_aside: str | None = None
    why: str = ""


def untuned(program: Program, now: datetime) -> Version:
    """The program as its author wrote it, as a version."""
    lineage = Lineage(
        parent=None,
        data_hash="",
        optimizer=UNTUNED,
        reason="the program as written",
        seed=0,
        lms={},
        packages={},
        run_id=None,
        created_at=now,
    )
    return new_version(program.name, program.signature_hash, dump(program.build()), lineage)


def serving_version(registry: Registry, program: Program, now: datetime) -> ServingVersion:
    """The champion of a program; the untuned program where there is none or its signature has changed. Only reads: the
    untuned one may not be stored yet.

    Raises Corrupt where the pointer is damaged or lost.
    """
    champion, tag = registry.pointed(program.name)
    if champion is None:
        return ServingVersion(untuned(program, now), None)
    version = registry.version(champion.version)
    if version.signature_hash != program.signature_hash:
        return ServingVersion(untuned(program, now), tag, set_aside=version.id, why="its signature has changed")
    return ServingVersion(version, tag)


def version_to_beat(registry: Registry, program: Program, embedders: Embedders, now: datetime) -> ServingVersion:
    """The version that serves; the untuned program also where the champion was made with an embedder that is another by
    now: what has it in memory serves on, but nobody can load it any more, and no challenger be compared with it.

    Raises Corrupt as `serving_version`, Unavailable where the embedder's server is down.
    """
    found = serving_version(registry, program, now)
    if not embedder_changed(found.version.state, embedders):
        return found
    return ServingVersion(untuned(program, now), found.tag, set_aside=found.version.id, why="its embedder has changed")
