"""Cascade: a student answers what it is sure of, and an LM program the rest; held-out data say what that is.

The student is trained as optimizers/student.py does, on the training examples alone. Its threshold is chosen on
questions that nothing was fitted on (optimizers/thresholds.py):

- by accuracy, on the labels of the dev split: that the cascade's score is below the LM program's (less a tolerance) is
  rejected, in the mean over questions like these;
- by agreement, on requests that nobody labelled: that more than a share of them is answered otherwise than by the LM
  program is rejected. That says nothing of who is right.

With a chance of at most `delta` a threshold is taken that loses more than that. What is not guaranteed: that it holds
in each slice, for other traffic than that of the held-out questions (dev labels are drawn by lot where docs/labels.md
says so, others are not), or for an LM that is changed later. Where the LM program was itself chosen by its score on the
same labels, that score is flattered, which errs on the side of asking it. Nothing is refitted on the dev split
afterwards, as that would be another student than the one that was measured; out-of-fold predictions on the training
examples are those of other students, too, so they only order the thresholds. The contest judges the whole anyway.

Questions that are unlike all training examples go to the LM program however sure the student is
(optimizers/familiar.py). Which they are is fixed by the training examples before a held-out question is looked at. So
the student with that rule is one fixed function of a question, which has a confidence where it may answer and none
elsewhere; the thresholds are tested on that function, and the chance of `delta` is as without the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dspy
import numpy as np

from argotune.optimizers.familiar import familiar_of
from argotune.optimizers.student import FittedStudent, fitted_student
from argotune.optimizers.task import TrainingTask, metric_of
from argotune.optimizers.thresholds import (
    Certified,
    by_accuracy_first,
    certified_by_accuracy,
    certified_by_agreement,
    thresholds_of,
)
from argotune.optimizers.tutor import answers_by, lm_program, said_by, showing_none_of
from argotune.programs.cascade import Cascade, Familiar, Trust
from argotune.programs.prediction import answers_of, prediction_of
from argotune.stats.calibration import Numbers
from argotune.stats.wording import counted
from argotune.tenants.optimizer_settings import OptimizerSettings

PROBES = 40
"""Training examples that the LM program answers, to know in which order to test the thresholds."""

MOST_LABELS = 400
"""Dev labels that the LM program is asked for at most."""


def unlabelled(settings: OptimizerSettings) -> int:
    """How many requests without a label the student and its threshold can use."""
    by_labels = settings.cascade.by == "accuracy"
    return settings.student.tutor_queries + (0 if by_labels else settings.cascade.agreement_queries)


def compile(task: TrainingTask) -> dspy.Module:
    """The cascade; the LM program alone where no threshold can be trusted, which the task's `notes` say then.

    Raises as optimizers/student.py, and what the LM program raises where it answers nothing at all.
    """
    program, is_by_labels = lm_program(task), _is_by_labels(task)
    measured_on, tutored = ([], task.unlabelled) if is_by_labels else (task.unlabelled[::2], task.unlabelled[1::2])
    fitted = fitted_student(task, answers_by(task, program, list(tutored)[: task.settings.student.tutor_queries]))
    familiar = familiar_of(fitted, task.settings.cascade, task.seed)
    work = _Certifying(task, program, fitted, familiar)
    found = work.by_accuracy() if is_by_labels else work.by_agreement(measured_on)
    if isinstance(found, str):
        task.notes.append(f"the LM program alone, as no threshold of a student can be trusted: {found}")
        return program
    task.notes.append(f"a student in front of it: {found.why}")
    return Cascade(fitted.student, program, familiar, Trust(found.threshold, found.why))


def _is_by_labels(task: TrainingTask) -> bool:
    rules = task.settings.cascade
    return rules.by == "accuracy" or (rules.by == "auto" and len(task.dev) >= rules.min_labels)


@dataclass(frozen=True)
class _Own:
    """What the student says to questions, and how sure it is of each: -1 where one is not familiar, as no threshold is
    so low."""

    said: Sequence[dspy.Prediction]
    confidences: Numbers


@dataclass(frozen=True)
class _Certifying:
    task: TrainingTask
    program: dspy.Module
    fitted: FittedStudent
    familiar: Familiar

    def by_accuracy(self) -> Certified | str:
        """The threshold, or why there is none."""
        rules, dev = self.task.settings.cascade, self.task.dev[:MOST_LABELS]
        order = by_accuracy_first(self.fitted.confidences, self.fitted.scores, self._lm_mean())
        lm = self._lm_scores(self.program, dev)
        asked = dev[: len(lm)]
        if not asked:
            return "no held-out label is there that the LM program has answered"
        own, metric = self._own(asked), metric_of(self.task)
        student = np.array([metric(each, said) for each, said in zip(asked, own.said, strict=True)], float)
        found = certified_by_accuracy(order, own.confidences, student, lm, rules.delta, rules.tolerance)
        labels, mean = counted(len(lm), "held-out label"), f"{lm.mean():.0%} of them right"
        return found or f"{labels} cannot show that nothing is lost against the LM program, which has {mean}"

    def by_agreement(self, requests: Sequence[dspy.Example]) -> Certified | str:
        """The threshold, or why there is none."""
        rules = self.task.settings.cascade
        said = answers_by(self.task, self.program, list(requests)[: rules.agreement_queries])
        if not said:
            return "there are neither enough labels nor requests without one to measure it on"
        own = self._own([each.question for each in said])
        mine = [answers_of(self.task.program, prediction) for prediction in own.said]
        differs = np.array([one != dict(each.answers) for one, each in zip(mine, said, strict=True)], bool)
        order = thresholds_of(self.fitted.confidences)
        found = certified_by_agreement(order, own.confidences, differs, rules.delta, rules.max_other_answers)
        asked = counted(len(said), "unlabelled request")
        return found or f"{asked} cannot show that the student answers as the LM program does"

    def _lm_mean(self) -> float:
        """The LM program's score on a few training examples, none of which it may show."""
        places = np.random.default_rng(self.task.seed).permutation(len(self.task.train))[:PROBES]
        probes = [self.task.train[place] for place in sorted(places)]
        found = self._lm_scores(showing_none_of(self.task, self.program, probes), probes)
        return float(found.mean()) if len(found) else 0.5

    def _lm_scores(self, module: dspy.Module, asked: Sequence[dspy.Example]) -> Numbers:
        """Scores of the questions up to where the budget ends; one without a usable answer has 0."""
        metric, program = metric_of(self.task), self.task.program
        said = said_by(self.task, module, asked)
        both = zip(asked[: len(said)], said, strict=True)
        scores = [0.0 if row.lack else metric(each, prediction_of(program, row.answers)) for each, row in both]
        return np.array(scores, float)

    def _own(self, asked: Sequence[dspy.Example]) -> _Own:
        """All of them are embedded together, as an embedder behind an API is asked for many texts at once."""
        student = self.fitted.student
        rows = student.reader.rows([each.inputs().toDict() for each in asked])
        said = [student.said_of(row) for row in rows]
        both = [(float(one["confidence"]), row) for one, row in zip(said, rows, strict=True)]
        sure = [confidence if self.familiar.has(row, confidence) else -1.0 for confidence, row in both]
        return _Own(said, np.array(sure, float))
