"""Refuted: what an answer is worth to a question of which people have said only what is wrong.

A refuted answer is worth 0. Another one may be right, and nobody knows whether it is: its worth lies somewhere in 0..1.
It counts as an estimate that is the same for all other answers, so that of two candidates the one that says what is
refuted is behind, and two that say something else are as good as each other:

- of closed sets 1/k, where k answers are left: who draws one of them by lot is right that often, so that nobody who
  does better than by lot is overrated;
- of free answers 0.5, the middle: no other estimate can be wrong by less.

It is never more than 0.5, which is below any hit: no such question shows how it is done. An answer that the program's
metric finds partly the same as a refuted one is worth as much less. Where a rubric scores what is answered, its score
takes the place of the estimate.

Estimates choose between candidates; they are in no accuracy that is told, and no contest knows them (there it is
promotion/bounds.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import dspy

from argotune.data.fields import Fields
from argotune.data.label_rule import as_meant
from argotune.programs.evaluation import asked_of
from argotune.programs.prediction import answers_of
from argotune.programs.program import Appraisal, Program
from argotune.stats.wording import counted

MOST_WORTH = 0.5
"""Of an answer of which nobody knows whether it is right."""


@dataclass(frozen=True)
class Refuted:
    """A question, and the answers to it that people say are wrong."""

    inputs: Mapping[str, str]
    answers: tuple[Mapping[str, str], ...]


def told_refuted(n: int) -> str:
    """So many of them, for people."""
    return f"{counted(n, 'question')} of which people have said only what is wrong"


def can_appraise_refuted(program: Program) -> bool:
    """Whether there is a score for answers that nobody has labelled: likeness to what people preferred is none, as what
    is unlike a wrong text is not right."""
    return program.metric is not None or program.rubric is not None


def appraising_refuted(program: Program, questions: Sequence[Refuted]) -> Program:
    """The program as training goes by it, which knows what is wrong on these questions."""
    return replace(program, refuted=_Appraiser(program, questions)) if questions else program


@dataclass(frozen=True)
class _Wrong:
    """A refuted answer, as texts and as the right answer of an example."""

    answers: Mapping[str, str]
    example: dspy.Example


class _Appraiser:
    """Knows a question by its inputs: DSPy copies examples."""

    def __init__(self, program: Program, questions: Iterable[Refuted]) -> None:
        self._program, self._wrong = program, dict[tuple[tuple[str, str], ...], list[_Wrong]]()
        for question in questions:
            known = [_Wrong(each, asked_of(program, question.inputs, each)) for each in question.answers]
            self._wrong.setdefault(_key(asked_of(program, question.inputs, {})), []).extend(known)

    def __call__(self, example: dspy.Example, prediction: dspy.Prediction) -> Appraisal | None:
        """None for a question with a right answer, and for one of which nobody has said anything."""
        wrong = None if len(example.labels()) else self._wrong.get(_key(example))
        if wrong is None:
            return None
        said = as_meant(answers_of(self._program, prediction), self._program.fields)
        if any(said == each.answers for each in wrong):
            return Appraisal(0.0, f"People have said that {_told([said])} is wrong here, and nobody what is right.")
        told = _told([each.answers for each in wrong])
        known = f"Nobody has said what is right here; people have said that {told} is wrong."
        if self._program.metric is None:
            found = self._program.appraisal(example, prediction)
            return Appraisal(found.score, f"{known} {found.feedback}".strip())
        likeness = max(self._likeness(each, prediction) for each in wrong)
        return Appraisal(worth_of_others(self._program.fields, len(wrong)) * (1 - likeness), known)

    def _likeness(self, wrong: _Wrong, prediction: dspy.Prediction) -> float:
        """By the metric, as if the refuted answer was the right one; 0 where it looks at more than the answers."""
        return self._program.worth(wrong.example, prediction) if self._program.is_metric_plain else 0.0


def worth_of_others(fields: Fields, refuted: int) -> float:
    """What an answer counts that is none of the `refuted` ones, in 0..MOST_WORTH."""
    sets = [labels for labels in fields.answers.values() if labels is not None]
    if len(sets) < len(fields.answers):
        return MOST_WORTH
    left = prod(map(len, sets)) - refuted
    return min(MOST_WORTH, 1 / left) if left > 0 else 0.0


def _key(example: dspy.Example) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, repr(value)) for name, value in example.inputs().items()))


def _told(answers: Sequence[Mapping[str, str]]) -> str:
    return " or ".join(", ".join(f"{name} {text!r}" for name, text in each.items()) for each in answers)
