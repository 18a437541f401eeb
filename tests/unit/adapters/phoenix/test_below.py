"""Which signature a module asks first is read from what lies below it, or the answer is refused."""

from __future__ import annotations

import pytest

from argotune.adapters.phoenix.below import signatures_below
from argotune.errors import BadAnswer

ROW = {"span_id": "b", "parent": "a", "started": "2026-11-21T12:00:00Z", "name": "Predict(Sort).forward"}


def test_the_signature_that_is_asked_first_is_found_two_levels_down():
    levels = [[{**ROW, "name": "ChainOfThought.forward"}], [{**ROW, "span_id": "c", "parent": "b"}], []]
    assert signatures_below(["a"], lambda _condition: levels.pop(0)) == {"a": "Sort"}


@pytest.mark.parametrize("broken", [{"parent": "other"}, {"parent": None}, {"name": 7}, {"span_id": None}])
def test_a_row_of_another_shape_is_a_bad_answer(broken: dict):
    with pytest.raises(BadAnswer, match=r"^Phoenix: "):
        signatures_below(["a"], lambda _condition: [ROW | broken])
