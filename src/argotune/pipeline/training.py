"""Training of a run: from its plan to the version that may open a contest, or to why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from argotune.data.annotations import Annotation
from argotune.data.dataset import Dataset
from argotune.data.examples import Example
from argotune.errors import BudgetSpent, NothingToLearn, Unanswered
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.racing import ToBeat, surroundings, to_beat
from argotune.pipeline.recipe import Recipe
from argotune.pipeline.refuted import refuted_questions
from argotune.pipeline.rubric import Choosing
from argotune.pipeline.stages.enhance import Enhancing, enhance
from argotune.pipeline.stages.synthesize import synthesize
from argotune.pipeline.stages.train import (
    Origin,
    Trained,
    installed_packages,
    masked_version,
    train,
)
from argotune.pipeline.stages.unify import Unifying, unify
from argotune.pipeline.synthetic_examples import kept_synthetic, training_examples
from argotune.pipeline.unlabelled import beside_labels
from argotune.programs.embedder import Embedders
from argotune.programs.metric_trial import try_metric
from argotune.programs.program import Program
from argotune.programs.refuted import appraising_refuted
from argotune.promotion.versions import Version
from argotune.runs.run import Plan, Run
from argotune.stats.wording import counted
from argotune.store.collections import Collection
from argotune.store.records import to_record
from argotune.synthetic.report import SyntheticReport
from argotune.synthetic.values import SyntheticDataResponse


@dataclass(frozen=True)
class TrainingOutcome:
    """The run with all that training found out, and the challenger; None where there is none, and `why`.
    `is_unmeasured`: what ended it says nothing of the data or the program."""

    run: Run
    version: Version | None = None
    why: str = ""
    is_unmeasured: bool = False


@dataclass(frozen=True)
class ProgramTraining:
    """The plan of a run, carried out within what its meter leaves."""

    this: Pass
    program: Program
    run: Run
    plan: Plan
    champion: str
    data: Dataset
    annotations: Sequence[Annotation]
    lms: LMs
    meter: Meter
    by: Choosing

    def outcome(self) -> TrainingOutcome:
        """Raises what a metric, or an LM that answers nobody, raises."""
        examples, dev = self.data.pick(self.plan.train_ids), self.data.pick(self.plan.dev_ids)
        try_metric(self.program, [*examples, *dev])
        made = self._synthesized()
        synthetic = training_examples(self.this, self.plan, made, examples)
        self.this.ports.progress(f"{self.program.name}: training by {self.plan.optimizer}", 0, 0)
        try:
            with self.meter.keeping(self._calls_to_compare()):
                found, unified, better = self._made(examples, dev, synthetic)
        except (BudgetSpent, NothingToLearn) as error:
            return TrainingOutcome(self._counted(), why=str(error))
        except Unanswered as error:
            why = f"training by {self.plan.optimizer} could not go on: {error}"
            return TrainingOutcome(self._counted(), why=why, is_unmeasured=True)
        run = self._counted().model_copy(update={"unified": unified.report})
        return self._concluded(run, found, better, _told(made, found, synthetic), len(examples))

    def _made(
        self, examples: Sequence[Example], dev: Sequence[Example], synthetic: Sequence[Example]
    ) -> tuple[Trained, Unifying, Enhancing]:
        """The challenger, what another module taught it, and what an enhancement does for it."""
        champion = to_beat(self.this, self.program, self.champion, self.meter)
        recipe = self._recipe(champion, dev)
        origin = Origin(self.champion, self.run.id, self.this.now, installed_packages())
        found = train(recipe, examples, synthetic, self.this.config.gate.min_slice_examples, origin)
        as_made, taught = recipe.of_winner(found.race), [*examples, *synthetic] if found.is_used else examples
        unified = unify(self.this, as_made, found.offered, taught)
        return found, unified, enhance(self.this, as_made, unified.version, examples)

    def _recipe(self, champion: ToBeat, dev: Sequence[Example]) -> Recipe:
        this, plan = self.this, self.plan
        beside = beside_labels(this, self.program, plan, champion.tutor, self.annotations)
        teach, choose = (
            refuted_questions(this, self.program, self.data, spans) for spans in (plan.refuted, plan.refuted_dev)
        )
        beside = replace(beside, refuted=teach, refuted_dev=choose)
        program = appraising_refuted(self.by.program, [*teach, *choose])
        around = surroundings(this, self.program, plan, champion, dev, choose, self.meter)
        return Recipe(program, plan, dev, self.lms, self._embedders, around, beside)

    @property
    def _embedders(self) -> Embedders:
        """Requests for vectors are paid by the run."""
        return self.this.embedders(self.meter)

    def _concluded(
        self, counted_run: Run, found: Trained, better: Enhancing, report: SyntheticReport | None, n_examples: int
    ) -> TrainingOutcome:
        run = counted_run.model_copy(update={"race": found.race, "synthetic": report})
        if found.race and not found.race.is_offered:
            return TrainingOutcome(run, why=f"nothing better was found: {found.race.sentence}")
        if better.version is None:
            known = counted(n_examples, "real training example is", "real training examples are")
            lack = f"{known} too few for {self.plan.optimizer}"
            return TrainingOutcome(run, why=f"{lack}; {report.sentence}" if report else lack)
        version, masked = masked_version(better.version, self.program, self.this.config.masking)
        counts = {**run.counts, **masked}
        return TrainingOutcome(run.model_copy(update={"enhancement": better.report, "counts": counts}), version)

    def _counted(self) -> Run:
        return self.run.model_copy(update={"counts": {**self.run.counts, **self.by.counts}})

    def _calls_to_compare(self) -> int:
        """About what the sealed examples take, and training must leave: an unmeasured challenger is of no use."""
        return 2 * len(self.plan.test_ids) * max(len(self.program.build().predictors()), 1)

    def _synthesized(self) -> SyntheticDataResponse | None:
        """Made once and kept for ever as what it is: a run that is taken up again uses the same examples."""
        if not self.plan.synthetic_count or not self.this.config.use_synthetic_data:
            return None
        made = kept_synthetic(self.this, self.run.id)
        if made is None:
            made = synthesize(self.this, self.program, self.plan, self.data, self.lms, self.meter)
            record = to_record(Collection.SYNTHETIC, self.run.id, made)
            self.this.store.write(self.this.tenant_id, [record], self.this.book.expected(self.run))
        return made


def _told(made: SyntheticDataResponse | None, found: Trained, synthetic: Sequence[Example]) -> SyntheticReport | None:
    weight = synthetic[0].weight if synthetic else 0.0
    tried = {"trial": found.trial, "is_used": found.is_used, "why": found.why, "weight": weight}
    return made.report.model_copy(update=tried) if made else None
