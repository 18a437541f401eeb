"""The gate: one case for each rule, in their order, what is said to people, and that luck does not pass."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from factories import NOON, make_config, make_run
from hypothesis import given, settings
from hypothesis import strategies as st

from argotune.data.annotations import LabelSource
from argotune.errors import ConfigInvalid, Corrupt
from argotune.promotion import gate
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms, measure, outlook_of
from argotune.promotion.verdicts import (
    Comparison,
    Drawn,
    EffortRatio,
    Objection,
    Promoted,
    Rejected,
    Score,
    Undecided,
    UnusableAnswers,
    Verdict,
)
from argotune.runs.run import Run
from argotune.stats.betting import Bets, anytime_p, gain_interval, joint_mean_interval, log_wealth, share_interval
from argotune.stats.interval import Interval
from argotune.store.collections import Collection
from argotune.store.records import from_text, to_record
from argotune.store.sealing import seal

DAY = timedelta(days=1)
Said = tuple[float, float, bool]
"""Scores of champion and challenger, and whether they said different things."""

WIN, LOSS, TIE = (0.0, 1.0, True), (1.0, 0.0, True), (0.0, 0.0, True)
HIT, MISS = (1.0, 1.0, False), (0.0, 0.0, False)
BETTER = [WIN] * 30 + [LOSS] * 6


def compared(
    said: Sequence[Said],
    *,
    equal: int = 0,
    drawn: Drawn = "lot",
    slices: Sequence[Mapping[str, str]] | None = None,
    human: int | None = None,
    unusable: UnusableAnswers | None = None,
) -> Comparison:
    """A comparison with `equal` more answers on which both agree. The first `human` labels (None: all) are of people,
    the others of an annotator."""
    scores = tuple(
        Score(
            example_id=f"e{i}",
            source=LabelSource.HUMAN if human is None or i < human else LabelSource.LLM,
            slices=slices[i] if slices else {},
            champion=champion,
            challenger=challenger,
            drawn=drawn,
            differs=differs,
        )
        for i, (champion, challenger, differs) in enumerate(said)
    )
    differ = sum(score.differs for score in scores)
    return Comparison("routing", "v1", "v2", scores, len(scores) + equal, differ, unusable)


def terms(level: float = 0.0125, now: datetime = NOON + DAY, growth: float = 0.0, **config: Any) -> Terms:
    return Terms(level, NOON, now, make_config(**config), growth)


def easy(level: float = 0.49) -> Terms:
    """Terms that ask for nothing but luck."""
    return terms(level, gate={"min_effect": 0, "min_slice_examples": 3}, contest={"min_people_labels": 0})


def languages(*sizes: int) -> list[dict[str, str]]:
    return [{"language": name} for name, size in zip(("en", "de", "fr"), sizes, strict=False) for _ in range(size)]


def lacking(champion: Mapping[str, int], challenger: Mapping[str, int], only: tuple[int, int]) -> UnusableAnswers:
    """Of 100 answers each; `only`: on how many questions just that one's cannot be used."""
    return UnusableAnswers(100, champion, challenger, *only)


def taking(
    champion: float, challenger: float, limit: float | None = 3.0, unit: Any = "s", log_wealth: float = 5.0
) -> EffortRatio:
    return EffortRatio(unit, 60, champion, challenger, limit, log_wealth)


# Verdicts


def test_a_challenger_that_wins_beyond_doubt_is_promoted_and_all_that_it_rests_on_is_said():
    found = judge(compared(BETTER, equal=64), terms())
    assert isinstance(found, Promoted)
    numbers = found.numbers
    told = f"{100 * numbers.interval.low:+.1f} to {100 * numbers.interval.high:+.1f}"
    assert found.reason.startswith(
        f"promoted: +24.0 points ({told} at any time) by 36 labels of people, 30 won and 6 lost, "
        "where 36 of 100 answers differ, p = 0.00"
    )
    assert found.reason.endswith(" at level 0.013")
    assert (numbers.wins, numbers.losses, numbers.labels, numbers.answers, numbers.differ) == (30, 6, 36, 100, 36)
    assert numbers.effect == pytest.approx(0.36 * 24 / 36)
    assert numbers.log_wealth == pytest.approx(log_wealth([1.0] * 30 + [-1.0] * 6))
    assert numbers.p_value == anytime_p(numbers.log_wealth)


