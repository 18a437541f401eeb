"""Ensemble: lists of words, entities and an LM program that vote, all of it tuned by what was measured.

In this order, each on the training examples and chosen on dev:

- words: which of them tell an answer (optimizers/term_lists.py), how strictly that is taken and how many are kept;
- entities: from which score on they count, by a grid over what the model really finds, and which labels are asked for;
- the LM: as it is or with demonstrations that it answered itself, and at which temperature it writes;
- weights: of the votes (optimizers/vote_weights.py and a grid), and below which confidence of words and entities the LM
  is asked at all. Of equal ones the one that asks it less.

What is not tuned stays as the champion has it, where that is an ensemble. A model of entities that fails, and a budget
that ends, are told in the task's `notes`, and stop nothing but their own vote.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

import dspy
import numpy as np

from argotune.errors import BudgetSpent, Unanswered
from argotune.optimizers import bootstrap
from argotune.optimizers.entity_grid import EntityGrid
from argotune.optimizers.task import Stopped, TrainingTask
from argotune.optimizers.term_lists import Strictness
from argotune.optimizers.tutor import lm_program, said_by, showing_none_of
from argotune.optimizers.vote_weights import Descent, learned_weights
from argotune.optimizers.votes import Booth
from argotune.programs.enhanced import can_write
from argotune.programs.ensemble import (
    ALWAYS_ASK,
    ENTITIES,
    LM,
    WORDS,
    Ensemble,
    EntityRules,
    Votes,
    VotingRules,
    WordLists,
    at_temperature,
    words_in,
)
from argotune.programs.retrieval import text_of
from argotune.stats.wording import counted, percent

STRICTNESSES = tuple(Strictness(least, most) for least in (0.5, 0.65, 0.8, 0.35, 0.25) for most in (5, 20, 60, 200))
"""Ways to make lists of words that are tried; of equal ones the first is taken."""

MOST_LABELS = 400
"""Dev examples that the LM is asked for at most, at each temperature."""

LEAST_LABELS = 8
"""Fewer say nothing of what the LM's vote is worth."""

PROBES = 40
"""Training examples that the LM answers, for the weights of the votes to be learned on."""

STEP = 4
"""A weight of the grid is a number of quarters."""

ASK_BELOW = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, ALWAYS_ASK)
"""Confidences below which the LM is asked, the one that asks it never first."""


def compile(task: TrainingTask) -> dspy.Module:
    """The ensemble. Raises ConfigInvalid for a program with an answer that is free text, or without examples, and what
    the LM's server raises where it is down."""
    return _Voting(task).ensemble()


@dataclass(frozen=True)
class _LMVote:
    """An LM program and what it says to the first of the examples that choose."""

    program: dspy.Module
    temperature: float | None
    votes: Sequence[Votes]
    score: float


