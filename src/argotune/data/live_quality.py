"""Live quality: what the champion's own answers to live requests scored, counted once each, by who scored them.

What is counted of a span is kept with its answer in the question log, and what all of it comes to is written in the
same step: so a crash, a second reading or a rerun counts nothing twice, and an outcome that comes late is counted when
it comes. Of a champion there are a few dozen numbers, however long it serves; another champion begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from pydantic import Field

from argotune.data.experiences import Experience
from argotune.stats.drops import DropDetector, DropRule
from argotune.stats.wording import counted, percent
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import StoredValue, find_all, find_renewable, to_record

YEAR = timedelta(days=365.25)

MOST_AT_ONCE = timedelta(days=1)
"""What a score brings of the time since the last one: after a long silence it would bring too much."""


class ScoredBy(StrEnum):
    """Who says how good an answer was. What people label and what outcomes tell is not the same, so each has a baseline
    of its own. The values are how a counted answer is marked."""

    PEOPLE = "p"
    OUTCOMES = "o"


TOLD_BY = {ScoredBy.PEOPLE: "that people labelled", ScoredBy.OUTCOMES: "with an outcome"}


class ScoreStream(StoredValue):
    """One champion's scores of one kind. `newest_at` is when the newest counted answer was given, and `found_at` when
    the drop was found that stands."""

    detector: DropDetector = Field(default_factory=DropDetector)
    newest_at: datetime | None = None
    found_at: datetime | None = None


class Fall(StoredValue):
    """A drop that was found of a version: from which mean to which, over how many answers since it fell, and since when
    it is over; None: it stands, or stood when another version took over."""

    version: str
    scored_by: ScoredBy
    before: float
    after: float
    count: int
    found_at: datetime
    over_at: datetime | None = None

    @property
    def sentence(self) -> str:
        """For people."""
        until = f"over {self.over_at:%Y-%m-%d %H:%M}" if self.over_at else "not over when last looked at"
        means = f"from {percent(self.before)} to {percent(self.after)} in {counted(self.count, 'answer')}"
        return f"{means} {TOLD_BY[self.scored_by]}, found {self.found_at:%Y-%m-%d %H:%M}, {until}"


MOST_FALLS = 20
"""Of a program; the oldest goes first."""


class DayScores(StoredValue):
    """What a version's answers of a day (UTC) scored, of one kind: how many, and their sum."""

    day: date
    version: str
    scored_by: ScoredBy
    count: int
    total: float

    @property
    def mean(self) -> float:
        return self.total / self.count


class LiveQuality(StoredValue):
    """What is known of a program's champion since it serves. Answers given until `until` count no more where all is
    gathered anew: they were counted before. `falls` are the last drops and `days` what days scored, of this champion
    and of those before it, oldest first."""

    program: str = ""
    version: str = ""
    since: datetime | None = None
    streams: dict[ScoredBy, ScoreStream] = Field(default_factory=dict)
    until: datetime | None = None
    falls: tuple[Fall, ...] = ()
    days: tuple[DayScores, ...] = ()

    def with_days(self, by: ScoredBy, answers: Sequence[ScoredAnswer], today: date, most: int) -> tuple[DayScores, ...]:
        """The last `most` days until today with more answers of the champion. What a wrong clock dated later is of
        today."""
        found = {(each.day, each.version, each.scored_by): (each.count, each.total) for each in self.days}
        for answer in answers:
            key = (min(answer.at.astimezone(UTC).date(), today), self.version, by)
            count, total = found.get(key, (0, 0.0))
            found[key] = count + 1, total + answer.scores[by]
        after = today - timedelta(days=most)
        return tuple(
            DayScores(day=day, version=version, scored_by=by, count=count, total=total)
            for (day, version, by), (count, total) in sorted(found.items())
            if day > after
        )


@dataclass(frozen=True)
class LiveRule:
    """Whose answers count, what each scored, and when a drop of one kind of scores is one. `names_version`: an answer
    that does not say which version gave it is not the champion's. What days scored is kept for `days_kept`."""

    version: str
    since: datetime | None
    names_version: bool
    drop: DropRule
    scores: Callable[[Experience], Mapping[ScoredBy, float]]
    now: datetime
    days_kept: int = 90

    def scores_of(self, experience: Experience) -> Mapping[ScoredBy, float]:
        """Nothing where the champion did not give the answer, or not since it serves."""
        version = experience.program_version
        is_ours = version == self.version or (version is None and not self.names_version)
        is_since = self.since is None or experience.at >= self.since
        return self.scores(experience) if is_ours and is_since else {}


@dataclass(frozen=True)
class ScoredAnswer:
    """What is known of an answer when its question is settled; `is_old`: it was counted before, if ever."""

    span_id: str
    at: datetime
    scores: Mapping[ScoredBy, float]
    is_old: bool = False

    def but(self, by: ScoredBy) -> ScoredAnswer:
        """Without what one kind of scores says."""
        return replace(self, scores={other: score for other, score in self.scores.items() if other is not by})


