"""train: compile a challenger with the planned optimizer. It never sees the test split.

Where synthetic examples were made, two are compiled, with and without them, and dev chooses. Where the optimizer itself
chooses nothing on dev, what is kept learned from the dev examples too: no label that training may see is left unused.
What an LM wrote into the challenger is masked before it is kept.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import dspy

from argotune.data.dataset import data_hash
from argotune.data.examples import Example
from argotune.data.guards.masking import Mask
from argotune.decisions.races import Race
from argotune.errors import BudgetSpent
from argotune.optimizers import OPTIMIZERS
from argotune.optimizers.race import FIRST_ROUND
from argotune.pipeline.recipe import Recipe
from argotune.programs.program import Program
from argotune.programs.refuted import told_refuted
from argotune.programs.state import dump, masked_state
from argotune.promotion.versions import Lineage, Version, new_version
from argotune.runs.run import Plan
from argotune.stats.wording import counted
from argotune.synthetic.report import Trial
from argotune.tenants.masking_rules import MaskingRules


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
    recipe: Recipe, examples: Sequence[Example], synthetic: Sequence[Example], min_dev: int, origin: Origin
) -> Trained:
    """The challenger as a version, not yet stored. Raises BudgetSpent when the budget ends before any candidate.

    Synthetic examples are used only where the challenger that was trained with them too has a higher mean score on
    the dev examples, of which there must be `min_dev`. On a tie they are left out: what helps nobody is not shown.
    Where real ones are too few to train on, they are compared with the program as written.
    """
    work, dev = _Compiling(recipe, origin), recipe.dev
    teaching = examples if recipe.optimizer.chooses else [*examples, *dev]
    first = work.compiled(teaching) if len(examples) + len(recipe.scored) >= _needed(recipe.plan) else None
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
    recipe: Recipe
    origin: Origin

    def compiled(self, examples: Sequence[Example]) -> _Compiled:
        races, notes = list[Race](), list[str]()
        module = self.recipe.made_of(self.recipe.task(examples, notes=notes, on_race=races.append))
        return _Compiled(module, notes, races[-1] if races else None)

    @property
    def can_tell(self) -> bool:
        """Whether dev can compare two programs: a portfolio that did not race has let dev teach."""
        recipe = self.recipe
        return not recipe.plan.entrants or len(recipe.dev) + len(recipe.scored_dev) >= FIRST_ROUND

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
        means = {
            "with_mean": self.mean(with_),
            "without_mean": self.mean(without or _Compiled(self.recipe.program.build())),
        }
        trial = Trial(**means, n=len(self.recipe.dev))
        if trial.gain <= 0:
            return trial, None
        return trial, with_ if teaching is examples else self.compiled([*teaching, *synthetic])

    def mean(self, compiled: _Compiled) -> float:
        """The mean score on dev; of a portfolio's winner that of its race, as dev has taught it since."""
        raced = compiled.race.won_by.score if compiled.race else None
        if raced is not None:
            return raced
        return self.recipe.dev_means([compiled.module])[0]

    def version(self, compiled: _Compiled, examples: Sequence[Example]) -> Version:
        recipe, program = self.recipe, self.recipe.program
        raced = [compiled.race.sentence] if compiled.race else []
        n = sum(example.is_synthetic for example in examples)
        made = [f"with {counted(n, 'synthetic example')}"] if n else []
        made += [f"with {counted(len(recipe.scored), 'question')} that the rubric scores"] if recipe.scored else []
        wrong = len(recipe.beside.refuted) + len(recipe.beside.refuted_dev)
        made += [f"with {told_refuted(wrong)}"] if wrong else []
        lineage = Lineage(
            parent=self.origin.parent,
            data_hash=data_hash([*examples, *recipe.dev]),
            optimizer=recipe.plan.optimizer,
            reason="; ".join([recipe.plan.reason, *raced, *made, *compiled.notes]),
            seed=recipe.plan.seed,
            lms=dict(recipe.lms.names),
            packages=self.origin.packages,
            run_id=self.origin.run_id,
            created_at=self.origin.at,
        )
        return new_version(program.name, program.signature_hash, dump(compiled.module), lineage)


def masked_version(version: Version, program: Program, rules: MaskingRules) -> tuple[Version, dict[str, int]]:
    """A version without what is to be masked of the texts that an LM may have written into it, and what was masked, as
    counts of a run."""
    mask = Mask(rules)
    state = masked_state(version.state, program, mask.text)
    masked = new_version(version.program, version.signature_hash, state, version.lineage)
    return masked, {f"masked in a version: {kind}": n for kind, n in mask.counts.items()}
