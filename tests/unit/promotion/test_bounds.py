"""Bounds: an answer that is known to be wrong tells in which range two scores differ, and no more; a gate that goes by
it promotes, and objects, no more often than one that knew what is right."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from factories import NOON, make_config, make_example
from hypothesis import given, settings
from hypothesis import strategies as st

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.errors import ConfigInvalid
from argotune.promotion.bounds import Bounds, bounds_of, may_be_right
from argotune.promotion.evidence import BOUNDED, HELD_BACK, NOT_ANSWERED, Bench, Evidence, Standing, weigh
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms, measure
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.verdicts import Comparison, Promoted, Score

LABELS = ("a", "b", "c", "d")
PATIENCE = timedelta(days=3)


def pair(question: str) -> Pair:
    """The champion says a, the challenger b."""
    return Pair(question, f"span {question}", "lot", Answer({"agent": "a"}), Answer({"agent": "b"}))


def label(agent: str) -> Example:
    return make_example(expected={"agent": agent}, source=LabelSource.HUMAN, slices={})


def scored(of: Pair, example: Example) -> tuple[float, float]:
    before, after = (float(a.answers == example.expected) for a in (of.champion, of.challenger))
    return before, after


def easy(level: float = 0.49) -> Terms:
    """Terms that ask for nothing but luck."""
    config = make_config(gate={"min_effect": 0, "min_slice_examples": 3}, contest={"min_people_labels": 0})
    return Terms(level, NOON, NOON, config)


def between(wrong: str, of: Pair, labels: tuple[str, ...] = LABELS) -> Bounds:
    """By a metric of hits, where this answer is wrong."""
    rights = [{"agent": each} for each in labels if each != wrong]
    return bounds_of(rights, lambda right: scored(of, label(right["agent"])))


@pytest.mark.parametrize(
    ("wrong", "labels", "bounds"),
    [
        pytest.param("a", LABELS, Bounds(0.0, 0.0, 1.0), id="the champion's: it may have lost, and has not won"),
        pytest.param("b", LABELS, Bounds(1.0, 0.0, 0.0), id="the challenger's"),
        pytest.param("a", ("a", "b"), Bounds(0.0, 1.0, 1.0), id="only one is left, which is right"),
        pytest.param("c", LABELS, Bounds(1.0, 0.0, 1.0), id="of neither: nothing is known"),
    ],
)
def test_what_is_wrong_bounds_the_difference(wrong: str, labels: tuple[str, ...], bounds: Bounds):
    assert between(wrong, pair("q"), labels) == bounds


def test_a_metric_that_gives_a_part_for_what_is_nearly_right_is_tried_and_not_guessed():
    near = {"a": 0.0, "b": 0.5, "c": 0.9}
    rights = [{"agent": name} for name in ("b", "c")]
    found = bounds_of(rights, lambda right: (1 - abs(near[right["agent"]] - 0.0), 1 - abs(near[right["agent"]] - 0.5)))
    assert (found.challenger - found.champion, found.highest) == (pytest.approx(0.5), pytest.approx(0.5))


@pytest.mark.parametrize(
    ("answers", "n"),
    [
        ({"agent": LABELS}, 4),
        ({"agent": LABELS, "team": ("x", "y")}, 8),
        ({"agent": LABELS, "reply": None}, None),
        ({"agent": tuple(map(str, range(1001)))}, None),
    ],
)
def test_all_that_may_be_right_is_of_closed_sets(answers, n):
    found = may_be_right(answers)
    assert (found and len(found)) == n


def weighed(
    wrong: Mapping[str, str], labels: Mapping[str, str], late: bool = False, bench: Bench | None = None
) -> Evidence:
    pairs = [pair(question) for question in ("one", "two", "three")]
    asked_at = {each.span_id: NOON - (PATIENCE * 2 if late else PATIENCE / 2) for each in pairs}

    def bounds(of: Pair) -> Bounds | None:
        return between(wrong[of.question], of) if of.question in wrong else None

    standing = Standing({q: label(said) for q, said in labels.items()}, frozenset(), asked_at, bench, bounds)
    return weigh(("routing", "v1", "v2"), pairs, standing, scored, NOON, PATIENCE)


def told(evidence: Evidence) -> dict[str, tuple[float, float]]:
    return {score.example_id: (score.difference, score.most) for score in evidence.comparison.scores}


def test_a_question_of_which_only_the_wrong_answer_is_known_counts_as_the_least_and_holds_up_no_other():
    found = weighed({"one": "a", "two": "b"}, {"three": "b"})
    assert told(found) == {"one": (0.0, 1.0), "two": (-1.0, 0.0), "three": (1.0, 1.0)}
    assert (found.wait, found.left_out) == ((), {BOUNDED: 2})
    assert {score.source for score in found.comparison.scores} == {LabelSource.HUMAN}


def test_it_waits_its_turn_and_a_right_answer_goes_before_it():
    assert weighed({"two": "a"}, {}).left_out == {HELD_BACK: 1}
    assert told(weighed({"one": "a"}, {"one": "b"})) == {"one": (1.0, 1.0)}


def test_what_was_passed_over_before_it_counts_as_lost():
    found = weighed({"three": "a"}, {}, late=True)
    assert told(found) == {"one": (-1.0, -1.0), "two": (-1.0, -1.0), "three": (0.0, 1.0)}
    assert found.left_out == {NOT_ANSWERED: 2, BOUNDED: 1}


def test_beside_a_judge_it_corrects_him_by_the_least():
    bench = Bench(0.5, lambda each: True, lambda each: 1.0, {})
    found = weighed({"one": "a"}, {"two": "b", "three": "b"}, bench=bench)
    assert told(found)["one"] == (0.0, 1.0)
    assert [score.judged for score in found.comparison.scores] == [1.0, 1.0, 1.0]


def test_a_most_that_is_below_the_least_or_above_1_is_refused():
    for highest in (-0.1, 1.1):
        with pytest.raises(ConfigInvalid, match="no difference lies up to"):
            Score("e", LabelSource.HUMAN, {}, 0.0, 0.0, highest=highest)


truths = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.sampled_from(["known", "champion", "challenger"])), max_size=40
)


def scores_of(truth: float, said: str, id: str) -> tuple[Score, Score]:
    """The score by what is right, and by no more than which answer is wrong, where that is known and true."""
    right = Score(id, LabelSource.HUMAN, {"language": "en"}, max(-truth, 0.0), max(truth, 0.0), "lot")
    if said == "champion" and truth >= 0:
        return right, replace(right, champion=0.0, challenger=0.0, highest=1.0)
    if said == "challenger" and truth <= 0:
        return right, replace(right, champion=1.0, challenger=0.0, highest=0.0)
    return right, right


def both(given: list[tuple[float, str]]) -> tuple[Comparison, Comparison]:
    made = [scores_of(truth, said, f"e{n}") for n, (truth, said) in enumerate(given)]
    sides = [tuple(each[which] for each in made) for which in (0, 1)]
    by_truth, by_bounds = (Comparison("routing", "v1", "v2", each, 2 * len(made), len(made)) for each in sides)
    return by_truth, by_bounds


@settings(max_examples=80)
@given(truths)
def test_whoever_says_what_is_wrong_and_why_no_bet_wins_more_than_by_the_truth(given_):
    by_truth, by_bounds = (measure(each, easy()) for each in both(given_))
    assert by_bounds.log_wealth <= by_truth.log_wealth + 1e-9
    assert by_bounds.interval.low <= by_truth.interval.low + 1e-9
    assert by_bounds.interval.high >= by_truth.interval.high - 1e-9
    worse = [[s.p_worse for s in each.slices if s.p_worse is not None] for each in (by_truth, by_bounds)]
    assert all(bounded >= true - 1e-9 for true, bounded in zip(*worse, strict=True))


def looked_at(chance: random.Random, naive: bool, wins: float = 0.3, most: int = 120) -> bool:
    """Whether a challenger that is no better is promoted at one of the looks, where people say no more than what is
    wrong of all that the champion has lost, or both have: that is where thumbs go down."""
    given_ = []
    for _ in range(most):
        truth = chance.choices([1.0, -1.0, 0.0], [wins, wins, 1 - 2 * wins])[0]
        given_.append((truth, "champion" if truth >= 0 and chance.random() < 0.6 else "known"))
    _, bounded = both(given_)
    if naive:  # who was not wrong is taken to be right
        scores = tuple(replace(s, challenger=1.0, highest=None) if s.highest == 1.0 else s for s in bounded.scores)
        bounded = replace(bounded, scores=scores)
    looks = (replace(bounded, scores=bounded.scores[:n], answers=2 * n, differ=n) for n in range(10, most, 10))
    return any(isinstance(judge(each, easy(0.2)), Promoted) for each in looks)


def share_promoted(naive: bool, n: int = 25) -> float:
    chance = random.Random(3)
    return sum(looked_at(chance, naive) for _ in range(n)) / n


def test_thumbs_that_go_down_where_the_champion_is_wrong_promote_nothing_that_is_no_better():
    assert share_promoted(naive=False) <= 0.2
    assert share_promoted(naive=True) > 0.6, "who is not wrong is not right: taken for it, useless challengers win"
