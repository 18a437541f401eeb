"""Tutoring: the LM program of a compilation, and what it answers to requests that nobody labelled."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dspy

from argotune.errors import ArgotuneError, BudgetSpent, Unanswered
from argotune.optimizers import nearest
from argotune.optimizers.task import Stopped, TrainingTask, bare_student, demo_pool
from argotune.programs.cascade import Cascade
from argotune.programs.ensemble import Ensemble
from argotune.programs.evaluation import Scored, ask_side_by_side
from argotune.programs.policy import Policy
from argotune.programs.prediction import kept_text
from argotune.programs.retrieval import RetrievedDemos
from argotune.programs.student import Student

log = logging.getLogger(__name__)

AT_ONCE = 10
"""Questions of a batch: so many answers at most are paid for and lost where the budget ends within one."""


@dataclass(frozen=True)
class TutorAnswer:
    """A question, and what an LM program answered, as texts."""

    question: dspy.Example
    answers: Mapping[str, str]


def tutor_of(task: TrainingTask) -> dspy.Module:
    """Who answers unlabelled requests for a student: a policy that serves, which it is to replace by something smaller,
    else the LM program."""
    return task.tutor if isinstance(task.tutor, Policy) else lm_program(task)


def lm_program(task: TrainingTask) -> dspy.Module:
    """The LM program that stands beside a student: the task's tutor, its retrieved demonstrations made of today's
    examples. Without a tutor the nearest training examples are shown, which takes no LM call to compile; where no
    predictor can show any, the program as written."""
    found = task.tutor
    while isinstance(found, Cascade | Ensemble):
        found = found.program
    if isinstance(found, RetrievedDemos):
        return RetrievedDemos(found.program, demo_pool(task), found.k, task.embedders.neighbours(found.embedder.name))
    if found is not None and not isinstance(found, Student | Policy):
        return found
    return nearest.compile(task) if task.program.shows_examples and demo_pool(task) else bare_student(task)


def showing_none_of(task: TrainingTask, program: dspy.Module, probes: Sequence[dspy.Example]) -> dspy.Module:
    """The program where it shows none of these. One whose demonstrations stand in its prompt keeps them: its score is
    flattered a little."""
    if not isinstance(program, RetrievedDemos):
        return program
    shown = [example for example in program.examples if not any(example is probe for probe in probes)]
    return RetrievedDemos(program.program, shown, program.k, task.embedders.neighbours(program.embedder.name))


def answers_by(task: TrainingTask, module: dspy.Module, questions: Sequence[dspy.Example]) -> list[TutorAnswer]:
    """What the module answers, in the order of the questions; those without an answer that can be used are left out.

    Raises as `said_by`.
    """
    both = zip(questions, said_by(task, module, questions), strict=False)
    return [TutorAnswer(question, row.answers) for question, row in both if row.is_parsed]


def said_by(task: TrainingTask, module: dspy.Module, questions: Sequence[dspy.Example]) -> list[Scored]:
    """What the module says to each question, up to where the budget ends or the LM falls silent; no score is told.

    Raises what else ends the work.
    """
    found: list[Scored] = []
    for start in range(0, len(questions), AT_ONCE):
        try:
            found += _batch(task, module, questions[start : start + AT_ONCE])
        except (Stopped, ArgotuneError) as stopped:
            error = stopped.error if isinstance(stopped, Stopped) else stopped
            if not isinstance(error, BudgetSpent | Unanswered):
                raise
            log.warning(
                "%s: %d of %d questions were answered: %s", task.program.name, len(found), len(questions), error
            )
            break
    return found


def _batch(task: TrainingTask, module: dspy.Module, questions: Sequence[dspy.Example]) -> list[Scored]:
    asked = [{name: kept_text(task.program, name, each) for name in each.inputs().keys()} for each in questions]  # noqa: SIM118
    return ask_side_by_side([module], task.program, asked, task.lms, time.monotonic).rows[0]
