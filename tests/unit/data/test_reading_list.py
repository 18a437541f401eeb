"""Reading lists: which examples are read where there are more than may be."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.reading_list import LEAST_OF_AN_ANSWER, Listed, quotas, reading_list
from argotune.data.splitting import Split

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
ANSWERS = {"usual": 800, "rare": 15, "seldom": 100}


def digest_of(answer: str) -> str:
    return f"{ANSWERS[answer]:016x}{0:048x}"


def placed(number: int, answer: str, split: Split = Split.TRAIN, *, is_trusted: bool = False) -> Listed:
    return Listed(f"{number:024x}", split, digest_of(answer), is_trusted, FIRST + timedelta(hours=number))


def many(split: Split = Split.TRAIN) -> list[Listed]:
    """So many of each answer, those of each the newer ones in turn."""
    answers = [answer for answer, count in ANSWERS.items() for _ in range(count)]
    Random(7).shuffle(answers)
    return [placed(number, answer, split) for number, answer in enumerate(answers)]


def answers_of(examples: list[Listed], ids: tuple[str, ...]) -> Counter[str]:
    names = {digest_of(answer): answer for answer in ANSWERS}
    return Counter(names[example.answer] for example in examples if example.id in set(ids))


@pytest.mark.parametrize(
    ("counts", "most", "expected"),
    [
        ((50, 20, 30), 100, (50, 20, 30)),
        ((5000, 2000, 3000), 100, (50, 20, 30)),
        ((9997, 2, 1), 100, (98, 1, 1)),
        ((0, 0, 200), 100, (0, 0, 100)),
        ((0, 0, 0), 100, (0, 0, 0)),
    ],
)
def test_of_each_split_the_same_share_is_read_and_something_of_each(counts, most, expected):
    assert tuple(quotas(dict(zip(Split, counts, strict=True)), most).values()) == expected


@given(st.lists(st.integers(0, 3000), min_size=3, max_size=3), st.integers(100, 5000))
def test_never_more_than_may_be_and_all_where_they_may(counts: list[int], most: int):
    found = quotas(dict(zip(Split, counts, strict=True)), most)
    assert sum(found.values()) == min(sum(counts), most)
    assert all(0 <= found[split] <= n for split, n in zip(Split, counts, strict=True))
    assert all(found[split] for split, n in zip(Split, counts, strict=True) if n)


def test_a_rare_answer_stays_and_the_rest_keep_their_shares():
    examples = many()
    found = answers_of(examples, reading_list(examples, 200)[Split.TRAIN])
    assert found["rare"] == 15
    assert found["usual"] + found["seldom"] == 185
    assert abs(found["seldom"] - 145 * 100 / 900) < LEAST_OF_AN_ANSWER
    assert found["seldom"] >= LEAST_OF_AN_ANSWER


def test_dev_and_test_measure_so_their_newest_are_read_whatever_their_answers():
    for split in (Split.DEV, Split.TEST):
        assert reading_list(many(split), 200)[split] == tuple(f"{n:024x}" for n in range(715, 915))


def test_of_each_answer_those_with_trusted_labels_go_first_then_the_newest():
    old = [placed(number, "usual", is_trusted=number < 10) for number in range(400)]
    newest = {f"{n:024x}" for n in (*range(10), *range(310, 400))}
    assert set(reading_list(old, 100)[Split.TRAIN]) == newest


def test_where_each_answer_is_another_the_newest_are_read():
    own = [Listed(f"{n:024x}", Split.TRAIN, f"{n + 1:016x}" + 48 * "0", False, FIRST) for n in range(150)]
    newer = [Listed(f"{n:024x}", Split.TRAIN, f"{n + 1:016x}" + 48 * "0", False, FIRST + timedelta(1)) for n in
             range(150, 250)]  # fmt: skip
    assert set(reading_list([*own, *newer], 100)[Split.TRAIN]) == {example.id for example in newer}


@given(st.randoms(use_true_random=False), st.integers(100, 900))
def test_the_same_ones_are_read_in_whatever_order_they_come(random: Random, most: int):
    some = [placed(n % 7, "usual" if n % 3 else "rare", list(Split)[n % 4 % 3]) for n in range(300)]
    some = [Listed(f"{n:024x}", x.split, x.answer, n % 5 == 0, x.at) for n, x in enumerate(some)]  # many ties
    shuffled = list(some)
    random.shuffle(shuffled)
    assert reading_list(shuffled, most) == reading_list(some, most)