@pytest.mark.parametrize(
    ("comparison", "asked", "lacks"),
    [
        pytest.param(compared([]), terms(), "nothing was answered yet", id="nothing yet"),
        pytest.param(
            compared([WIN] * 7 + [LOSS] * 3, equal=20),
            terms(),
            "30 answers differ: p = ",
            id="a gain that could be chance",
        ),
        pytest.param(
            compared(BETTER, equal=64), terms(level=1e-6), "p = ", id="a gain that would do at a coarser level"
        ),
        pytest.param(
            compared([WIN] * 40, equal=2160),
            terms(),
            "2,200 answers differ: at least +2.00 are asked",
            id="a sure gain that is not useful yet",
        ),
        pytest.param(
            compared(BETTER, equal=64, human=19), terms(), "20 labels of people are asked", id="a label of people short"
        ),
        pytest.param(
            compared(BETTER, equal=64, unusable=lacking({"cut off": 21}, {"cut off": 20}, (1, 0))),
            terms(),
            "of 100 answers each, 21 of the champion's (21 cut off) and 20 of the challenger's (20 cut off) cannot be "
            "used, at most 20.0 % are allowed (gate.max_unusable_share)",
            id="too many answers that cannot be used",
        ),
    ],
)
def test_a_contest_goes_on_while_something_lacks_and_says_what(comparison: Comparison, asked: Terms, lacks: str):
    found = judge(comparison, asked)
    assert isinstance(found, Undecided)
    assert found.reason.startswith("undecided: ")
    assert lacks in found.reason


@pytest.mark.parametrize(
    ("comparison", "asked"),
    [
        pytest.param(compared(BETTER, equal=64, human=20), terms(), id="exactly the labels of people"),
        pytest.param(
            compared(BETTER, equal=64, human=0), terms(contest={"min_people_labels": 0}), id="an annotator alone"
        ),
        pytest.param(compared([WIN] * 40, equal=1960), terms(), id="exactly the smallest effect"),
        pytest.param(
            compared([(0.1, 0.3, True)] * 60),
            terms(gate={"min_effect": 0.2}),
            id="the smallest effect but for rounding",
        ),
        pytest.param(
            compared(BETTER, equal=64, unusable=lacking({"cut off": 20}, {"cut off": 20}, (0, 0))),
            terms(),
            id="exactly the unusable answers that are allowed",
        ),
        pytest.param(
            compared(BETTER, equal=64, unusable=lacking({"cut off": 50}, {"cut off": 50}, (0, 0))),
            terms(gate={"max_unusable_share": 0.5}),
            id="a tenant who allows more of them",
        ),
        pytest.param(
            compared([WIN] * 40 + [LOSS] * 7, equal=50, slices=languages(40, 7)),
            terms(),
            id="a slice too small to be judged",
        ),
        pytest.param(
            compared([WIN] * 44 + [LOSS] * 6, equal=50, slices=languages(40, 10)),
            terms(),
            id="a slice that is worse by what could be chance",
        ),
        pytest.param(
            replace(compared(BETTER, equal=64), latency=taking(1, 9, log_wealth=2.9)), terms(), id="slow by chance"
        ),
        pytest.param(
            replace(compared(BETTER, equal=64), latency=taking(1, 3)), terms(), id="just as slow as is allowed"
        ),
        pytest.param(
            replace(compared(BETTER, equal=64), cost=taking(1, 9, limit=None, log_wealth=0.0)),
            terms(),
            id="a tenant who pays anything",
        ),
        pytest.param(
            replace(compared(BETTER, equal=64), latency=taking(1, 9, log_wealth=4.0)),
            terms(contest={"give_up_significance": 0.01}),
            id="slow at another level",
        ),
        pytest.param(compared(BETTER, equal=64), terms(now=NOON + 99 * DAY), id="on the last of all days"),
        pytest.param(compared(BETTER, equal=64), terms(contest={"max_labels": 36}), id="with the last of all labels"),
    ],
)
def test_what_just_meets_the_rules_is_promoted(comparison: Comparison, asked: Terms):
    assert isinstance(judge(comparison, asked), Promoted)


MUCH = make_config().contest.overtaken_growth
UNSURE = [WIN] * 12 + [LOSS] * 8
WORSE = [WIN] * 6 + [LOSS] * 30


