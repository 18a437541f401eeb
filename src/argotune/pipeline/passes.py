"""Passes: the only place that knows the order of the verbs.

discover -> trigger -> collect -> decide -> synthesize -> train -> evaluate -> promote -> report -> annotate
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from argotune.data.annotations import Annotation
from argotune.data.dataset import Dataset
from argotune.decisions.lessons import Lessons
from argotune.decisions.values import Awaited, CutShort, TrainingHistory
from argotune.errors import Corrupt
from argotune.labels.queue import keep_waiting
from argotune.lm.kept_answers import forget_answers
from argotune.logs import about
from argotune.pipeline.module_pass import Pass, Request
from argotune.pipeline.ports import Ports
from argotune.pipeline.run_steps import Work
from argotune.pipeline.stages.annotate import annotate
from argotune.pipeline.stages.collect import Collected, collect
from argotune.pipeline.stages.trigger import note_first_look, trigger
from argotune.programs import programs_of
from argotune.programs.own import refuse_without_deno
from argotune.programs.program import Program
from argotune.promotion.contests import Contest
from argotune.runs.at_work import PassAtWork, WorkNotes
from argotune.runs.closing import history_after
from argotune.runs.pass_figures import PassFigures
from argotune.runs.progress import PassState
from argotune.runs.reports import ModuleReport
from argotune.runs.run import Run
from argotune.runs.tallies import keep_tally
from argotune.scheduling.trigger_check import Conditions
from argotune.store.leases import leased
from argotune.store.records import unreadable
from argotune.store.turns import in_turn
from argotune.tenants.config import RoutingConfigUnified

log = logging.getLogger(__name__)


def run_module(ports: Ports, config: RoutingConfigUnified, module: str, request: Request) -> ModuleReport:
    """Optimize one module of one tenant. Skipping and rejecting are outcomes, not errors.

    A run that a crash left unfinished is taken up where it stopped. Raises Conflict while another run of the
    module is at work or has taken this one up, and whatever the ports raise; running again later continues.
    """
    begun = _begun(ports, config.tenant_id, module)
    lease = leased(ports.store, begun.tenant_id, begun.lease, begun.holder, ports.lease_s)
    notes = WorkNotes(ports.store, begun, ports.clock, ports.progress)
    with about(tenant=config.tenant_id, module=module), lease as held, notes:
        this = Pass(replace(ports, progress=notes.progress), config, module, request, held)
        conditions, done = _conditions(this), _done_for_group(this)
        if done:
            ports.progress(f"{module}: was done for {request.group} before, nothing is run again", 0, 0)
        if done or not (conditions.is_due or conditions.is_to_look):
            return ModuleReport(conditions, done)
        programs = programs_of(config, module)
        for program in programs:
            refuse_without_deno(program)
        notes.begin()
        collected = collect(this, [program.fields for program in programs])
        if conditions.is_to_look:
            conditions = _conditions(this)
            keep_tally(this.store, this.tenant_id, this.now)
        return _optimize(this, conditions, programs, collected) if conditions.is_due else ModuleReport(conditions, ())


def _begun(ports: Ports, tenant_id: str, module: str) -> PassAtWork:
    now, lease = ports.clock(), f"run/{module}"
    return PassAtWork(
        tenant_id=tenant_id,
        module=module,
        lease=lease,
        holder=ports.new_id(),
        since=now,
        step_since=now,
        told_at=now,
    )


def _conditions(this: Pass) -> Conditions:
    now, request = this.now, this.request
    note_first_look(this.module_book, now)
    return trigger(
        this.module_book.state,
        this.ports.traces,
        this.config,
        this.module,
        forced=request.is_forced,
        now=now,
        reach=request.reach,
    )


def _done_for_group(this: Pass) -> tuple[Run, ...]:
    """The runs of the group's finished pass: a pod that was lost after its work is started again, forced as before."""
    group = this.request.group
    if not group or this.id or this.passes.settled_group != group:
        return ()
    return tuple(run for run in this.book.runs(group=group) if run.module == this.module)


def _optimize(this: Pass, conditions: Conditions, programs: Sequence[Program], collected: Collected) -> ModuleReport:
    asked = _asked(this, programs)
    if not this.id:
        pass_id = this.ports.new_id()
        in_turn(_taken(this), lambda: this.module_book.change(PassState, pass_id=pass_id))
    runs, failures = _run_programs(this, asked, collected)
    figures = _annotated(this, programs, collected)
    # Before the pass is closed: a crash here is made good by its rerun.
    keep_tally(this.store, this.tenant_id, this.now)
    keep_waiting(this.store, this.tenant_id)
    forget_answers(this.store, this.tenant_id, [run.id for run in runs], this.now)  # no run asks any more
    _forget_vectors(this)
    _settle(this, collected, runs)
    failure = failures[0] if failures else None
    return ModuleReport(conditions, runs, failure, unreadable(this.tenant_id), figures)


def _annotated(this: Pass, programs: Sequence[Program], collected: Collected) -> PassFigures:
    """The pass's figures with what was asked of people and of the LM annotator."""
    reports = annotate(this, programs, collected.annotations)
    return replace(collected.figures, asked=this.queue.added, lm_labels=sum(each.labelled for each in reports))


