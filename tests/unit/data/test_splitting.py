"""Normalising, the shares of the splits, and near-duplicates."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from itertools import combinations
from time import process_time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import jaccard_score

from argotune.data.near_texts import NearTexts, are_near, shingles_of
from argotune.data.splitting import (
    Bridged,
    Split,
    Splitter,
    normalised,
    sealed_first,
    split_of_key,
    split_when_opened,
)
from argotune.tenants.config import SplitShares

SHARES = SplitShares()
WORDS = (
    "show",
    "find",
    "me",
    "the",
    "a",
    "of",
    "video",
    "clip",
    "moon",
    "landing",
    "cats",
    "dog",
    "sales",
    "q3",
    "2024",
)
QUERIES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), max_size=40)
TYPOS = st.lists(st.text("ab ", min_size=1, max_size=9), max_size=30)


def shingle_set(text: str) -> frozenset[str]:
    return frozenset(shingles_of(text))


def random_queries(count: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(5000)]
    return [" ".join(rng.choices(vocabulary, k=rng.randint(4, 8))) for _ in range(count)]


@pytest.mark.parametrize(
    ("query", "same"),
    [
        ("Show me  THE Video!", "show me the video"),
        ("  tl;dr   of\tmonday's\nall-hands ", "tl dr of monday s all hands"),
        ("Café résumé NAÏVE", "cafe resume naive"),
        ("Straße", "STRASSE"),
        ("İstanbul", "istanbul"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("ﬁnd ℋ", "find h"),
        ("Q3 2024", "q3-2024"),
    ],
)
def test_what_people_vary_by_accident_does_not_count(query: str, same: str) -> None:
    assert normalised(query) == normalised(same)


@pytest.mark.parametrize(
    ("one", "other"), [("invoice 17", "invoice 71"), ("की", "का"), ("か", "が"), ("ที่", "ทุ"), ("🐱", "🐶"), ("?", "!")]
)
def test_what_carries_meaning_stays(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.text())
@example("ℋ̈ŉẞ")
def test_normalising_twice_changes_nothing(query: str) -> None:
    assert normalised(normalised(query)) == normalised(query)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_leads_to_the_same(query: str) -> None:
    # One letter beyond ASCII makes the whole text take the long way.
    assert normalised(f"{query} é") == normalised(f"{query} e")


@pytest.mark.parametrize(
    ("key", "split"),
    [
        ("show me the video", Split.DEV),
        ("größe", Split.TRAIN),
        ("茶馆", Split.TRAIN),
        ("moon landing", Split.TEST),
        ("podcast", Split.TRAIN),
    ],
)
def test_the_split_of_a_key_is_fixed_for_ever(key: str, split: Split) -> None:
    assert split_of_key(key, SHARES) is split


@pytest.mark.parametrize("shares", [SHARES, SplitShares(train=0.8, dev=0.1, test=0.1)])
def test_keys_fall_into_splits_as_a_fair_lot_would_have_them(shares: SplitShares) -> None:
    """Pearson's chi-square of 50,000 keys; they are fixed, so the test is decided."""
    found = Counter(split_of_key(f"question {number}", shares) for number in range(50_000))
    expected = [50_000 * getattr(shares, split.value) for split in Split]
    assert stats.chisquare([found[split] for split in Split], expected).pvalue > 0.001


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_near_is_jaccards_similarity_as_scikit_learn_has_it(in_one: list[bool], chance: random.Random) -> None:
    in_other = [has if chance.random() < 0.9 else not has for has in in_one]
    assume(any(in_one) or any(in_other))
    one, other = (frozenset(n for n, has in enumerate(row) if has) for row in (in_one, in_other))
    assert are_near(one, other) is (jaccard_score(in_one, in_other) >= 0.8 - 1e-12)


@pytest.mark.parametrize("shares", [SHARES, SplitShares(train=0.8, dev=0.1, test=0.1)])
def test_split_shares_hold(shares: SplitShares) -> None:
    splitter = Splitter(shares)
    placed = Counter(splitter.place(query) for query in random_queries(10_000))
    for split in Split:
        assert placed[split] / 10_000 == pytest.approx(getattr(shares, split.value), abs=0.02)


@pytest.mark.parametrize(
    "variant",
    [
        "find the signed contract with nordlicht studios!",
        "find the signed contract with nordlicht studio",
        "find the singed contract with nordlicht studios",
        "please find the signed contract with nordlicht studios",
    ],
)
def test_a_near_duplicate_follows_the_known_question(variant: str) -> None:
    for split in Split:
        splitter = Splitter(SHARES, [("Find the signed contract with Nordlicht Studios", split)])
        assert splitter.place(variant) is split


def test_a_question_between_two_splits_is_bridged_and_stays_unknown() -> None:
    middle = "abcdefghijklmnopqrstuvwxy"
    left, right = middle[:-2], middle[2:]
    splitter = Splitter(SHARES, [(left, Split.TRAIN), (right, Split.TEST)])
    assert splitter.place(middle) == Bridged(frozenset({Split.TRAIN, Split.TEST}))
    assert splitter.place(middle) == Bridged(frozenset({Split.TRAIN, Split.TEST}))
    assert splitter.place(left) is Split.TRAIN


