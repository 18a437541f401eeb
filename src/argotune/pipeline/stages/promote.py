"""promote: the gate's verdict, and the compare-and-set of the champion pointer that follows from it."""

from __future__ import annotations

from datetime import datetime

from argotune.errors import Conflict
from argotune.pipeline.module_pass import Pass
from argotune.promotion.gate import judge
from argotune.promotion.registry import Registry
from argotune.promotion.verdicts import Comparison, Objection, Promoted, Rejected, Verdict
from argotune.promotion.versions import Change
from argotune.runs.run import Run, RunState


def promote(this: Pass, run: Run, comparison: Comparison, *, seed: int) -> Run:
    """The run with its verdict. Pointer, history and verdict are written in one step.

    A version that was rolled back is not promoted until its bar is lifted. Raises Conflict when the champion was moved
    since the run looked; the run is then over, as rejected. A run that was taken up by somebody else is left as it is.
    """
    book, registry = this.book, this.registry
    verdict, barred = judge(comparison, this.config.gate, seed), registry.expected_bar(run.challenger or "")
    bar = registry.bar(run.challenger or "")
    if bar and isinstance(verdict, Promoted):
        verdict = Rejected(f"rejected: {bar.sentence}", Objection.BARRED, verdict.numbers)
    if isinstance(verdict, Rejected):
        return book.advance(run, RunState.JUDGED, verdict=verdict)
    judged = book.advanced(run, RunState.JUDGED, verdict=verdict)
    try:
        change = _change(registry, run, verdict, this.now)
        registry.set_champion(
            change, run.champion_tag, also=(book.record_of(judged),), expect={**book.expected(run), **barred}
        )
    except Conflict as error:
        book.advance(run, RunState.JUDGED, verdict=_overtaken(verdict, error))
        raise
    return book.kept(judged)


def _change(registry: Registry, run: Run, verdict: Promoted, now: datetime) -> Change:
    champion, _ = registry.champion(run.program)
    return Change(
        program=run.program,
        sequence=champion.sequence + 1 if champion else 1,
        version=run.challenger or "",
        previous=run.champion,
        at=now,
        how="promoted",
        who=f"run {run.id}",
        reason=verdict.reason,
        run_id=run.id,
    )


def _overtaken(verdict: Promoted, error: Conflict) -> Verdict:
    return Rejected(reason=f"rejected: {error}", rule=Objection.CHAMPION_MOVED, numbers=verdict.numbers)
