"""Racing: the champion that a training is to beat, and what a portfolio works with beside its task: the meter, the
clock, and the dev examples that tell something of that champion."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dspy

from argotune.data.examples import Example, question_id
from argotune.data.guards.leaks import held_questions
from argotune.errors import ConfigInvalid, Corrupt, NotFound
from argotune.lm.effort import Stopwatch
from argotune.lm.meter import Meter
from argotune.optimizers.task import Announce, Incumbent
from argotune.pipeline.module_pass import Pass
from argotune.programs.program import Program
from argotune.programs.refuted import Refuted
from argotune.programs.state import load
from argotune.promotion.champions import UNTUNED
from argotune.promotion.versions import Version
from argotune.runs.run import Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What LMs are paid by, the clock, the champion, whom to tell how it goes, and whether dev may teach the winner."""

    meter: Meter
    stopwatch: Stopwatch = time.monotonic
    incumbent: Incumbent | None = None
    announce: Announce = lambda _told, _done, _total: None
    dev_teaches: bool = True


@dataclass(frozen=True)
class ToBeat:
    """The champion of a training, loaded once for all that ask it; `module` is None where it cannot be loaded any
    more."""

    version: Version
    module: dspy.Module | None

    @property
    def tutor(self) -> dspy.Module | None:
        """Who may teach: no program as written."""
        return None if self.version.lineage.optimizer == UNTUNED else self.module


def to_beat(this: Pass, program: Program, champion: str, meter: Meter) -> ToBeat:
    """Raises NotFound for a version that is not there, Corrupt for one that cannot be read."""
    version = this.registry.version(champion)
    try:
        return ToBeat(version, load(program, version.state, version.signature_hash, this.embedders(meter)))
    except ConfigInvalid as error:  # also of an embedder that is another by now
        log.warning("%s: the champion takes no part in the training: %s", program.name, error)
        return ToBeat(version, None)


def surroundings(
    this: Pass,
    program: Program,
    plan: Plan,
    champion: ToBeat,
    dev: Sequence[Example],
    refuted_dev: Sequence[Refuted],
    meter: Meter,
) -> Surroundings:
    """What is at hand where a plan is carried out."""

    def announce(told: str, done: int, total: int) -> None:
        this.ports.progress(f"{program.name}: {told}", done, total)

    asked, wrong = ([each.inputs for each in of_split] for of_split in (dev, refuted_dev))
    incumbent = _incumbent(this, program, champion, asked, wrong) if plan.entrants else None
    return Surroundings(meter, this.ports.stopwatch, incumbent, announce)


def _incumbent(
    this: Pass,
    program: Program,
    champion: ToBeat,
    asked: Sequence[Mapping[str, str]],
    refuted: Sequence[Mapping[str, str]],
) -> Incumbent | None:
    """The champion; None where it cannot be loaded, and the best of a portfolio then goes into a contest unasked.

    What it was trained or chosen on tells nothing of it. Where the run that made it is not known any more, that is what
    can be found in its state.
    """
    if champion.module is None:
        return None
    ids = [question_id(program.name, inputs) for inputs in (*asked, *refuted)]
    seen = _seen_by(this, program, champion.version, dict(zip(ids, (*asked, *refuted), strict=True)))
    new, new_refuted = (
        frozenset(place for place, id in enumerate(of_split) if id not in seen)
        for of_split in (ids[: len(asked)], ids[len(asked) :])
    )
    rules = this.config.contest
    withheld = this.withheld_as_cheaper(program.name, champion.version.id)
    margin = 0.0 if withheld else rules.margin_if_cheaper
    return Incumbent(champion.module, new, new_refuted, margin, rules.cheaper_ratio)


def _seen_by(
    this: Pass, program: Program, version: Version, questions: Mapping[str, Mapping[str, str]]
) -> frozenset[str]:
    try:
        run = this.book.run(version.lineage.run_id) if version.lineage.run_id else None
    except (Corrupt, NotFound):
        run = None
    held = frozenset(held_questions(version.state, questions, program.fields.answers))
    if run is None or run.plan is None:
        return held
    refuted = this.archive.experiences_of(program.name, (*run.plan.refuted, *run.plan.refuted_dev))
    wrong = (question_id(program.name, experience.inputs) for experience in refuted)
    return held.union(run.plan.train_ids, run.plan.dev_ids, wrong)
