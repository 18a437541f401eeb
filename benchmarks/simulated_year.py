"""A simulated tenant's year of contests, weighed, judged and paid for by argotune's own code.

Questions are drawn and labelled at random. A day is one pass, except where people stop at will: there they look after
every label, and stop every contest that is behind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from wealth_paths import log_wealth_path

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.pipeline.stages.promote import ENDS
from argotune.promotion.contest_book import ended
from argotune.promotion.contests import Contest, ContestState, Share, Shares
from argotune.promotion.evidence import Evidence, Standing, weigh
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.verdicts import Promoted, Rejected, Undecided, Verdict
from argotune.stats.betting import log_wealth
from argotune.tenants.config import RoutingConfigUnified

START = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = RoutingConfigUnified(tenant_id="years", agents={"a": "an agent", "b": "another"})
SIGNIFICANCE, PATIENCE = CONFIG.gate.significance, timedelta(days=CONFIG.contest.patience_days)
PROGRAMS, DAYS, LABELS_A_TURN, DAYS_A_TURN, SEALED = 7, 365, 50, 2, 8
TIES, UNANSWERED, UNNOTICED = 0.02, 0.03, 0.1
"""Of the requests both wrong in different ways; of the questions never answered; of the repeats not recognised."""
BEHIND = math.log(0.7)
CHAMPION, CHALLENGER = Answer({"agent": "a"}), Answer({"agent": "b"})
EQUAL = Pair("", "", "lot", CHAMPION, CHAMPION)
MEASURED = 1200


@dataclass(frozen=True)
class Kind:
    """Shares of requests that a challenger wins and loses, when its contest opens and 30 days later."""

    wins: float
    losses: float
    wins_later: float | None = None
    losses_later: float | None = None

    def at(self, days: float) -> tuple[float, float]:
        along = min(days / 30, 1.0)
        ends = (
            (self.wins if self.wins_later is None else self.wins_later),
            (self.losses if self.losses_later is None else self.losses_later),
        )
        return (1 - along) * self.wins + along * ends[0], (1 - along) * self.losses + along * ends[1]

    def gain(self, days: float) -> float:
        wins, losses = self.at(days)
        return wins - losses


PLUS_FIVE = Kind(0.10, 0.05)
NULLS = (Kind(0.075, 0.075), Kind(0.15, 0.15))
MIXED = (*NULLS * 2, Kind(0.05, 0.10), Kind(0.05, 0.10), PLUS_FIVE, Kind(0.20, 0.10))


@dataclass(frozen=True)
class Scenario:
    """What challengers are like, each of `kinds` alike, and what else is wrong.

    `wrong` labels are given at random; `repeats` are requests that ask what an earlier one asked, and `popular` those
    that ask one and the same question, which the challenger loses.
    """

    name: str
    kinds: tuple[Kind, ...]
    wrong: float = 0.0
    repeats: float = 0.0
    popular: float = 0.0
    is_stopped_at_will: bool = False

    def gain(self, kind: Kind, days: float) -> float:
        """The true gain over requests."""
        return (1 - self.popular) * kind.gain(days) - self.popular


SMALL = tuple(Kind(0.05 + d / 400, 0.05 - d / 400) for d in (-2, -1, 0, 1, 2))
NEVER = (Kind(0.03, 0.03, 0.15, 0.15), Kind(0.15, 0.15, 0.03, 0.05), Kind(0.1, 0.1, 0.05, 0.15))
TURNING = (Kind(0.15, 0.05, 0.05, 0.15), Kind(0.05, 0.15, 0.15, 0.05))
SCENARIOS = (
    Scenario("no change", NULLS),
    Scenario("small changes: -1, -0.5, 0, +0.5, +1 points", SMALL),
    Scenario("mixed: half equal, a quarter worse, a quarter better", MIXED),
    Scenario("drift, never better", NEVER),
    Scenario("drift, +10 becomes -10 points or the reverse", TURNING),
    Scenario("mixed, 10 % wrong labels", MIXED, wrong=0.1),
    Scenario("mixed, 40 % of requests near-duplicates", MIXED, repeats=0.4),
    Scenario("one question, 15 % of requests, is lost", (PLUS_FIVE,), popular=0.15),
    Scenario("stopping at will", NULLS, is_stopped_at_will=True),
)


@dataclass
class Running:
    """An open contest with what was drawn, `differing` among it, and labelled, with the `differences` that labels told.
    `truth` is the right answer by question."""

    contest: Contest
    kind: Kind
    pairs: list[Pair] = field(default_factory=list)
    differing: list[Pair] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    truth: dict[str, str] = field(default_factory=dict)
    examples: dict[str, Example] = field(default_factory=dict)
    asked_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def wait(self) -> list[Pair]:
        """Disagreements that were not asked yet, in the order in which they were drawn."""
        return [pair for pair in self.differing if pair.span_id not in self.asked_at]

    def evidence(self, now: datetime) -> Evidence:
        versions = (self.contest.program, self.contest.champion, self.contest.challenger)
        standing = Standing(self.examples, frozenset(), self.asked_at)
        return weigh(versions, self.pairs, standing, _scores, now, PATIENCE)

    def verdict(self, now: datetime) -> Verdict:
        terms = Terms(self.contest.level, self.contest.opened_at, now, CONFIG)
        return judge(self.evidence(now).comparison, terms)


def _scores(pair: Pair, example: Example) -> tuple[float, float]:
    champion, challenger = (dict(answer.answers) == example.expected for answer in (pair.champion, pair.challenger))
    return float(champion), float(challenger)


@dataclass
class Tally:
    """What a tenant's year came to. `later_no_better` were promoted on a gain that was none any more on that day."""

    false: int = 0
    later_no_better: int = 0
    true: int = 0
    contests: int = 0
    labels_for_plus_five: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)


