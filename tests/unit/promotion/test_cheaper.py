"""Promoted as not worse and cheaper: what must be shown and is said, that luck does not pass, and what comes after."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from factories import NOON, after, make_config, make_contest, make_example
from hypothesis import given, settings
from hypothesis import strategies as st

from argotune.data.annotations import LabelSource
from argotune.data.splitting import Split
from argotune.lm.effort import Effort
from argotune.promotion.bets import not_worse
from argotune.promotion.contest_book import ended
from argotune.promotion.contests import ContestState
from argotune.promotion.drawing import is_measured
from argotune.promotion.efforts import saving_of
from argotune.promotion.evidence import Standing, weigh
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms, measure, outlook_of
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.verdicts import Comparison, Objection, Promoted, Saving, Score, Undecided
from argotune.promotion.versions import Change, why_not_cheaper
from argotune.stats.ratios import WARM_UP, saving
from argotune.store.collections import Collection
from argotune.store.records import from_text, to_record
from argotune.tenants.config import ContestRules

SAVES = Saving("tokens", 400, 1000.0, 80.0, 0.5, 40.0, 500.0)


def score(n: int, difference: float, **fields: Any) -> Score:
    values = {"drawn": "lot", "slices": {}, "source": LabelSource.HUMAN, **fields}
    return Score(f"e{n}", champion=max(-difference, 0.0), challenger=max(difference, 0.0), **values)


def compared(scores: Sequence[Score], equal: int, **fields: Any) -> Comparison:
    counts = {"answers": len(scores) + equal, "differ": len(scores), "equal": equal, "equal_questions": equal}
    return Comparison("routing", "v1", "v2", tuple(scores), **{**counts, "saving": SAVES, **fields})


def alike(wins: int, losses: int, equal: int, **fields: Any) -> Comparison:
    said = [1.0] * wins + [-1.0] * losses
    return compared([score(n, difference) for n, difference in enumerate(said)], equal, **fields)


def terms(level: float = 0.0125, withheld: str = "", **config: Any) -> Terms:
    return Terms(level, NOON, NOON + timedelta(days=1), make_config(**config), withheld=withheld)


AS_GOOD = alike(100, 100, 4800)


# Verdicts


def test_one_as_good_and_much_cheaper_is_promoted_and_it_is_said_which_way():
    found = judge(AS_GOOD, terms())
    assert isinstance(found, Promoted)
    assert found.way == "cheaper"
    low = found.numbers.not_worse.low
    assert -0.01 < low < 0
    assert found.reason.startswith(
        f"promoted: not worse by more than 1 point ({100 * low:+.2f} points at least at any time) and 0.08 times the "
        "cost: +0.0 points by 200 labels of people, 100 won and 100 lost, where 200 of 5,000 answers differ, p = 0.00"
    )
    assert "answers cost 0.08 times as much (at most 0.5 is asked): 80 tokens in place of 1,000 tokens" in found.reason


def test_what_is_better_is_promoted_as_better_though_it_is_cheaper():
    found = judge(alike(60, 6, 600), terms())
    assert isinstance(found, Promoted)
    assert found.way == "better"


@pytest.mark.parametrize(
    ("comparison", "asked", "lacks"),
    [
        pytest.param(alike(75, 100, 4800), terms(), "as cheaper: worse by 1 point is not ruled out, p = ", id="worse"),
        pytest.param(
            replace(AS_GOOD, saving=replace(SAVES, log_wealth=2.0)), terms(), "as cheaper: answers cost 0.08", id="cost"
        ),
        pytest.param(
            AS_GOOD, terms(withheld="v1 was"), "out of reach; as cheaper it is withheld: v1 was", id="withheld"
        ),
        pytest.param(
            AS_GOOD, terms(contest={"min_people_labels": 201}), "201 labels of people are asked", id="labels of people"
        ),
        pytest.param(replace(AS_GOOD, doubt="a metric fails"), terms(), "nothing is promoted", id="doubt"),
    ],
)
def test_it_is_not_promoted_while_something_lacks(comparison: Comparison, asked: Terms, lacks: str):
    found = judge(comparison, asked)
    assert not isinstance(found, Promoted)
    assert lacks in found.reason


@pytest.mark.parametrize(
    "saving",
    [
        pytest.param(None, id="nobody knows"),
        pytest.param(replace(SAVES, challenger=501.0), id="not that much cheaper"),
        pytest.param(replace(SAVES, champion=400.0, challenger=0.0), id="the champion is cheap enough"),
    ],
)
def test_who_is_not_seen_to_be_cheaper_ends_as_no_better(saving: Saving | None):
    found = judge(replace(AS_GOOD, saving=saving), terms())
    assert (found.outcome, found.rule) == ("rejected", Objection.NO_BETTER)
    assert found.numbers.not_worse is None


def test_a_margin_of_zero_switches_it_off():
    found = judge(AS_GOOD, terms(contest={"margin_if_cheaper": 0}))
    assert (found.outcome, found.rule) == ("rejected", Objection.NO_BETTER)


def test_a_cheaper_one_goes_on_until_it_is_worse_by_the_margin():
    assert isinstance(judge(alike(24, 32, 1300), terms()), Undecided)
    found = judge(alike(5, 75, 1300), terms())
    assert (found.outcome, found.rule) == ("rejected", Objection.NO_BETTER)
    assert "worse by 1 point or more" in found.reason


def test_guards_hold_for_it_too():
    worse = [score(n, -1.0, slices={"language": "de"}) for n in range(1000, 1012)]
    balanced = [*AS_GOOD.scores, *worse, *(score(n, 1.0) for n in range(2000, 2012))]
    found = judge(compared(balanced, 5400), terms())
    assert (found.outcome, found.rule) == ("rejected", Objection.SLICE_WORSE)


# What is bet on


@settings(max_examples=60)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 1.0]), max_size=60), st.integers(0, 200), st.floats(0.001, 0.3))
def test_whoever_is_shown_to_be_better_is_shown_not_to_be_worse(differences: list[float], equal: int, margin: float):
    comparison = compared([score(n, d) for n, d in enumerate(differences)], equal)
    numbers = measure(comparison, terms())
    assert not_worse(comparison, margin, 0.0125).log_wealth >= numbers.log_wealth - 1e-9


def test_equal_answers_count_up_to_the_first_question_that_waits():
    same, other = Answer({"a": "x"}), Answer({"a": "y"})
    order = ["e0", "d1", "e2", "d3", "e4", "e0"]
    pairs = [Pair(q, f"s{n}", "lot", same, same if q[0] == "e" else other) for n, q in enumerate(order)]
    weighed = [
        weigh(
            ("p", "v1", "v2"),
            pairs,
            Standing({q: make_example(q, split=Split.TRAIN) for q in known}, frozenset(), {"s1": NOON}),
            lambda _pair, _example: (1.0, 0.0),
            now,
            timedelta(days=3),
        ).comparison
        for known, now in [((), NOON), (("d1",), NOON), (("d1", "d3"), NOON), (("d3",), after(400_000))]
    ]
    assert [(c.equal, c.equal_questions) for c in weighed] == [(1, 1), (2, 2), (4, 3), (4, 3)]


def asked_about(n: int, lot: random.Random, gain: float, judged: float, bounded: float) -> Score:
    """A question on which both differ, with a chance to be won that gives this gain where they do."""
    known = score(n, 1.0 if lot.random() < (1 + gain) / 2 else -1.0)
    if judged:
        is_asked = lot.random() < judged
        return replace(known, judged=1.0) if is_asked else score(n, 1.0, judged=1.0, is_asked=False)
    is_bounded = known.difference > 0 and lot.random() < bounded
    return replace(known, challenger=0.0, highest=1.0) if is_bounded else known


def looks(seed: int, gain: float, share: float, judged: float = 0.0, bounded: float = 0.0) -> Iterator[Comparison]:
    """A contest of a challenger of this gain that differs on this share, after every 40 answers that differ. `judged`:
    people are asked of that share, and a judge says that the challenger wins, always. `bounded`: of so many that the
    champion lost people say only that it was wrong."""
    lot, scores, equal = random.Random(seed), list[Score](), 0
    while len(scores) < 240:
        if lot.random() >= share:
            equal += 1
            continue
        scores.append(asked_about(len(scores), lot, gain / share, judged, bounded))
        if len(scores) % 40 == 0:
            yield compared(scores, equal, asked_share=judged or 1.0)


EASY = {"gate": {"min_slice_examples": 1000}, "contest": {"margin_if_cheaper": 0.03, "min_people_labels": 0}}


def labels_of(seen: Iterator[Comparison], level: float) -> int | None:
    """After how many labels it is promoted, as it is looked at again and again; None where it is not."""
    return next((len(c.scores) for c in seen if isinstance(judge(c, terms(level, **EASY)), Promoted)), None)


def promoted(gain: float, share: float, n: int = 60, level: float = 0.1, **how: float) -> list[int]:
    found = (labels_of(looks(seed, gain, share, **how), level) for seed in range(n))
    return [labels for labels in found if labels is not None]


@pytest.mark.parametrize("how", [{}, {"judged": 0.5}, {"bounded": 0.5}], ids=["people", "a judge", "bounds"])
def test_one_that_is_worse_by_the_margin_is_promoted_no_more_often_than_the_level_says(how: dict[str, float]):
    assert len(promoted(-0.03, 0.1, **how)) <= 60 * 0.1 + 2 * math.sqrt(60 * 0.1 * 0.9)


def test_one_that_is_worse_by_more_is_never_promoted():
    assert promoted(-0.06, 0.1) == []


def test_one_as_good_is_promoted_and_the_fewer_answers_differ_the_fewer_labels_it_takes():
    few, many = promoted(0.0, 0.08, n=30), promoted(0.0, 0.16, n=30)
    assert len(few) > 24
    assert median(few) < median([*many, *[999] * (30 - len(many))])


def test_the_outlook_tells_the_way_that_is_nearer():
    numbers = measure(alike(40, 40, 1920), terms())
    ahead = outlook_of(numbers, 0, make_config())
    assert (ahead.margin, ahead.gain) == (0.01, 0.0)
    assert "until it, being cheaper, is shown to be worse by less than 1 points" in ahead.sentence
    withheld = outlook_of(numbers, 0, make_config(), withheld=True)
    assert withheld is None or withheld.margin == 0.0
    assert outlook_of(measure(alike(12, 2, 20), terms()), 0, make_config()).margin == 0.0


# What it costs

RULES = ContestRules()
DEAR, FREE = Effort(1.0, 1000), Effort(0.001, 0, 0.0)


def pair(champion: Effort, challenger: Effort, n: int = 0, **fields: Any) -> Pair:
    both = Answer({"a": "x"}, effort=champion), Answer({"a": "y"}, effort=challenger)
    return Pair(f"q{n}", f"s{n}", **{"drawn": "lot", **fields}, champion=both[0], challenger=both[1])


def test_a_student_costs_nothing_and_a_bet_shows_it():
    found = saving_of([pair(DEAR, FREE)] * 100, RULES, "c")
    assert (found.unit, found.n, found.times) == ("tokens", 80, 0.0)
    assert found.is_seen
    assert found.log_wealth > math.log(1 / 0.0125)


def test_a_champion_that_is_cheap_enough_is_not_worth_a_change():
    assert not saving_of([pair(Effort(0.1, 300), FREE)] * 100, RULES, "c").is_seen


def test_who_asks_its_lm_just_where_both_agree_is_not_seen_to_be_free():
    """Where they differ the champion is asked again, and those pairs say what the student takes, which is nothing."""
    trace = Effort(1.0, of="trace")
    pairs = [pair(DEAR, FREE, n) if n % 10 == 0 else pair(trace, DEAR, n) for n in range(1000)]
    measured = {p.question for p in pairs if is_measured("c", p.question)}
    asked = [replace(p, champion=replace(p.champion, effort=DEAR)) if p.question in measured else p for p in pairs]
    found = saving_of(asked, RULES, "c")
    assert found.n == len(measured) - WARM_UP
    assert found.times > 0.8


def test_amounts_at_just_what_is_asked_are_shown_to_be_less_no_more_often_than_the_level():
    lot, shown = random.Random(4), 0
    for _ in range(200):
        second = [lot.lognormvariate(0, 0.5) for _ in range(200)]
        first = [2 * amount if lot.random() < 0.25 else 0.0 for amount in second]
        lot.shuffle(first)
        looks = (saving(first[:n], second[:n], 0.5) for n in range(40, 201, 20))
        shown += any(found.log_wealth >= math.log(20) for found in looks)
    assert shown <= 200 * 0.05


# What comes after


def line(sequence: int, version: str, how: str = "promoted", way: str = "better") -> Change:
    previous = f"v{sequence - 1}"
    at = after(sequence)
    return Change(
        program="p", sequence=sequence, version=version, previous=previous, at=at, how=how, who="x", reason="y", way=way
    )


AS_CHEAPER = line(1, "v1", way="cheaper")


@pytest.mark.parametrize(
    ("history", "serves", "withheld"),
    [
        ([], "v0", False),
        ([line(1, "v1")], "v1", False),
        ([AS_CHEAPER], "v1", True),
        ([AS_CHEAPER, line(2, "v2")], "v2", False),
        ([AS_CHEAPER, line(2, "v2", how="overridden")], "v2", False),
        ([AS_CHEAPER, line(2, "v0", how="rolled back")], "v0", False),
        ([AS_CHEAPER, line(2, "v2"), line(3, "v1", how="rolled back")], "v1", True),
    ],
)
def test_at_most_one_is_promoted_as_cheaper_between_gains(history: list[Change], serves: str, withheld: bool):
    assert bool(why_not_cheaper(history, serves, None)) is withheld


def test_a_person_who_begins_anew_lets_it_be():
    assert why_not_cheaper([AS_CHEAPER], "v1", after(0))
    assert not why_not_cheaper([AS_CHEAPER], "v1", after(2))


def test_one_promoted_as_cheaper_gives_back_what_its_bet_on_a_gain_still_holds():
    contest = make_contest(log_wealth=math.log(0.4))
    spent = [ended(contest, ContestState.PROMOTED, "", NOON, is_better=better).spent for better in (True, False)]
    assert spent == [0.0, pytest.approx(0.6 * contest.level)]


def test_lines_of_releases_that_knew_one_way_load():
    record = to_record(Collection.HISTORY, "p/1", line(1, "v1"))
    assert '"way"' in record.text
    old = Change.model_validate({k: v for k, v in line(1, "v1").model_dump().items() if k != "way"})
    assert old.way == "better"
    assert from_text(Change, record.text) == old