@pytest.mark.parametrize(
    ("comparison", "asked", "rule", "why"),
    [
        pytest.param(
            compared([WIN] * 40 + [LOSS] * 10, equal=50, slices=languages(40, 10)),
            terms(),
            Objection.SLICE_WORSE,
            "rejected: worse where language is de: 0 won and 10 lost of 10 questions, p = 0.0",
            id="a language that pays for the others",
        ),
        pytest.param(
            compared([WIN] * 60 + [LOSS] * 30, slices=languages(60, 12, 18)),
            terms(),
            Objection.SLICE_WORSE,
            "rejected: worse where language is fr, and 1 more: 0 won and 18 lost of 18 questions",
            id="the worst of several slices by name",
        ),
        pytest.param(
            compared(BETTER, equal=64, unusable=lacking({}, {"no content": 10}, (0, 10))),
            terms(),
            Objection.SLICE_WORSE,
            "10 of the challenger's (10 no content) cannot be used: the challenger fails more often, p = 0.0",
            id="one answer in ten that fails",
        ),
        pytest.param(
            replace(compared(BETTER, equal=64), latency=taking(0.25, 0.85, limit=3.0)),
            terms(),
            Objection.TOO_SLOW,
            "rejected: answers take 3.4 times as long (limit 3): 0.85 s in place of 0.25 s over 60 pairs, p = 0.0067, "
            "at most 0.050 rejects (contest.max_latency_ratio)",
            id="a gain that takes too long",
        ),
        pytest.param(
            replace(compared(BETTER, equal=64), cost=taking(210, 2520, limit=10.0, unit="tokens")),
            terms(),
            Objection.TOO_COSTLY,
            "answers cost 12 times as much (limit 10): 2,520 tokens in place of 210 tokens over 60 pairs, p = 0.0067",
            id="a gain that costs too much",
        ),
        pytest.param(
            replace(compared(BETTER, equal=64), latency=taking(1, 9), cost=taking(1, 90, limit=10.0, unit="USD")),
            terms(),
            Objection.TOO_SLOW,
            "answers take 9 times as long",
            id="slow before costly",
        ),
        pytest.param(
            compared(WORSE, equal=64),
            terms(),
            Objection.NO_BETTER,
            "rejected: no better: -24.0 points (",
            id="more losses than wins",
        ),
        pytest.param(
            compared([], equal=1000),
            terms(),
            Objection.NO_BETTER,
            "0 of 1,000 answers differ, so a gain of +2.00 points is out of reach",
            id="two that say the same need no label",
        ),
        pytest.param(
            compared(UNSURE, equal=20),
            terms(contest={"max_labels": 20}),
            Objection.OUT_OF_LABELS,
            "and all 20 labels are used (contest.max_labels)",
            id="all labels used",
        ),
        pytest.param(
            compared(UNSURE, equal=20),
            terms(now=NOON + 30 * DAY),
            Objection.OUT_OF_DAYS,
            "and 30 days are over (contest.max_days)",
            id="all days over",
        ),
        pytest.param(
            compared(WORSE, equal=64),
            terms(now=NOON + 99 * DAY, contest={"max_labels": 1}),
            Objection.NO_BETTER,
            "no better",
            id="no better before labels and days",
        ),
        pytest.param(
            compared(UNSURE, equal=20),
            terms(now=NOON + 99 * DAY, contest={"max_labels": 1}),
            Objection.OUT_OF_LABELS,
            "all 1 label is used",
            id="labels before days",
        ),
        pytest.param(
            compared(UNSURE, equal=20),
            terms(growth=MUCH),
            Objection.OVERTAKEN,
            f"and what a new challenger could learn from grew by {100 * MUCH:.1f} %",
            id="much more to learn from, and not half way",
        ),
        pytest.param(
            compared(UNSURE, equal=20),
            terms(now=NOON + 30 * DAY, growth=MUCH),
            Objection.OUT_OF_DAYS,
            "30 days are over",
            id="days before growth",
        ),
        pytest.param(
            compared(WORSE, slices=[{"language": "en"}] * 36),
            terms(),
            Objection.SLICE_WORSE,
            "worse where language is en: 6 won and 30 lost",
            id="a worse slice before no better",
        ),
        pytest.param(
            compared(BETTER, equal=64, human=19),
            terms(now=NOON + 30 * DAY),
            Objection.OUT_OF_DAYS,
            "rejected: +24.0 points",
            id="what lacks a label of people ends like others",
        ),
    ],
)
def test_a_challenger_is_rejected(comparison: Comparison, asked: Terms, rule: Objection, why: str):
    found = judge(comparison, asked)
    assert isinstance(found, Rejected)
    assert found.rule is rule
    assert why in found.reason


