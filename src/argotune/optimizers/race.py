"""Race: candidates measured on growing parts of the dev examples, the worse half left behind each time.

Successive halving (K. Jamieson, A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
AISTATS 2016), in which the pulls of an arm are answers to dev examples: all candidates of a round are asked the same
examples, those of a later round include those of the earlier, and no example is asked of a candidate twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import pstdev

import dspy
from pydantic import JsonValue

from argotune.decisions.races import Tried
from argotune.errors import ArgotuneError, BudgetSpent, Unavailable
from argotune.lm.effort import Stopwatch
from argotune.lm.meter import Meter
from argotune.optimizers.task import TrainingTask
from argotune.programs.evaluation import score

FIRST_ROUND = 8
"""Dev examples of the first round at least: fewer tell a good candidate from a bad one by chance only."""

AT_ONCE = 8
"""Dev examples that all are asked before any is asked more: what is lost where the budget ends."""

_ROUNDING = 1e-9


@dataclass
class Outlay:
    """What a candidate has taken so far. `answers` are calls that were paid for here or before, while measuring."""

    meter: Meter
    stopwatch: Stopwatch = time.monotonic
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    answers: int = 0

    @contextmanager
    def running(self, *, measures: bool = False) -> Iterator[None]:
        """What happens inside is on this outlay."""
        before, began = self.meter.spent, self.stopwatch()
        try:
            yield
        finally:
            after = self.meter.spent
            self.calls += after.calls - before.calls
            self.tokens += after.tokens - before.tokens
            self.seconds += max(self.stopwatch() - began, 0.0)
            if measures:
                self.answers += after.calls - before.calls + after.reused - before.reused


@dataclass
class Contender:
    """A compiled candidate in a race. `place` is its rank by cost where nothing else tells; `scores` are those of the
    first dev examples of the race, in its order. `refuted` are the places there of questions of which people have said
    only what is wrong: they rank (programs/refuted.py) and are in no mean that is told. On the places `repeated` it has
    said again what is wrong."""

    name: str
    method: str
    place: int
    module: dspy.Module
    outlay: Outlay
    scores: list[float] = field(default_factory=list)
    why: str = ""
    error: ArgotuneError | None = None
    settings: dict[str, JsonValue] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tutor: dspy.Module | None = None
    refuted: frozenset[int] = frozenset()
    repeated: set[int] = field(default_factory=set)

    def fails(self, error: ArgotuneError, told: str) -> None:
        """It is out of the race, and says why."""
        self.error, self.why = error, f"{told}: {error}"

    @property
    def calls_per_answer(self) -> float:
        """LM calls of an answer, those that were paid for before among them."""
        return self.outlay.answers / len(self.scores) if self.scores else 0.0

    def mean(self, n: int) -> float:
        """The mean score on the first n examples, by which candidates are ranked."""
        return math.fsum(self.scores[:n]) / n

    def told(self) -> Tried:
        """As it stands in the record of the run."""
        known = [score for place, score in enumerate(self.scores) if place not in self.refuted]
        refuted = len(self.scores) - len(known)
        return Tried(
            candidate=self.name,
            method=self.method,
            score=math.fsum(known) / len(known) if known else None,
            n=len(known),
            refuted=refuted,
            repeated=len(self.repeated),
            ranked_by=self.mean(len(self.scores)) if refuted else None,
            calls=self.outlay.calls,
            tokens=self.outlay.tokens,
            seconds=self.outlay.seconds,
            calls_per_answer=self.calls_per_answer,
            why=self.why,
            settings=self.settings,
        )


def round_sizes(examples: int, candidates: int) -> list[int]:
    """How many dev examples have been asked of those that are left after each round; the last one asks all."""
    halvings = max(math.ceil(math.log2(candidates)), 1) if candidates > 1 else 1
    parts = (math.ceil(examples / 2**later) for later in range(halvings - 1, -1, -1))
    return sorted({min(max(part, FIRST_ROUND), examples) for part in parts})


def ranked(contenders: Sequence[Contender]) -> list[Contender]:
    """Best first, by the mean on the examples that all were asked; of equal ones the cheaper, by LM calls of an answer
    and then by its place."""
    common = min((len(contender.scores) for contender in contenders), default=0)
    if not common:
        return sorted(contenders, key=lambda contender: contender.place)
    return sorted(contenders, key=lambda c: (-round(c.mean(common), 9), round(c.calls_per_answer, 9), c.place))


def least_asking(best: Contender, tried: Sequence[Contender]) -> Contender:
    """Of those that were asked all that the best was, and that are not below it by more than one standard error of the
    difference, the one with the fewest LM calls an answer; of equal ones the best.

    The rule of one standard error (L. Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3), here
    of paired differences whose mean is taken to be 0: of right and wrong answers, losses less wins are at most the root
    of their number. So one question in a few does not decide for what asks an LM each time.
    """
    as_good = [(best, 0.0)]
    for one in tried:
        differences = [mine - its for mine, its in zip(one.scores, best.scores, strict=False)]
        is_whole = bool(differences) and len(one.scores) >= len(best.scores) and not one.why
        if is_whole and -math.fsum(differences) <= math.sqrt(math.fsum(d * d for d in differences)) + _ROUNDING:
            as_good.append((one, math.fsum(differences) / len(differences)))
    return _cheapest(as_good)


def cheapest_as_good(
    tried: Sequence[Contender], champion: Contender, places: Sequence[int], margin: float, ratio: float
) -> Contender | None:
    """Of those that ask at most `ratio` of the champion's LM calls an answer, and that dev does not show to be worse by
    `margin`, the cheapest; of equal ones the best. None without such a one.

    `places` are those in the race of what the champion was asked. "Not shown": the mean difference on what both
    were asked, FIRST_ROUND examples at least, is above -margin less one standard error of it. That is wide: what is
    tried in vain costs labels only, as a contest judges.
    """
    if not champion.calls_per_answer:
        return None
    as_good = list[tuple[Contender, float]]()
    for one in tried:
        both = zip(places, champion.scores, strict=True)
        differences = [one.scores[at] - before for at, before in both if at < len(one.scores)]
        if len(differences) < FIRST_ROUND or one.calls_per_answer > ratio * champion.calls_per_answer:
            continue
        mean, spread = math.fsum(differences) / len(differences), pstdev(differences) / math.sqrt(len(differences))
        if mean > -margin - spread:
            as_good.append((one, mean))
    return _cheapest(as_good) if as_good else None


def _cheapest(as_good: Sequence[tuple[Contender, float]]) -> Contender:
    """The one with the fewest LM calls an answer; of equal ones that with the highest gain, then by place."""
    return min(as_good, key=lambda each: (round(each[0].calls_per_answer, 9), -round(each[1], 9), each[0].place))[0]


class Course:
    """The dev examples of a race, in the order in which they are asked."""

    def __init__(self, task: TrainingTask, examples: Sequence[dspy.Example]) -> None:
        self._task, self.examples = task, examples

    def run(self, contenders: Sequence[Contender]) -> list[Contender]:
        """All that can be measured, best first. Where the budget ends, those that were left are compared on what all of
        them were asked. Raises BudgetSpent where that is nothing, and what ends the whole work, as a dead server."""
        racing, behind = list(contenders), list[Contender]()
        for number, upto in enumerate(round_sizes(len(self.examples), len(racing)), start=1):
            told = f"round {number}: {len(racing)} candidates on {upto} dev examples"
            spent = self._asked(racing, upto, partial(self._task.announce, told))
            racing, failed = [c for c in racing if not c.why], [c for c in racing if c.why]
            racing = ranked(racing)
            behind = [*failed, *behind]
            if spent is not None and not (racing and racing[0].scores):
                raise spent
            if spent is not None:
                break
            if upto < len(self.examples):
                keep = math.ceil(len(racing) / 2)
                for worse in racing[keep:]:
                    worse.why = f"left behind after {upto} examples"
                racing, behind = racing[:keep], [*racing[keep:], *behind]
        return [*racing, *behind]

    def _asked(self, racing: Sequence[Contender], upto: int, told: Callable[[int, int], None]) -> BudgetSpent | None:
        """Ask all of them up to that example, some at a time; what ended it early. Those who fail say why. `told` hears
        of how many answers, and of how many, there are."""
        start = min((len(contender.scores) for contender in racing), default=upto)
        total = sum(upto - len(contender.scores) for contender in racing)
        told(0, total)
        for begin in range(start, upto, AT_ONCE):
            end = min(begin + AT_ONCE, upto)
            for contender in racing:
                try:
                    self.ask(contender, end)
                except BudgetSpent as error:
                    return _as_before(racing, begin, error)
                told(total - _unanswered(racing, upto), total)
        return None

    def ask(self, contender: Contender, upto: int) -> None:
        """Measure one on the examples that it was not asked yet. One that answers none of the first is out and says so;
        later, some without an answer are misses. Raises BudgetSpent, and Unavailable and its like, which are about more
        than one candidate."""
        missing = self.examples[len(contender.scores) : upto]
        if contender.why or not missing:
            return
        task = self._task
        try:
            with contender.outlay.running(measures=True):
                rows = score(contender.module, task.program, missing, task.lms, lambda _done, _all: None)
        except (BudgetSpent, Unavailable):
            raise
        except ArgotuneError as error:
            if not contender.scores:
                return contender.fails(error, "it could not be measured")
            contender.scores += [0.0] * len(missing)
            return
        begin = len(contender.scores)
        contender.scores += [row.score for row in rows]
        said_wrong = {begin + place for place, row in enumerate(rows) if row.is_parsed and not row.score}
        contender.repeated |= said_wrong & contender.refuted


def _unanswered(racing: Sequence[Contender], upto: int) -> int:
    """How many answers to come of those that are not out."""
    return sum(upto - len(contender.scores) for contender in racing if not contender.why)


def _as_before(racing: Sequence[Contender], asked: int, error: BudgetSpent) -> BudgetSpent:
    """Forget the answers that not all of them have given."""
    for contender in racing:
        del contender.scores[asked:]
        contender.repeated = {place for place in contender.repeated if place < asked}
    return error
