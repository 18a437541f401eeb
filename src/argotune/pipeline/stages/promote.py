"""promote: the gate's verdict on a contest, and the compare-and-set of the champion pointer that may follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from argotune.data.annotations import LabelSource
from argotune.data.dataset import Dataset
from argotune.data.splitting import Split
from argotune.decisions.outlook import Outlook
from argotune.pipeline.module_pass import Pass
from argotune.programs.embedder import Embedders
from argotune.programs.program import Program
from argotune.programs.state import embedder_changed
from argotune.promotion.champions import version_to_beat
from argotune.promotion.contest_book import ended
from argotune.promotion.contests import Contest, ContestState
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms, outlook_of
from argotune.promotion.verdicts import Comparison, Numbers, Objection, Promoted, Rejected, Undecided, Verdict
from argotune.promotion.versions import Change
from argotune.runs.run import Run, RunState
from argotune.store.port import Record
from argotune.store.turns import in_turn

ENDS: dict[Objection, ContestState] = {
    Objection.SLICE_WORSE: ContestState.WORSE,
    Objection.TOO_SLOW: ContestState.TOO_SLOW,
    Objection.TOO_COSTLY: ContestState.TOO_COSTLY,
    Objection.NO_BETTER: ContestState.NO_BETTER,
    Objection.OUT_OF_LABELS: ContestState.OUT_OF_LABELS,
    Objection.OUT_OF_DAYS: ContestState.OUT_OF_DAYS,
    Objection.OVERTAKEN: ContestState.OVERTAKEN,
    Objection.CHAMPION_MOVED: ContestState.CHAMPION_MOVED,
    Objection.EMBEDDER_CHANGED: ContestState.EMBEDDER_CHANGED,
    Objection.STOPPED: ContestState.STOPPED,
    Objection.BARRED: ContestState.STOPPED,
}
"""How a contest ends by what was objected to its challenger."""

CHANGED = frozenset({Objection.CHAMPION_MOVED, Objection.EMBEDDER_CHANGED})
"""What says nothing of the challenger: another one may be trained at once."""

TURNS = 10
"""How often the verdict is written anew where others write of the champion, the contest or the significance first."""


def promote(this: Pass, program: Program, run: Run, data: Dataset, embedders: Embedders) -> Run:
    """The run with its verdict. Verdict, the contest's end, pointer and history are written in one step.

    A champion that was moved meanwhile ends the contest, and so do an embedder that is another by now and a bar on the
    challenger. Raises Conflict where the run was taken up by somebody else.
    """
    return in_turn(f"the verdict of run {run.id}", lambda: _judged(this, program, run, data, embedders), TURNS)


def _judged(this: Pass, program: Program, run: Run, data: Dataset, embedders: Embedders) -> Run:
    contest = this.contests.contest(run.contest or "")
    barred = this.registry.expected_bar(contest.challenger)
    withheld = _withheld(this, run, contest)
    verdict = _verdict(this, run, contest, data, withheld, overtaken_by_change(this, program, contest, embedders))
    ahead = _outlook(this, contest, verdict, is_withheld=bool(withheld))
    if isinstance(verdict, Undecided):
        contest = contest.model_copy(update={"outlook": ahead})
        verdict = Undecided("; ".join([verdict.reason, *contest.ahead]), verdict.numbers)
    is_to_repeat = isinstance(verdict, Rejected) and verdict.rule in CHANGED
    judged = this.book.advanced(run, RunState.JUDGED, verdict=verdict, is_to_repeat=is_to_repeat)
    records = _contest_records(this, contest, judged) if contest.is_open else {}
    if isinstance(verdict, Promoted):
        _set_champion(this, judged, contest, verdict, records, barred)
        kept = this.book.kept(judged)
    else:
        kept = this.book.keep(judged, expecting=records)
    this.contests.written(records)
    return kept


def _withheld(this: Pass, run: Run, contest: Contest) -> str:
    """Why the challenger may not be promoted as not worse and cheaper; "" where it may, or does not seem to be."""
    saving = run.comparison.saving if run.comparison else None
    return this.withheld_as_cheaper(contest.program, contest.champion) if saving and saving.is_seen else ""


def _verdict(
    this: Pass, run: Run, contest: Contest, data: Dataset, withheld: str, changed: Rejection | None
) -> Verdict:
    assert run.comparison is not None
    growth = _growth(contest, run.comparison, data)
    now = this.sure_now or contest.opened_at  # no day is over by a clock that may have leapt
    found = judge(run.comparison, Terms(contest.level, contest.opened_at, now, this.config, growth, withheld))
    if not contest.is_open:
        return _rejected(contest.sentence, Objection.STOPPED, found.numbers)
    if changed is not None:
        return _rejected(changed.why, changed.rule, found.numbers)
    bar = this.registry.bar(contest.challenger)
    return _rejected(bar.sentence, Objection.BARRED, found.numbers) if bar else found


def _outlook(this: Pass, contest: Contest, verdict: Verdict, *, is_withheld: bool) -> Outlook | None:
    """What an undecided contest still takes; None where no number of labels is enough."""
    if not isinstance(verdict, Undecided):
        return None
    return outlook_of(verdict.numbers, len(contest.wait), this.config, contest.judge, withheld=is_withheld)


def _growth(contest: Contest, comparison: Comparison, data: Dataset) -> float:
    """By what share the examples have grown since that the challenger saw, or was shown some of. What people labelled
    for this contest is among them: it is training data as soon as the contest ends. Not so what only a judge beside
    them labels, all that differs at once: it would end each of its contests before people were asked."""
    seen = contest.seen_of or len(contest.seen_ids)
    by_people = sum(score.differs and score.source is LabelSource.HUMAN for score in comparison.scores)
    judged_alone = comparison.differ - by_people if contest.judge else 0
    return (data.count(Split.TRAIN, Split.DEV) - judged_alone - seen) / max(seen, 1)


def _rejected(why: str, rule: Objection, numbers: Numbers) -> Rejected:
    return Rejected(f"rejected: {why}", rule, numbers)


@dataclass(frozen=True)
class Rejection:
    """What ends a contest whatever was answered, and why in words."""

    rule: Objection
    why: str


def overtaken_by_change(this: Pass, program: Program, contest: Contest, embedders: Embedders) -> Rejection | None:
    """What has changed since the contest opened, so that its two versions cannot be compared any more: the champion, or
    an embedder. None where nothing has. Raises Corrupt, NotFound for a challenger that is gone."""
    found = version_to_beat(this.registry, program, embedders, this.now)
    if (found.version.id, found.tag) != (contest.champion, contest.champion_tag):
        why = f"the champion moved: {found.version.id} serves, and {contest.champion} did when the contest opened"
        if found.set_aside == contest.champion:
            why = f"the champion {contest.champion} was set aside: {found.why}"
        return Rejection(Objection.CHAMPION_MOVED, why)
    changed = embedder_changed(this.registry.version(contest.challenger).state, embedders)
    return Rejection(Objection.EMBEDDER_CHANGED, f"the challenger cannot be loaded: {changed}") if changed else None


def _contest_records(this: Pass, contest: Contest, judged: Run) -> dict[Record, str | None]:
    verdict = judged.verdict
    assert verdict is not None
    known = contest.model_copy(update={"log_wealth": verdict.numbers.log_wealth, "judged_by": judged.id})
    known = known.with_point(this.now, this.config.contest.curve_points)
    if isinstance(verdict, Undecided):
        return this.contests.changing(known)
    state = ENDS[verdict.rule] if isinstance(verdict, Rejected) else ContestState.PROMOTED
    is_better = isinstance(verdict, Promoted) and verdict.way == "better"
    return this.contests.ending(ended(known, state, verdict.reason.partition(": ")[2], this.now, is_better=is_better))


def _set_champion(
    this: Pass,
    judged: Run,
    contest: Contest,
    verdict: Promoted,
    records: dict[Record, str | None],
    barred: dict[tuple[str, str], str | None],
) -> None:
    book, registry = this.book, this.registry
    champion, _ = registry.champion(judged.program)
    change = Change(
        program=judged.program,
        sequence=champion.sequence + 1 if champion else 1,
        version=contest.challenger,
        previous=contest.champion,
        at=this.now,
        how="promoted",
        who=f"run {judged.id}",
        reason=verdict.reason,
        run_id=judged.id,
        way=verdict.way,
    )
    expect = {(record.collection, record.id): tag for record, tag in records.items()}
    also = (book.record_of(judged), *records)
    registry.set_champion(change, contest.champion_tag, also, {**expect, **book.expected(judged), **barred})