@pytest.mark.parametrize(
    ("comparison", "asked"),
    [
        (compared(UNSURE, equal=20), terms(contest={"max_labels": 21})),
        (compared(UNSURE, equal=20, drawn="sealed"), terms(contest={"max_labels": 1})),
        (compared(UNSURE, equal=20), terms(now=NOON + 30 * DAY - timedelta(seconds=1))),
        (compared(UNSURE, equal=20), terms(now=NOON - 99 * DAY)),
        (compared(UNSURE, equal=20), terms(now=NOON + 30 * DAY, contest={"max_days": 31})),
        (compared(UNSURE, equal=20, unusable=lacking({}, {"cut off": 5}, (0, 5))), terms()),
        (compared(UNSURE, equal=20), terms(growth=0.99 * MUCH)),
        (compared([WIN] * 14 + [LOSS] * 4, equal=20), terms(growth=MUCH)),
    ],
    ids=[
        "a label left",
        "sealed labels are not asked for",
        "a second left",
        "a clock gone back",
        "more days",
        "luck",
        "little growth",
        "half way",
    ],
)
def test_what_may_still_turn_goes_on(comparison: Comparison, asked: Terms):
    assert isinstance(judge(comparison, asked), Undecided)


@pytest.mark.parametrize(("finer", "is_promoted"), [(1.0, True), (0.999, False)])
def test_a_p_value_that_is_just_the_level_is_enough(finer: float, is_promoted: bool):
    better = compared(BETTER, equal=64)
    level = measure(better, terms()).p_value * finer
    assert isinstance(judge(better, terms(level)), Promoted) is is_promoted


def test_a_guard_against_failing_answers_can_be_switched_off():
    failing = compared(BETTER, equal=64, unusable=lacking({}, {"no content": 10}, (0, 10)))
    assert isinstance(judge(failing, terms(gate={"unusable_significance": 0})), Promoted)


def test_a_champion_that_fails_more_often_is_no_objection_to_the_challenger():
    failing = compared(BETTER, equal=64, unusable=lacking({"no content": 10}, {}, (10, 0)))
    assert isinstance(judge(failing, terms()), Promoted)


def test_a_promotion_tells_what_answers_take():
    found = judge(replace(compared(BETTER, equal=64), latency=taking(1, 1.5), cost=taking(2, 1, None, "USD")), terms())
    assert found.reason.endswith(
        "at level 0.013; answers take 1.5 times as long (limit 3): 1.5 s in place of 1 s over 60 pairs; "
        "answers cost 0.5 times as much: 1 USD in place of 2 USD over 60 pairs"
    )


# Numbers


def test_nothing_measured_gives_numbers_that_promise_nothing():
    numbers = measure(compared([]), terms())
    assert (numbers.n, numbers.effect, numbers.p_value, numbers.log_wealth) == (0, 0.0, 1.0, 0.0)
    assert (numbers.interval, numbers.champion_mean, numbers.challenger_mean) == (Interval(-1.0, 1.0), None, None)


def test_equal_answers_are_no_bet_and_thin_the_effect():
    numbers = measure(compared([WIN] * 3 + [LOSS] + [HIT] * 6, drawn="sealed", equal=30), terms())
    assert numbers.effect == pytest.approx(0.5 * 4 / 40)
    assert numbers.log_wealth == log_wealth([1.0] * 3 + [-1.0])
    assert (numbers.n, numbers.differ, numbers.answers) == (10, 4, 40)


def test_means_are_those_of_the_sealed_examples_moved_by_the_effect_over_requests():
    sealed = compared([WIN] * 2 + [LOSS] + [HIT] * 5 + [MISS] * 2, drawn="sealed")
    numbers = measure(sealed, terms())
    assert numbers.champion_mean == pytest.approx(0.6)
    assert numbers.challenger_mean == pytest.approx(0.7)
    mixed = replace(sealed, scores=(*sealed.scores, replace(sealed.scores[0], example_id="lot", drawn="lot")))
    assert measure(mixed, terms()).champion_mean == pytest.approx(0.6)
    assert measure(compared([WIN] * 3 + [HIT] * 9, drawn="sealed"), terms()).challenger_mean == 1.0


def asked(score: Score, times: int) -> Score:
    return replace(score, times=times)


