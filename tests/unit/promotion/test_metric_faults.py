"""A metric that gives no number, or another one for equal answers, promotes nothing, and people are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from factories import NOON, make_config, make_example

from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.errors import ConfigInvalid
from argotune.promotion.evidence import NO_SCORE, NOT_PLAIN, UNMARKED, Evidence, Standing, weigh
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.verdicts import Drawn, Promoted, Undecided

LEFT, RIGHT = Answer({"agent": "left"}), Answer({"agent": "right"})


def pair(n: int, drawn: Drawn = "lot", *, is_equal: bool = False) -> Pair:
    return Pair(f"q{n}", f"s{n}", drawn, LEFT, LEFT if is_equal else RIGHT)


def weighed(pairs: Sequence[Pair], scored: Callable[[Pair, Example], object], **rules: bool) -> Evidence:
    examples = {p.question: make_example(p.question, split=Split.TRAIN) for p in pairs}
    return weigh(
        ("routing", "v1", "v2"), pairs, Standing(examples, frozenset(), {}), scored, NOON, timedelta(days=3), **rules
    )


def verdict_on(evidence: Evidence):
    return judge(evidence.comparison, Terms(0.0125, NOON, NOON, make_config()))


def better(_pair: Pair, _example: Example) -> tuple[float, float]:
    return 0.0, 1.0


def test_a_metric_that_gives_no_number_where_the_challenger_loses_promotes_nothing():
    def blind(p: Pair, _example: Example) -> tuple[float, float]:
        if p.question == "q7":
            raise ConfigInvalid("routing: its metric gave nan, not a number in 0..1")
        return 0.0, 1.0

    pairs = [pair(n) for n in range(60)]
    assert isinstance(verdict_on(weighed(pairs, better)), Promoted)
    found = weighed(pairs, blind)
    verdict = verdict_on(found)
    assert found.left_out == {NO_SCORE: 1}
    assert isinstance(verdict, Undecided)
    assert "no number in 0..1 on 1 of the labelled questions" in verdict.reason
    assert "gave nan" in verdict.reason


@pytest.mark.parametrize("drawn", ["sealed", "lot"])
def test_equal_answers_with_another_number_each_are_found(drawn: Drawn):
    assert weighed([pair(1, drawn, is_equal=True)], better).left_out == {NOT_PLAIN: 1}
    assert weighed([pair(1, drawn, is_equal=True)], lambda _p, _e: (0.5, 0.5)).left_out == {}


def test_where_the_metric_is_not_plain_equal_answers_are_evidence_as_all_are():
    found = weighed([pair(n, is_equal=True) for n in range(3)], better, is_plain=False)
    assert [(score.difference, score.differs) for score in found.comparison.scores] == [(1.0, True)] * 3
    assert found.comparison.differ == 3


def test_drawn_questions_count_up_to_the_first_that_is_to_be_asked_again_for_its_score():
    found = weighed([pair(n) for n in range(4)], lambda p, _e: None if p.question == "q2" else (0.0, 1.0))
    assert [score.example_id for score in found.comparison.scores] == ["q0", "q1"]
    assert found.left_out[UNMARKED] == 1
    assert found.wait == ()
