"""Portfolio: several methods are tried, and the best of them on dev is kept.

What compiles without a search races first, by successive halving (race.py). What searches, and a cascade that is built
on the best LM program so far, gets a share of the calls that are left, and is measured on the same examples as the best
so far. One that fails is told of and stops nothing but itself.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import dspy

from argotune.decisions.races import Entrant, Race, Tried, entrants
from argotune.errors import ArgotuneError, BudgetSpent, ConfigInvalid, Unavailable
from argotune.optimizers.race import FIRST_ROUND, Contender, Course, Outlay, cheapest_as_good, least_asking, ranked
from argotune.optimizers.task import Incumbent, Optimizer, TrainingTask, has_answer
from argotune.stats.wording import counted
from argotune.tenants.optimizer_settings import OptimizerSettings

log = logging.getLogger(__name__)

LAST = "cascade"
"""It is made of the best LM program so far, so it comes after all others."""


def iterations(asked: int, _settings: OptimizerSettings) -> int:
    """The candidates of all searches together; each gets a part by its share."""
    return asked


@dataclass(frozen=True)
class _Entry:
    """A method with settings of its own."""

    name: str
    method: str
    settings: OptimizerSettings


class Portfolio:
    """Runs one portfolio over the methods that ship."""

    def __init__(self, optimizers: Mapping[str, Optimizer], task: TrainingTask) -> None:
        self._optimizers, self._task = optimizers, task
        planned = [entrant for entrant in task.entrants if entrant.method in optimizers]
        self._entrants = planned or list(_all_that_fit(optimizers, task))
        dev = [*task.dev, *task.refuted_dev]
        order = list(range(len(dev)))
        random.Random(task.seed).shuffle(order)  # noqa: S311 (nothing secret)
        self._order = order
        self._refuted = frozenset(at for at, place in enumerate(order) if place >= len(task.dev))
        self._course = Course(task, [dev[place] for place in order])
        self._tried: list[Contender] = []
        self._settings: dict[str, OptimizerSettings] = {}

    def compile(self) -> dspy.Module:
        """The best program. Raises what kept every candidate from being made or measured, and what ends the whole work,
        as a dead server."""
        if len(self._task.dev) < FIRST_ROUND:
            return self._first_that_compiles()
        best = self._after_searches(self._best_of_quick())
        if best is None:
            raise self._why_none()
        winner, race = self._race(least_asking(best, self._tried))
        self._task.on_race(race)
        return self._taught_by_dev(winner)

    # What is tried

    def _best_of_quick(self) -> Contender | None:
        """The best of what compiles without a search; half of the calls stay for those that search."""
        task, left = self._task, self._task.meter.left
        with task.meter.within(left // 2 if self._late() else left):
            made = [c for c in map(self._compiled, self._quick()) if not c.why]
            if not made:
                return None
            try:
                first = self._course.run(made)[0]
            except BudgetSpent as error:
                for contender in made:
                    contender.fails(error, "it was not measured")
                return None
        return None if first.why else first

    def _after_searches(self, best: Contender | None) -> Contender | None:
        """The best beside those that search, each within its share of what is left."""
        late = self._late()
        for number, entrant in enumerate(late):
            part = entrant.share / sum(later.share for later in late[number:])
            found = self._searched(entrant, int(self._task.meter.left * part), best)
            if not found.why:
                best = ranked([best, found])[0] if best else found
        return best

    def _searched(self, entrant: Entrant, calls: int, best: Contender | None) -> Contender:
        """What a search finds within so many calls, of which measuring it takes some."""
        task = self._task
        aside = len(self._course.examples) * max(len(task.program.build().predictors()), 1)
        asked = replace(task, max_iterations=self._iterations(entrant), tutor=self._best_with_lm())
        task.announce(f"{entrant.method}: at most {counted(max(calls - aside, 0), 'LM call')}", 0, 0)
        with task.meter.within(max(calls - aside, 0)):
            found = self._compiled(_Entry(entrant.method, entrant.method, task.settings), asked)
        if not found.why:
            self._measure(found, calls, len(best.scores) if best else len(self._course.examples))
        return found

    def _best_with_lm(self) -> dspy.Module | None:
        """The best so far of those that ask an LM, on what all of them were asked; the task's own tutor without one."""
        asking = [contender for contender in self._tried if contender.scores and contender.calls_per_answer]
        return ranked(asking)[0].module if asking else self._task.tutor

    def _measure(self, found: Contender, calls: int, upto: int) -> None:
        with self._task.meter.within(calls):
            try:
                self._course.ask(found, upto)
            except BudgetSpent as error:
                found.fails(error, "it was not measured")

    def _compiled(self, candidate: _Entry, task: TrainingTask | None = None) -> Contender:
        """A candidate, ready to be measured or with the reason why it is not."""
        notes = list[str]()
        task = replace(task or self._task, settings=candidate.settings, notes=notes)
        outlay = Outlay(task.meter, task.stopwatch)
        found = Contender(
            candidate.name,
            candidate.method,
            len(self._tried),
            task.student,
            outlay,
            settings=candidate.settings.only({candidate.method}),
            notes=notes,
            tutor=task.tutor,
            refuted=self._refuted,
        )
        self._tried.append(found)
        self._settings[candidate.name] = candidate.settings
        optimizer = self._optimizers[candidate.method]
        n = len([*task.train, *task.scored] if optimizer.goes_by_scores else task.train)
        if n < optimizer.min_examples:
            needed = counted(optimizer.min_examples, "training example")
            found.fails(ConfigInvalid(f"{candidate.method} needs {needed}, {n} are here"), "not compiled")
            return found
        try:
            with outlay.running(), task.compiling(candidate.name):
                found.module = optimizer.compile(task)
        except Unavailable:
            raise
        except ArgotuneError as error:
            found.fails(error, "not compiled")
        return found

    def _quick(self) -> Iterator[_Entry]:
        settings = self._task.settings
        for entrant in self._entrants:
            if entrant in self._late():
                continue
            if entrant.method != "nearest":
                yield _Entry(entrant.method, entrant.method, settings)
                continue
            for k in sorted({settings.nearest.k, *settings.portfolio.nearest_k}):
                own = settings.model_copy(update={"nearest": settings.nearest.model_copy(update={"k": k})})
                yield _Entry(f"nearest {k}", "nearest", own)

    def _late(self) -> list[Entrant]:
        late = [e for e in self._entrants if e.method == LAST or self._is_search(e)]
        return sorted(late, key=lambda entrant: entrant.method == LAST)

    def _is_search(self, entrant: Entrant) -> bool:
        return self._optimizers[entrant.method].iterations(100, self._task.settings) > 1

    def _iterations(self, entrant: Entrant) -> int:
        """The part of the candidates that a search may try."""
        shares = sum(each.share for each in self._entrants if self._is_search(each))
        return max(1, round(self._task.max_iterations * entrant.share / shares)) if shares else 1

    # What came of it

    def _first_that_compiles(self) -> dspy.Module:
        """Too few dev examples tell candidates apart by chance only: the first in order is taken unmeasured."""
        for entrant in self._entrants:
            found = self._compiled(_Entry(entrant.method, entrant.method, self._task.settings))
            if not found.why:
                told = f"{counted(len(self._task.dev), 'dev example')} tell nothing apart, {FIRST_ROUND} are needed"
                self._task.on_race(Race(tried=self._told(), winner=found.name, why_not=told))
                return self._taught_by_dev(found)
        raise self._why_none()

    def _why_none(self) -> ArgotuneError:
        """What is raised where nothing could be made or measured: the end of the budget before any other reason."""
        errors = [contender.error for contender in self._tried if contender.error]
        spent = [error for error in errors if isinstance(error, BudgetSpent)]
        return next(iter([*spent, *errors]), ConfigInvalid("no candidate of the portfolio fits"))

    def _race(self, best: Contender) -> tuple[Contender, Race]:
        """The winner: the best; where the champion is as good the cheapest that is not shown to be worse, if any."""
        race = Race(tried=self._told(), winner=best.name)
        beside = self._beside_champion(best, race)
        return (best, race.model_copy(update={"why_not": beside})) if isinstance(beside, str) else beside

    def _cheaper(self, best: Contender, champion: Contender, places: Sequence[int]) -> Contender | None:
        incumbent = self._task.incumbent
        is_better = _mean(best, places) > champion.mean(len(places))
        if is_better or incumbent is None or not incumbent.margin:
            return None
        return cheapest_as_good(self._tried, champion, places, incumbent.margin, incumbent.cheaper_ratio)

    def _told(self) -> tuple[Tried, ...]:
        return tuple(contender.told() for contender in self._tried)

    def _beside_champion(self, best: Contender, race: Race) -> tuple[Contender, Race] | str:
        """The winner, and the race with it and the champion on the dev examples that the champion has not learned from,
        or why they are not compared."""
        task, incumbent = self._task, self._task.incumbent
        if incumbent is None:
            return "it is not at hand"
        asked = [at for at in range(len(best.scores)) if self._is_new_to(incumbent, self._order[at])]
        known = [at for at in asked if at not in self._refuted]
        if len(known) < FIRST_ROUND:
            told = counted(len(known), "dev example is", "dev examples are")
            return f"{told} new to it, {FIRST_ROUND} are needed"
        champion = self._champion(incumbent, asked)
        try:
            Course(task, [self._course.examples[at] for at in asked]).ask(champion, len(asked))
        except BudgetSpent as error:
            return str(error)
        if champion.why:
            return champion.why
        cheaper = self._cheaper(best, champion, asked)
        winner = cheaper or best
        asked, known = ([at for at in places if at < len(winner.scores)] for places in (asked, known))
        beside = {"champion": champion.told(), "winner_beside": _mean(winner, known or asked)}
        if champion.refuted:
            repeated = len(winner.repeated.intersection(asked))
            beside |= {"winner_ranked_by": _mean(winner, asked), "winner_repeated": repeated}
        return winner, race.model_copy(update={**beside, "winner": winner.name, "is_cheaper": cheaper is not None})

    def _champion(self, incumbent: Incumbent, asked: Sequence[int]) -> Contender:
        refuted = frozenset(place for place, at in enumerate(asked) if at in self._refuted)
        outlay = Outlay(self._task.meter, self._task.stopwatch)
        return Contender("champion", "champion", 0, incumbent.module, outlay, refuted=refuted)

    def _is_new_to(self, incumbent: Incumbent, place: int) -> bool:
        later = place - len(self._task.dev)
        return later in incumbent.unseen_refuted if later >= 0 else place in incumbent.unseen

    def _taught_by_dev(self, best: Contender) -> dspy.Module:
        """The winner, compiled anew with the dev examples too where its method does not choose by them."""
        task, optimizer = self._task, self._optimizers[best.method]
        if optimizer.chooses or not task.dev or not task.dev_teaches:
            task.notes.extend(best.notes)
            return best.module
        both = list(zip(task.dev, task.dev_weights or [1.0] * len(task.dev), strict=True))
        known = [(example, weight) for example, weight in both if has_answer(example)]
        taught = replace(
            task,
            train=[*task.train, *(example for example, _ in known)],
            scored=[*task.scored, *(example for example in task.dev if not has_answer(example))],
            refuted=[*task.refuted, *task.refuted_dev],
            dev=[],
            refuted_dev=[],
            weights=[*(task.weights or [1.0] * len(task.train)), *(weight for _, weight in known)],
            settings=self._settings[best.name],
            tutor=best.tutor,
        )
        try:
            with task.compiling(best.name):
                return optimizer.compile(taught)
        except Unavailable:
            raise
        except ArgotuneError as error:
            task.notes.extend(best.notes)
            log.warning("%s: the dev examples do not teach the winner, %s: %s", task.program.name, best.name, error)
            return best.module


def _mean(best: Contender, places: Sequence[int]) -> float:
    return math.fsum(best.scores[at] for at in places) / len(places)


def _all_that_fit(optimizers: Mapping[str, Optimizer], task: TrainingTask) -> tuple[Entrant, ...]:
    """Without a plan: the tenant's candidates in their order."""
    known = [method for method in task.settings.portfolio.candidates if method in optimizers]
    fit = [method for method in known if task.lms.teacher is not None or not optimizers[method].needs_writer]
    return entrants(fit, "")
