"""Run steps: one run on its way through the stages, from what is decided on to what is reported.

Which stage follows which is `RunState`'s; the order of a whole pass is passes.py's.
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from argotune.data.dataset import Dataset
from argotune.data.examples import Example
from argotune.decisions.active_model import ActiveModel
from argotune.decisions.context import context_of
from argotune.decisions.gain_model import Advisor
from argotune.decisions.values import TrainingHistory
from argotune.errors import BudgetSpent, ConfigInvalid, Corrupt, NewerRecord, NotFound, ProgramChanged, Unanswered
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.stages.decide import DecisionInputs, decide
from argotune.pipeline.stages.evaluate import evaluate
from argotune.pipeline.stages.promote import promote
from argotune.pipeline.stages.report import report
from argotune.pipeline.stages.synthesize import synthesize
from argotune.pipeline.stages.train import Origin, train
from argotune.programs.program import Program
from argotune.promotion.attempts import attempt_number, attempt_of
from argotune.promotion.champions import ServingVersion, serving_version
from argotune.promotion.gate import measure, no_evidence
from argotune.promotion.verdicts import Comparison, Objection, Rejected
from argotune.promotion.versions import Version
from argotune.runs.closing import ledger_records
from argotune.runs.run import Plan, Run, RunState, Skip
from argotune.store.collections import Collection
from argotune.store.documents import Unreadable, find_renewable, tell, to_record
from argotune.store.port import Record
from argotune.store.sealing import digest
from argotune.synthetic.mixing import weighed
from argotune.synthetic.service import as_example
from argotune.synthetic.values import SyntheticDataResponse

log = logging.getLogger(__name__)


class Work:
    """One run on its way through the stages; each step writes the run down before the next begins."""

    def __init__(self, this: Pass, program: Program, data: Dataset) -> None:
        self._this, self._program, self._data = this, program, data
        self._ports, self._config = this.ports, this.config
        self._book, self._registry = this.book, this.registry
        self.run = self._opened(self._new_run())
        self._meter = Meter(this.config.budget, self._book.spent(self.run))
        self._lms: LMs | None = None

    def _opened(self, run: Run) -> Run:
        """The run as it is written down. One whose record is damaged stays as it is: another begins in its place."""
        try:
            return self._book.open(run)
        except NewerRecord:
            raise
        except Corrupt as error:
            tell(Unreadable(run.tenant_id, Collection.RUNS, run.id, str(error.__cause__ or error)))
            return self._book.open(run.model_copy(update={"id": f"{run.id}-again"}))

    def step(self) -> None:
        """Do what the run's state asks for. A run whose labels were changed under it ends: its versions cannot load."""
        steps = {
            RunState.STARTED: self._decide,
            RunState.PLANNED: self._train,
            RunState.TRAINED: self._open,
            RunState.OPENED: self._evaluate,
            RunState.COMPARED: self._promote,
            RunState.JUDGED: self._report,
        }
        try:
            steps[self.run.state]()
        except ProgramChanged as error:
            self._skip(str(error))

    def _decide(self) -> None:
        question = self._question()
        found = decide(question)
        context, decision = question.context, found.decision
        if found.plan is None:
            return self._skip(decision.reason, context=context, decision=decision)
        now = self._serving
        self._registry.keep(now.version)
        aside = {"champion set aside: its signature has changed": 1} if now.set_aside else {}
        self._advance(
            RunState.PLANNED,
            context=context,
            decision=decision,
            plan=found.plan,
            champion=now.version.id,
            champion_tag=now.tag,
            counts={**self.run.counts, **aside},
        )

    def _question(self) -> DecisionInputs:
        lessons = self._this.lessons
        known = lessons.history.get(self._program.name)
        history = TrainingHistory() if known is None or self._serving.set_aside else known
        return DecisionInputs(
            config=self._config,
            data=self._data,
            context=context_of(self._config, self._data, history, self._this.now),
            history=history,
            seed=self._seed,
            chance=int(digest([self.run.id, "explore"])[:12], 16) / 16**12,
            has_writer=self._open_lms().teacher is not None,
            learned=None if self.run.forced else lessons.learned.get(self._program.name),
            cut_short=None if self.run.forced else lessons.cut_short.get(self._program.name),
            is_forced=self._this.request.is_training_forced,
            model=self._model(),
        )

    def _model(self) -> Advisor | None:
        """The active meta-model; one that cannot be used is reported, and the rules decide."""
        if not self._config.decisions.use_meta_models:
            return None
        try:
            model = ActiveModel(self._this.store).model()
            return Advisor(model) if model else None
        except (Corrupt, ConfigInvalid, NotFound) as error:
            log.warning("the rules decide, as the meta-model cannot be used: %s", error)
            counts = {**self.run.counts, "meta-model cannot be used": 1}
            self.run = self.run.model_copy(update={"counts": counts})
            return None

    def _train(self) -> None:
        plan, at = self.run.plan, self._this.now
        assert plan is not None
        assert self.run.champion is not None
        origin = Origin(self.run.champion, self.run.id, at, _packages())
        examples, dev = self._data.pick(plan.train_ids), self._data.pick(plan.dev_ids)
        made = self._synthesized(plan)
        synthetic = self._weighed(plan, made, examples)
        self._ports.progress(f"{self._program.name}: training by {plan.optimizer}", 0, 0)
        enough, embedder = self._config.gate.min_slice_examples, self._ports.embedder
        try:
            with self._meter.keeping(self._calls_to_compare(plan)):
                found = train(self._program, plan, examples, synthetic, dev, enough, self._open_lms(), embedder, origin)
        except BudgetSpent as error:
            return self._skip(str(error))
        except Unanswered as error:
            return self._end_unmeasured(f"training by {plan.optimizer} could not go on: {error}")
        weight = synthetic[0].weight if synthetic else 0.0
        tried = {"trial": found.trial, "is_used": found.is_used, "why": found.why, "weight": weight}
        report = made.report.model_copy(update=tried) if made else None
        if found.version is None:
            lack = f"{len(examples)} real training examples are too few for {plan.optimizer}"
            return self._skip(f"{lack}; {report.sentence}" if report else lack, synthetic=report)
        if bar := self._registry.bar(found.version.id):  # before the test is opened for what must not be promoted
            return self._skip(bar.sentence, synthetic=report)
        self._registry.keep(found.version)
        self._advance(RunState.TRAINED, challenger=found.version.id, synthetic=report)

    def _calls_to_compare(self, plan: Plan) -> int:
        """About what `evaluate` takes, and training must leave: an unmeasured challenger is of no use."""
        return 2 * len(plan.test_ids) * max(len(self._program.build().predictors()), 1)

    def _synthesized(self, plan: Plan) -> SyntheticDataResponse | None:
        """Made once and kept for ever as what it is: a run that is taken up again uses the same examples."""
        if not plan.synthetic_count or not self._config.use_synthetic_data:
            return None
        made = self._kept_synthetic()
        if made is None:
            made = synthesize(self._this, self._program, plan, self._data, self._open_lms(), self._meter)
            record = to_record(Collection.SYNTHETIC, self.run.id, made)
            self._this.store.write(self._this.tenant_id, [record], self._book.expected(self.run))
        return made

    def _kept_synthetic(self) -> SyntheticDataResponse | None:
        kept, _ = find_renewable(
            self._this.store, self._this.tenant_id, Collection.SYNTHETIC, self.run.id, SyntheticDataResponse
        )
        return kept

    def _weighed(self, plan: Plan, made: SyntheticDataResponse | None, real: Sequence[Example]) -> list[Example]:
        examples = [as_example(example) for example in made.examples] if made else []
        return weighed(examples, real, plan.strategy, self._config.synthetic_data_ratio)

    def _open(self) -> None:
        assert self.run.plan is not None
        ids = self.run.plan.test_ids
        attempt = attempt_of(self.run.program, self.run.id, self._this.now, ids)
        lost = self._book.lost_attempts(self.run.program)
        number = attempt_number(self._book.attempts(self.run.program), ids) + lost
        self._advance(RunState.OPENED, also=(self._book.attempt_record(attempt),), attempt=number)

    def _evaluate(self) -> None:
        assert self.run.plan is not None
        assert self.run.attempt is not None
        examples = self._data.pick(self.run.plan.test_ids)
        champion, challenger = self._version(self.run.champion), self._version(self.run.challenger)
        try:
            found = evaluate(
                self._program,
                champion,
                challenger,
                examples,
                self.run.attempt,
                self._open_lms(),
                self._ports.embedder,
                self._ports.progress,
            )
        except BudgetSpent as error:
            return self._reject_unmeasured(champion, challenger, error)
        why = no_evidence(found.comparison, self._config.gate)
        if why:
            return self._void(found.comparison, why)
        self._advance(
            RunState.COMPARED,
            comparison=found.comparison,
            champion_answers=dict(zip((e.id for e in examples), found.champion_answers, strict=True)),
            challenger_answers=dict(zip((e.id for e in examples), found.challenger_answers, strict=True)),
        )

    def _void(self, comparison: Comparison, why: str) -> None:
        """End without a verdict. Only counts are kept: nobody may learn what was right of an attempt that is free."""
        record = self._book.void_record(self.run.id, why)
        self._end_unmeasured(f"nothing was measured: {why}", (record,), comparison=replace(comparison, scores=()))

    def _end_unmeasured(self, why: str, also: Sequence[Record] = (), **changes: Any) -> None:
        self._skip(why, also, is_to_repeat=True, **changes)

    def _skip(self, why: str, also: Sequence[Record] = (), **changes: Any) -> None:
        self._advance(RunState.SKIPPED, also, skip=Skip(reason=why), ended_at=self._this.now, **changes)

    def _reject_unmeasured(self, champion: Version, challenger: Version, error: BudgetSpent) -> None:
        assert self.run.attempt is not None
        nothing = Comparison(self._program.name, champion.id, challenger.id, self.run.attempt, ())
        numbers = measure(nothing, self._config.gate, self._seed)
        verdict = Rejected(f"rejected: not measured, {error}", Objection.BUDGET_SPENT, numbers)
        self._advance(RunState.JUDGED, comparison=nothing, verdict=verdict)

    def _promote(self) -> None:
        comparison = self.run.comparison
        assert comparison is not None
        self.run = promote(self._this, self.run, comparison, seed=self._seed)

    def _report(self) -> None:
        plan = self.run.plan
        assert plan is not None
        examples = self._data.pick((*plan.train_ids, *plan.dev_ids, *plan.test_ids))
        if self.run.synthetic and self.run.synthetic.is_used:
            examples += self._weighed(plan, self._kept_synthetic(), self._data.pick(plan.train_ids))
        self._ports.progress(f"{self._program.name}: publishing", 0, 0)
        self.run = report(self._this, self.run, examples)

    def _advance(self, state: RunState, also: Sequence[Record] = (), **changes: Any) -> None:
        spent = self._meter.spent
        spending = {"lm_calls": spent.calls, "lm_tokens": spent.tokens, "lm_reused": spent.reused}
        spending["is_cut_short"] = self.run.is_cut_short or self._meter.is_spent
        later = self._book.advanced(self.run, state, **spending, **changes)
        self.run = self._book.keep(later, (*also, *ledger_records(later)))

    def _open_lms(self) -> LMs:
        if self._lms is None:
            answers = KeptAnswers(self._this.store, self._this.tenant_id, self.run.id, also=self._spending)
            self._lms = self._ports.lms.open(self._config.lm, self._meter, answers)
        return self._lms

    def _spending(self) -> tuple[Record, ...]:
        return (self._book.spending_record(self.run, self._meter.spent),)

    @cached_property
    def _serving(self) -> ServingVersion:
        """Whom a challenger has to beat, as it was when this was decided on."""
        return serving_version(self._registry, self._program, self._this.now)

    def _version(self, id: str | None) -> Version:
        assert id is not None
        return self._registry.version(id)

    @property
    def _seed(self) -> int:
        return int(digest(self.run.id)[:8], 16) % 2**31

    def _new_run(self) -> Run:
        return Run(
            id=f"{self._program.name}-{self._this.id}",
            tenant_id=self._this.tenant_id,
            module=self._program.module,
            program=self._program.name,
            state=RunState.STARTED,
            started_at=self._this.now,
            group=self._this.request.group,
            forced=self._this.request.is_forced,
            counts=dict(self._data.counts),
        )


def _packages() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("argotune", "dspy", "gepa", "optuna", "scikit-learn")}
