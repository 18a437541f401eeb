"""Labels: one rule says which label is meant, whoever wrote it and however a tenant spells its own."""

from __future__ import annotations

import pytest
from examples_anew import examples_from
from factories import make_annotation, make_config, make_experience, make_span

from argotune.cli.commands.annotate import _chosen, answers_given
from argotune.data.annotations import strongest
from argotune.data.experiences import Experience
from argotune.data.fields import Fields, meant
from argotune.data.span_format import read_span
from argotune.labels.agreement import labels_by_span
from argotune.pipeline.operations.annotating import answers_meant

SPELLED = (" video_search_agent", "Gr\u00f6\u00dfe", "text")
FIELDS = Fields("routing", ("query", "context"), {"agent": SPELLED})


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (" video_search_agent", SPELLED[0]),
        ("video_search_agent", SPELLED[0]),
        ("video_search_agent\n", SPELLED[0]),
        ("Gro\u0308\u00dfe ", SPELLED[1]),
        ("text", "text"),
        ("Text", None),
        ("", None),
    ],
)
def test_the_same_label_is_meant_wherever_labels_are_read(said: str, label: str | None):
    annotation = make_annotation(said)
    assert meant(said, SPELLED) == label
    assert labels_by_span([annotation], FIELDS) == ({annotation.span_id: label} if label else {})
    gathered = examples_from([make_experience()], strongest([annotation]), FIELDS, make_config(), [])
    assert [example.expected for example in gathered.examples if example.source == "human"] == (
        [{"agent": label}] if label else []
    )
    assert _chosen(said, SPELLED) == label
    if label:
        assert answers_meant(FIELDS, answers_given([f"agent={said}"])) == {"agent": label}
        decision = read_span(make_span(attributes=_decided(said)), "acme_corp", {"routing": FIELDS})
        assert isinstance(decision, Experience)
        assert decision.answers == {"agent": label}


def _decided(agent: str) -> dict[str, object]:
    from factories import make_attributes

    return make_attributes(chosen_agent=agent)


def test_a_label_that_is_exactly_there_goes_before_one_that_is_nearly():
    assert [meant(said, ("a", " a")) for said in ("a", " a", "a ")] == ["a", " a", "a"]


def test_a_free_text_is_kept_without_outer_blanks():
    assert (meant(" Gro\u0308\u00dfe\n", None), meant(" ", None)) == ("Gr\u00f6\u00dfe", None)
