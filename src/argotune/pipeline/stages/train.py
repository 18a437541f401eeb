"""train: compile a challenger with the planned optimizer. It never sees the test split.

Where synthetic examples were made, two are compiled, with and without them, and dev chooses. Where the optimizer itself
chooses nothing on dev, what is kept learned from the dev examples too: no label that training may see is left unused.
What an LM wrote into the challenger is masked before it is kept.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import dspy

from argotune.data.dataset import data_hash
from argotune.data.examples import Example
from argotune.data.guards.masking import Mask
from argotune.decisions.races import Race
from argotune.errors import BudgetSpent
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.optimizers.race import FIRST_ROUND
from argotune.pipeline.racing import Surroundings
from argotune.pipeline.unlabelled import NOTHING_BESIDE, BesideLabels
from argotune.programs.embedder import Embedders
from argotune.programs.evaluation import asked_of, score, to_dspy
from argotune.programs.program import Program
from argotune.programs.refuted import told_refuted
from argotune.programs.state import dump, masked_state
from argotune.promotion.versions import Lineage, Version, new_version
from argotune.runs.run import Plan
from argotune.stats.wording import counted
from argotune.synthetic.report import Trial
from argotune.tenants.masking_rules import MaskingRules
from argotune.tenants.optimizer_settings import planned_settings


def installed_packages() -> dict[str, str]:
    """The versions of what makes a challenger."""
    return {name: importlib.metadata.version(name) for name in ("argotune", "dspy", "gepa", "optuna", "scikit-learn")}


@dataclass(frozen=True)
class Origin:
    """What a new version remembers of the run that made it."""

    parent: str
    run_id: str
    at: datetime
    packages: dict[str, str]


@dataclass(frozen=True)
class Trained:
    """The challenger, and what became of the synthetic examples: `why` is "" where there were none.

    None where real examples alone are too few for the optimizer and synthetic ones are not used.
    """

    version: Version | None
    trial: Trial | None = None
    is_used: bool = False
    why: str = ""
    race: Race | None = None

    @property
    def offered(self) -> Version | None:
        """The challenger where it is worth a contest: a portfolio may find none that is better or cheaper."""
        return None if self.race and not self.race.is_offered else self.version


def train(
    program: Program,
    plan: Plan,
    examples: Sequence[Example],
    synthetic: Sequence[Example],
    dev: Sequence[Example],
    min_dev: int,
    lms: LMs,
    embedders: Embedders,
    origin: Origin,
    around: Surroundings,
    beside: BesideLabels = NOTHING_BESIDE,
) -> Trained:
    """The challenger as a version, not yet stored. Raises BudgetSpent when the budget ends before any candidate.

    Synthetic examples are used only where the challenger that was trained with them too has a higher mean score on
    the dev examples, of which there must be `min_dev`. On a tie they are left out: what helps nobody is not shown.
    Where real ones are too few to train on, they are compared with the program as written.
    """
    work = _Compiling(program, plan, dev, lms, embedders, origin, around, beside)
    teaching = examples if OPTIMIZERS[plan.optimizer].chooses else [*examples, *dev]
    first = work.compiled(teaching) if len(examples) + len(work.scored) >= _needed(plan) else None
    kept = Trained(work.version(first, examples) if first else None, race=first.race if first else None)
    if not synthetic:
        return kept
    if len(dev) < min_dev or not work.can_tell:
        known = counted(len(dev), "dev example")
        return replace(kept, why=f"{known} cannot show whether they harm, {max(min_dev, FIRST_ROUND)} are needed")
    try:
        trial, with_ = work.tried(first, examples, synthetic, teaching)
    except BudgetSpent as error:
        return replace(kept, why=f"the comparison on dev was not finished: {error}")
    if with_ is None:
        return replace(kept, trial=trial, why=f"{trial.told('them')}, no gain")
    mixed = work.version(with_, [*examples, *synthetic])
    return Trained(mixed, trial, is_used=True, why=trial.told("them"), race=with_.race)


def plan_of_winner(plan: Plan, race: Race | None) -> Plan:
    """The plan by which the challenger was made: of a portfolio the winner's."""
    if race is None:
        return plan
    best = race.won_by
    searched = OPTIMIZERS[best.method].iterations(plan.max_iterations, planned_settings(best.settings))
    made = {"optimizer": best.method, "settings": best.settings, "max_iterations": searched, "entrants": ()}
    return plan.model_copy(update=made)


def _needed(plan: Plan) -> int:
    """The training examples without which nothing of the plan can be compiled."""
    names = [entrant.method for entrant in plan.entrants if entrant.method in OPTIMIZERS] or [plan.optimizer]
    return min(OPTIMIZERS[name].min_examples for name in names)


@dataclass(frozen=True)
class _Compiled:
    """A program, what its method has to say of it, and what the race came to that a portfolio found it by."""

    module: dspy.Module
    notes: Sequence[str] = ()
    race: Race | None = None


