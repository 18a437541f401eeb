"""Recipe: what a run compiles its programs by, the same for each of them whatever examples teach it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import dspy

from argotune.data.examples import Example
from argotune.decisions.races import Race
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, Optimizer, TrainingTask
from argotune.pipeline.racing import Surroundings
from argotune.pipeline.unlabelled import NOTHING_BESIDE, BesideLabels
from argotune.programs.embedder import Embedders
from argotune.programs.evaluation import asked_of, score_side_by_side, to_dspy
from argotune.programs.program import Program
from argotune.programs.state import dump, load
from argotune.promotion.versions import Version, new_version
from argotune.runs.run import Plan
from argotune.synthetic.report import Trial
from argotune.tenants.optimizer_settings import planned_settings

Told = Callable[[int, int], None]
"""Is told how many answers are there, and of how many."""


@dataclass(frozen=True)
class Recipe:
    """The plan of a run with what there is for it beside labelled examples; `dev` chooses, whoever teaches."""

    program: Program
    plan: Plan
    dev: Sequence[Example]
    lms: LMs
    embedders: Embedders
    around: Surroundings
    beside: BesideLabels = NOTHING_BESIDE

    def of_winner(self, race: Race | None) -> Recipe:
        """The recipe by which the challenger was made: of a portfolio the winner's."""
        if race is None:
            return self
        best = race.won_by
        searched = OPTIMIZERS[best.method].iterations(self.plan.max_iterations, planned_settings(best.settings))
        made = {"optimizer": best.method, "settings": best.settings, "max_iterations": searched, "entrants": ()}
        return replace(self, plan=self.plan.model_copy(update=made))

    @property
    def optimizer(self) -> Optimizer:
        """The method of the plan."""
        return OPTIMIZERS[self.plan.optimizer]

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
        return self.program.rubric is not None and self.optimizer.goes_by_scores

    def compiled(self, examples: Sequence[Example], student: dspy.Module | None = None) -> dspy.Module:
        """A program that these examples taught: the program as written, or a `student` of its own."""
        return self.made_of(self.task(examples, student))

    def made_of(self, task: TrainingTask) -> dspy.Module:
        """What the optimizer makes of a task; a portfolio tells itself how its candidates come on."""
        with nullcontext() if self.plan.entrants else task.compiling(f"training by {self.plan.optimizer}"):
            return self.optimizer.compile(task)

    def loaded(self, version: Version) -> dspy.Module:
        """A program that was made by this recipe. Raises as programs.state.load."""
        return load(self.program, version.state, version.signature_hash, self.embedders)

    def apart_from_dev(self, version: Version, examples: Sequence[Example]) -> dspy.Module:
        """The program of a version that these examples taught; where its optimizer chooses nothing on dev it learned
        from dev too, and then one that they alone taught, or the program as written where they are too few."""
        if self.optimizer.chooses:
            return self.loaded(version)
        is_enough = len(examples) >= self.optimizer.min_examples
        return self.compiled(examples) if is_enough else self.program.build()

    def reworked(self, version: Version, module: dspy.Module, what: str) -> Version:
        """The module in the place of a version that was made by this recipe; `what` was done is told as a reason."""
        lineage = version.lineage.model_copy(update={"reason": f"{version.lineage.reason}; {what}"})
        return new_version(self.program.name, self.program.signature_hash, dump(module), lineage)

    def dev_means(self, modules: Sequence[dspy.Module], told: Told = lambda _done, _all: None) -> list[float]:
        """The mean score of each module on dev, all of them asked side by side. Raises as `score_side_by_side`."""
        asked = [to_dspy(self.program, example) for example in self.dev]
        rows = score_side_by_side(modules, self.program, asked, self.lms, told)
        return [sum(row.score for row in of_module) / len(of_module) for of_module in rows]

    def trial(self, without: dspy.Module, with_: dspy.Module, told: Told) -> Trial:
        """What dev says of two programs that learned nothing from it. Raises as `dev_means`."""
        without_mean, with_mean = self.dev_means([without, with_], told)
        return Trial(with_mean=with_mean, without_mean=without_mean, n=len(self.dev))

    def task(
        self,
        examples: Sequence[Example],
        student: dspy.Module | None = None,
        notes: list[str] | None = None,
        on_race: Callable[[Race], None] = lambda _race: None,
    ) -> TrainingTask:
        """One compilation. `notes` and `on_race` are told what it has to say."""
        around, beside = self.around, self.beside
        chooses = self.optimizer.chooses
        return TrainingTask(
            program=self.program,
            student=student or self.program.build(),
            train=[to_dspy(self.program, example) for example in examples],
            dev=[*(to_dspy(self.program, example) for example in self.dev), *self._asked(self.scored_dev)],
            lms=self.lms,
            embedders=self.embedders,
            seed=self.plan.seed,
            max_iterations=self.plan.max_iterations,
            weights=[example.weight for example in examples],
            settings=planned_settings(self.plan.settings),
            unlabelled=self._asked(beside.unlabelled),
            scored=self._asked(self.scored),
            refuted=self._asked(each.inputs for each in (*beside.refuted, *(() if chooses else beside.refuted_dev))),
            refuted_dev=self._asked(each.inputs for each in (beside.refuted_dev if chooses else ())),
            experiences=beside.experiences,
            tutor=beside.champion,
            notes=[] if notes is None else notes,
            dev_weights=[*(example.weight for example in self.dev), *(1.0 for _ in self.scored_dev)],
            entrants=self.plan.entrants,
            incumbent=around.incumbent,
            meter=around.meter,
            stopwatch=around.stopwatch,
            on_race=on_race,
            announce=around.announce,
            dev_teaches=around.dev_teaches,
        )

    def _asked(self, questions: Iterable[Mapping[str, str]]) -> list[dspy.Example]:
        return [asked_of(self.program, inputs, {}) for inputs in questions]
