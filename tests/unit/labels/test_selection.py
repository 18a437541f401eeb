"""Which questions are chosen for a label, with which chance, and that test questions are a random sample."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from factories import make_experience
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from argotune.data.experiences import Experience
from argotune.data.splitting import Split, Splitter, split_of_key
from argotune.labels.selection import POOL_PER_PLACE, OpenQuestions, Read, Reason, Selection, lot_of, select
from argotune.tenants.config import SplitShares

SHARES = SplitShares()
TOPICS = ("whale", "violin", "glacier", "election", "bridge", "cooking", "harbour", "comet", "museum", "chess")


def asked(n: int, **fields) -> list[Experience]:
    """n questions of which none is near another."""
    texts = [f"{TOPICS[i % 10]} {TOPICS[i // 10 % 10]} {lot_of(str(i), 'words') * 1e12:.0f}" for i in range(n)]
    return [
        make_experience(span_id=f"{i:04x}", inputs={"query": text, "context": ""}, **{"confidence": 0.9, **fields})
        for i, text in enumerate(texts)
    ]


def no_doubts(_pool: Sequence[Experience]) -> dict[str, frozenset[Reason]]:
    return {}


def reader(experiences: Sequence[Experience]) -> Read:
    by_id = {x.span_id: x for x in experiences}
    return lambda span_ids: (by_id[id] for id in span_ids if id in by_id)


def chosen(
    experiences, places=20, share=0.5, doubts=no_doubts, taken=(), answered=(), tenant="acme"
) -> list[Selection]:
    questions = OpenQuestions(experiences, frozenset(taken), frozenset(answered), tenant, reader(experiences))
    return select(questions, Splitter(SHARES), places, share, 0.6, doubts)


def test_dev_and_test_are_drawn_and_training_is_chosen():
    found = chosen(asked(300))
    assert Counter(choice.split is Split.TRAIN for choice in found) == {False: 10, True: 10}
    assert len({choice.experience.span_id for choice in found}) == 20


def test_the_lowest_lots_are_drawn_and_the_chance_is_the_first_lot_that_was_not():
    experiences = asked(300)
    splitter = Splitter(SHARES)
    lots = sorted(lot_of(x.query, "acme") for x in experiences if splitter.preview(x.query) is not Split.TRAIN)
    found = [choice for choice in chosen(experiences) if choice.split is not Split.TRAIN]
    assert sorted(lot_of(choice.experience.query, "acme") for choice in found) == lots[:10]
    assert {choice.probability for choice in found} == {lots[10]}
    everything = chosen(experiences[:20], places=100)
    assert {choice.probability for choice in everything} == {1.0}
    assert len(everything) == 20


def test_day_after_day_the_drawn_questions_are_those_of_one_larger_draw():
    experiences, taken = asked(400), set()
    for _ in range(4):
        taken |= {c.experience.span_id for c in chosen(experiences, places=5, share=1.0, taken=taken)}
    assert taken == {c.experience.span_id for c in chosen(experiences, places=20, share=1.0)}


def test_a_drawn_sample_estimates_what_holds_for_all_questions():
    experiences = [*asked(600)]
    hard = {x.span_id for x in experiences[::3]}
    splitter = Splitter(SHARES)
    held = [x for x in experiences if splitter.preview(x.query) is not Split.TRAIN]
    truth = sum(x.span_id in hard for x in held) / len(held)
    shares = []
    for n in range(200):
        drawn = [c for c in chosen(experiences, places=40, share=1.0, tenant=f"tenant {n}")]
        assert drawn
        assert all(c.split is not Split.TRAIN for c in drawn)
        shares.append(sum(c.experience.span_id in hard for c in drawn) / len(drawn))
    assert sum(shares) / len(shares) == pytest.approx(truth, abs=0.02)


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=60, max_size=60), st.booleans())
def test_what_the_champion_was_unsure_of_never_moves_the_choice_of_test_questions(confidences, unsure):
    plain = asked(60)
    other = [
        make_experience(span_id=x.span_id, inputs=x.inputs, confidence=c if unsure else None, agent_success=unsure)
        for x, c in zip(plain, confidences, strict=True)
    ]
    first, second = (
        {c.experience.span_id for c in chosen(some, share=0.4) if c.split is not Split.TRAIN} for some in (plain, other)
    )
    assert first == second


def test_training_questions_with_most_reasons_come_first_then_the_least_confident():
    experiences = asked(300)
    splitter = Splitter(SHARES)
    training = [x for x in experiences if splitter.preview(x.query) is Split.TRAIN]
    unsure = {x.span_id: 0.1 + n / 100 for n, x in enumerate(training[:5])}
    experiences = [
        make_experience(span_id=x.span_id, inputs=x.inputs, confidence=unsure.get(x.span_id, 0.9)) for x in experiences
    ]
    twice = training[3].span_id
    found = chosen(experiences, 6, 0.0, lambda _pool: {twice: frozenset({Reason.DIFFER})})
    assert [c.experience.span_id for c in found[:5]] == [
        twice,
        *(x.span_id for x in training[:5] if x.span_id != twice),
    ]
    assert [c.reason for c in found] == [Reason.DIFFER, *[Reason.UNSURE] * 4, Reason.LOT]
    assert [c.probability for c in found[:5]] == [1.0] * 5
    assert found[5].probability < 1


def test_only_training_questions_are_looked_at_closely_and_only_a_few():
    looked: list[Experience] = []

    def note(pool: Sequence[Experience]) -> dict[str, frozenset[Reason]]:
        looked.extend(pool)
        return {}

    chosen(asked(300, confidence=0.2), doubts=note)
    assert len(looked) == 10 * POOL_PER_PLACE
    assert {Splitter(SHARES).preview(x.query) for x in looked} == {Split.TRAIN}


def test_a_question_is_out_with_any_of_its_spans():
    experiences = [
        make_experience(span_id=f"{n}", inputs={"query": text, "context": ""})
        for n, text in enumerate(["Where is the whale?", "where is the WHALE", "chess", "Chess!"])
    ]
    assert [c.experience.span_id for c in chosen(experiences, taken=["0"])] in (["2"], ["3"])
    assert chosen(experiences, taken=["1", "2"]) == []


def test_a_trusted_lms_label_takes_a_question_out_of_training_only():
    experiences = asked(100)
    every = [x.span_id for x in experiences]
    found = chosen(experiences, places=100, answered=every)
    assert found
    assert all(choice.split is not Split.TRAIN for choice in found)


def test_near_questions_are_never_chosen_for_different_splits():
    text = "where can i find the old footage of the harbour bridge that was shown on the evening news in spring"
    experiences = [
        make_experience(span_id=f"{n:03}", inputs={"query": f"{text} {n}", "context": ""}) for n in range(60)
    ]
    assert len({choice.split for choice in chosen(experiences, places=60)}) == 1


@pytest.mark.parametrize(("share", "splits"), [(1.0, {Split.DEV, Split.TEST}), (0.0, {Split.TRAIN})])
def test_a_share_of_all_or_nothing_leaves_the_other_side_out(share: float, splits: set[Split]):
    assert {choice.split for choice in chosen(asked(200), places=200, share=share)} == splits


def test_lots_are_uniform_and_tell_nothing_of_the_split():
    """Kolmogorov and Smirnov's test of all lots, and of those of each split; the keys are fixed."""
    lots = [(lot_of(f"question {n}", "acme"), split_of_key(f"question {n}", SplitShares())) for n in range(20_000)]
    assert kstest([lot for lot, _ in lots], "uniform").pvalue > 0.001
    for split in Split:
        assert kstest([lot for lot, own in lots if own is split], "uniform").pvalue > 0.001


def test_of_a_question_that_is_not_looked_at_little_is_held_however_long_it_is():
    def long(n: int) -> Iterator[Experience]:
        return (
            make_experience(span_id=f"{i:04x}", inputs={"query": f"{i} {'long ' * 2000}", "context": ""})
            for i in range(n)
        )

    tracemalloc.start()
    try:
        held = OpenQuestions(long(500), frozenset(), frozenset(), "acme", lambda _span_ids: ())
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes / 500 < 1_000, "an experience has more than 10,000"
    assert select(held, Splitter(SHARES), 20, 0.5, 0.6, no_doubts) == [], "those that are gone by now are not asked"