@pytest.mark.parametrize(
    ("one", "other", "near"), [("abcd", "abcde", True), ("abc", "abcd", False), ("abcde", "abcdf", False)]
)
def test_near_begins_at_four_fifths_in_common(one: str, other: str, near: bool) -> None:
    assert are_near(frozenset(one), frozenset(other)) is near


@given(QUERIES | TYPOS)
def test_near_duplicates_are_never_in_different_splits(queries: list[str]) -> None:
    splitter = Splitter(SHARES)
    splits = {query: splitter.place(query) for query in queries}
    placed = {query: split for query, split in splits.items() if not isinstance(split, Bridged)}
    for (one, split), (other, other_split) in combinations(placed.items(), 2):
        if are_near(shingle_set(normalised(one)), shingle_set(normalised(other))):
            assert split is other_split


@given(QUERIES | TYPOS, st.text("ab ", max_size=9) | st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join))
def test_the_index_finds_all_that_comparing_one_by_one_finds(texts: list[str], asked: str) -> None:
    groups = {text: str(number) for number, text in enumerate(texts)}
    near = {group for text, group in groups.items() if are_near(shingle_set(text), shingle_set(asked))}
    grown = NearTexts()
    for text, group in groups.items():
        grown.add(text, group)
    assert grown.groups_near(asked) == NearTexts(groups).groups_near(asked) == near


@given(QUERIES, QUERIES, st.randoms(use_true_random=False))
def test_splits_stay_when_more_is_asked(early: list[str], late: list[str], rng: random.Random) -> None:
    splitter = Splitter(SHARES)
    before = {query: split for query in early if not isinstance(split := splitter.place(query), Bridged)}
    known = list(before.items())
    rng.shuffle(known)
    again = Splitter(SHARES, known)
    mixed = late + early
    rng.shuffle(mixed)
    after = {query: again.place(query) for query in mixed}
    assert {query: after[query] for query in before} == before


def test_splits_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    script = (
        "import json, sys; from argotune.data.splitting import Splitter; "
        "from argotune.tenants.config import SplitShares; "
        "s = Splitter(SplitShares()); print(json.dumps([str(s.place(q)) for q in json.load(sys.stdin)]))"
    )
    rng = random.Random(3)
    queries = json.dumps([" ".join(rng.choices(WORDS, k=rng.randint(3, 8))) for _ in range(1500)])
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            input=queries,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


@pytest.mark.parametrize(
    "queries",
    [
        random_queries(5_000),
        [f"show me video number {number} about cats" for number in range(20_000)],
        ["x" * 20_000 + str(n) for n in range(50)],
    ],
    ids=["different", "one family", "long"],
)
def test_placing_stays_fast(queries: list[str]) -> None:
    splitter = Splitter(SHARES)
    started = process_time()
    for query in queries:
        splitter.place(query)
    assert process_time() - started < 5


def test_of_questions_that_became_alike_the_sealed_one_keeps_its_place() -> None:
    known = [
        ("Clips of <EMAIL>", Split.TRAIN),
        ("clips of <EMAIL>", Split.TEST),
        ("the memo that <PHONE> sent about the budget of the harbour", Split.DEV),
        ("the memo that <PHONE> sent about the budgets of the harbour", Split.TRAIN),
        ("footage of whales", Split.TRAIN),
        ("footage of the alps", Split.DEV),
    ]
    assert sealed_first(known) == {
        "clips of email": Split.TEST,
        "the memo that phone sent about the budget of the harbour": Split.DEV,
        "footage of the alps": Split.DEV,
        "footage of whales": Split.TRAIN,
    }


def test_near_questions_of_one_split_all_keep_their_places() -> None:
    one, other = "footage of the moon landing in colour", "footage of the moon landing in colours"
    assert set(sealed_first([(one, Split.TEST), (other, Split.TEST)]).values()) == {Split.TEST}
    assert len(sealed_first([(one, Split.TEST), (other, Split.TEST)])) == 2
    assert list(sealed_first([(one, Split.TEST), (other, Split.TRAIN)])) == [normalised(one)]


def test_a_question_with_half_a_character_has_a_place() -> None:
    assert split_of_key("\ud800 moon", SHARES) in Split


# Opened examples


@given(st.text())
def test_an_opened_example_belongs_to_training_or_choosing_for_ever(id: str):
    assert split_when_opened(id, SHARES) in (Split.TRAIN, Split.DEV)
    assert split_when_opened(id, SHARES) is split_when_opened(id, SHARES)


@pytest.mark.parametrize("shares", [SHARES, SplitShares(train=0.2, dev=0.6, test=0.2)])
def test_opened_examples_are_shared_as_the_others_are_that_are_no_test(shares: SplitShares):
    found = Counter(split_when_opened(f"{n:024x}", shares) for n in range(4000))
    share = shares.dev / (shares.train + shares.dev)
    assert stats.binomtest(found[Split.DEV], 4000, share).pvalue > 0.001


def test_more_choosing_moves_opened_examples_one_way_only():
    more = SplitShares(train=0.3, dev=0.4, test=0.3)
    moved = {(split_when_opened(f"{n}", SHARES), split_when_opened(f"{n}", more)) for n in range(300)}
    assert (Split.DEV, Split.TRAIN) not in moved
