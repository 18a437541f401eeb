"""The examples of all experiences, made at once: what gathering them bit by bit has to come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from argotune.data.annotations import Annotation
from argotune.data.examples import Example, Split, question_id
from argotune.data.experiences import Experience, query_of
from argotune.data.fields import Fields
from argotune.data.label_rule import Labels
from argotune.data.questions import Merged, PastAnswer, Question, age, example_of, past_answer, place, settle
from argotune.data.splitting import Splitter
from argotune.tenants.config import RoutingConfigUnified


@dataclass(frozen=True)
class Whole:
    """Examples, and under its reason each experience and each known example that is not one of them; and by question
    the spans of which only is known that the answer is wrong."""

    examples: tuple[Example, ...]
    counts: Mapping[str, int]
    refuted: Mapping[str, Sequence[str]]


def examples_from(
    experiences: Iterable[Experience],
    annotations: Mapping[tuple[str, str], Annotation],
    fields: Fields,
    config: RoutingConfigUnified,
    known: Sequence[Example] = (),
    *,
    on_test: Mapping[tuple[str, str], Annotation] | None = None,
    placed: Iterable[tuple[str, Split]] = (),
) -> Whole:
    """One example for each distinct question of a program, each in its split for ever.

    `experiences` are all that are kept of `fields.program`, old ones included, in any order. Labels are made anew
    each time, so a late, corrected or withdrawn annotation counts at once; `known`, the examples of the last
    run, gives their splits, as `placed` does for questions (query, split) that were chosen to be labelled. Others get
    theirs in the order in which they were first asked. On the test split only the annotations in `on_test` count
    (None: all): those without the labels of annotators that nobody has reason to trust.
    The counts and the number of examples add up to the experiences and the known examples that have none left.
    """
    labels = Labels(annotations, annotations if on_test is None else on_test)
    asked = by_question((x, past_answer(x, labels, fields, config)) for x in experiences)
    splitter = Splitter(config.split, ((query_of(example.inputs), example.split) for example in known), placed)
    counts: Counter[str] = Counter()
    examples: list[Example] = []
    refuted: dict[str, Sequence[str]] = {}
    for question in asked.values():
        settled = settle(question.answers, place(question, splitter, fields), fields)
        counts.update(settled.reasons)
        if settled.refuted:
            refuted[question_id(fields.program, question.inputs)] = settled.refuted
        if settled.best:
            examples.append(example_of(settled, question.inputs, fields))
    if forgotten := sum(question_key(example.inputs) not in asked for example in known):
        counts[Merged.FORGOTTEN] = forgotten
    return Whole(tuple(examples), {str(reason): count for reason, count in sorted(counts.items())}, refuted)


def question_key(inputs: Mapping[str, str]) -> tuple[str, ...]:
    """What was asked: the inputs in order of their names, which are the same for all questions of a program."""
    return tuple([inputs[name] for name in sorted(inputs)])


def by_question(found: Iterable[tuple[Experience, PastAnswer]]) -> dict[tuple[str, ...], Question]:
    """By what was asked, in the order in which it was asked first."""
    asked: dict[tuple[str, ...], Question] = {}
    for inputs, answer in sorted(((x.inputs, answer) for x, answer in found), key=lambda pair: age(pair[1])):
        key = question_key(inputs)
        if key not in asked:
            asked[key] = Question(inputs, [])
        asked[key].answers.append(answer)
    return asked
