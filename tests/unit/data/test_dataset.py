"""Datasets: to which split examples belong by now, and what training may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from factories import make_example
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.dataset import Dataset, ExampleSums, KnownExamples, data_hash
from argotune.data.examples import Example
from argotune.data.splitting import Split

TRAIN, DEV, TEST = Split.TRAIN, Split.DEV, Split.TEST
KNOWN = [
    make_example(f"{split} {n}", split=split) for split, many in ((TRAIN, 5), (DEV, 3), (TEST, 4)) for n in range(many)
]
OPENED = [example.id for example in KNOWN if example.split is TEST][:3]


def dataset(examples: Iterable[Example] = KNOWN, **released: Split) -> Dataset:
    known = tuple(examples)
    return Dataset("routing", ExampleSums.of(known), KnownExamples(known), {}, None, released=released)


def test_opened_test_examples_are_training_or_dev_examples_and_test_nobody():
    first, second, third = OPENED
    found = dataset(**{first: TRAIN, second: TRAIN, third: DEV})
    assert (found.count(TRAIN), found.count(DEV), found.count(TEST), found.count()) == (7, 4, 1, 12)
    assert {first, second} <= set(found.ids(TRAIN))
    assert third in found.ids(DEV)
    assert set(found.ids(TEST)) == {e.id for e in KNOWN if e.split is TEST} - set(OPENED)
    assert [e.split for e in found.pick([first])] == [TEST], "stored it keeps its split"


def test_what_is_no_longer_there_or_was_never_sealed_is_not_moved():
    trained = KNOWN[0].id
    found = dataset(gone=DEV, **{trained: DEV})
    assert (found.count(TRAIN), found.count(DEV), found.count(TEST)) == (5, 3, 4)
    assert trained in found.ids(TRAIN)
    assert found.data_hash == dataset().data_hash


class OfNamesAlone(KnownExamples):
    def each(self) -> Iterable[Example]:
        pytest.fail("all examples were read")


def test_what_was_opened_is_counted_without_reading_all_examples():
    found = Dataset("routing", ExampleSums.of(KNOWN), OfNamesAlone(KNOWN), {}, None, None, {OPENED[0]: TRAIN})
    assert (found.count(TRAIN), found.count(TEST)) == (6, 3)
    assert found.data_hash != dataset().data_hash


examples = st.lists(
    st.builds(lambda n, split: make_example(f"q{n}", split=split), st.integers(0, 40), st.sampled_from(Split)),
    unique_by=lambda example: example.id,
    max_size=20,
)


@given(examples, st.data())
def test_counts_ids_and_hash_are_those_of_the_splits_that_examples_belong_to(known: list[Example], data):
    ids = [example.id for example in known] + ["gone"]
    found = dataset(known, **data.draw(st.dictionaries(st.sampled_from(ids), st.sampled_from([TRAIN, DEV]))))
    for splits in [(TRAIN,), (DEV,), (TEST,), (TRAIN, DEV), (TRAIN, TEST), ()]:
        assert found.count(*splits) == sum(len(found.ids(split)) for split in splits or Split)
    assert found.data_hash == data_hash(found.pick([*found.ids(TRAIN), *found.ids(DEV)]))
    assert sorted(id for split in Split for id in found.ids(split)) == sorted(e.id for e in known)


def test_a_corrected_label_of_an_opened_example_is_something_new_to_learn():
    corrected = [make_example("test 0", split=TEST, expected={"agent": "other"}), *KNOWN]
    before, after = dataset(**{OPENED[0]: TRAIN}), dataset(corrected[:1], **{OPENED[0]: TRAIN})
    assert after.count(TRAIN) == 1
    assert dataset([make_example("test 0", split=TEST)], **{OPENED[0]: TRAIN}).data_hash != after.data_hash
    assert before.data_hash != dataset().data_hash


def test_of_more_examples_than_may_be_read_those_that_were_opened_have_room_where_they_belong_now():
    found = replace(dataset(**dict.fromkeys(OPENED, TRAIN)), stored=OfNamesAlone(KNOWN), most=6)
    assert [found.count_read(split) for split in Split] == [4, 1, 1]
    assert [len(found.ids(split)) for split in Split] == [4, 1, 1]
    assert (found.count(), found.is_bounded, len(found.picked())) == (12, True, 6)
    assert set(found.ids(TEST)).isdisjoint(OPENED)
