"""Ensemble: lists of words, entities and an LM program vote for an answer from a closed set, each with its weight.

All that tuning sets of it are a few numbers and lists of words (optimizers/ensemble.py), so its state is of the kind
`settings`. Where words and entities are sure enough, no LM is asked.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NoReturn

import dspy
import numpy as np
from numpy.typing import NDArray

from argotune.errors import ConfigInvalid
from argotune.programs.cascade import BY_LM
from argotune.programs.entities import AS_GIVEN, EntityFinder, EntityModel, entities_in
from argotune.programs.prediction import confidence_of
from argotune.programs.retrieval import text_of
from argotune.programs.states import EntityRulesState, Lists, SettingsState
from argotune.programs.student import BY_STUDENT

log = logging.getLogger(__name__)

Votes = Mapping[str, NDArray[np.float64]]
"""Of each answer of a program, the shares of its labels in their order. They sum to 1."""

WORDS, ENTITIES, LM = "words", "entities", "lm"
VOTERS = (WORDS, ENTITIES, LM)

SMOOTHING = 0.2
"""What each label has before anything speaks for it, in words: so that one word is no certainty."""

ALWAYS_ASK = 1.01
"""As `ask_below`: no confidence is so high."""


def words_in(text: str) -> frozenset[str]:
    """The words of a text, in small letters."""
    return frozenset(re.findall(r"\w+", text.casefold()))


def _spoken(phrase: str, words: Set[str], line: str) -> bool:
    """Whether a word, or a phrase of several, is in a text."""
    return phrase in words if " " not in phrase else f" {phrase} " in line


@dataclass(frozen=True)
class WordLists:
    """For each answer, the words that speak for each of its labels."""

    of: Lists

    def spoken(self, text: str) -> dict[str, dict[str, int]]:
        """How many words of a text speak for each label."""
        spelled = re.findall(r"\w+", text.casefold())
        words, line = frozenset(spelled), f" {' '.join(spelled)} "
        return self._counted(lambda phrase: _spoken(phrase, words, line))

    def named(self, labels: Set[str]) -> dict[str, dict[str, int]]:
        """The same of entities by their labels."""
        return self._counted(lambda term: term in labels)

    def _counted(self, has: Callable[[str], bool]) -> dict[str, dict[str, int]]:
        return {
            answer: {label: sum(map(has, words)) for label, words in lists.items()} for answer, lists in self.of.items()
        }

    @property
    def terms(self) -> list[str]:
        """All of them, each once, in order."""
        return sorted({word for lists in self.of.values() for words in lists.values() for word in words})


@dataclass(frozen=True)
class EntityRules:
    """Which entities count: those that `finder` finds among `asked`, with a score of `threshold` or more; and for which
    label each speaks."""

    finder: EntityFinder
    asked: tuple[str, ...]
    threshold: float
    lists: WordLists

    def labels_in(self, inputs: Mapping[str, object]) -> frozenset[str]:
        """The labels of what a question names. Raises ConfigInvalid where the model fails."""
        if self.finder.name == AS_GIVEN:
            found = entities_in(inputs.get("entities"))
        else:
            found = self.finder.found(text_of(inputs), self.asked, self.threshold)
        return frozenset(each.label for each in found if each.score >= self.threshold)


@dataclass(frozen=True)
class VotingRules:
    """What tuning sets. `temperature` is the LM's, None for its own; below a confidence of `ask_below` in what words
    and entities say, the LM is asked. `notes` are sentences on how they were found."""

    words: WordLists
    entities: EntityRules | None
    weights: Mapping[str, float]
    ask_below: float
    temperature: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ballot:
    """The labels of each answer, and how votes become an answer."""

    labels: Mapping[str, tuple[str, ...]]

    def of_counts(self, counts: Mapping[str, Mapping[str, int]]) -> Votes:
        """The votes of terms that speak for labels."""
        return {name: self._shares(counts.get(name, {}), labels) for name, labels in self.labels.items()}

    def _shares(self, counts: Mapping[str, int], labels: Sequence[str]) -> NDArray[np.float64]:
        found = np.array([counts.get(label, 0) for label in labels], float) + SMOOTHING
        shares: NDArray[np.float64] = found / found.sum()
        return shares

    def of_answers(self, answers: Mapping[str, object], confidence: float) -> Votes:
        """The votes of who says these answers, each with this confidence; an answer that is none is no vote."""
        return {name: _one_vote(labels, str(answers.get(name)), confidence) for name, labels in self.labels.items()}

    def pooled(self, votes: Mapping[str, Votes], weights: Mapping[str, float]) -> Votes:
        """The mean of the votes by their weights; all alike where none has one."""
        counted = {voter: weights.get(voter, 0.0) for voter in votes if weights.get(voter, 0.0) > 0}
        counted = counted or dict.fromkeys(votes, 1.0)
        whole = sum(counted.values())
        return {
            name: np.sum([w / whole * votes[voter][name] for voter, w in counted.items()], axis=0)
            for name in self.labels
        }

    def said(self, votes: Votes) -> tuple[dict[str, str], float]:
        """The answers, and the share of the least certain of them."""
        best = {name: int(shares.argmax()) for name, shares in votes.items()}
        answers = {name: self.labels[name][place] for name, place in best.items()}
        return answers, min((float(votes[name][place]) for name, place in best.items()), default=0.0)


def _one_vote(labels: Sequence[str], said: str, confidence: float) -> NDArray[np.float64]:
    if said not in labels or len(labels) < 2:
        return np.full(len(labels), 1 / len(labels))
    sure = min(max(confidence, 1 / len(labels)), 1.0)
    return np.array([sure if label == said else (1 - sure) / (len(labels) - 1) for label in labels])


@dataclass(frozen=True)
class RuleVotes:
    """What voters say to a question; `lack` is why the entity model says nothing."""

    votes: Mapping[str, Votes]
    lack: str = ""


class Ensemble(dspy.Module):
    """`by` of a prediction says whether an LM was asked. The predictors are those of the LM program, if there is one.

    A model of entities that fails has no vote on that question, and `lack_of_entities` says why. Where the LM gives no
    answer that can be used, the others decide; where it is down, what words and entities are not sure of raises what
    the LM raises.
    """

    def __init__(self, ballot: Ballot, settings: VotingRules, program: dspy.Module | None = None) -> None:
        dspy.Module.__init__(self)
        self.ballot = ballot
        self.settings = settings
        self.program = program if program is None else at_temperature(program, settings.temperature)

    def forward(self, **inputs: object) -> dspy.Prediction:
        heard = self.heard(inputs)
        answers, sure = self.ballot.said(self.ballot.pooled(heard.votes, self.settings.weights))
        by = BY_STUDENT
        if self.program is not None and sure < self.settings.ask_below:
            votes = {**heard.votes, LM: self._vote_of(self.program, inputs)}
            answers, sure = self.ballot.said(self.ballot.pooled(votes, self.settings.weights))
            by = BY_LM
        more = {"lack_of_entities": heard.lack} if heard.lack else {}
        return dspy.Prediction(**{**more, "confidence": sure, "by": by, **answers})

    def heard(self, inputs: Mapping[str, object]) -> RuleVotes:
        """The votes of words and entities."""
        votes = {WORDS: self.ballot.of_counts(self.settings.words.spoken(text_of(inputs)))}
        rules = self.settings.entities
        if rules is None:
            return RuleVotes(votes)
        try:
            named = rules.lists.named(rules.labels_in(inputs))
        except ConfigInvalid as error:
            log.warning("a question is answered without entities: %s", error)
            return RuleVotes(votes, str(error))
        return RuleVotes({**votes, ENTITIES: self.ballot.of_counts(named)})

    def _vote_of(self, program: dspy.Module, inputs: Mapping[str, object]) -> Votes:
        found = program(**inputs)
        said = found if isinstance(found, dspy.Prediction) else dspy.Prediction()
        sure = confidence_of(said)
        return self.ballot.of_answers(said.toDict(), 1.0 if sure is None else sure)

    def __deepcopy__(self, memo: dict[int, object]) -> Ensemble:
        twin = copy.copy(self)
        twin.program = copy.deepcopy(self.program, memo)
        return twin


def at_temperature(program: dspy.Module, temperature: float | None) -> dspy.Module:
    """The program whose LM writes at this temperature: a copy, or itself without one."""
    if temperature is None:
        return program
    twin = copy.deepcopy(program)
    for predictor in twin.predictors():
        predictor.config = {**predictor.config, "temperature": temperature}
    return twin


def settings_state(ensemble: Ensemble) -> SettingsState:
    """The state of an ensemble as JSON values, but for its LM program."""
    settings, rules = ensemble.settings, ensemble.settings.entities
    state: SettingsState = {
        "kind": "settings",
        "words": _lists(settings.words),
        "weights": dict(settings.weights),
        "ask_below": settings.ask_below,
        "notes": list(settings.notes),
    }
    if rules is not None:
        state["entities"] = {
            "finder": rules.finder.name,
            "asked": list(rules.asked),
            "threshold": rules.threshold,
            "words": _lists(rules.lists),
        }
    if settings.temperature is not None:
        state["temperature"] = settings.temperature
    return state


def _lists(words: WordLists) -> dict[str, dict[str, list[str]]]:
    return {name: {label: list(of) for label, of in lists.items()} for name, lists in words.of.items()}


def read_settings_state(state: SettingsState, finder: EntityFinder | None) -> VotingRules:
    """The settings of a state. `finder` is the entity model that there is now: of one by another name nothing is found,
    and the prediction says so. Raises KeyError, TypeError, AttributeError or ValueError for what is no state."""
    told = state.get("entities")
    weights = {str(name): float(weight) for name, weight in state["weights"].items()}
    temperature = state.get("temperature")
    found = VotingRules(
        words=_read_lists(state["words"]),
        entities=None if told is None else _read_rules(told, finder),
        weights=weights,
        ask_below=float(state["ask_below"]),
        temperature=None if temperature is None else float(temperature),
        notes=tuple(map(str, state["notes"])),
    )
    if not np.isfinite([*weights.values(), found.ask_below, found.temperature or 0.0]).all():
        raise ValueError("weights, threshold and temperature are numbers")
    return found


def _read_rules(state: EntityRulesState, finder: EntityFinder | None) -> EntityRules:
    name = state["finder"]
    known = finder if finder is not None and finder.name == name else EntityFinder(name, _missing_model(name))
    if name == AS_GIVEN:
        known = EntityFinder(AS_GIVEN)
    return EntityRules(known, tuple(map(str, state["asked"])), float(state["threshold"]), _read_lists(state["words"]))


def _missing_model(name: str) -> EntityModel:
    """In the place of an entity model that the tenant's config does not name: a name in a stored version alone imports
    nothing."""

    def missing(*_asked: object, **_more: object) -> NoReturn:
        raise ConfigInvalid(
            f"entity model {name!r}: the version was tuned with it; set optimizers.ensemble.entity_model"
        )

    return missing


def _read_lists(state: Mapping[str, Mapping[str, Sequence[str]]]) -> WordLists:
    return WordLists({str(a): {str(b): tuple(map(str, c)) for b, c in d.items()} for a, d in state.items()})


def settings_text(state: SettingsState) -> str:
    """What people compare between versions of an ensemble."""
    weights = ", ".join(f"{name} {weight:.3g}" for name, weight in state["weights"].items())
    lines = [f"Votes by weight: {weights}."]
    if "program" in state:
        lines.append(f"An LM is asked where words and entities are less sure than {state['ask_below']:.3g}.")
    if "temperature" in state:
        lines.append(f"The LM writes at temperature {state['temperature']:.3g}.")
    lines += _told_lists("words", state["words"])
    if "entities" in state:
        rules = state["entities"]
        by = f"by {rules['finder']}" if rules["finder"] else "as the application gives them"
        lines.append(
            f"Entities {by}: {', '.join(rules['asked']) or 'any'}, from a score of {rules['threshold']:.3g} on."
        )
        lines += _told_lists("entities", rules["words"])
    return "\n".join([*lines, *state["notes"]])


def _told_lists(kind: str, lists: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    return [
        f"{name} = {label} by {kind}: {', '.join(words) or 'none'}"
        for name, of in lists.items()
        for label, words in of.items()
    ]
