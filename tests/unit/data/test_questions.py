"""What comes of a question of which people say that answers are wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from examples_anew import Whole, examples_from
from factories import AGENTS, FIELDS, after, make_annotation, make_config, make_experience

from argotune.data.annotations import Annotation, LabelSource, strongest
from argotune.data.examples import Split
from argotune.data.fields import Fields
from argotune.data.label_rule import LEFT_OVER_WEIGHT
from argotune.data.questions import Settled, settle
from argotune.data.remarks import CORRECT, INCORRECT, VERDICT

VIDEO, IMAGE, SUMMARY = AGENTS
QUERY = "footage of the moon landing"
OVERRULED, CONTRADICTED = (
    "a person says that this label is wrong",
    ("people say that it is wrong and that it is right: the right answer counts"),
)
REFUTED = "said to be wrong, right answer unknown"

Said = tuple[str, str, str]
"""Of which answer (the span has its name), by which kind of annotator, what: a verdict, or the right answer."""


def annotation(of: str, kind: str, said: str) -> Annotation:
    name = VERDICT if said in (CORRECT, INCORRECT) else "agent"
    return make_annotation(said, span_id=of, name=name, kind=kind, identifier=f"{kind} {name}")


def asked(said: Sequence[Said], split: Split, fields: Fields = FIELDS, *, success: bool | None = None) -> Whole:
    """One question that was answered by each agent, and what was said of the answers."""
    spans = [
        make_experience(QUERY, span_id=agent, answers={"agent": agent}, at=after(n), agent_success=success)
        for n, agent in enumerate(AGENTS)
    ]
    labels = strongest([annotation(*each) for each in said])
    return examples_from(spans, labels, fields, make_config(), placed=[(QUERY, split)])


def people(*wrong: str) -> list[Said]:
    return [(agent, "HUMAN", INCORRECT) for agent in wrong]


def spans(found: Whole) -> set[str]:
    return {span for of_question in found.refuted.values() for span in of_question}


@pytest.mark.parametrize(
    ("said", "success", "right", "refuted", "counts"),
    [
        pytest.param([], None, None, set(), {}, id="nobody says anything"),
        pytest.param(people(VIDEO), None, None, {VIDEO}, {REFUTED: 1}, id="one answer is wrong"),
        pytest.param(
            people(VIDEO, IMAGE)[::-1],
            None,
            (SUMMARY, LabelSource.OUTCOME),
            set(),
            {REFUTED: 1},
            id="one label is left",
        ),
        pytest.param(people(*AGENTS), None, None, set(AGENTS), {REFUTED: 3}, id="none is left"),
        pytest.param(
            [*people(VIDEO), (IMAGE, "HUMAN", SUMMARY)],
            None,
            (SUMMARY, LabelSource.HUMAN),
            set(),
            {REFUTED: 1},
            id="a right answer is known by now",
        ),
        pytest.param(
            [*people(VIDEO), (IMAGE, "HUMAN", VIDEO)],
            None,
            (VIDEO, LabelSource.HUMAN),
            set(),
            {CONTRADICTED: 1},
            id="a person says that the same is right",
        ),
        pytest.param(
            [*people(VIDEO), (VIDEO, "HUMAN", VIDEO)],
            None,
            (VIDEO, LabelSource.HUMAN),
            set(),
            {CONTRADICTED: 1},
            id="both of one answer",
        ),
        pytest.param(
            [*people(VIDEO), (IMAGE, "LLM", VIDEO)], None, None, {VIDEO}, {REFUTED: 1, OVERRULED: 1}, id="an LM objects"
        ),
        pytest.param(
            [*people(VIDEO), (IMAGE, "LLM", IMAGE)],
            None,
            (IMAGE, LabelSource.LLM),
            set(),
            {REFUTED: 1},
            id="an LM knows what is right",
        ),
        pytest.param([(VIDEO, "LLM", INCORRECT)], None, None, set(), {REFUTED: 1}, id="an LM forbids nothing"),
        pytest.param(
            [(VIDEO, "CODE", INCORRECT)],
            None,
            None,
            set(),
            {"outcome: failed, right answer unknown": 1},
            id="nor does code",
        ),
    ],
)
def test_what_people_say_is_wrong_is_kept_until_somebody_knows_what_is_right(said, success, right, refuted, counts):
    found = asked(said, Split.TRAIN, success=success)
    known = [(example.expected["agent"], example.source) for example in found.examples]
    assert known == ([right] if right else [])
    assert spans(found) == refuted
    assert {why: n for why, n in found.counts.items() if why not in ("no label", "repeated question")} == counts


def test_a_happy_user_makes_nothing_right_of_what_people_say_is_wrong():
    spans = [
        make_experience(QUERY, span_id=id, answers={"agent": VIDEO}, at=after(n), agent_success=True)
        for n, id in enumerate("ab")
    ]
    found = examples_from(spans, strongest([annotation("a", "HUMAN", INCORRECT)]), FIELDS, make_config())
    assert (found.examples, found.counts) == ((), {REFUTED: 1, OVERRULED: 1})
    assert list(found.refuted.values()) == [("a",)]


def test_what_is_left_over_is_a_weak_label_that_judges_nothing():
    (found,) = asked(people(VIDEO, IMAGE), Split.TRAIN).examples
    assert (found.weight, found.source.is_trusted) == (LEFT_OVER_WEIGHT, False)


def test_of_an_open_set_nothing_is_left_over():
    free = Fields("routing", ("query", "context"), {"agent": None})
    assert spans(asked(people(VIDEO, IMAGE), Split.TRAIN, free)) == {VIDEO, IMAGE}


def test_on_the_test_split_people_who_say_what_is_wrong_take_no_label_away():
    (found,) = asked([*people(VIDEO), (IMAGE, "LLM", VIDEO)], Split.TEST).examples
    assert (found.expected["agent"], found.source, found.split) == (VIDEO, LabelSource.LLM, Split.TEST)


def test_an_answer_that_is_not_offered_any_more_is_not_forbidden():
    gone = make_experience(QUERY, span_id="a", answers={"agent": "retired_agent"}, agent_success=None)
    found = examples_from([gone], strongest([annotation("a", "HUMAN", INCORRECT)]), FIELDS, make_config())
    assert (found.examples, found.refuted, found.counts) == ((), {}, {REFUTED: 1})


def test_a_question_without_answers_comes_to_nothing():
    assert settle([], None, FIELDS) == Settled(None, None, {})