@dataclass(frozen=True)
class _Compiling:
    program: Program
    plan: Plan
    dev: Sequence[Example]
    lms: LMs
    embedders: Embedders
    origin: Origin
    around: Surroundings
    beside: BesideLabels

    @property
    def scored(self) -> Sequence[Mapping[str, str]]:
        """Questions without a right answer that teach: a rubric scores what is answered."""
        return self.beside.unlabelled if self._goes_by_scores else ()

    @property
    def scored_dev(self) -> Sequence[Mapping[str, str]]:
        """Those that choose."""
        return self.beside.unlabelled_dev if self._goes_by_scores else ()

    @property
    def _goes_by_scores(self) -> bool:
        return self.program.rubric is not None and OPTIMIZERS[self.plan.optimizer].goes_by_scores

    @property
    def refuted(self) -> list[dspy.Example]:
        """Questions of which people have said only what is wrong, that teach; with dev where nothing chooses."""
        optimizer = OPTIMIZERS[self.plan.optimizer]
        found = self.beside.refuted if optimizer.chooses else [*self.beside.refuted, *self.beside.refuted_dev]
        return self._asked([question.inputs for question in found])

    @property
    def refuted_dev(self) -> list[dspy.Example]:
        """Those that choose."""
        found = self.beside.refuted_dev if OPTIMIZERS[self.plan.optimizer].chooses else ()
        return self._asked([question.inputs for question in found])

    def _asked(self, questions: Sequence[Mapping[str, str]]) -> list[dspy.Example]:
        return [asked_of(self.program, inputs, {}) for inputs in questions]

    def compiled(self, examples: Sequence[Example]) -> _Compiled:
        races, notes = list[Race](), list[str]()
        task = TrainingTask(
            program=self.program,
            student=self.program.build(),
            train=[to_dspy(self.program, example) for example in examples],
            dev=[*(to_dspy(self.program, example) for example in self.dev), *self._asked(self.scored_dev)],
            lms=self.lms,
            embedders=self.embedders,
            seed=self.plan.seed,
            max_iterations=self.plan.max_iterations,
            weights=[example.weight for example in examples],
            settings=planned_settings(self.plan.settings),
            unlabelled=self._asked(self.beside.unlabelled),
            scored=self._asked(self.scored),
            refuted=self.refuted,
            refuted_dev=self.refuted_dev,
            experiences=self.beside.experiences,
            tutor=self.beside.champion,
            notes=notes,
            dev_weights=[*(example.weight for example in self.dev), *(1.0 for _ in self.scored_dev)],
            entrants=self.plan.entrants,
            incumbent=self.around.incumbent,
            meter=self.around.meter,
            stopwatch=self.around.stopwatch,
            on_race=races.append,
            announce=self.around.announce,
            dev_teaches=self.around.dev_teaches,
        )
        module = OPTIMIZERS[self.plan.optimizer].compile(task)
        return _Compiled(module, notes, races[-1] if races else None)

    @property
    def can_tell(self) -> bool:
        """Whether dev can compare two programs: a portfolio that did not race has let dev teach."""
        return not self.plan.entrants or len(self.dev) + len(self.scored_dev) >= FIRST_ROUND

    def tried(
        self,
        first: _Compiled | None,
        examples: Sequence[Example],
        synthetic: Sequence[Example],
        teaching: Sequence[Example],
    ) -> tuple[Trial, _Compiled | None]:
        """What dev says of the synthetic examples, of programs that learned nothing from dev; and the challenger that
        learned from them and from all that teaches, None where they bring no gain."""
        without = first if first is None or teaching is examples else self.compiled(examples)
        with_ = self.compiled([*examples, *synthetic])
        means = {"with_mean": self.mean(with_), "without_mean": self.mean(without or _Compiled(self.program.build()))}
        trial = Trial(**means, n=len(self.dev))
        if trial.gain <= 0:
            return trial, None
        return trial, with_ if teaching is examples else self.compiled([*teaching, *synthetic])

    def mean(self, compiled: _Compiled) -> float:
        """The mean score on dev; of a portfolio's winner that of its race, as dev has taught it since."""
        raced = compiled.race.won_by.score if compiled.race else None
        if raced is not None:
            return raced
        asked = [to_dspy(self.program, example) for example in self.dev]
        scored = score(compiled.module, self.program, asked, self.lms, lambda _done, _all: None)
        return sum(row.score for row in scored) / len(scored)

    def version(self, compiled: _Compiled, examples: Sequence[Example]) -> Version:
        raced = [compiled.race.sentence] if compiled.race else []
        n = sum(example.is_synthetic for example in examples)
        made = [f"with {counted(n, 'synthetic example')}"] if n else []
        made += [f"with {counted(len(self.scored), 'question')} that the rubric scores"] if self.scored else []
        wrong = len(self.beside.refuted) + len(self.beside.refuted_dev)
        made += [f"with {told_refuted(wrong)}"] if wrong else []
        lineage = Lineage(
            parent=self.origin.parent,
            data_hash=data_hash([*examples, *self.dev]),
            optimizer=self.plan.optimizer,
            reason="; ".join([self.plan.reason, *raced, *made, *compiled.notes]),
            seed=self.plan.seed,
            lms=dict(self.lms.names),
            packages=self.origin.packages,
            run_id=self.origin.run_id,
            created_at=self.origin.at,
        )
        return new_version(self.program.name, self.program.signature_hash, dict(dump(compiled.module)), lineage)


def masked_version(version: Version, program: Program, rules: MaskingRules) -> tuple[Version, dict[str, int]]:
    """A version without what is to be masked of the texts that an LM may have written into it, and what was masked, as
    counts of a run."""
    mask = Mask(rules)
    state = dict(masked_state(version.state, program, mask.text))
    masked = new_version(version.program, version.signature_hash, state, version.lineage)
    return masked, {f"masked in a version: {kind}": n for kind, n in mask.counts.items()}