class Year:
    """One tenant's year."""

    def __init__(self, scenario: Scenario, days: int, seed: int) -> None:
        self._scenario, self._days, self._rng = scenario, days, np.random.default_rng(seed)
        self._shares, self._open, self.tally = Shares(), dict[int, Running](), Tally()

    def run(self) -> Tally:
        for day in range(self._days):
            now = START + timedelta(days=day)
            for program in range(PROGRAMS):
                if program not in self._open:
                    self._begin(program, now)
            turn, is_turn = divmod(day, DAYS_A_TURN)
            program = turn % PROGRAMS
            if not is_turn and program in self._open:
                self._take_turn(program, now)
        return self.tally

    def _begin(self, program: int, now: datetime) -> None:
        level = self._shares.next_level(SIGNIFICANCE, now)
        if not 0 < level < 1:
            return
        self.tally.contests += 1
        self.tally.levels.append(level)
        contest = Contest(
            id=f"{program}-{now:%Y%m%d}",
            program=str(program),
            module="routing",
            champion="champion",
            champion_tag=None,
            challenger="challenger",
            opened_at=now,
            level=level,
            seen_ids=(),
            sealed_ids=(),
        )
        kind = self._scenario.kinds[self._rng.integers(len(self._scenario.kinds))]
        running = self._open[program] = Running(contest, kind)
        self._share(contest, level)
        for outcome in self._outcomes(running, SEALED, now):
            pair = self._ask(running, outcome, "sealed")
            self._label(running, pair)

    def _share(self, contest: Contest, level: float) -> None:
        self._shares = self._shares.with_share(Share(contest=contest.id, opened_at=contest.opened_at, level=level))

    def _take_turn(self, program: int, now: datetime) -> None:
        running = self._open[program]
        self._draw_enough(running, now)
        for pair in running.wait[:LABELS_A_TURN]:
            running.asked_at[pair.span_id] = now
            if self._rng.random() < UNANSWERED:
                continue
            self._label(running, pair)
            if self._scenario.is_stopped_at_will and self._looked_at_will(program, now):
                return
        self._look(program, now)

    def _draw_enough(self, running: Running, now: datetime) -> None:
        """Draw until enough disagreements wait."""
        drawn, limit = 0, CONFIG.contest.shadow_calls_per_pass
        while drawn < limit and len(running.wait) < LABELS_A_TURN:
            for outcome in self._outcomes(running, 50, now):
                self._draw(running, outcome)
            drawn += 50

    def _outcomes(self, running: Running, n: int, now: datetime) -> list[str]:
        """Which answer is right to requests: a for the champion's, b for the challenger's; "" where both say a."""
        wins, losses = running.kind.at((now - running.contest.opened_at).days)
        chances = [wins, losses, TIES, 1 - wins - losses - TIES]
        return [str(right) for right in self._rng.choice(["b", "a", "c", ""], n, p=chances)]

    def _draw(self, running: Running, right: str) -> None:
        if self._rng.random() < self._scenario.popular:
            self._repeat(running, "popular", "a")
        elif running.pairs and self._rng.random() < self._scenario.repeats:
            earlier = running.pairs[self._rng.integers(len(running.pairs))]
            if earlier is EQUAL or (earlier.repeats is None and earlier.question not in running.truth):
                running.pairs.append(EQUAL)
            elif self._rng.random() < UNNOTICED:
                self._ask(running, running.truth[earlier.repeats or earlier.question], "lot")
            else:
                self._repeat(running, earlier.repeats or earlier.question, "")
        elif right:
            self._ask(running, right, "lot")
        else:
            running.pairs.append(EQUAL)

    def _repeat(self, running: Running, question: str, right: str) -> None:
        """A question that was asked before counts for how often it is asked; the first time it is one like others."""
        if question in running.truth:
            span_id = str(len(running.pairs))
            running.pairs.append(Pair(question, span_id, "lot", CHAMPION, CHALLENGER, repeats=question))
        else:
            self._ask(running, right, "lot", question)

    def _ask(self, running: Running, right: str, drawn: str, question: str = "") -> Pair:
        id = question or str(len(running.pairs))
        slices = {"language": "en" if self._rng.random() < 0.8 else "fr"}
        pair = Pair(id, id, drawn, CHAMPION, CHALLENGER if right else CHAMPION, slices)
        running.pairs.append(pair)
        running.truth[id] = right or "a"
        if drawn == "lot":
            running.differing.append(pair)
        return pair

    def _label(self, running: Running, pair: Pair) -> None:
        right = running.truth[pair.question]
        if self._rng.random() < self._scenario.wrong:
            right = str(self._rng.choice(list("abcdef")))
        source, split = LabelSource.HUMAN, Split.TRAIN
        running.differences.append(float(right == "b") - float(right == "a") if pair.challenger is CHALLENGER else 0.0)
        running.examples[pair.question] = Example("routing", {}, {"agent": right}, source, 1.0, split)

    def _looked_at_will(self, program: int, now: datetime) -> bool:
        """Whether the contest ended. The judge is asked after every label with which it can promote."""
        running = self._open[program]
        wealth = log_wealth(running.differences)
        if wealth >= -math.log(running.contest.level) and self._look(program, now):
            return True
        if wealth < BEHIND:
            self._end(program, running, ContestState.STOPPED, wealth, now)
            return True
        return False

    def _look(self, program: int, now: datetime) -> bool:
        running = self._open[program]
        verdict = running.verdict(now)
        if isinstance(verdict, Undecided):
            return False
        state = ENDS[verdict.rule] if isinstance(verdict, Rejected) else ContestState.PROMOTED
        if running.kind == PLUS_FIVE:
            labels = verdict.numbers.labels if isinstance(verdict, Promoted) else math.inf
            self.tally.labels_for_plus_five.append(labels)
        if isinstance(verdict, Promoted):
            self._count(running, now)
        self._end(program, running, state, verdict.numbers.log_wealth, now)
        return True

    def _count(self, running: Running, now: datetime) -> None:
        days = (now - running.contest.opened_at).days
        gains = [self._scenario.gain(running.kind, day) for day in range(days + 1)]
        self.tally.false += max(gains) <= 0
        self.tally.later_no_better += max(gains) > 0 >= gains[-1]
        self.tally.true += gains[-1] > 0

    def _end(self, program: int, running: Running, state: ContestState, wealth: float, now: datetime) -> None:
        known = running.contest.model_copy(update={"log_wealth": wealth})
        contest = ended(known, state, "", now)
        self._share(contest, contest.spent or 0.0)
        del self._open[program]