def test_a_question_that_is_asked_often_weighs_in_the_gain_and_is_one_piece_of_evidence():
    plain = compared([WIN] * 4 + [LOSS] * 4)
    often = replace(plain, scores=(asked(plain.scores[0], 30), *plain.scores[1:]), answers=40, differ=37)
    assert measure(often, terms()).effect == pytest.approx(37 / 40 * (33 - 4) / 37)
    assert measure(often, terms()).log_wealth <= measure(plain, terms()).log_wealth
    lost = replace(plain, scores=(*plain.scores[:7], asked(plain.scores[7], 30)), answers=40, differ=37)
    assert measure(lost, terms()).log_wealth < measure(plain, terms()).log_wealth
    assert measure(lost, terms()).effect < 0


@pytest.mark.parametrize(("wins", "losses", "equal"), [(30, 6, 64), (10, 9, 5), (3, 20, 200), (1, 0, 0)])
def test_the_interval_is_that_of_both_confidence_sequences(wins: int, losses: int, equal: int):
    numbers = measure(compared([WIN] * wins + [LOSS] * losses, equal=equal), terms())
    mean = joint_mean_interval([Bets([1.0] * wins + [-1.0] * losses)], 0.0125, 0.025)
    assert numbers.interval == gain_interval(mean, share_interval(wins + losses, wins + losses + equal, 0.025))
    assert numbers.interval.contains(numbers.effect)


def test_what_people_passed_over_is_bet_as_lost_and_is_nobodys_label_nor_of_a_slice():
    plain = compared([WIN] * 3 + [LOSS] * 2, slices=languages(5))
    lost = replace(plain, scores=(*plain.scores[:4], replace(plain.scores[4], source=None)))
    found, before = measure(lost, terms()), measure(plain, terms())
    assert (found.log_wealth, found.effect, found.losses) == (before.log_wealth, before.effect, 2)
    assert (found.labels, before.labels) == (4, 5)
    assert (found.slices[0].n, found.slices[0].losses) == (4, 1)


# Slices


def test_slices_too_small_to_be_judged_are_shown_and_do_not_count_for_the_level():
    slices = [{"language": "en" if i < 40 else "de", "label": "a b=c"} for i in range(46)]
    numbers = measure(compared([WIN] * 40 + [LOSS] * 6, slices=slices), terms())
    found = {(s.key, s.value): s for s in numbers.slices}
    assert list(found) == [("label", "a b=c"), ("language", "de"), ("language", "en")]
    assert found["language", "de"].p_worse is None
    assert (found["language", "de"].n, found["language", "de"].losses) == (6, 6)
    assert numbers.slice_level == pytest.approx(0.05 / 2)


def test_a_slice_shows_both_means_and_is_bet_against_the_challenger():
    numbers = measure(compared([WIN] * 9 + [LOSS] * 12 + [HIT] * 9, slices=languages(30)), terms())
    (found,) = numbers.slices
    assert (found.champion_mean, found.challenger_mean) == (pytest.approx(0.7), pytest.approx(0.6))
    assert (found.wins, found.losses, numbers.slice_level) == (9, 12, 0.05)
    assert found.p_worse == pytest.approx(anytime_p(log_wealth([-1.0] * 9 + [1.0] * 12 + [0.0] * 9)))


def test_hostile_slice_names_stay_in_one_short_line():
    slices = languages(40) + [{"language": "de\n\x1b[2J" + "x" * 500}] * 10
    reason = judge(compared([WIN] * 40 + [LOSS] * 10, slices=slices), terms()).reason
    assert "worse where" in reason
    assert reason.isprintable()
    assert len(reason) < 260


def test_of_slices_that_are_equally_worse_the_first_by_name_is_told():
    slices = [*languages(60), *({"language": name} for name in ("fr", "de") for _ in range(12))]
    reason = judge(compared([WIN] * 60 + [LOSS] * 24, slices=slices), terms()).reason
    assert "worse where language is de, and 1 more" in reason


@pytest.mark.parametrize(
    ("text", "shown"), [("x" * 60, "x" * 60), ("x" * 61, "x" * 60 + "..."), ("a\x1bb", "'a\\x1bb'")]
)
def test_texts_of_traces_are_cut_and_escaped(text: str, shown: str):
    assert gate._shown(text) == shown


# For any numbers

