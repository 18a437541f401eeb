"""Racing: what a portfolio works with beside its task: the meter, the clock, and the champion with the dev examples
that tell something of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from argotune.data.examples import Example
from argotune.data.guards.leaks import leaks
from argotune.errors import ConfigInvalid, Corrupt, NotFound
from argotune.lm.effort import Stopwatch
from argotune.lm.meter import Meter
from argotune.optimizers.task import Incumbent
from argotune.pipeline.module_pass import Pass
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.versions import Version
from argotune.runs.run import Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What LMs are paid by, the clock, the champion, whom to tell how it goes, and whether dev may teach the winner."""

    meter: Meter
    stopwatch: Stopwatch = time.monotonic
    incumbent: Incumbent | None = None
    announce: Callable[[str], None] = lambda _told: None
    dev_teaches: bool = True


def surroundings(
    this: Pass, program: Program, plan: Plan, champion: str | None, dev: Sequence[Example], meter: Meter
) -> Surroundings:
    """What is at hand where a plan is carried out."""

    def announce(told: str) -> None:
        this.ports.progress(f"{program.name}: {told}", 0, 0)

    incumbent = _incumbent(this, program, champion or "", dev, meter) if plan.entrants else None
    return Surroundings(meter, this.ports.stopwatch, incumbent, announce)


def _incumbent(this: Pass, program: Program, champion: str, dev: Sequence[Example], meter: Meter) -> Incumbent | None:
    """The champion; None where it cannot be loaded, and the best of a portfolio then goes into a contest unasked.

    What it was trained or chosen on tells nothing of it. Where the run that made it is not known any more, that is what
    can be found in its state.
    """
    try:
        version = this.registry.version(champion)
        module = load(program, version.state, version.signature_hash, this.embedders(meter))
    except (ConfigInvalid, Corrupt, NotFound) as error:
        log.warning("%s: the champion takes no part in the portfolio: %s", program.name, error)
        return None
    seen = _seen_by(this, version, dev)
    return Incumbent(module, frozenset(place for place, example in enumerate(dev) if example.id not in seen))


def _seen_by(this: Pass, version: Version, dev: Sequence[Example]) -> frozenset[str]:
    try:
        run = this.book.run(version.lineage.run_id) if version.lineage.run_id else None
    except (Corrupt, NotFound):
        run = None
    known = frozenset((*run.plan.train_ids, *run.plan.dev_ids)) if run and run.plan else frozenset()
    return known | frozenset(leaks(version.state, list(dev)))
