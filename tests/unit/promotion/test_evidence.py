"""Evidence: which questions count by the labels that stand, each once, whoever labels what first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from factories import NOON, make_example
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.errors import ConfigInvalid
from argotune.lm.lack import Lack
from argotune.promotion.evidence import (
    CONTRADICTED,
    HELD_BACK,
    LONG_ASKED,
    NO_SCORE,
    NOT_ANSWERED,
    REPEATED,
    SILENT,
    WITHDRAWN,
    Evidence,
    Standing,
    weigh,
)
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.verdicts import UnusableAnswers

DAY = timedelta(days=1)
PATIENCE = 3 * DAY
LACKS = st.sampled_from([None, *Lack])


def said(agent: str, lack: Lack | None = None) -> Answer:
    return Answer({"agent": "" if lack else agent}, lack)


def pair(question: str, champion: str | Answer = "a", challenger: str | Answer = "b", **fields: Any) -> Pair:
    both = {"champion": champion, "challenger": challenger}
    answers = {role: said(answer) if isinstance(answer, str) else answer for role, answer in both.items()}
    return Pair(**{"question": question, "span_id": f"span {question}", "drawn": "lot", **answers, **fields})


def scored(of: Pair, example: Example) -> tuple[float, float]:
    right = example.expected["agent"]
    if right == "no number":
        raise ConfigInvalid("its metric gave nan")
    return tuple(float(not a.lack and a.answers["agent"] == right) for a in (of.champion, of.challenger))


def label(agent: str, source: LabelSource = LabelSource.HUMAN, **fields: Any) -> Example:
    return make_example(expected={"agent": agent}, source=source, **{"slices": {}, **fields})


def found(
    pairs: Sequence[Pair],
    labels: Mapping[str, Example | str] | None = None,
    *,
    contradicted: Iterable[str] = (),
    asked: Mapping[str, float] | None = None,
    is_plain: bool = True,
) -> Evidence:
    """The evidence by labels of people, or these examples; questions were `asked` so many days ago."""
    examples = {q: label(agent) if isinstance(agent, str) else agent for q, agent in (labels or {}).items()}
    asked_at = {f"span {question}": NOON - days * DAY for question, days in (asked or {}).items()}
    standing = Standing(examples, frozenset(f"span {q}" for q in contradicted), asked_at)
    versions = ("routing", "v1", "v2")
    return weigh(versions, pairs, standing, scored, NOON, PATIENCE, is_plain=is_plain)


@pytest.mark.parametrize(("champion", "challenger"), [("a", "b"), ("a", "a"), ("a", said("b", Lack.CUT))])
def test_masking_makes_no_two_answers_equal_that_differed_and_keeps_what_was_equal(champion, challenger):
    before = pair("q", champion, challenger)
    hidden = before.masked(lambda texts: dict.fromkeys(texts, "<EMAIL>"))
    assert {answer.answers["agent"] for answer in (hidden.champion, hidden.challenger)} == {"<EMAIL>"}
    assert hidden.is_equal is before.is_equal
    assert hidden.masked(lambda texts: dict.fromkeys(texts, "<TEXT>")).is_equal is before.is_equal
    assert before.masked(dict) == before


def counted(evidence: Evidence) -> dict[str, float]:
    return {score.example_id: score.difference for score in evidence.comparison.scores}


# One question


@pytest.mark.parametrize(
    ("labels", "options", "differences", "waits", "left_out"),
    [
        pytest.param({}, {}, {}, True, {}, id="nobody was asked yet"),
        pytest.param({}, {"asked": {"q": 3}}, {}, True, {}, id="people have had it for as long as they may"),
        pytest.param({}, {"asked": {"q": 3.01}}, {}, False, {LONG_ASKED: 1}, id="people were asked for too long"),
        pytest.param({"q": "b"}, {}, {"q": 1.0}, False, {}, id="won"),
        pytest.param({"q": "a"}, {"asked": {"q": 99}}, {"q": -1.0}, False, {}, id="lost, and labelled late"),
        pytest.param({"q": "c"}, {}, {"q": 0.0}, False, {}, id="both are wrong"),
        pytest.param({"q": label("b", LabelSource.LLM)}, {}, {}, True, {}, id="an annotator is no person"),
        pytest.param({"q": label("b", LabelSource.OUTCOME)}, {}, {}, True, {}, id="an outcome is no label"),
        pytest.param({"other": "b"}, {}, {}, True, {}, id="another question's label"),
        pytest.param(
            {"q": "b"}, {"contradicted": ["q"]}, {"q": 0.0}, False, {CONTRADICTED: 1}, id="people contradict each other"
        ),
    ],
)
def test_a_disagreement_that_was_drawn_counts_by_the_label_of_a_person(labels, options, differences, waits, left_out):
    evidence = found([pair("q")], labels, **options)
    assert counted(evidence) == differences
    assert (evidence.wait, evidence.left_out) == (("span q",) if waits else (), left_out)
    assert (evidence.comparison.answers, evidence.comparison.differ) == (1, 1)


def test_equal_answers_count_as_no_difference_and_need_no_label():
    evidence = found([pair("q", "a", "a")], {"q": "b"})
    assert (counted(evidence), evidence.wait, evidence.left_out) == ({}, (), {})
    assert (evidence.comparison.answers, evidence.comparison.differ) == (1, 0)


def test_where_the_metric_is_no_function_of_the_answers_every_question_needs_a_label():
    same = [pair("q", "a", "a"), pair("r", "a", "a")]
    evidence = found(same, {"q": "a"}, is_plain=False)
    assert (counted(evidence), evidence.wait) == ({"q": 0.0}, ("span r",))
    assert (evidence.comparison.answers, evidence.comparison.differ) == (2, 2)


@pytest.mark.parametrize(
    ("champion", "challenger", "differ", "left_out"),
    [
        (said("", Lack.NO_CONTENT), said("b"), 0, {SILENT: 1}),
        (said("", Lack.REFUSED), said("", Lack.REFUSED), 0, {SILENT: 1}),
        (said("a"), said("", Lack.NO_CONTENT), 1, {}),
        (said("", Lack.CUT), said("b"), 1, {}),
        (said("", Lack.CUT), said("", Lack.FORM), 0, {}),
        (said("a"), said("", Lack.OUTSIDE), 1, {}),
    ],
)
def test_what_the_champions_lm_did_not_answer_says_nothing_for_the_challenger(champion, challenger, differ, left_out):
    evidence = found([pair("q", champion=champion, challenger=challenger)])
    assert (evidence.comparison.differ, evidence.left_out) == (differ, left_out)
    assert evidence.comparison.answers == (0 if left_out else 1)
    assert evidence.wait == (("span q",) if differ else ())


def test_an_answer_that_cannot_be_used_is_a_miss():
    failing = pair("q", challenger=said("", Lack.CUT))
    assert counted(found([failing], {"q": "a"})) == {"q": -1.0}
    assert counted(found([failing], {"q": "b"})) == {"q": 0.0}


def test_a_metric_that_gives_no_number_shows_no_difference_and_is_told():
    evidence = found([pair("q"), pair("r")], {"q": "no number", "r": "b"})
    assert {question: d for question, d in counted(evidence).items() if d} == {"r": 1.0}
    assert evidence.left_out[NO_SCORE] == 1


@pytest.mark.parametrize(
    ("of", "sealed", "differs", "left_out"),
    [
        (label("b"), {"q": 1.0}, True, {}),
        (label("b", LabelSource.LLM), {"q": 1.0}, True, {}),
        (label("b", LabelSource.OUTCOME), {}, True, {WITHDRAWN: 1}),
        (None, {}, True, {WITHDRAWN: 1}),
        (label("a"), {"q": 0.0}, False, {}),
    ],
)
def test_a_sealed_example_counts_while_its_label_is_trusted(of, sealed, differs, left_out):
    one = pair("q", "a", "b" if differs else "a", drawn="sealed")
    evidence = found([one], {"q": of} if of else {})
    assert (counted(evidence), evidence.left_out, evidence.wait) == (sealed, left_out, ())
    assert [score.differs for score in evidence.comparison.scores] == [differs] * len(sealed)


def test_a_score_is_an_instance_of_what_its_request_and_its_example_say():
    evidence = found([pair("q", slices={"language": "en"})], {"q": label("b", slices={"label": "b"})})
    (score,) = evidence.comparison.scores
    assert (dict(score.slices), score.source, score.drawn) == (
        {"language": "en", "label": "b"},
        LabelSource.HUMAN,
        "lot",
    )


# Several


DRAWN = [pair(question) for question in "qrst"]


def test_what_is_labelled_before_what_was_drawn_earlier_is_held_back():
    evidence = found(DRAWN, {"q": "b", "s": "b", "t": "b"})
    assert (list(counted(evidence)), evidence.wait, evidence.left_out) == (["q"], ("span r",), {HELD_BACK: 2})


def test_a_question_that_people_passed_over_holds_up_the_others_no_longer_than_patience_and_counts_as_lost():
    labels = {"q": "b", "s": "b", "t": "b"}
    assert list(counted(found(DRAWN, labels, asked={"r": 3}))) == ["q"]
    evidence = found(DRAWN, labels, asked={"r": 3.5})
    assert counted(evidence) == {"q": 1.0, "r": -1.0, "s": 1.0, "t": 1.0}
    assert (evidence.wait, evidence.left_out) == ((), {NOT_ANSWERED: 1})
    assert [score.source for score in evidence.comparison.scores if score.example_id == "r"] == [None]
    late = found(DRAWN, {**labels, "r": "b"}, asked={"r": 3.5})
    assert (counted(late), late.left_out) == (dict.fromkeys("qrst", 1.0), {})


def test_what_nobody_answers_is_lost_only_when_something_later_is_answered():
    asked = dict.fromkeys("rst", 9)
    evidence = found(DRAWN, {"q": "b"}, asked=asked)
    assert (counted(evidence), evidence.wait, evidence.left_out) == ({"q": 1.0}, (), {LONG_ASKED: 3})
    later = found(DRAWN, {"q": "b", "s": "b"}, asked=asked)
    assert counted(later) == {"q": 1.0, "r": -1.0, "s": 1.0}
    assert later.left_out == {NOT_ANSWERED: 1, LONG_ASKED: 1}


def test_sealed_examples_wait_for_nobody():
    sealed = pair("x", drawn="sealed")
    assert list(counted(found([DRAWN[0], sealed], {"x": "b"}))) == ["x"]


def test_a_label_that_is_withdrawn_or_corrected_counts_as_if_it_had_never_been_otherwise():
    labels = dict.fromkeys("qrst", "b")
    assert counted(found(DRAWN, {**labels, "r": "a"})) == {"q": 1.0, "r": -1.0, "s": 1.0, "t": 1.0}
    without = {question: agent for question, agent in labels.items() if question != "r"}
    withdrawn = found(DRAWN, without, asked={"r": 1})
    assert (list(counted(withdrawn)), withdrawn.wait) == (["q"], ("span r",))
    assert counted(found(DRAWN, without, asked={"r": 9})) == {"q": 1.0, "r": -1.0, "s": 1.0, "t": 1.0}
    assert found(DRAWN, labels) == found(DRAWN, labels, asked={"r": 9})


def test_a_near_duplicate_tells_how_often_both_differ_and_nothing_of_which_is_right():
    alike = pair("q3", "a", "a", repeats="q")
    repeats = [pair("q"), pair("q2", repeats="q"), pair("q", repeats="q"), alike, pair("r")]
    evidence = found(repeats, {"q": "b", "q2": "a", "r": "a"})
    assert counted(evidence) == {"q": 1.0, "r": -1.0}
    assert evidence.left_out == {REPEATED: 3}
    assert (evidence.comparison.answers, evidence.comparison.differ) == (5, 4)
    assert [score.times for score in evidence.comparison.scores] == [3, 1]


def test_a_near_duplicate_waits_for_no_label_of_its_own():
    evidence = found([pair("q"), pair("q2", repeats="q"), pair("r")], {"q": "b"})
    assert (list(counted(evidence)), evidence.wait) == (["q"], ("span r",))


def test_answers_that_cannot_be_used_are_counted_of_each_version_with_silence():
    lacks = [
        pair("q", champion=said("", Lack.NO_CONTENT)),
        pair("r", champion=said("", Lack.CUT), challenger=said("", Lack.CUT)),
        pair("s", challenger=said("", Lack.CUT)),
        pair("t"),
    ]
    expected = UnusableAnswers(4, {"no content": 1, "cut off": 1}, {"cut off": 2}, 1, 1)
    assert found(lacks).comparison.unusable == expected
    assert UnusableAnswers.of([]) == UnusableAnswers(0, {}, {}, 0, 0)


# For any journal


@st.composite
def journals(draw) -> list[Pair]:
    """Questions that come again repeat the first that was asked of them; some are near-duplicates of earlier ones."""
    pairs: list[Pair] = []
    for question in draw(st.lists(st.integers(0, 12), max_size=25)):
        asked = [of for of in pairs if of.question == f"{question}"]
        originals = [of.question for of in pairs if of.repeats is None]
        near = draw(st.sampled_from(originals)) if originals and draw(st.integers(0, 5)) == 0 else None
        drawn = draw(st.sampled_from(["lot", "lot", "sealed"]))
        if asked:
            first = asked[0]
            pairs.append(
                pair(
                    first.question,
                    drawn=drawn,
                    champion=first.champion,
                    challenger=first.challenger,
                    repeats=first.repeats or first.question,
                )
            )
        else:
            champion, challenger = (said(draw(st.sampled_from("ab")), draw(LACKS)) for _ in range(2))
            pairs.append(pair(f"{question}", champion=champion, challenger=challenger, drawn=drawn, repeats=near))
    return pairs


QUESTIONS = st.sampled_from([f"{n}" for n in range(13)])
LABELS = st.dictionaries(QUESTIONS, st.sampled_from("abc"))
ASKED = st.dictionaries(QUESTIONS, st.floats(0, 6))


@given(journals(), LABELS, ASKED, st.booleans())
def test_every_pair_counts_once_waits_or_is_left_out_for_a_reason(pairs, labels, asked, is_plain: bool):
    evidence = found(pairs, labels, asked=asked, is_plain=is_plain)
    scores = evidence.comparison.scores
    assert len({score.example_id for score in scores}) == len(scores)
    silent = evidence.left_out.get(SILENT, 0)
    assert evidence.comparison.answers == len(pairs) - silent
    agreed = [
        of for of in pairs if is_plain and of.is_equal and not of.is_silent and of.repeats is None and of.drawn == "lot"
    ]
    lost = evidence.left_out.get(NOT_ANSWERED, 0)
    assert len(scores) + len(evidence.wait) + sum(evidence.left_out.values()) + len(agreed) == len(pairs) + lost
    assert lost == sum(score.source is None for score in scores)


@given(journals(), LABELS, LABELS, ASKED)
def test_whom_it_counts_does_not_depend_on_who_was_right_and_more_labels_take_none_away(pairs, labels, more, asked):
    evidence = found(pairs, labels, asked=asked)
    other = {question: {"a": "b", "b": "c", "c": "a"}[agent] for question, agent in labels.items()}
    turned = found(pairs, other, asked=asked)
    assert counted(turned).keys() == counted(evidence).keys()
    assert (turned.wait, turned.left_out) == (evidence.wait, evidence.left_out)
    assert counted(found(pairs, {**more, **labels}, asked=asked)).keys() >= counted(evidence).keys()


@given(journals(), LABELS, ASKED)
def test_of_the_disagreements_that_were_drawn_those_count_that_lie_before_the_first_that_waits(pairs, labels, asked):
    evidence = found(pairs, labels, asked=asked)
    open_ = [of for of in pairs if of.drawn == "lot" and not (of.is_equal or of.is_silent or of.repeats)]
    spans = [of.span_id for of in open_]
    first = spans.index(evidence.wait[0]) if evidence.wait else len(spans)
    before = {of.question for of in open_[:first] if of.question in labels}
    scores = [score for score in evidence.comparison.scores if score.drawn == "lot"]
    assert before == {score.example_id for score in scores if score.source}
    assert all(score.difference == -1 for score in scores if score.source is None)
    assert list(evidence.wait) == [span for span in spans if span in evidence.wait]
