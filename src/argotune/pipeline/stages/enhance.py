"""enhance: have a challenger asked with what a query means filled in, where dev shows that it helps.

First the compiled challenger is asked dev questions with and without an enhancement before it; only where that helps,
both are tuned as one by the run's optimizer, with the program's metric: how well it does with the enhancement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dspy

from argotune.data.examples import Example
from argotune.errors import BudgetSpent, NotFound, ProgramChanged, Unanswered
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.recipe import Recipe
from argotune.programs.enhanced import NO_WRITER, Enhanced, can_write, fillable
from argotune.programs.enhancement import NAME, Enhancement, shown
from argotune.programs.patterns import patterns
from argotune.programs.program import Program
from argotune.programs.state import asks_lm_alone, restored
from argotune.promotion.versions import Version
from argotune.runs.enhancement import EnhancementReport
from argotune.stats.wording import counted
from argotune.synthetic.report import Trial

MAX_LOOKED_AT = 500
"""Training examples whose traces are looked at for patterns."""


@dataclass(frozen=True)
class Enhancing:
    """The challenger as it goes on, and what was found; no `report` where the tenant has it off or the program has
    nothing that can be filled in."""

    version: Version | None
    report: EnhancementReport | None = None


def enhance(this: Pass, recipe: Recipe, version: Version | None, examples: Sequence[Example]) -> Enhancing:
    """The challenger with an enhancement before it where that is asked for or helps. `examples` are the real ones that
    taught it, dev apart.

    Where the budget ends meanwhile, or LMs do not answer, the challenger stays as it is. Raises Unavailable and its
    like.
    """
    names = fillable(recipe.program)
    if version is None or this.config.enhancement == "off" or not names:
        return Enhancing(version)
    if obstacle := _obstacle(this, recipe, version, names):
        return Enhancing(version, EnhancementReport(is_used=False, why=obstacle))
    try:
        return _Work(this, recipe, version, examples).outcome()
    except (BudgetSpent, Unanswered) as error:
        why = f"the comparison was not finished: {error}"
        return Enhancing(version, EnhancementReport(is_used=False, why=why))


def _obstacle(this: Pass, recipe: Recipe, version: Version, names: Sequence[str]) -> str:
    """Why nothing needs to be compared, "" where something does."""
    is_forced, dev = this.config.enhancement == "on", recipe.dev
    if not can_write(recipe.program.lm_of(recipe.lms)) and not (is_forced and recipe.lms.writer):
        return NO_WRITER
    if not asks_lm_alone(version.state):
        return "the challenger asks no LM where it can, and an enhancement would for every question"
    if is_forced:
        return ""
    least = this.config.gate.min_slice_examples
    if len(dev) < least:
        return f"{counted(len(dev), 'dev example')} cannot show whether it helps, {least} are needed"
    if all(example.inputs.get(name) for example in dev for name in names):
        return "the application fills in everything itself"
    return ""


@dataclass(frozen=True)
class _Work:
    this: Pass
    recipe: Recipe
    version: Version
    examples: Sequence[Example]

    def outcome(self) -> Enhancing:
        """Compared are programs that learned nothing from dev, as train does; used is the challenger."""
        is_forced = self.this.config.enhancement == "on"
        asked_for = "the tenant's config asks for it"
        enhancer, learned = self._enhancer()
        best: dspy.Module = Enhanced(enhancer, self.recipe.loaded(self.version), self._names)
        if not self.recipe.dev:
            return Enhancing(self._version(best), EnhancementReport(is_used=True, why=asked_for, patterns=learned))
        trial, is_tuned = self._trial(enhancer), False
        if trial.gain <= 0 and not is_forced:
            why = f"{trial.told('it')}, no gain"
            return Enhancing(self.version, EnhancementReport(is_used=False, why=why, trial=trial))
        if trial.gain > 0:
            best, trial, is_tuned = self._tuned(best, enhancer, trial)
        why = f"{asked_for}; {trial.told('it')}" if is_forced else trial.told("it")
        report = EnhancementReport(is_used=True, why=why, trial=trial, patterns=learned, is_tuned=is_tuned)
        return Enhancing(self._version(best), report)

    @property
    def _program(self) -> Program:
        return self.recipe.program

    @property
    def _names(self) -> tuple[str, ...]:
        return fillable(self._program)

    def _tuned(self, wrapped: dspy.Module, enhancer: dspy.Module, trial: Trial) -> tuple[dspy.Module, Trial, bool]:
        """The better on dev of what there is and of both tuned as one. What is not finished is not used."""
        optimizer = self.recipe.optimizer
        if optimizer.shows_as_is or len(self.examples) < optimizer.min_examples:
            return wrapped, trial, False
        try:
            tuned = self.recipe.compiled(self.examples, Enhanced(enhancer, self._program.build(), self._names))
            (mean,) = self.recipe.dev_means([_cleaned(tuned)], self._told)
        except (BudgetSpent, Unanswered):
            return wrapped, trial, False
        if mean <= trial.with_mean:
            return wrapped, trial, False
        return tuned, trial.model_copy(update={"with_mean": mean}), True

    def _enhancer(self) -> tuple[dspy.Module, int]:
        """The tenant's champion enhancement, else the one as written with patterns of traces that went well; and how
        many patterns these are."""
        if (champion := self._champion()) is not None:
            return champion, 0
        enhancer, found = Enhancement(), self._patterns()
        enhancer.enhance.demos = list(found)
        return enhancer, len(found)

    def _champion(self) -> dspy.Module | None:
        if NAME not in self.this.config.modules or NAME in self.this.config.programs:
            return None
        pointer, _ = self.this.registry.champion(NAME)
        try:
            found = self.this.registry.version(pointer.version) if pointer else None
            return restored(Enhancement(), found.state, NAME) if found else None
        except (NotFound, ProgramChanged):
            return None

    def _patterns(self) -> list[dspy.Example]:
        """From training examples alone: what a version shows must not judge it."""
        spans = [example.span_id for example in self.examples if example.span_id][:MAX_LOOKED_AT]
        return patterns(self.this.archive.experiences_of(self._program.name, spans))

    def _trial(self, enhancer: dspy.Module) -> Trial:
        bare = self.recipe.apart_from_dev(self.version, self.examples)
        return self.recipe.trial(bare, Enhanced(enhancer, bare, self._names), self._told)

    def _told(self, done: int, total: int) -> None:
        self.this.ports.progress(f"{self._program.name}: query enhancement on dev", done, total)

    def _version(self, module: dspy.Module) -> Version:
        return self.recipe.reworked(self.version, module, "with query enhancement")


def _cleaned(module: dspy.Module) -> dspy.Module:
    """Without the demonstrations that optimizers set and an enhancement never shows."""
    if isinstance(module, Enhanced):
        for predictor in module.enhancer.predictors():
            predictor.demos = shown(predictor.demos)
    return module
