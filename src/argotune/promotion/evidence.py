"""Evidence: which of what both versions answered counts by the labels that stand.

Each look weighs all answers (promotion/pairs.py) anew by the labels of that moment. So a label that is corrected or
withdrawn changes the evidence as if it had never been otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example, RightAnswers
from argotune.errors import ConfigInvalid
from argotune.errors.lines import in_short
from argotune.promotion.bounds import Bounds
from argotune.promotion.pairs import Pair
from argotune.promotion.verdicts import Comparison, Score, UnusableAnswers

Scoring = Callable[[Pair, Example], tuple[float, float] | None]
"""The scores in 0..1 of champion and challenger by a right answer, None where both have to be asked again for them.
Raises ConfigInvalid where the metric gives none."""


@dataclass(frozen=True)
class Bench:
    """A judge beside people: whether they are asked about a pair, a draw of the chance `asked_share`; the difference
    that the judge sees in it, None while it has said nothing; and when spans were drawn."""

    asked_share: float
    asks: Callable[[Pair], bool]
    judged: Callable[[Pair], float | None]
    drawn_at: Mapping[str, datetime]


@dataclass(frozen=True)
class Standing:
    """What is known of a contest's questions now: their examples by question, the spans whose labels by people
    contradict each other, and since when a span has been before people. `bench` is None where people decide alone.
    `bounds`: what a pair can differ by where people have said of it only which answer is wrong, None for others."""

    examples: RightAnswers
    contradicted: frozenset[str]
    asked_at: Mapping[str, datetime]
    bench: Bench | None = None
    bounds: Callable[[Pair], Bounds | None] = lambda _pair: None


@dataclass(frozen=True)
class Evidence:
    """What counts: `comparison` with its scores, the spans that `wait` for a label of people in the order in which they
    were drawn, those that wait for the judge, and how many pairs were left out, by reason."""

    comparison: Comparison
    wait: tuple[str, ...]
    left_out: Mapping[str, int]
    wait_for_judge: tuple[str, ...] = ()


NOT_ANSWERED = "passed over by people: counted as lost"
LONG_ASKED = "asked for long, and nothing later is answered"
HELD_BACK = "labelled before questions that were drawn earlier"
SILENT = "the champion's LM said nothing"
REPEATED = "repeats an earlier question"
WITHDRAWN = "sealed example without a label of people"
CONTRADICTED = "labels of people contradict each other: no difference is counted"
BOUNDED = "people have said only which answer is wrong: counted as the least that it can be"
NO_SCORE = "the metric gives no number in 0..1"
NOT_PLAIN = "the metric gives another number for equal answers"
UNMARKED = "labelled, and to be asked again for its score"


def weigh(
    versions: tuple[str, str, str],
    pairs: Sequence[Pair],
    standing: Standing,
    scored: Scoring,
    now: datetime,
    patience: timedelta,
    *,
    is_plain: bool = True,
) -> Evidence:
    """What `pairs`, in the order in which they were drawn, come to by the labels that stand.

    `versions` are the program, its champion and its challenger. Equal answers differ by 0 whatever is right, where the
    metric `is_plain`, a function of example and answers; labelled ones are scored all the same, and NOT_PLAIN counts
    those that show that it is none. One question without a number is reason enough to promote nothing: who fails on
    what is lost would win otherwise.

    Disagreements that were drawn by lot count up to the first one that waits for its label, so that who answers what
    is easy first tilts nothing; one that people have had for longer than `patience`, and have passed over for later
    ones, counts as lost: what is missing may be missing for a reason. A judge that has said nothing for as long is
    taken to see no difference, which people's answers correct as any other error.
    """
    return _Weighing(versions, standing, scored, now, patience, is_plain).evidence(pairs)


class _Weighing:
    def __init__(
        self,
        versions: tuple[str, str, str],
        standing: Standing,
        scored: Scoring,
        now: datetime,
        patience: timedelta,
        is_plain: bool,
    ) -> None:
        self._versions, self._standing, self._scored = versions, standing, scored
        self._now, self._patience, self._is_plain = now, patience, is_plain
        self._scores: dict[str, Score] = {}
        self._times, self._passed_over = Counter[str](), list[Pair]()
        self._wait, self._wait_for_judge = list[str](), list[str]()
        self._left_out: dict[str, int] = {}
        self._is_held, self._fault = False, ""
        self._before_answered: set[str] = set()
        self._equal, self._equal_after = list[str](), list[str]()
        self._answers = self._differ = 0

    def evidence(self, pairs: Sequence[Pair]) -> Evidence:
        if bench := self._bench:
            drawn = [pair for pair in pairs if pair.drawn == "lot"]
            answered = [n for n, pair in enumerate(drawn) if bench.asks(pair) and self._is_answered(pair)]
            self._before_answered = {pair.question for pair in drawn[: max(answered, default=0)]}
        for pair in pairs:
            if pair.is_silent:
                self._leave_out(SILENT)
            else:
                self._take(pair)
        for _ in self._passed_over:
            self._leave_out(LONG_ASKED)
        program, champion, challenger = self._versions
        comparison = Comparison(
            program,
            champion,
            challenger,
            tuple(replace(score, times=max(self._times[id], 1)) for id, score in self._scores.items()),
            answers=self._answers,
            differ=self._differ,
            unusable=UnusableAnswers.of([(pair.champion.lack, pair.challenger.lack) for pair in pairs]),
            doubt=self._doubt(),
            asked_share=self._bench.asked_share if self._bench else 1.0,
            equal=len(self._equal),
            equal_questions=len(set(self._equal)),
        )
        return Evidence(comparison, tuple(self._wait), self._left_out, tuple(self._wait_for_judge))

    @property
    def _bench(self) -> Bench | None:
        """A metric that is not plain has no score for what a judge says is right: people decide alone."""
        return self._standing.bench if self._is_plain else None

    def _doubt(self) -> str:
        count = self._left_out.get(NO_SCORE)
        return f"{NO_SCORE} on {count} of the labelled questions ({self._fault})" if count else ""

    def _leave_out(self, why: str) -> None:
        self._left_out[why] = self._left_out.get(why, 0) + 1

    def _take(self, pair: Pair) -> None:
        is_open = not (self._is_plain and pair.is_equal)
        self._answers += 1
        self._differ += is_open
        self._times[pair.repeats or pair.question] += is_open and pair.drawn == "lot"
        if not is_open and pair.drawn == "lot":
            self._take_equal(pair)
        if pair.repeats is not None:
            self._leave_out(REPEATED)
        elif pair.drawn == "sealed":
            self._take_sealed(pair)
        elif is_open:
            self._take_drawn(pair)
        elif (example := self._standing.examples.get(pair.question)) and example.source.is_trusted:
            self._scores_of(pair, example)

    def _take_equal(self, pair: Pair) -> None:
        """It counts where all drawn before it does: what is known at once must not run ahead of people."""
        if not self._is_held:
            (self._equal_after if self._passed_over else self._equal).append(pair.question)

    def _take_sealed(self, pair: Pair) -> None:
        example = self._standing.examples.get(pair.question)
        if example is None or not example.source.is_trusted:
            return self._leave_out(WITHDRAWN)
        self._count(pair, example)

    def _take_drawn(self, pair: Pair) -> None:
        if self._bench:
            return self._take_judged(pair, self._bench)
        example = self._by_people(pair)
        if self._is_held and self._is_answered(pair):
            self._leave_out(HELD_BACK)
        elif example:
            self._count_passed_over()
            self._is_held = not self._count(pair, example)
        elif bounds := self._bounds(pair):
            self._count_passed_over()
            self._count_bounds(pair, bounds)
        elif self._is_late(self._standing.asked_at.get(pair.span_id)):
            self._passed_over.append(pair)
        else:
            self._wait_for(pair, self._wait)

    def _count_passed_over(self) -> None:
        """People have answered later questions and not these: for a reason of their own, so the worst is assumed."""
        for pair in self._passed_over:
            self._count_lost(pair)
        self._equal += self._equal_after
        self._passed_over.clear()
        self._equal_after.clear()

    def _count_lost(self, pair: Pair, judged: float | None = None) -> None:
        self._leave_out(NOT_ANSWERED)
        score = Score(pair.question, None, pair.slices, 1.0, 0.0, pair.drawn, judged=judged)
        self._scores[pair.question] = score

    def _count_bounds(self, pair: Pair, bounds: Bounds, judged: float | None = None) -> None:
        """What only the wrong answer is known of, as the least that it can be: that may delay a promotion and never
        bring one about."""
        self._leave_out(BOUNDED)
        scores, by = (bounds.champion, bounds.challenger), LabelSource.HUMAN
        found = Score(pair.question, by, dict(pair.slices), *scores, "lot", judged=judged, highest=bounds.highest)
        self._scores[pair.question] = found

    def _take_judged(self, pair: Pair, bench: Bench) -> None:
        judged, is_asked = bench.judged(pair), bench.asks(pair)
        example = self._by_people(pair) if is_asked else None
        bounds = self._bounds(pair) if is_asked else None
        if judged is None and not self._is_late(bench.drawn_at.get(pair.span_id)):
            self._wait_for(pair, self._wait_for_judge)
        if is_asked and example is None and bounds is None and not self._is_passed_over(pair):
            self._wait_for(pair, self._wait)
        if self._is_held:
            self._leave_out(HELD_BACK) if example or bounds else None
        elif example:
            self._is_held = not self._count(pair, example, judged or 0.0)
        elif bounds:
            self._count_bounds(pair, bounds, judged or 0.0)
        elif is_asked:
            self._count_lost(pair, judged or 0.0)
        else:
            self._count_judged(pair, judged or 0.0)

    def _count_judged(self, pair: Pair, judged: float) -> None:
        """What only the judge says something of."""
        scores = max(-judged, 0.0), max(judged, 0.0)
        by, slices = LabelSource.LLM, dict(pair.slices)
        score = Score(pair.question, by, slices, *scores, "lot", judged=judged, is_asked=False)
        self._scores[pair.question] = score

    def _is_passed_over(self, pair: Pair) -> bool:
        """Whether people have had it for long, and have answered what was drawn later."""
        return pair.question in self._before_answered and self._is_late(self._standing.asked_at.get(pair.span_id))

    def _by_people(self, pair: Pair) -> Example | None:
        example = self._standing.examples.get(pair.question)
        return example if example and example.source is LabelSource.HUMAN else None

    def _bounds(self, pair: Pair) -> Bounds | None:
        """Only where equal answers are equally right: else the metric looks at more than what is known."""
        known = self._by_people(pair) is not None or not self._is_plain
        return None if known else self._standing.bounds(pair)

    def _is_answered(self, pair: Pair) -> bool:
        return self._by_people(pair) is not None or self._bounds(pair) is not None

    def _is_late(self, since: datetime | None) -> bool:
        return since is not None and self._now - since > self._patience

    def _wait_for(self, pair: Pair, whom: list[str]) -> None:
        whom.append(pair.span_id)
        self._is_held = True

    def _count(self, pair: Pair, example: Example, judged: float | None = None) -> bool:
        """Whether its scores are known."""
        found = self._scores_of(pair, example)
        if found is None:
            return False
        champion, challenger = found
        slices, differs = {**pair.slices, **(example.slices or {})}, not (self._is_plain and pair.is_equal)
        score = Score(pair.question, example.source, slices, champion, challenger, pair.drawn, differs, judged=judged)
        self._scores[pair.question] = score
        return True

    def _scores_of(self, pair: Pair, example: Example) -> tuple[float, float] | None:
        if pair.span_id in self._standing.contradicted:
            self._leave_out(CONTRADICTED)
            return 0.0, 0.0
        try:
            found = self._scored(pair, example)
        except ConfigInvalid as error:
            self._leave_out(NO_SCORE)
            self._fault = self._fault or in_short(error)
            return 0.0, 0.0
        if found is None:
            self._leave_out(UNMARKED)
        elif self._is_plain and pair.is_equal and found[0] != found[1]:
            self._leave_out(NOT_PLAIN)
        return found
