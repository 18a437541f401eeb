"""Labels, and from experiences to split examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from examples_anew import Whole, examples_from
from factories import AGENTS, FIELDS, FUSION, after, make_annotation, make_config, make_example, make_experience
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.annotations import Annotation, LabelSource, strongest
from argotune.data.examples import Example, Split, example_from_json, example_to_json
from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.label_rule import LLM_WEIGHT, Labelled, NoLabel, label
from argotune.data.splitting import Splitter
from argotune.errors import Corrupt
from argotune.tenants.config import RewardWeights

VIDEO, IMAGE, SUMMARY = AGENTS
FREE = Fields("routing", ("query",), {"agent": None})


def labelled(
    experience: Experience, annotations: Sequence[Annotation] = (), fields: Fields = FIELDS
) -> Labelled | NoLabel:
    return label(experience, strongest(annotations), fields, RewardWeights(), 0.7)


def gather(
    experiences: Sequence[Experience], annotations: Sequence[Annotation] = (), known: Sequence[Example] = ()
) -> Whole:
    return examples_from(experiences, strongest(annotations), FIELDS, make_config(), known)


def fusion(*labels: tuple[str, str, str]) -> Labelled | NoLabel:
    decision = make_experience(answers={"needed": "true", "strategy": "score"})
    return labelled(decision, [make_annotation(text, name=name, kind=kind) for name, text, kind in labels], FUSION)


def test_a_person_is_believed_before_an_llm_before_the_outcome() -> None:
    person = make_annotation(IMAGE, updated_at=after(5))
    llm = make_annotation(SUMMARY, kind="LLM", identifier="judge", updated_at=after(60))
    experience = make_experience(search_quality=0.8)
    worth = (0.4 * 0.8 + 0.3) / 0.7
    assert labelled(experience, [person, llm]) == Labelled({"agent": IMAGE}, LabelSource.HUMAN, 1.0, after(5))
    assert labelled(experience, [llm]) == Labelled({"agent": SUMMARY}, LabelSource.LLM, LLM_WEIGHT, after(60))
    assert labelled(experience) == Labelled({"agent": VIDEO}, LabelSource.OUTCOME, pytest.approx(worth), after(0))


@pytest.mark.parametrize(
    ("reason", "overrides"),
    [
        (NoLabel.SILENCE, {"agent_success": None}),
        (NoLabel.SILENCE, {"agent_success": None, "search_quality": 1.0}),
        (NoLabel.FAILED, {"agent_success": False, "search_quality": 1.0}),
        (NoLabel.UNSURE, {"confidence": 0.69}),
        (NoLabel.OUTDATED, {"answers": {"agent": "retired_agent"}}),
        (NoLabel.OUTDATED, {"answers": {}}),
        (NoLabel.FAILED, {"agent_success": False, "confidence": 0.1}),
    ],
)
def test_an_outcome_that_does_not_show_the_right_answer_says_why(reason: NoLabel, overrides: dict[str, Any]) -> None:
    assert labelled(make_experience(**overrides)) is reason


def test_a_success_without_worth_is_no_label() -> None:
    weights = RewardWeights(agent_success_weight=0)
    for quality in (None, 0.0):
        assert label(make_experience(search_quality=quality), {}, FIELDS, weights, 0.7) is NoLabel.WORTHLESS


@pytest.mark.parametrize("confidence", [None, 0.7])
def test_a_success_of_enough_or_unknown_confidence_is_a_label(confidence: float | None) -> None:
    assert isinstance(labelled(make_experience(confidence=confidence)), Labelled)


def test_annotations_are_used_at_any_confidence_and_after_failures() -> None:
    experience = make_experience(confidence=0.01, agent_success=False)
    found = labelled(experience, [make_annotation(f" {IMAGE}\n")])
    assert isinstance(found, Labelled)
    assert found.expected == {"agent": IMAGE}


def test_an_annotation_outside_the_labels_is_refused_even_when_the_outcome_was_good() -> None:
    assert labelled(make_experience(), [make_annotation("root_shell")]) is NoLabel.UNKNOWN_LABEL
    assert isinstance(labelled(make_experience(), [make_annotation("anything")], FREE), Labelled)


@pytest.mark.parametrize("ignored", [{"kind": "CODE"}, {"label": " "}, {"span_id": "another"}, {"name": "tone"}])
def test_what_is_no_annotation_of_an_answer_leaves_the_outcome(ignored: dict[str, Any]) -> None:
    found = labelled(make_experience(), [make_annotation(**ignored)])
    assert isinstance(found, Labelled)
    assert found.source is LabelSource.OUTCOME


def test_all_answers_must_be_annotated() -> None:
    assert fusion(("needed", "false", "HUMAN")) is NoLabel.INCOMPLETE
    assert fusion(("needed", "false", "HUMAN"), ("strategy", "none", "CODE")) is NoLabel.INCOMPLETE
    assert fusion(("needed", "false", "HUMAN"), ("strategy", "nine", "HUMAN")) is NoLabel.UNKNOWN_LABEL


@pytest.mark.parametrize(("kind", "source"), [("HUMAN", LabelSource.HUMAN), ("LLM", LabelSource.LLM)])
def test_answers_of_mixed_origin_count_as_the_weaker(kind: str, source: LabelSource) -> None:
    found = fusion(("needed", "false", "HUMAN"), ("strategy", "none", kind))
    assert isinstance(found, Labelled)
    assert (found.source, found.expected) == (source, {"needed": "false", "strategy": "none"})


def test_an_example_knows_its_span_and_slices() -> None:
    gathered = gather([make_experience(modality="video", language="de")])
    (found,) = gathered.examples
    assert found == make_example(
        source=LabelSource.OUTCOME,
        split=Splitter(make_config().split).place("footage of the moon landing"),
        slices={"modality": "video", "language": "de", "label": VIDEO},
    )
    assert gathered.counts == {}


def test_programs_with_several_or_free_answers_have_no_label_slice() -> None:
    decision = make_experience(answers={"needed": "true", "strategy": "score"})
    for fields, experience in ((FUSION, decision), (FREE, make_experience())):
        (found,) = examples_from([experience], {}, fields, make_config()).examples
        assert found.slices == {}


def asked(span_id: str, at: float, agent: str = VIDEO, **overrides: Any) -> Experience:
    return make_experience(span_id=span_id, at=after(at), answers={"agent": agent}, **overrides)


@pytest.mark.parametrize(
    ("annotations", "winner", "counts"),
    [
        ([], ("new", IMAGE), {"repeated question": 1}),
        ([make_annotation(VIDEO, span_id="old", kind="LLM")], ("old", VIDEO), {"repeated question": 1}),
        (
            [make_annotation(SUMMARY, span_id="old", updated_at=after(99)), make_annotation(VIDEO, span_id="new")],
            ("old", SUMMARY),
            {"conflicting labels": 1},
        ),
        (
            [make_annotation(SUMMARY, span_id="old"), make_annotation(SUMMARY, span_id="new", updated_at=after(99))],
            ("new", SUMMARY),
            {"repeated question": 1},
        ),
        (
            [make_annotation(SUMMARY, span_id="old"), make_annotation(VIDEO, span_id="new", kind="LLM")],
            ("old", SUMMARY),
            {"repeated question": 1},
        ),
    ],
)
def test_of_repeated_questions_the_most_trusted_then_newest_label_wins(
    annotations: list[Annotation], winner: tuple[str, str], counts: dict[str, int]
) -> None:
    gathered = gather([asked("new", 10, IMAGE), asked("old", 0)], annotations)
    (found,) = gathered.examples
    assert (found.span_id, found.expected["agent"]) == winner
    assert gathered.counts == counts


def test_equal_questions_in_different_contexts_are_examples_in_one_split() -> None:
    contexts = [make_experience(span_id=c, inputs={"query": "latest news", "context": c}) for c in "abcdef"]
    gathered = gather(contexts)
    assert len(gathered.examples) == 6
    assert len({found.split for found in gathered.examples}) == 1


@pytest.mark.parametrize("split", list(Split))
def test_a_late_annotation_updates_a_known_example_in_its_split(split: Split) -> None:
    known = [make_example(source=LabelSource.OUTCOME, split=split)]
    (found,) = gather([asked("s", 0)], [make_annotation(IMAGE, span_id="s", updated_at=after(9999))], known).examples
    assert (found.id, found.split) == (known[0].id, split)
    assert (found.source, found.expected) == (LabelSource.HUMAN, {"agent": IMAGE})


def test_a_withdrawn_annotation_and_a_forgotten_experience_end_their_examples() -> None:
    known = [make_example(), make_example("a question of last year")]
    gathered = gather([asked("s", 0, agent_success=None)], known=known)
    assert gathered.examples == ()
    assert gathered.counts == {"known example without experiences": 1, "no label": 1}


def by_lms(says: str, kind: str = "LLM") -> tuple[list[Experience], dict[tuple[str, str], Annotation]]:
    """Twenty questions that nobody answered but one annotator, who always says the same."""
    spans = {f"{n:016x}": f"{word} {n * 7919}" for n, word in enumerate(["tax", "alps", "whales", "chess"] * 5)}
    asked = [make_experience(query, span_id=id, agent_success=None) for id, query in spans.items()]
    return asked, strongest([make_annotation(says, span_id=id, kind=kind, identifier="judge") for id in spans])


def test_on_the_test_split_only_the_annotations_for_it_count() -> None:
    asked, labels = by_lms(IMAGE)
    every = examples_from(asked, labels, FIELDS, make_config())
    sealed = [example.id for example in every.examples if example.split is Split.TEST]
    assert 0 < len(sealed) < 20 == len(every.examples)
    untrusted = examples_from(asked, labels, FIELDS, make_config(), on_test={})
    assert [e for e in every.examples if e.split is not Split.TEST] == list(untrusted.examples)
    assert untrusted.counts == {NoLabel.UNTRUSTED.value: len(sealed)}
    _, trusted = by_lms(SUMMARY)
    mixed = examples_from(asked, labels, FIELDS, make_config(), on_test=trusted)
    assert {e.id for e in mixed.examples if e.expected["agent"] == SUMMARY} == set(sealed)
    _, people = by_lms(VIDEO, "HUMAN")
    assert len(examples_from(asked, people, FIELDS, make_config(), on_test={}).examples) == 20


def test_a_question_that_was_chosen_to_be_labelled_goes_where_it_was_promised() -> None:
    asked, labels = by_lms(IMAGE)
    usual = {e.inputs["query"]: e.split for e in examples_from(asked, labels, FIELDS, make_config()).examples}
    promised = [(query, Split.DEV) for query, split in usual.items() if split is Split.TRAIN]
    assert promised
    placed = {e.id: e for e in examples_from(asked, labels, FIELDS, make_config(), placed=promised).examples}
    assert {e.split for e in placed.values()} == {Split.DEV, Split.TEST}


def test_a_question_near_to_two_splits_is_dropped_and_counted() -> None:
    middle = "abcdefghijklmnopqrstuvwxy"
    known = [make_example(middle[2:], split=Split.TRAIN), make_example(middle[:-2], split=Split.TEST)]
    experiences = [make_experience(e, span_id=e) for e in (middle, middle[2:], middle[:-2])]
    gathered = gather(experiences, known=known)
    assert {found.inputs["query"]: found.split for found in gathered.examples} == {
        middle[2:]: Split.TRAIN,
        middle[:-2]: Split.TEST,
    }
    assert gathered.counts == {"near-duplicate of questions in different splits": 1}


QUESTIONS = ("moon landing clip", "moon landing clips", "sum up the contract with nordlicht", "cats", "dogs", "q3?")
EXPERIENCES = st.lists(
    st.builds(
        make_experience,
        query=st.sampled_from(QUESTIONS),
        span_id=st.integers(0, 10**6).map(str),
        at=st.integers(0, 50).map(after),
        answers=st.sampled_from([*AGENTS, "retired_agent"]).map(lambda agent: {"agent": agent}),
        confidence=st.sampled_from([None, 0.5, 0.9]),
        agent_success=st.sampled_from([None, True, False]),
    ),
    max_size=25,
    unique_by=lambda experience: experience.span_id,
)


@st.composite
def annotated(draw: st.DrawFn) -> tuple[list[Experience], list[Annotation]]:
    experiences = draw(EXPERIENCES)
    annotations = [
        make_annotation(
            draw(st.sampled_from([*AGENTS, "root_shell"])),
            span_id=experience.span_id,
            kind=draw(st.sampled_from(["HUMAN", "LLM", "CODE"])),
            updated_at=after(draw(st.integers(0, 99))),
        )
        for experience in experiences
        if draw(st.booleans())
    ]
    return experiences, annotations


@given(annotated(), st.lists(st.sampled_from(QUESTIONS), unique=True))
def test_everything_is_an_example_or_counted_once(
    traffic: tuple[list[Experience], list[Annotation]], known_questions: list[str]
) -> None:
    experiences, annotations = traffic
    known = [make_example(question) for question in known_questions]
    gathered = gather(experiences, annotations, known)
    forgotten = set(known_questions) - {experience.query for experience in experiences}
    assert len(gathered.examples) + sum(gathered.counts.values()) == len(experiences) + len(forgotten)
    assert len({found.id for found in gathered.examples}) == len(gathered.examples)


@given(annotated(), annotated(), st.randoms(use_true_random=False))
def test_examples_do_not_depend_on_the_order_of_reading_and_keep_their_splits(
    first: tuple[list[Experience], list[Annotation]], more: tuple[list[Experience], list[Annotation]], rng: Any
) -> None:
    before = gather(*first)
    shuffled = rng.sample(first[0], len(first[0]))
    assert gather(shuffled, first[1]) == before
    assert gather(*first, known=before.examples) == before
    both = {experience.span_id: experience for experience in [*more[0], *first[0]]}
    grown = {
        found.id: found.split for found in gather(list(both.values()), first[1] + more[1], before.examples).examples
    }
    assert all(grown.get(found.id, found.split) is found.split for found in before.examples)


@pytest.mark.parametrize(
    "original",
    [make_example(), make_example("Größe \x00 \u2028 茶馆", span_id=None, slices=None, split=Split.TEST, weight=0.25)],
)
def test_examples_survive_json(original: Example) -> None:
    assert json.loads(json.dumps(example_to_json(original))) == example_to_json(original)
    assert len(original.id) == 24
    assert example_from_json(example_to_json(original)) == original


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"split": "exam"}, "split"),
        ({"weight": None}, "weight"),
        ({"inputs": {"query": 1}}, "inputs.query"),
    ],
)
def test_a_stored_example_that_cannot_be_read_is_corrupt(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Corrupt, match=f"an example cannot be read: {field}: "):
        example_from_json(example_to_json(make_example()) | change)
