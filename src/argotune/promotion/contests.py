"""Contests: a frozen challenger against the champion, over as many passes as the evidence takes.

A contest opens when a challenger was trained and ends by one of the ways in `NEXT`. Its evidence is what neither
training nor choosing could see: the test examples that were sealed when it opened, and requests drawn by lot since.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from argotune.data.spans import Json
from argotune.decisions.outlook import Outlook
from argotune.errors import Conflict
from argotune.promotion.judges import Judge
from argotune.stats.significance import next_level
from argotune.stats.wording import counted
from argotune.store.moments import believed
from argotune.store.records import StoredValue


class ContestState(StrEnum):
    """How a contest stands, or ended. The values are what people read."""

    OPEN = "open"
    PROMOTED = "promoted"
    NO_BETTER = "no better"
    WORSE = "worse in a slice"
    TOO_SLOW = "too slow"
    TOO_COSTLY = "too costly"
    OUT_OF_LABELS = "out of labels"
    OUT_OF_DAYS = "out of days"
    OVERTAKEN = "overtaken by new labels"
    CHAMPION_MOVED = "champion moved"
    EMBEDDER_CHANGED = "embedder changed"
    STOPPED = "stopped by a person"


NEXT: dict[ContestState, frozenset[ContestState]] = {
    ContestState.OPEN: frozenset(ContestState) - {ContestState.OPEN},
    **{state: frozenset() for state in ContestState if state is not ContestState.OPEN},
}
"""Which state may follow which."""


_UNTOLD = {"seen_ids", "seen_spans", "seen_elsewhere", "sealed_ids", "judged", "champion_tag", "outlook"}


class CurvePoint(StoredValue):
    """How a contest stood after the pass that judged it in the run `run_id`: `labels` had judged, `wait` spans waited
    for theirs."""

    run_id: str
    at: datetime
    log_wealth: float
    labels: int
    answers: int
    differ: int
    wait: int


class Contest(StoredValue):
    """One challenger against the version that it has to beat.

    `id` is that of the run that trained the challenger. `level` is the chance of a false promotion that it may spend,
    `spent` what it has spent when it has ended (stats/significance.py). `seen_ids` are the examples that training and
    choosing could see, `seen_spans` requests without a label that it could, `seen_elsewhere` examples of another
    module, `sealed_ids` the test examples that it opens. Where not all examples were read, `seen_of` is how many there
    were of those that may be seen, else 0. The other fields are how it stands after the last pass: the
    examples that `judged`, pairs of `answers`, on how many of these both `differ`, how many requests were `drawn`
    (silent ones too), the natural logarithm of its wealth, the spans that `wait` to be labelled in the order in which
    they were drawn, and the run that it was
    `judged_by`, "" before the first. `cut_short`: which limit ended the asking of the last pass. `is_plain`: it was not
    refuted that the metric gives equal answers equal scores.
    `judge` stands beside people, None: they decide alone; what `wait_for_judge` it has not said anything of yet.
    `curve` has a point for each pass that judged, oldest first, and of long contests for some of the older ones only.
    """

    id: str
    program: str
    module: str
    champion: str
    champion_tag: str | None
    challenger: str
    opened_at: datetime
    level: Annotated[float, Field(gt=0, lt=1)]
    seen_ids: tuple[str, ...]
    sealed_ids: tuple[str, ...]
    seen_spans: tuple[str, ...] = ()
    seen_elsewhere: tuple[str, ...] = ()
    state: ContestState = ContestState.OPEN
    why: str = ""
    who: str = ""
    ended_at: datetime | None = None
    spent: Annotated[float, Field(ge=0, lt=1)] | None = None
    judged: tuple[str, ...] = ()
    answers: int = 0
    differ: int = 0
    drawn: int = 0
    log_wealth: float = 0.0
    wait: tuple[str, ...] = ()
    owes_answers: bool = True
    cut_short: str = ""
    is_plain: bool = True
    judge: Judge | None = None
    wait_for_judge: tuple[str, ...] = ()
    outlook: Outlook | None = None
    without_lm: str = ""
    judged_by: str = ""
    curve: tuple[CurvePoint, ...] = ()
    seen_of: int = 0

    def dated(self, now: datetime) -> Contest:
        """The contest; one that a wrong clock has opened in the future as if it were opened now, or it would draw
        nothing and never be out of days until then."""
        return self if believed(self.opened_at, now) else self.model_copy(update={"opened_at": now})

    def last_day(self, max_days: float) -> datetime:
        """When its days are over."""
        return self.opened_at + timedelta(days=max_days)

    @property
    def is_open(self) -> bool:
        return self.state is ContestState.OPEN

    @property
    def log_wealth_asked(self) -> float:
        """The natural logarithm of the wealth at which the challenger is better beyond doubt."""
        return -math.log(self.level)

    def with_point(self, at: datetime, most: int) -> Contest:
        """With how it stands on its curve, one point for a run. Of more than `most` points every second one goes, but
        for the first and the last."""
        now = CurvePoint(
            run_id=self.judged_by,
            at=at,
            log_wealth=self.log_wealth,
            labels=len(self.judged),
            answers=self.answers,
            differ=self.differ,
            wait=len(self.wait),
        )
        points = [*(point for point in self.curve if point.run_id != self.judged_by), now]
        while len(points) > most:
            points = [points[0], *points[2:-1:2], points[-1]]
        return self.model_copy(update={"curve": tuple(points)})

    def ended(self, state: ContestState, why: str, at: datetime, spent: float, who: str = "") -> Contest:
        """The contest as it ends. Raises Conflict for one that has ended."""
        if state not in NEXT[self.state]:
            raise Conflict(f"contest {self.id} cannot go from {self.state} to {state}")
        changes = {"state": state, "why": why, "ended_at": at, "spent": spent, "who": who}
        over = {"wait": (), "wait_for_judge": (), "owes_answers": False, "cut_short": "", "outlook": None}
        return self.model_copy(update={**changes, **over})

    def as_json(self) -> dict[str, Json]:
        """For programs. The ids of examples are counted: they say nothing to anybody."""
        ahead = self.outlook
        return {
            **self.model_dump(mode="json", exclude=_UNTOLD),
            "sentence": self.sentence,
            "seen": len(self.seen_ids),
            "sealed": len(self.sealed_ids),
            "labels": len(self.judged),
            "log_wealth_asked": self.log_wealth_asked,
            "outlook": {**ahead.model_dump(mode="json"), "sentence": ahead.sentence} if ahead else None,
        }

    @property
    def sentence(self) -> str:
        """How it stands, for people."""
        of_whom = " of people and judge" if self.judge else ""
        labels, answers = counted(len(self.judged), "label"), counted(self.answers, "answer")
        told = f"{labels}{of_whom}, {answers} of both, {self.differ} of them differ"
        if not self.is_plain:
            told += "; the metric gives another number for equal answers, so every question may be asked"
        if self.judge:
            told += f"; {self.judge.sentence}"
        if not self.is_open:
            return f"{self.state}: {self.why} ({told})"
        return "; ".join([f"open: {told}", *self.ahead])

    @property
    def ahead(self) -> list[str]:
        """What keeps it from going on and how that is mended, and what it still takes, as far as that is known."""
        limit = [f"asking ended early ({self.cut_short}): raise that limit"] if self.cut_short else []
        return [*limit, *([self.outlook.sentence] if self.outlook else [])]


class OpenContest(StoredValue):
    """Which contest of a program is open, None for none: at most one is."""

    contest: str | None


class Share(StoredValue):
    """What a contest holds of a year's significance while it is open, and what it has spent when it has ended."""

    contest: str
    opened_at: datetime
    level: float