def year(scenario: Scenario, days: int, seed: int) -> Tally:
    return Year(scenario, days, seed).run()


def order_of_plus_five(level: float, seed: int) -> float:
    """Labels on disagreements until a true +5 is promoted; the judge is asked wherever the bet would promote."""
    rng = np.random.default_rng(seed)
    contest = Contest.model_construct(program="1", champion="a", challenger="b", level=level, opened_at=START)
    running, ask = Running(contest, PLUS_FIVE), Year(Scenario("+5", (PLUS_FIVE,)), 0, seed)
    wins = rng.random(MEASURED) < PLUS_FIVE.wins / (PLUS_FIVE.wins + PLUS_FIVE.losses)
    reached = log_wealth_path(np.where(wins, 1.0, -1.0)) >= -math.log(level)
    for label, win in enumerate(wins, 1):
        running.pairs += [EQUAL] * int(rng.geometric(PLUS_FIVE.wins + PLUS_FIVE.losses) - 1)
        pair = ask._ask(running, "b" if win else "a", "lot")
        ask._label(running, pair)
        if reached[label - 1]:
            verdict = judge(running.evidence(START).comparison, Terms(level, START, START, _PATIENT))
            if isinstance(verdict, Promoted):
                return label
    return math.inf


_PATIENT = CONFIG.model_copy(update={"contest": CONFIG.contest.model_copy(update={"max_labels": MEASURED})})