hits = st.sampled_from([WIN, LOSS, TIE, HIT, MISS])
graded = st.builds(lambda a, b: (a, b, a != b), st.floats(0, 1), st.floats(0, 1))
slice_names = st.dictionaries(st.sampled_from(["label", "language"]), st.sampled_from("abc"), max_size=2)


@st.composite
def comparisons(draw) -> Comparison:
    said = draw(st.lists(draw(st.sampled_from([hits, graded, st.just(WIN)])), max_size=24))
    slices = draw(st.lists(slice_names, min_size=len(said), max_size=len(said)))
    times = draw(st.lists(st.integers(1, 4), min_size=len(said), max_size=len(said)))
    drawn = draw(st.sampled_from(["sealed", "lot"]))
    human, equal = draw(st.integers(0, len(said))), draw(st.integers(0, 30))
    made = compared(said, slices=slices, human=human, equal=equal, drawn=drawn)
    scores = tuple(replace(score, times=n) for score, n in zip(made.scores, times, strict=True))
    differ = sum(score.times for score in scores if score.differs)
    return replace(made, scores=scores, differ=differ, answers=differ + equal)


@settings(max_examples=60)
@given(comparisons(), st.randoms())
def test_the_order_of_the_questions_does_not_matter(comparison: Comparison, chance: random.Random):
    shuffled = tuple(chance.sample(comparison.scores, len(comparison.scores)))
    assert judge(replace(comparison, scores=shuffled), easy()) == judge(comparison, easy())


@settings(max_examples=60)
@given(comparisons())
def test_a_challenger_that_gained_nothing_is_never_promoted_even_by_easy_rules(comparison: Comparison):
    found = judge(comparison, easy())
    differing = [score for score in comparison.scores if score.differs]
    if math.fsum(s.difference for s in differing) <= 0 or math.fsum(s.difference * s.times for s in differing) <= 0:
        assert not isinstance(found, Promoted)
    if isinstance(found, Promoted):
        assert found.numbers.effect > 0
        assert found.numbers.p_value <= found.numbers.level
        assert found.numbers.interval.low > -1e-9
    elif found.numbers.p_value > found.numbers.level:
        assert found.numbers.interval.low <= 1e-9


@settings(max_examples=60)
@given(comparisons())
def test_comparisons_and_verdicts_are_read_back_as_they_were_stored(comparison: Comparison):
    run = make_run(comparison=comparison, verdict=judge(comparison, easy()))
    assert from_text(Run, to_record(Collection.RUNS, run.id, run).text) == run


def looked_at(chance: random.Random, wins: float, most: int, asked: Terms, every: int = 5) -> Verdict:
    """The verdict of whoever looks after every few labels on disagreements, of which so many are won, until one ends
    it. Of five requests two differ."""
    said: list[Said] = []
    found = judge(compared([]), asked)
    while len(said) < most:
        said += [WIN if chance.random() < wins else LOSS for _ in range(every)]
        found = judge(compared(said, equal=len(said) * 3 // 2), asked)
        if not isinstance(found, Undecided):
            break
    return found


def test_who_looks_again_and_again_promotes_a_useless_challenger_no_more_often_than_the_level_says():
    chance, asked = random.Random(11), terms(0.2, gate={"min_effect": 0.0}, contest={"min_people_labels": 0})
    found = [looked_at(chance, 0.5, 60, asked) for _ in range(50)]
    assert sum(isinstance(verdict, Promoted) for verdict in found) <= 0.2 * 50


def test_a_real_gain_is_seldom_missed():
    chance = random.Random(5)
    found = [looked_at(chance, 2 / 3, 150, terms()) for _ in range(30)]
    assert sum(isinstance(verdict, Promoted) for verdict in found) >= 24


# Outlook


def test_what_is_still_needed_shrinks_as_the_bet_grows_and_labels_wait():
    numbers, config = measure(compared([WIN] * 12 + [LOSS] * 7, equal=26), terms()), make_config()
    ahead = outlook_of(numbers, 0, config)
    assert ahead is not None
    behind = outlook_of(replace(numbers, log_wealth=-1.0), 0, config)
    waiting = outlook_of(numbers, 10, config)
    assert behind is not None
    assert waiting is not None
    assert (behind.labels > ahead.labels, behind.gain) == (True, 0.03)
    assert (waiting.labels, waiting.answers) == (ahead.labels, math.ceil((ahead.labels - 10) / (19 / 45)))


@pytest.mark.parametrize(
    ("gain", "effect", "told"), [(0.03, 0.02, 0.03), (0.03, 0.1, 0.1), (0.0, 0.02, 0.02), (0.0, 0.0, 0.001)]
)
def test_the_outlook_is_on_the_gain_that_is_worth_a_training_and_useful(gain: float, effect: float, told: float):
    config = make_config(decisions={"detectable_gain": gain}, gate={"min_effect": effect})
    found = outlook_of(measure(compared([WIN] * 12 + [LOSS] * 7, equal=4000), terms()), 0, config)
    assert found is not None
    assert found.gain == told


def test_with_enough_labels_the_outlook_is_on_the_gain_that_they_show_where_that_is_more():
    seen = measure(compared([WIN] * 12 + [LOSS] * 7, equal=19), terms())
    enough = measure(compared([WIN] * 14 + [LOSS] * 7, equal=21), terms())
    before, after = (outlook_of(numbers, 0, make_config()) for numbers in (seen, enough))
    assert before is not None
    assert after is not None
    assert (before.gain, after.gain) == (0.03, pytest.approx(7 / 42))


def test_nothing_is_foretold_before_anything_was_answered():
    assert outlook_of(measure(compared([]), terms()), 0, make_config()) is None


# Values


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.01, 1.01])
@pytest.mark.parametrize("role", ["champion", "challenger"])
def test_a_score_outside_0_to_1_is_refused_by_the_name_of_its_example(bad: float, role: str):
    scores = {"champion": 0.5, "challenger": 0.5, role: bad}
    with pytest.raises(ConfigInvalid, match=f"example e7: scored the {role}"):
        Score("e7", LabelSource.HUMAN, {}, **scores)