class LiveScores:
    """The scores of one program, for one gathering: what it takes in is written by whoever writes `records`."""

    def __init__(self, store: Store, tenant_id: str, program: str, rule: LiveRule) -> None:
        self._store, self._tenant_id, self._program, self.rule = store, tenant_id, program, rule
        self._new: dict[ScoredBy, list[ScoredAnswer]] = {}
        self.quality = self._read()

    def _read(self) -> LiveQuality:
        found = live_quality(self._store, self._tenant_id, self._program)
        rule = self.rule
        if (found.version, found.since) == (rule.version, rule.since):
            return found
        return LiveQuality(
            program=self._program, version=rule.version, since=rule.since, falls=found.falls, days=found.days
        )

    def begin_anew(self) -> None:
        """All that is stored will be taken in again: what was counted of it is not counted again."""
        self._new, self.quality = {}, self._read()
        newest = [each.newest_at for each in self.quality.streams.values() if each.newest_at]
        if newest:
            self.quality = self.quality.model_copy(update={"until": max(newest)})
            self._store.write(self._tenant_id, [self._record()])

    def scored(self, experience: Experience, *, is_fresh: bool) -> ScoredAnswer:
        """What an answer scored. `is_fresh`: it is read for the first time, or all is gathered anew."""
        until = self.quality.until
        is_old = is_fresh and until is not None and experience.at <= until
        return ScoredAnswer(experience.span_id, experience.at, self.rule.scores_of(experience), is_old)

    def counted(self, answer: ScoredAnswer, before: str) -> str:
        """By whom the answer is counted once this is written, where it was by `before`."""
        fresh = [by for by in ScoredBy if by in answer.scores and by not in before]
        for by in fresh if not answer.is_old else ():
            self._new.setdefault(by, []).append(answer)
        return before + "".join(fresh)

    def records(self) -> list[Record]:
        """What is to be written in the step that marks the answers as counted; nothing where none are new."""
        if not self._new:
            return []
        today = self.rule.now.astimezone(UTC).date()
        for by, answers in self._new.items():
            stream = self._after(by, answers)
            known = {
                "streams": {**self.quality.streams, by: stream},
                "falls": with_fall(self.quality.falls, self.rule, by, stream),
                "days": self.quality.with_days(by, answers, today, self.rule.days_kept),
            }
            self.quality = self.quality.model_copy(update=known)
        self._new = {}
        return [self._record()]

    def _after(self, by: ScoredBy, answers: Sequence[ScoredAnswer]) -> ScoreStream:
        known, rule = self.quality.streams.get(by, ScoreStream()), self.rule
        ordered = sorted(answers, key=lambda answer: (answer.at, answer.span_id))
        newest = min(max(ordered[-1].at, known.newest_at or ordered[-1].at), max(rule.now, known.newest_at or rule.now))
        passed = newest - known.newest_at if known.newest_at else timedelta(0)
        allotted = min(passed, MOST_AT_ONCE * len(ordered)) / YEAR * rule.drop.alarms_a_year
        hours = [_hour(min(answer.at, newest)) for answer in ordered]
        detector = known.detector.after([answer.scores[by] for answer in ordered], hours, allotted, rule.drop)
        found_at = (known.found_at or rule.now) if detector.drop else None
        return ScoreStream(detector=detector, newest_at=newest, found_at=found_at)

    def _record(self) -> Record:
        return to_record(Collection.LIVE, self._program, self.quality)


def _hour(at: datetime) -> int:
    """Since 1970."""
    return int(at.timestamp() // 3600)


def with_fall(falls: tuple[Fall, ...], rule: LiveRule, by: ScoredBy, stream: ScoreStream) -> tuple[Fall, ...]:
    """The falls with what a stream says: one that was found, how one goes on, or that it is over. What stood when the
    same version served before is not known to be over."""
    ours = [fall for fall in falls if rule.since is None or fall.found_at >= rule.since]
    stands = [f for f in ours if (f.version, f.scored_by, f.over_at) == (rule.version, by, None)]
    others, drop = tuple(fall for fall in falls if fall not in stands), stream.detector.drop
    if drop is None or stream.found_at is None:
        return (*others, *(fall.model_copy(update={"over_at": rule.now}) for fall in stands))
    told = {"before": drop.before, "after": drop.after, "count": drop.count}
    found = Fall(version=rule.version, scored_by=by, **told, found_at=stream.found_at)
    return (*others, found)[-MOST_FALLS:]


def live_quality(store: Store, tenant_id: str, program: str) -> LiveQuality:
    """What is known of a program's champion; nothing where it is damaged, which begins anew. Raises NewerRecord."""
    found, _ = find_renewable(store, tenant_id, Collection.LIVE, program, LiveQuality)
    return found or LiveQuality()


def falls_of(store: Store, tenant_id: str, program: str, version: str) -> tuple[Fall, ...]:
    """The last drops of a version's live quality, oldest first; nothing where they are damaged. Raises NewerRecord."""
    return tuple(fall for fall in live_quality(store, tenant_id, program).falls if fall.version == version)


def live_qualities(store: Store, tenant_id: str) -> Iterator[LiveQuality]:
    """Of a tenant's programs, as far as their records can be read, in no particular order."""
    return find_all(store, tenant_id, Collection.LIVE, LiveQuality)


def degraded_programs(store: Store, tenant_id: str) -> list[str]:
    """Those of a tenant's programs whose champion answers worse than it did, as far as their records can be read."""
    found = live_qualities(store, tenant_id)
    return [each.program for each in found if any(stream.detector.drop for stream in each.streams.values())]
