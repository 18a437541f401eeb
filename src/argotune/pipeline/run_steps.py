"""Run steps: one run on its way through the stages, from what is decided on to what is reported.

Which stage follows which is `RunState`'s; the order of a whole pass is passes.py's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from argotune.data.annotations import Annotation
from argotune.data.dataset import Dataset
from argotune.decisions.context import context_of
from argotune.decisions.values import NO_OUTCOMES, Outcomes, TrainingHistory
from argotune.errors import (
    Corrupt,
    NewerRecord,
    Overtaken,
    ProgramChanged,
)
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS
from argotune.pipeline.learned import Learned, learned
from argotune.pipeline.live_scores import live_view
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.offered import offered_challenger, offered_plan
from argotune.pipeline.pooled import pooled_challenger, pooled_plan
from argotune.pipeline.refuted import refuted_spans
from argotune.pipeline.rubric import Choosing, choosing_by_rubric
from argotune.pipeline.stages.decide import DecisionInputs, decide
from argotune.pipeline.stages.evaluate import AtHand, evaluate
from argotune.pipeline.stages.promote import overtaken_by_change, promote
from argotune.pipeline.stages.report import Reported, report
from argotune.pipeline.standing import a_few_of, judge_beside_people
from argotune.pipeline.synthetic_examples import kept_synthetic, training_examples
from argotune.pipeline.training import ProgramTraining
from argotune.pipeline.unlabelled import outcomes_since, scored_spans, with_unlabelled
from argotune.programs.metric_trial import TRIED, try_metric
from argotune.programs.program import Program
from argotune.promotion.champions import ServingVersion, version_to_beat
from argotune.promotion.contests import Contest
from argotune.promotion.judges import Judge
from argotune.promotion.offers import OFFERED
from argotune.promotion.pool import POOLED
from argotune.promotion.versions import Version, why_no_contest
from argotune.runs.closing import ledger_records
from argotune.runs.run import Plan, Run, RunState, Skip
from argotune.store.collections import Collection
from argotune.store.port import Record
from argotune.store.records import Unreadable, tell
from argotune.store.sealing import digest
from argotune.store.turns import in_turn

log = logging.getLogger(__name__)

AFTER_OPENING = frozenset({RunState.OPENED, RunState.COMPARED, RunState.JUDGED})

AFTER_TRAINING = frozenset({RunState.COMPARED, RunState.JUDGED, RunState.REPORTED})
"""Where a budget that is spent teaches nothing of the training: what was not asked is asked by the next run."""

OPENINGS_AT_ONCE = 10
"""How often a contest is opened anew where others spend of the significance in between."""


class Work:
    """One run on its way through the stages; each step writes the run down before the next begins."""

    def __init__(self, this: Pass, program: Program, data: Dataset, annotations: Sequence[Annotation]) -> None:
        self._this, self._program, self._data, self._annotations = this, program, data, annotations
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
            RunState.STARTED: self._begin,
            RunState.PLANNED: self._train,
            RunState.TRAINED: self._open,
            RunState.OPENED: self._evaluate,
            RunState.COMPARED: self._promote,
            RunState.JUDGED: self._report,
        }
        if self.run.contest is None and self.run.state in AFTER_OPENING:
            return self._end_without_contest()
        try:
            steps[self.run.state]()
        except ProgramChanged as error:
            self._skip(str(error))

    def _end_without_contest(self) -> None:
        """A run that a release before contests has begun to judge: its verdict stands where it has one. What it opened
        is training data."""
        if self.run.verdict:
            return self._advance(RunState.REPORTED, ended_at=self._this.now)
        self._end_unmeasured("an earlier release of argotune began to judge it: another run opens a contest")

    def _begin(self) -> None:
        contest = self._this.contests.open(self._program.name)
        if contest is None:
            return self._decide()
        self._take_up(contest)

    def _decide(self) -> None:
        question = self._question()
        offered = offered_plan(self._this, self._program, self._data, question)
        if offered is not None:
            return self._planned(offered)
        if self._config.shared:
            pooled = pooled_plan(self._this, self._program, self._data, self._serving, question)
            if pooled is not None:
                return self._planned(pooled)
        found = decide(question)
        live = live_view(self._this, self._program.name)
        known = {"context": question.context, "decision": found.decision, "live": live if live.version else None}
        if found.plan is None:
            return self._skip(found.decision.reason, **known)
        beside = (found.plan, question.scored, self._annotations)
        self._planned(with_unlabelled(self._this, self._program, self._data, *beside), **known)

    def _planned(self, plan: Plan, **known: Any) -> None:
        now = self._serving
        self._registry.keep(now.version)
        aside = {f"champion set aside: {now.why}": 1} if now.set_aside else {}
        self._advance(
            RunState.PLANNED,
            **known,
            plan=plan,
            champion=now.version.id,
            champion_tag=now.tag,
            counts={**self.run.counts, **aside},
        )

    def _question(self) -> DecisionInputs:
        found, by = self._learned(), self._by_rubric()
        lessons = self._this.lessons
        known = lessons.history.get(self._program.name)
        history = TrainingHistory() if known is None or self._serving.set_aside else known
        level = self._this.contests.shares().next_level(self._config.gate.significance, self._this.sure_now)
        live = live_view(self._this, self._program.name)
        context = context_of(self._config, self._data, history, level, self._this.now, live.drop)
        return DecisionInputs(
            config=self._config,
            data=self._data,
            context=context,
            history=history,
            level=level,
            seed=self._seed,
            chance=int(digest([self.run.id, "explore"])[:12], 16) / 16**12,
            has_writer=self._open_lms().teacher is not None,
            learned=None if self.run.forced else lessons.learned.get(self._program.name),
            cut_short=None if self.run.forced else lessons.cut_short.get(self._program.name),
            is_forced=self._this.request.is_training_forced,
            by_preference=self._program.is_by_preference,
            shows_examples=self._program.shows_examples,
            is_closed=self._program.is_closed,
            scored=scored_spans(self._this, self._program, self._data, is_scored=bool(by.metric)),
            refuted=refuted_spans(self._this, by.program, self._data),
            outcomes=self._outcomes(history),
            degraded=live.worst.sentence if live.worst else "",
            model=found.model,
            past_races=found.races_of(context.modality),
        )

    def _outcomes(self, history: TrainingHistory) -> Outcomes:
        """Where the tenant's method, or one that a portfolio may try, would learn from them."""
        preferred, settings = self._config.preferred_optimizer, self._config.optimizers
        wanted = OPTIMIZERS["portfolio" if preferred == "auto" else preferred].experiences(settings)
        if not self._program.is_closed or not wanted:
            return NO_OUTCOMES
        return outcomes_since(self._this, self._program, history, self._annotations, wanted)

    def _by_rubric(self) -> Choosing:
        return choosing_by_rubric(self._this, self._program, self._open_lms(), self._meter, self._answers)

    def _learned(self) -> Learned:
        """What was learned of past runs; a meta-model that cannot be used is reported, and the rules decide."""
        found = learned(self._this.store, self._config)
        if found.is_broken:
            counts = {**self.run.counts, "meta-model cannot be used": 1}
            self.run = self.run.model_copy(update={"counts": counts})
        return found

    def _train(self) -> None:
        plan = self.run.plan
        assert plan is not None
        assert self.run.champion is not None
        if plan.optimizer == POOLED:
            return self._take(pooled_challenger(self._this, self._program, self.run))
        if plan.optimizer == OFFERED:
            return self._take(offered_challenger(self._this, self._program, self.run))
        found = self._training(plan, self.run.champion).outcome()
        self.run = found.run
        if found.is_unmeasured:
            return self._end_unmeasured(found.why)
        if found.version is None:
            return self._skip(found.why)
        self._take(found.version)

    def _training(self, plan: Plan, champion: str) -> ProgramTraining:
        return ProgramTraining(
            this=self._this,
            program=self._program,
            run=self.run,
            plan=plan,
            champion=champion,
            data=self._data,
            annotations=self._annotations,
            lms=self._open_lms(),
            meter=self._meter,
            by=self._by_rubric(),
        )

    def _take(self, version: Version) -> None:
        """The challenger, unless it was rolled back or serves: the test is not opened for what must not be promoted."""
        if why := why_no_contest(version, self.run.champion or "", self._registry.bar(version.id)):
            return self._skip(why)
        self._registry.keep(version)
        self._advance(RunState.TRAINED, challenger=version.id)

    def _open(self) -> None:
        """Open a contest with the challenger. Other modules may spend of the year's significance at the same time."""
        self.run = in_turn(f"the significance of {self._this.tenant_id}", self._opened_contest, OPENINGS_AT_ONCE)

    def _opened_contest(self) -> Run:
        plan, run, now, book = self.run.plan, self.run, self._this.now, self._this.contests
        assert plan is not None
        shares, others = book.shares(), book.open(run.program)
        level = shares.next_level(self._config.gate.significance, self._this.sure_now)
        if others is not None:
            raise Overtaken(f"contest {others.id} of {run.program} was opened by somebody else first")
        if not 0 < level < 1:
            skip = Skip(reason="nothing is left of the year's significance (gate.significance): no contest is opened")
            return self._kept(RunState.SKIPPED, skip=skip, is_to_repeat=True, ended_at=now)
        contest = Contest(
            id=run.id,
            program=run.program,
            module=run.module,
            champion=run.champion or "",
            champion_tag=run.champion_tag,
            challenger=run.challenger or "",
            opened_at=now,
            level=level,
            seen_ids=(*plan.train_ids, *plan.dev_ids),
            seen_elsewhere=run.unified.example_ids if run.unified else (),
            seen_spans=(*plan.unlabelled, *plan.unlabelled_dev, *plan.experiences, *plan.refuted, *plan.refuted_dev),
            sealed_ids=self._sealed(plan),
            seen_of=plan.count_known("train", "dev") if plan.known else 0,
            judge=self._judge(level),
        )
        opening = book.opening(contest, shares)
        kept = self._kept(RunState.OPENED, also=opening, contest=contest.id)
        book.written(opening)
        return kept

    def _judge(self, level: float) -> Judge | None:
        """The LM annotator beside people, where what is known of it says that this saves labels of theirs."""
        history = self._this.lessons.history.get(self._program.name) or TrainingHistory()
        return judge_beside_people(self._this, self._program, self._annotations, history.disagreement, level)

    def _sealed(self, plan: Plan) -> tuple[str, ...]:
        """The test examples that may judge: none while it cannot be read which were opened before, and none where
        people say which of two answers is better."""
        if self._program.is_by_preference:
            return ()
        if self._this.contests.has_lost_openings(self.run.program):
            log.warning("%s: no sealed example judges: it cannot be read which were opened", self.run.program)
            return ()
        return tuple(sorted(e.id for e in self._data.pick(plan.test_ids) if e.source.is_trusted))

    def _take_up(self, contest: Contest) -> None:
        """Gather evidence in place of training."""
        self._advance(
            RunState.OPENED,
            contest=contest.id,
            champion=contest.champion,
            champion_tag=contest.champion_tag,
            challenger=contest.challenger,
        )

    def _evaluate(self) -> None:
        contest = self._this.contests.contest(self.run.contest or "")
        if not contest.is_open:
            return self._advance(RunState.SKIPPED, skip=Skip(reason=contest.sentence), ended_at=self._this.now)
        dated = contest.dated(self._this.now)
        contest = dated if self._this.sure_now else contest  # a clock that leapt back must not date it for good
        if contest.is_plain:
            try_metric(self._program, a_few_of(contest, self._data, TRIED))
        embedders = self._this.embedders(self._meter)
        lms = None if overtaken_by_change(self._this, self._program, contest, embedders) else self._open_lms()
        at_hand = AtHand(self._data, self._annotations, lms, embedders)
        found = evaluate(self._this, self._program, dated, at_hand)
        counts = {f"contest: {why}": n for why, n in found.evidence.left_out.items()}
        comparison = found.evidence.comparison
        contest = contest.model_copy(
            update={
                "judged": tuple(score.example_id for score in comparison.scores if score.source),
                "answers": comparison.answers,
                "differ": comparison.differ,
                "drawn": found.drawn,
                "cut_short": found.cut_short,
                "wait": found.evidence.wait,
                "owes_answers": found.owes_answers,
                "is_plain": found.is_plain,
                "without_lm": comparison.without_lm.sentence if comparison.without_lm else "",
                "wait_for_judge": found.evidence.wait_for_judge,
            }
        )
        changing = self._this.contests.changing(contest)
        counts = {**self.run.counts, **counts, **({"contest: asking was cut short": 1} if found.cut_short else {})}
        self._advance(RunState.COMPARED, also=changing, comparison=comparison, counts=counts)
        self._this.contests.written(changing)

    def _promote(self) -> None:
        self.run = promote(self._this, self._program, self.run, self._data, self._this.embedders(self._meter))

    def _report(self) -> None:
        self._ports.progress(f"{self._program.name}: publishing", 0, 0)
        self.run = report(self._this, self.run, self._to_report())

    def _to_report(self) -> Reported:
        """What the challenger was trained and chosen on, and what judged it."""
        contest = self._this.contests.contest(self.run.contest or "")
        trained = self.run if self.run.plan else self._book.known_run(contest.id)
        ids = dict.fromkeys((*contest.seen_ids, *contest.sealed_ids, *contest.judged))
        examples = self._data.pick(ids)
        if trained and trained.plan and trained.synthetic and trained.synthetic.is_used:
            made = kept_synthetic(self._this, contest.id)
            examples += training_examples(self._this, trained.plan, made, self._data.pick(trained.plan.train_ids))
        return Reported(trained or self.run, contest, examples, self._program.typed_fields)

    def _end_unmeasured(self, why: str, **changes: Any) -> None:
        self._skip(why, is_to_repeat=True, **changes)

    def _skip(self, why: str, **changes: Any) -> None:
        self._advance(RunState.SKIPPED, skip=Skip(reason=why), ended_at=self._this.now, **changes)

    def _advance(self, state: RunState, also: Mapping[Record, str | None] | None = None, **changes: Any) -> None:
        self.run = self._kept(state, also, **changes)

    def _kept(self, state: RunState, also: Mapping[Record, str | None] | None = None, **changes: Any) -> Run:
        """The run in its next state, written together with `also`: records with the tags of what is there of them."""
        spent = self._meter.spent
        spending: dict[str, int] = {f"lm_{name}": amount for name, amount in asdict(spent).items()}
        spending["is_cut_short"] = self.run.is_cut_short or (self._meter.is_spent and state not in AFTER_TRAINING)
        later = self._book.advanced(self.run, state, **spending, **changes)
        return self._book.keep(later, ledger_records(later), also)

    def _open_lms(self) -> LMs:
        if self._lms is None:
            self._lms = self._ports.lms.open(self._config.lm, self._meter, self._answers)
        return self._lms

    @cached_property
    def _answers(self) -> KeptAnswers:
        return KeptAnswers(self._this.store, self._this.tenant_id, self.run.id, also=self._spending)

    def _spending(self) -> tuple[Record, ...]:
        return (self._book.spending_record(self.run, self._meter.spent),)

    @cached_property
    def _serving(self) -> ServingVersion:
        """Whom a challenger has to beat, as it was when this was decided on."""
        return version_to_beat(self._registry, self._program, self._this.embedders(self._meter), self._this.now)

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