def test_an_example_cannot_be_counted_twice():
    score = Score("e7", LabelSource.HUMAN, {}, 0.0, 1.0)
    with pytest.raises(ConfigInvalid, match="example e7 occurs 2 times"):
        Comparison("routing", "v1", "v2", (score, score))


@pytest.mark.parametrize(
    ("change", "named"), [({"outcome": "perhaps"}, "perhaps"), ({"rule": "mood"}, "mood"), ({"numbers": {}}, "numbers")]
)
def test_stored_verdicts_that_cannot_be_read_are_corrupt(change: dict[str, object], named: str):
    stored = make_run(verdict=judge(compared(WORSE, equal=64), terms())).model_dump(mode="json")
    with pytest.raises(Corrupt, match=named):
        from_text(Run, seal("Run", {**stored, "verdict": {**stored["verdict"], **change}}))


def test_stored_comparisons_that_cannot_be_read_are_corrupt():
    stored = make_run(comparison=compared([WIN])).model_dump(mode="json")
    stored["comparison"]["scores"][0]["champion"] = 2.0
    with pytest.raises(Corrupt, match="example e0"):
        from_text(Run, seal("Run", stored))
    with pytest.raises(Corrupt, match="comparison"):
        from_text(Run, seal("Run", {**stored, "comparison": {}}))


def test_runs_of_the_release_that_judged_sealed_examples_at_once_are_read():
    run = make_run(comparison=compared([WIN] * 2, drawn="sealed"), verdict=judge(compared(WORSE), terms()))
    stored = run.model_dump(mode="json")
    comparison, verdict = stored["comparison"], stored["verdict"]
    comparison |= {"attempt": 3, "leaks": ["e1"]}
    comparison["scores"] = [
        {name: value for name, value in score.items() if name not in ("drawn", "differs", "times")}
        for score in comparison["scores"]
    ]
    of_contests = ("labels", "answers", "differ", "log_wealth")
    numbers = {name: value for name, value in verdict["numbers"].items() if name not in of_contests}
    verdict |= {"rule": "interval_contains_zero", "numbers": numbers}
    verdict["numbers"] |= {"test": "mcnemar", "trusted_share": 1.0, "attempt": 3, "champion_mean": 0.5}
    for name in ("answers", "differ", "unusable"):
        del comparison[name]
    found = from_text(Run, seal("Run", {**stored, "attempt": 3}))
    assert found.comparison == replace(run.comparison, answers=0, differ=0)
    assert isinstance(found.verdict, Rejected)
    assert found.verdict.rule is Objection.INTERVAL_CONTAINS_ZERO
    assert (found.verdict.numbers.champion_mean, found.verdict.numbers.answers) == (0.5, 0)
