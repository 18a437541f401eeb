"""Entity grid: from which score on entities count, and which labels are asked for, by what a model really finds.

The model looks at each text once, for all labels at the lowest score; each score and each set of labels of the grid is
measured on that. Where fewer labels are asked for in the end, the model is asked again for these alone, as its scores
may depend on what it is asked for, and the choice stands only where that is no worse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import cached_property

import dspy
import numpy as np

from argotune.errors import ConfigInvalid
from argotune.optimizers.term_lists import Strictness
from argotune.optimizers.votes import Booth, Fitted
from argotune.programs.ensemble import EntityRules
from argotune.programs.entities import AS_GIVEN, EntityFinder, FoundEntity, entities_in, told_failed
from argotune.programs.retrieval import text_of
from argotune.stats.wording import percent

LOWEST, HIGHEST = 0.1, 0.9

MOST = 50
"""Labels of entities that may speak for one answer."""

STRICTNESSES = tuple(Strictness(least, MOST) for least in (0.5, 0.65, 0.8))

ANY = (Strictness(0.0, MOST),)

ENOUGH = 10
"""A model that fails on so many texts and answers none is asked no more."""


class EntityGrid:
    """What a model finds in the examples of a booth. `note` is told what people should know."""

    def __init__(self, booth: Booth, note: Callable[[str], None]) -> None:
        self._booth, self._note = booth, note
        self._settings = booth.task.settings.ensemble
        self._known: dict[tuple[str, tuple[str, ...]], tuple[FoundEntity, ...]] = {}
        self._failed: dict[tuple[str, tuple[str, ...]], str] = {}
        self._answers = False

    @cached_property
    def _finder(self) -> EntityFinder | None:
        program = self._booth.task.program
        if program.finder is not None:
            return program.finder
        return EntityFinder(AS_GIVEN) if "entities" in program.fields.inputs else None

    def rules(self) -> EntityRules | None:
        """The best of the grid; None without a model, and where it finds nothing or fails on everything."""
        finder, asked = self._finder, tuple(self._settings.entity_labels)
        if finder is None:
            return None
        if finder.name != AS_GIVEN and not asked:
            self._note("entities: left out, as optimizers.ensemble.entity_labels names none")
            return None
        train, dev = self._found(finder, self._booth.train, asked), self._found(finder, self._booth.dev, asked)
        self._tell_failures(len(train) + len(dev))
        if not any(train):
            return None
        threshold, fitted = self._best(train, dev)
        if not fitted.lists.terms:
            self._note("entities: left out, as no label of theirs tells an answer")
            return None
        rules = EntityRules(finder, asked, threshold, fitted.lists)
        rules = self._with_fewer_labels(rules) if finder.name != AS_GIVEN else rules
        told = f"{len(fitted.lists.terms)} of {len({e.label for found in train for e in found})} labels tell an answer"
        self._note(f"entities: from a score of {threshold:g} on {told}, alone worth {percent(fitted.score)}")
        return rules

    def _best(
        self, train: Sequence[Sequence[FoundEntity]], dev: Sequence[Sequence[FoundEntity]]
    ) -> tuple[float, Fitted]:
        tried = STRICTNESSES if self._settings.gliner_label_optimization else ANY
        found = [
            (limit, self._booth.best_lists(_labels(train, limit), _labels(dev, limit), {}, tried))
            for limit in self._thresholds
        ]
        return max(found, key=lambda each: round(each[1].score, 9))

    @property
    def _thresholds(self) -> list[float]:
        settings = self._settings
        if not settings.gliner_threshold_optimization:
            return [settings.entity_threshold]
        steps = np.arange(LOWEST, HIGHEST + 1e-9, settings.gliner_threshold_step)
        return [round(float(step), 6) for step in steps]

    @property
    def _lowest(self) -> float:
        return min(LOWEST, self._settings.entity_threshold)

    def _with_fewer_labels(self, rules: EntityRules) -> EntityRules:
        kept = tuple(label for label in rules.asked if label in rules.lists.terms)
        if not self._settings.gliner_label_optimization or not kept or kept == rules.asked:
            return rules
        fewer = EntityRules(rules.finder, kept, rules.threshold, rules.lists)
        again = self._booth.score(self._booth.votes_by(rules.lists, self.terms(fewer, self._booth.choosing)))
        before = self._booth.score(self._booth.votes_by(rules.lists, self.terms(rules, self._booth.choosing)))
        return fewer if again >= before else rules

    def terms(self, rules: EntityRules, examples: Sequence[dspy.Example]) -> list[Set[str]]:
        """The labels that count in each of these examples, as the ensemble will find them."""
        return _labels(self._found(rules.finder, examples, rules.asked), rules.threshold)

    def _found(
        self, finder: EntityFinder, examples: Sequence[dspy.Example], asked: tuple[str, ...]
    ) -> list[tuple[FoundEntity, ...]]:
        if finder.name == AS_GIVEN:
            found = [entities_in(each.get("entities")) for each in examples]
            return [tuple(e for e in each if not asked or e.label in asked) for each in found]
        return [self._found_in(finder, text_of(each.inputs().toDict()), asked) for each in examples]

    def _found_in(self, finder: EntityFinder, text: str, asked: tuple[str, ...]) -> tuple[FoundEntity, ...]:
        key = text, asked
        if key not in self._known:
            try:
                self._known[key] = () if self._is_hopeless else finder.found(text, asked, self._lowest)
                self._answers |= not self._is_hopeless
            except ConfigInvalid as error:
                self._known[key], self._failed[key] = (), str(error)
        return self._known[key]

    @property
    def _is_hopeless(self) -> bool:
        return not self._answers and len(self._failed) >= ENOUGH

    def _tell_failures(self, asked: int) -> None:
        if self._failed:
            self._note(f"entities: {told_failed(len(self._failed), asked, next(iter(self._failed.values())))}")


def _labels(found: Sequence[Sequence[FoundEntity]], threshold: float) -> list[Set[str]]:
    return [frozenset(each.label for each in here if each.score >= threshold) for here in found]
