"""A judge beside people: what counts, who is asked, what it saves, and that it cannot tilt the bet."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from factories import NOON, make_config, make_example

from argotune.data.annotations import LabelSource
from argotune.data.splitting import Split
from argotune.promotion.drawing import is_for_people, lot_in
from argotune.promotion.evidence import HELD_BACK, NOT_ANSWERED, Bench, Evidence, Standing, weigh
from argotune.promotion.judges import Judge, judge_that_saves
from argotune.promotion.measuring import Terms, measure, outlook_of
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.verdicts import Comparison, Score
from argotune.stats.betting import corrected_differences, log_wealth
from argotune.stats.interval import Interval

LATE = NOON + timedelta(days=4)
SHARE = 0.25


def weighed(
    *,
    people: Mapping[str, float] = {},
    judged: Mapping[str, float] = {},
    asked: Sequence[str] = ("q0", "q2"),
    n: int = 4,
    **when: object,
) -> Evidence:
    """Of `n` drawn disagreements; `people` and `judged` are differences by question."""
    pairs = [Pair(f"q{i}", f"s{i}", "lot", Answer({"a": "x"}), Answer({"a": "y"})) for i in range(n)]
    examples = {q: make_example(q, split=Split.TRAIN) for q in people}
    drawn = {pair.span_id: NOON for pair in pairs}
    asked_at = {pair.span_id: NOON for pair in pairs if pair.question in asked}
    bench = Bench(SHARE, lambda p: p.question in asked, lambda p: judged.get(p.question), drawn)
    standing = Standing(examples, frozenset(), asked_at, bench)

    def scored(pair: Pair, _example: object) -> tuple[float, float]:
        return max(-people[pair.question], 0.0), max(people[pair.question], 0.0)

    return weigh(("p", "v1", "v2"), pairs, standing, scored, when.get("now", NOON), timedelta(days=3))


ALL = {"q0": 1.0, "q1": 1.0, "q2": -1.0, "q3": -1.0}


def test_people_correct_the_judge_where_the_lot_says_so_and_nowhere_else():
    found = weighed(people={**ALL, "q0": -1.0}, judged=ALL).comparison
    assert found.asked_share == SHARE
    assert [(s.example_id, s.judged, s.is_asked, s.difference, s.source) for s in found.scores] == [
        ("q0", 1.0, True, -1.0, LabelSource.HUMAN),
        ("q1", 1.0, False, 1.0, LabelSource.LLM),
        ("q2", -1.0, True, -1.0, LabelSource.HUMAN),
        ("q3", -1.0, False, -1.0, LabelSource.LLM),
    ]


@pytest.mark.parametrize(
    ("given", "counts", "people_wait", "judge_waits"),
    [
        pytest.param({"judged": ALL}, [], ("s0", "s2"), (), id="the first that people were asked about ends it"),
        pytest.param({"judged": ALL, "people": {"q0": 1.0}}, ["q0", "q1"], ("s2",), (), id="so does a later one"),
        pytest.param({"people": ALL}, [], (), ("s0", "s1", "s2", "s3"), id="the judge has said nothing"),
        pytest.param({"people": ALL, "judged": {"q0": 1.0}}, ["q0"], (), ("s1", "s2", "s3"), id="or of the next"),
    ],
)
def test_evidence_ends_at_the_first_question_that_waits_for_people_or_judge(given, counts, people_wait, judge_waits):
    found = weighed(**given)
    assert [score.example_id for score in found.comparison.scores] == counts
    assert (found.wait, found.wait_for_judge) == (people_wait, judge_waits)


def test_what_people_labelled_behind_a_question_that_waits_is_held_back():
    assert weighed(people={"q2": 1.0}, judged=ALL).left_out == {HELD_BACK: 1}


def test_what_people_pass_over_for_later_ones_is_lost_and_no_label_of_theirs():
    found = weighed(people={"q2": -1.0}, judged=ALL, now=LATE)
    first = found.comparison.scores[0]
    assert (first.judged, first.is_asked, first.difference, first.source) == (1.0, True, -1.0, None)
    assert found.left_out == {NOT_ANSWERED: 1}
    assert len(found.comparison.scores) == 4


def test_where_people_have_stopped_answering_evidence_ends_and_nothing_is_lost():
    found = weighed(people={"q0": 1.0}, judged=ALL, now=LATE)
    assert [score.example_id for score in found.comparison.scores] == ["q0", "q1"]
    assert found.wait == ("s2",)


def test_a_judge_that_never_answers_is_taken_to_see_no_difference():
    found = weighed(people=ALL, now=LATE)
    assert [(s.judged, s.difference) for s in found.comparison.scores] == [(0.0, 1.0), (0.0, 0), (0.0, -1.0), (0.0, 0)]


def measured(scores: Sequence[Score], share: float):
    comparison = Comparison("p", "v1", "v2", tuple(scores), len(scores), len(scores), asked_share=share)
    return measure(comparison, Terms(0.0125, NOON, NOON, make_config()))


def score(n: int, difference: float, **fields: object) -> Score:
    values = {"drawn": "lot", "slices": {}, "source": LabelSource.HUMAN, **fields}
    return Score(f"q{n}", champion=max(-difference, 0.0), challenger=max(difference, 0.0), **values)


def test_the_gate_bets_on_corrected_differences_within_their_range():
    scores = [score(0, -1.0, judged=1.0), *(score(n, 1.0, judged=1.0, is_asked=False) for n in range(1, 30))]
    numbers = measured(scores, SHARE)
    corrected, within = corrected_differences([1.0] * 30, [-1.0, *[None] * 29], SHARE)
    assert within == Interval(-7.0, 7.0)
    assert numbers.log_wealth == pytest.approx(log_wealth(corrected, 0.0, within))
    assert numbers.effect == pytest.approx(math.fsum(corrected) / 30)


def test_labels_of_the_judge_are_no_labels_of_people():
    scores = [score(n, 1.0, judged=1.0, is_asked=False, source=LabelSource.LLM) for n in range(500)]
    assert measured(scores, SHARE).labels == 0


def test_sealed_questions_are_not_thinned_by_the_range_of_judged_ones():
    sealed = [score(n, 1.0, drawn="sealed") for n in range(20)]
    assert measured(sealed, SHARE).log_wealth == measured(sealed, 1.0).log_wealth


def test_in_a_slice_by_label_only_people_count():
    inside = {"label": "x"}
    scores = [score(n, -1.0, judged=1.0, slices=inside) for n in range(12)]
    numbers = measured([replace(s, judged=None) for s in scores], 1.0)
    assert measured(scores, SHARE).slices[0].p_worse == numbers.slices[0].p_worse


def test_a_judge_that_is_always_wrong_promotes_nothing_more_often_than_the_level():
    """It says that the challenger wins, always; in truth half are lost."""
    lot, promoted = random.Random(5), 0
    for _ in range(200):
        scores = []
        for n in range(120):
            is_asked, truth = lot.random() < SHARE, lot.choice((1.0, -1.0))
            scores.append(score(n, truth if is_asked else 1.0, judged=1.0, is_asked=is_asked))
        promoted += measured(scores, SHARE).p_value <= 0.05
    assert promoted <= 200 * 0.05 + 2 * math.sqrt(200 * 0.05)


@pytest.mark.parametrize(("accuracy", "saves"), [(0.75, False), (0.8, False), (0.9, True), (0.95, True)])
def test_a_judge_is_taken_only_where_it_saves_labels_of_people(accuracy: float, saves: bool):
    found = judge_that_saves("judge", accuracy, 0.03, 0.09, 0.0125, 0.8, most_answers=50_000)
    assert (found is not None) is saves


def test_a_better_judge_needs_people_less_and_few_shadow_answers_need_them_more():
    shares = [judge_that_saves("j", a, 0.03, 0.09, 0.0125, 0.8, 50_000).asked_share for a in (0.88, 0.95)]
    assert shares[0] > shares[1]
    assert judge_that_saves("j", 0.95, 0.03, 0.09, 0.0125, 0.8, 2500).asked_share > shares[1]
    assert judge_that_saves("j", 0.95, 0.03, 0.09, 0.0125, 0.8, 500) is None


def test_people_are_asked_by_a_lot_of_that_chance_that_knows_nothing_of_the_draw():
    ids = [f"q{n}" for n in range(4000)]
    asked = [id for id in ids if is_for_people("c1", id, 0.2)]
    assert len(asked) == pytest.approx(800, abs=80)
    assert sum(lot_in("c1", id) for id in asked) / len(asked) == pytest.approx(0.5, abs=0.04)
    assert set(asked) != {id for id in ids if is_for_people("c2", id, 0.2)}


def test_the_outlook_beside_a_judge_tells_the_labels_of_people_and_all_answers():
    scores = [score(n, 1.0 if n % 3 else -1.0, judged=1.0 if n % 3 else -1.0, is_asked=False) for n in range(9)]
    numbers, config = measured(scores, 0.2), make_config()
    alone, beside = (
        outlook_of(numbers, 0, config),
        outlook_of(numbers, 0, config, Judge(identifier="j", accuracy=0.95, asked_share=0.2)),
    )
    assert beside.labels < alone.labels
    assert beside.answers > alone.answers
