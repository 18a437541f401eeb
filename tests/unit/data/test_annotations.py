"""Which annotation is believed."""

from __future__ import annotations

from itertools import permutations

import pytest
from factories import after, make_annotation

from argotune.data.annotations import Annotation, strongest

OLD_HUMAN = make_annotation("a", updated_at=after(0))
NEW_HUMAN = make_annotation("b", updated_at=after(9), identifier="ben")
NEW_LLM = make_annotation("c", kind="LLM", updated_at=after(99))
NEW_CODE = make_annotation("d", kind="CODE", updated_at=after(999))


@pytest.mark.parametrize(
    ("given", "believed"),
    [
        ((OLD_HUMAN, NEW_HUMAN, NEW_LLM, NEW_CODE), NEW_HUMAN),
        ((OLD_HUMAN, NEW_LLM), OLD_HUMAN),
        ((NEW_LLM, NEW_CODE), NEW_LLM),
        ((NEW_CODE,), NEW_CODE),
    ],
)
def test_people_come_before_llms_before_code_then_the_newest(
    given: tuple[Annotation, ...], believed: Annotation
) -> None:
    for order in permutations(given):
        assert strongest(order) == {(believed.span_id, "agent"): believed}


def test_fields_and_spans_are_judged_apart() -> None:
    rows = [make_annotation(name=name, span_id=span_id) for name in ("needed", "strategy") for span_id in ("1", "2")]
    assert len(strongest(rows)) == 4