class _Voting:
    def __init__(self, task: TrainingTask) -> None:
        self._task, self._settings = task, task.settings.ensemble
        self._booth = Booth(task)
        self._before = task.tutor if isinstance(task.tutor, Ensemble) else None
        self._notes = list[str]()

    def ensemble(self) -> Ensemble:
        words, rules, lm = self._words(), self._entities(), self._lm()
        votes = self._votes(words, rules, lm)
        weights = self._weights(votes, words, rules, lm)
        ask_below = self._ask_below(votes, weights, lm)
        is_asked = lm is not None and ask_below > 0 and weights.get(LM, 0.0) > 0
        self._note(f"votes: {', '.join(f'{name} {weight:.2f}' for name, weight in weights.items())}")
        found = VotingRules(
            words=words,
            entities=rules,
            weights=weights,
            ask_below=ask_below if is_asked else 0.0,
            temperature=lm.temperature if lm and is_asked else None,
            notes=tuple(self._notes),
        )
        self._task.notes.extend(self._notes)
        return Ensemble(self._booth.ballot, found, lm.program if lm and is_asked else None)

    def _note(self, told: str) -> None:
        self._notes.append(told)

    def _tunes(self, part: str) -> bool:
        return part in self._settings.tunes

    # Words

    def _words(self) -> WordLists:
        given = self._settings.words
        if not self._tunes("words"):
            as_given = {name: {label: given.get(label, []) for label in of} for name, of in self._labels.items()}
            return self._before.settings.words if self._before else WordLists(as_given)
        found = self._booth.best_lists(*self._spoken, given, STRICTNESSES)
        told = counted(len(found.lists.terms), "word")
        self._note(f"words: {told} that tell an answer, alone worth {percent(found.score)}")
        return found.lists

    @property
    def _labels(self) -> Mapping[str, Sequence[str]]:
        return self._booth.ballot.labels

    @cached_property
    def _spoken(self) -> tuple[list[Set[str]], list[Set[str]]]:
        """The words of the training and of the dev examples, and which of the given phrases are in them."""
        return [self._terms(each) for each in self._booth.train], [self._terms(each) for each in self._booth.dev]

    def _terms(self, example: dspy.Example) -> Set[str]:
        phrases = [phrase for words in self._settings.words.values() for phrase in words if " " in phrase]
        text = text_of(example.inputs().toDict())
        here = WordLists({"": {phrase: [phrase] for phrase in phrases}}).spoken(text)[""]
        return words_in(text).union(phrase for phrase, n in here.items() if n)

    # Entities

    @cached_property
    def _grid(self) -> EntityGrid:
        return EntityGrid(self._booth, self._note)

    def _entities(self) -> EntityRules | None:
        if not self._tunes("entities"):
            return self._before.settings.entities if self._before else None
        return self._grid.rules()

    # LM

    def _lm(self) -> _LMVote | None:
        if not self._tunes("lm"):
            before = self._before
            kept = before.program if before else None
            return self._asked(kept, before.settings.temperature if before else None) if kept is not None else None
        tried = [lm_program(self._task)]
        if self._settings.bootstrap and self._booth.dev and self._task.program.shows_examples:
            tried += self._bootstrapped()
        found = [vote for program in tried if (vote := self._asked(program, None))]
        if not found:
            return None
        best = _best(found)
        if can_write(self._task.program.lm_of(self._task.lms)):
            warmer = [self._asked(best.program, each) for each in self._settings.temperatures]
            best = _best([best, *(vote for vote in warmer if vote)])
        told = "" if best.temperature is None else f" at temperature {best.temperature:g}"
        self._note(f"LM{told}: alone worth {percent(best.score)}")
        return best

    def _bootstrapped(self) -> list[dspy.Module]:
        try:
            return [bootstrap.compile(self._task)]
        except Stopped as stopped:
            if not isinstance(stopped.error, BudgetSpent | Unanswered):
                raise
            self._note(f"LM: no demonstrations of its own: {stopped.error}")
            return []

    def _asked(self, program: dspy.Module, temperature: float | None) -> _LMVote | None:
        """What it says to the examples that choose; None where too few are answered."""
        asked = self._booth.choosing[:MOST_LABELS]
        shown = program if self._booth.dev else showing_none_of(self._task, program, asked)
        votes = self._said(at_temperature(shown, temperature), asked)
        if len(votes) < min(LEAST_LABELS, len(asked)):
            self._note(f"LM: left out, as it has answered {len(votes)} of {counted(len(asked), 'example')}")
            return None
        return _LMVote(program, temperature, votes, self._booth.score(votes))

    def _said(self, program: dspy.Module, asked: Sequence[dspy.Example]) -> list[Votes]:
        rows = said_by(self._task, program, asked)
        sure = [(row, 1.0 if row.confidence is None else row.confidence) for row in rows]
        return [self._booth.ballot.of_answers({} if row.lack else row.answers, by) for row, by in sure]

    # Weights

    def _votes(self, words: WordLists, rules: EntityRules | None, lm: _LMVote | None) -> dict[str, Sequence[Votes]]:
        """Of each voter on the examples that choose. Without dev, lists know them: their weights are a little high."""
        spoken = self._spoken[1] if self._booth.dev else self._spoken[0]
        found: dict[str, Sequence[Votes]] = {WORDS: self._booth.votes_by(words, spoken)}
        if rules is not None:
            named = self._grid.terms(rules, self._booth.choosing)
            found[ENTITIES] = self._booth.votes_by(rules.lists, named)
        return found if lm is None else {**found, LM: lm.votes}

    def _weights(
        self,
        votes: Mapping[str, Sequence[Votes]],
        words: WordLists,
        rules: EntityRules | None,
        lm: _LMVote | None,
    ) -> dict[str, float]:
        if not self._tunes("weights"):
            known = self._before.settings.weights if self._before else {}
            usual = sum(known.values()) / len(known) if known else 1.0
            return _shares({voter: known.get(voter, usual) for voter in votes})
        tried = [*_simplex(list(votes)), self._learned(list(votes), words, rules, lm)]
        tried.sort(key=lambda each: (each.get(LM, 0.0) > 0, sum(weight**2 for weight in each.values())))
        return max(tried, key=lambda each: round(self._booth.score(self._pooled(votes, each)), 9))

    def _pooled(self, votes: Mapping[str, Sequence[Votes]], weights: Mapping[str, float]) -> list[Votes]:
        each = [dict(zip(votes, row, strict=True)) for row in zip(*votes.values(), strict=False)]
        return [self._booth.ballot.pooled(row, weights) for row in each]

    def _learned(
        self, voters: Sequence[str], words: WordLists, rules: EntityRules | None, lm: _LMVote | None
    ) -> dict[str, float]:
        """On training examples: what lists say to those of other folds, and the LM to some of which it shows none."""
        booth, task = self._booth, self._task
        places = np.random.default_rng(task.seed).permutation(len(booth.train))
        given = list[list[Votes]]()
        if lm is not None:
            places = np.sort(places[:PROBES])
            probes = [booth.train[place] for place in places]
            given.append(self._said(at_temperature(showing_none_of(task, lm.program, probes), lm.temperature), probes))
            places = places[: len(given[0])]
        lists = [booth.votes_on_train(self._spoken[0], self._settings.words, _strictness(words))]
        if rules is not None:
            terms = self._grid.terms(rules, booth.train)
            lists.append(booth.votes_on_train(terms, {}, _strictness(rules.lists)))
        rows = [*([votes[place] for place in places] for votes in lists), *given]
        shares, weights = booth.rights_shares(rows, places.tolist())
        by = Descent(self._settings.learning_rate, self._settings.momentum, self._settings.weight_decay)
        found = learned_weights(shares, weights, by) if len(shares) else np.ones(len(voters))
        learned = _shares(dict(zip(voters, found.tolist(), strict=True)))
        told = ", ".join(f"{name} {weight:.4f}" for name, weight in learned.items())
        self._note(f"weights learned on {counted(len(places), 'training example')}: {told}")
        return learned

    def _ask_below(
        self, votes: Mapping[str, Sequence[Votes]], weights: Mapping[str, float], lm: _LMVote | None
    ) -> float:
        if lm is None or not weights.get(LM):
            return 0.0
        if not self._tunes("weights"):
            return self._before.settings.ask_below if self._before and self._before.program else ALWAYS_ASK
        asked = {voter: of[: len(lm.votes)] for voter, of in votes.items()}
        whole = [answers for answers, _ in self._said_together(asked, weights)]
        alone = self._said_together({voter: of for voter, of in asked.items() if voter != LM}, weights)
        both = list(zip(alone, whole, strict=True))

        def score(limit: float) -> float:
            return round(self._booth.worth([own if sure >= limit else pooled for (own, sure), pooled in both]), 9)

        return max(ASK_BELOW, key=score)

    def _said_together(
        self, votes: Mapping[str, Sequence[Votes]], weights: Mapping[str, float]
    ) -> list[tuple[dict[str, str], float]]:
        """The answers, and how sure they are of each."""
        return [self._booth.ballot.said(each) for each in self._pooled(votes, weights)]


def _best(votes: Sequence[_LMVote]) -> _LMVote:
    """By the score on what each has answered; of equal ones the first."""
    return max(votes, key=lambda vote: round(vote.score, 9))


def _simplex(voters: Sequence[str]) -> list[dict[str, float]]:
    """All weights in quarters that sum to 1, and equal ones."""
    quarters = itertools.product(range(STEP + 1), repeat=len(voters))
    found = [{v: n / STEP for v, n in zip(voters, each, strict=True)} for each in quarters if sum(each) == STEP]
    return [*found, _shares(dict.fromkeys(voters, 1.0))]


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    """In shares, of four digits."""
    whole = sum(weights.values()) or 1.0
    return {voter: round(weight / whole, 4) for voter, weight in weights.items()}


def _strictness(lists: WordLists) -> Strictness:
    """A middling one, with as many terms as the longest of these lists has."""
    most = max((len(words) for of in lists.of.values() for words in of.values()), default=0)
    return Strictness(0.65, most)
