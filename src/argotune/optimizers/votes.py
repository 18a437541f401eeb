"""Votes: what each voter of an ensemble says to examples that it did not learn from, and what that is worth.

These are the dev examples, or where there are none the training examples, each by lists that were made of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import dspy
import numpy as np

from argotune.errors import ConfigInvalid
from argotune.optimizers.linear_models import folds_apart, folds_of
from argotune.optimizers.task import TrainingTask, has_answer, metric_of
from argotune.optimizers.term_lists import Met, Strictness, effective_terms, met
from argotune.programs.ensemble import Votes, WordLists
from argotune.programs.prediction import kept_text, prediction_of
from argotune.programs.retrieval import text_of
from argotune.programs.state import ballot_of
from argotune.stats.calibration import Numbers
from argotune.stats.label_scores import label_scores

Terms = Sequence[Set[str]]
"""Of each example: words, or labels of entities."""

Given = Mapping[str, Sequence[str]]
"""By label, the terms that speak for it before any is learned."""

Known = Mapping[str, Met]
"""By answer, what training examples tell of terms."""


@dataclass(frozen=True)
class _Fold:
    """Some training examples by their places, and what those of the other folds tell."""

    places: Sequence[int]
    known: Known


@dataclass(frozen=True)
class Fitted:
    """Lists, and the score that their votes alone have on the examples that choose."""

    lists: WordLists
    score: float


class Booth:
    """The examples of a task, and what votes on them are worth. Raises ConfigInvalid for a program with an answer that
    is free text, or without examples."""

    def __init__(self, task: TrainingTask) -> None:
        self.task, self.ballot = task, ballot_of(task.program)
        self.train = list(task.train)
        self.dev = [example for example in task.dev if has_answer(example)]
        if not self.train:
            raise ConfigInvalid(f"{task.program.name}: an ensemble has nothing to learn from without an example")
        self.weights = list(task.weights or np.ones(len(self.train)).tolist())
        self._right = {
            name: [kept_text(task.program, name, each) for each in self.train] for name in self.ballot.labels
        }
        texts = [text_of(each.inputs().toDict()) for each in self.train]
        self._folds = folds_of(["\n".join(each) for each in zip(*self._right.values(), strict=True)], texts, task.seed)
        self._metric = metric_of(task)

    @property
    def choosing(self) -> list[dspy.Example]:
        """The examples that choose."""
        return self.dev or self.train

    # Lists

    def best_lists(self, terms: Terms, of_dev: Terms, given: Given, tried: Sequence[Strictness]) -> Fitted:
        """Of the ways to make lists the one whose votes do best; of equal ones the first. `terms` are of the training
        examples, `of_dev` of the dev examples."""
        known, folds = self._known(terms, range(len(self.train))), [] if self.dev else self._told_apart(terms)

        def fitted(by: Strictness) -> Fitted:
            lists = self._lists(known, given, by)
            votes = self.votes_by(lists, of_dev) if self.dev else self._votes_apart(folds, terms, given, by)
            return Fitted(lists, self.score(votes))

        return max(map(fitted, tried), key=lambda each: round(each.score, 9))

    def _known(self, terms: Terms, places: Sequence[int]) -> Known:
        """By the training examples at these places."""
        weights, some = [self.weights[n] for n in places], [terms[n] for n in places]
        return {name: met(some, [right[n] for n in places], weights) for name, right in self._right.items()}

    def _told_apart(self, terms: Terms) -> list[_Fold]:
        apart = [(np.flatnonzero(held).tolist(), np.flatnonzero(by).tolist()) for held, by in folds_apart(self._folds)]
        return [_Fold(held, self._known(terms, by)) for held, by in apart]

    def _lists(self, known: Known, given: Given, by: Strictness) -> WordLists:
        of = self.ballot.labels.items()
        return WordLists({name: effective_terms(known[name], labels, given, by) for name, labels in of})

    def votes_by(self, lists: WordLists, terms: Terms) -> list[Votes]:
        """Of lists that are there."""
        return [self.ballot.of_counts(lists.named(each)) for each in terms]

    def votes_on_train(self, terms: Terms, given: Given, by: Strictness) -> list[Votes]:
        """On each training example by lists of those of other folds."""
        return self._votes_apart(self._told_apart(terms), terms, given, by)

    def _votes_apart(self, folds: Sequence[_Fold], terms: Terms, given: Given, by: Strictness) -> list[Votes]:
        found: dict[int, Votes] = {}
        for fold in folds:
            votes = self.votes_by(self._lists(fold.known, given, by), [terms[n] for n in fold.places])
            found |= dict(zip(fold.places, votes, strict=True))
        return [found[n] for n in range(len(self.train))]

    # Worth

    def score(self, votes: Sequence[Votes]) -> float:
        """Of what votes say to the first of the examples that choose, as many as there are votes."""
        return self.worth([self.ballot.said(each)[0] for each in votes])

    def worth(self, said: Sequence[Mapping[str, str]]) -> float:
        """Of answers to the first of them: the mean of the program's metric, or what the settings choose by."""
        by, asked = self.task.settings.ensemble.chooses_by, self.choosing[: len(said)]
        if not asked:
            return 0.0
        if by == "metric":
            program, both = self.task.program, zip(asked, said, strict=True)
            return float(np.mean([self._metric(each, prediction_of(program, answers)) for each, answers in both]))
        right = ["\n".join(kept_text(self.task.program, name, each) for name in self.ballot.labels) for each in asked]
        found = label_scores(right, ["\n".join(each[name] for name in self.ballot.labels) for each in said])
        return {"accuracy": found.accuracy, "precision": found.precision, "recall": found.recall, "f1": found.f1}[by]

    def rights_shares(self, voters: Sequence[Sequence[Votes]], places: Sequence[int]) -> tuple[Numbers, Numbers]:
        """What each voter gave to the right label of each answer of these training examples, a column a voter, and the
        weights of the rows. `voters` are in the order of `places`."""
        rows, weights = list[list[float]](), list[float]()
        for row, place in enumerate(places):
            for name, labels in self.ballot.labels.items():
                if self._right[name][place] in labels:
                    right = labels.index(self._right[name][place])
                    rows.append([float(votes[row][name][right]) for votes in voters])
                    weights.append(self.weights[place])
        return np.array(rows, float).reshape(-1, len(voters)), np.array(weights, float)