YEAR = timedelta(days=365)

OLDER_KEPT = 100
"""Shares that are over a year older than the newest: where its clock was wrong they still count."""


class Shares(StoredValue):
    """What all contests of a tenant hold and have spent. `since`, `who` and `why` tell of the last time that a person
    set it back, if ever."""

    shares: tuple[Share, ...] = ()
    since: datetime | None = None
    who: str = ""
    why: str = ""

    def of_year(self, now: datetime | None) -> list[float]:
        """What counts: of the last 365 days, and what lies in the future, as a clock that was wrong frees nothing; all
        where nobody is sure of the present."""
        return [share.level for share in self.shares if now is None or share.opened_at > now - YEAR]

    def next_level(self, significance: float, now: datetime | None) -> float:
        """What the next contest may spend; 0 where nothing is left of the year. None: nobody is sure of the present."""
        return next_level(significance, self.of_year(now))

    def with_share(self, share: Share) -> Shares:
        """With what a contest holds or has spent. Of what is over a year older than it the last are kept."""
        others = [x for x in self.shares if x.contest != share.contest]
        older = [x for x in others if x.opened_at <= share.opened_at - YEAR]
        gone = {x.contest for x in older[:-OLDER_KEPT]}
        return self.model_copy(update={"shares": (*(x for x in others if x.contest not in gone), share)})