def _asked(this: Pass, programs: Sequence[Program]) -> list[Program]:
    """The programs of which there are to be runs; all of them where a pass that has begun is gone on with."""
    only = this.request.only
    return [program for program in programs if this.id or not only or program.name in only]


def _forget_vectors(this: Pass) -> None:
    """Those too many, where the pass made some; rounds forget the old ones (pipeline/stages/forget.py)."""
    if this.vectors.added:
        this.vectors.forget(this.config.retention.vectors_kept)


def _run_programs(
    this: Pass, programs: Sequence[Program], collected: Collected
) -> tuple[tuple[Run, ...], list[Corrupt]]:
    """The runs, and what could not be read of programs that have none: the others of the module go on."""
    runs, failures = [], []
    for program in programs:
        try:
            data, labels = collected.datasets[program.name], collected.annotations[program.name]
            runs.append(_run_program(this, program, data, labels))
        except Corrupt as error:
            log.error("%s is left out of this pass: %s", program.name, error)
            failures.append(error)
    return tuple(runs), failures


def _settle(this: Pass, collected: Collected, runs: Sequence[Run]) -> None:
    """Close the pass: what it has taken in counts as new no more, and what it taught is kept for the next decision."""
    lessons = this.lessons
    open_ = [contest for name in collected.datasets if (contest := this.contests.open(name))]
    taught = Lessons(
        learned=_learned(lessons, runs),
        cut_short=_cut_short(this.config, lessons, runs),
        history=lessons.history | _histories(lessons, runs),
        waiting=_waiting(this, open_),
    )
    in_turn(_taken(this), lambda: this.module_book.write(_taken_in(this, collected, runs, open_), taught))


def _taken(this: Pass) -> str:
    """What looks write too, without a lease."""
    return f"what passes over {this.module} of tenant {this.tenant_id!r} took in"


def _taken_in(this: Pass, collected: Collected, runs: Sequence[Run], contests: Sequence[Contest]) -> PassState:
    return PassState(
        settled_cursor=collected.cursor,
        settled_labels=collected.labels,
        settled_labelled=collected.labelled,
        settled_group=this.request.group,
        label_names=collected.label_names,
        last_run_at=this.now,
        again_at=_again_at(this, runs, contests),
        first_look_at=this.passes.first_look_at,
    )


def _again_at(this: Pass, runs: Sequence[Run], contests: Sequence[Contest]) -> datetime | None:
    """When the module is due though nothing new came. A run that has to be repeated is, not at once, as it costs what
    the first one did; a contest after the next period where requests wait to be drawn or a judge was asked, else when
    its days are over, and after a while where they are by a clock that is not believed; at once where the pass had runs
    of some programs alone."""
    now, rules = this.now, this.config
    later = now + timedelta(hours=rules.decisions.look_again_hours)
    again = [later] if any(r.is_to_repeat for r in runs) else []
    again += [now] if this.request.only else []
    for contest in contests:
        is_owed, last_day = contest.owes_answers or contest.wait_for_judge, contest.last_day(rules.contest.max_days)
        again.append(now if is_owed else last_day if last_day > now else later)
    return min(again, default=None)


def _learned(lessons: Lessons, runs: Sequence[Run]) -> dict[str, str]:
    """Of each program the lesson of its last plan, not where doing that again is wanted."""
    again = {run.program for run in runs if run.is_to_repeat}
    known = {name: lesson for name, lesson in lessons.learned.items() if name not in again}
    return known | {run.program: run.plan.lesson for run in runs if run.plan and run.is_carried_out}


def _cut_short(config: RoutingConfigUnified, lessons: Lessons, runs: Sequence[Run]) -> dict[str, CutShort]:
    """Of each program the last plan, where the budget ended it: it taught nothing yet, and with more it may."""
    limits = config.budget.model_dump()
    planned = {run.program: run for run in runs if run.plan}
    new = {n: CutShort(lesson=run.plan.lesson, **limits) for n, run in planned.items() if run.plan and run.is_cut_short}
    return {name: cut for name, cut in lessons.cut_short.items() if name not in planned} | new


def _histories(lessons: Lessons, runs: Sequence[Run]) -> dict[str, TrainingHistory]:
    """Of the module's programs, with what these runs add."""
    return {run.program: history_after(lessons.history.get(run.program, TrainingHistory()), run) for run in runs}


def _waiting(this: Pass, contests: Sequence[Contest]) -> dict[str, Awaited]:
    """What the open contests of the module wait for."""
    return {contest.program: _waiting_of(this.config, contest) for contest in contests}


def _waiting_of(config: RoutingConfigUnified, contest: Contest) -> Awaited:
    ahead, in_hand, limits = contest.outlook, len(contest.wait), config.contest
    has_room = limits.shadow_calls_per_pass > 0 and contest.drawn < limits.max_shadow_calls
    return Awaited(
        labels=in_hand,
        wants_requests=has_room and (ahead is None or ahead.labels > in_hand),
        told=contest.sentence,
    )


def _run_program(this: Pass, program: Program, data: Dataset, annotations: Sequence[Annotation]) -> Run:
    work = Work(this, program, data, annotations)
    with about(run=work.run.id):
        while not work.run.is_over:
            this.check()
            work.step()
    return work.run
