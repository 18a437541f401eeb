"""Races: what a portfolio tried, what each candidate scored on dev and cost, and what past races tell of the next one.

Names of methods, counts and scores only; nothing that a tenant asked or answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field, JsonValue

from argotune.decisions.values import Count, Share
from argotune.stats.wording import counted, percent
from argotune.store.records import StoredValue


class Entrant(StoredValue):
    """A method that a portfolio tries. `share`: its part, among the others, of what searches may spend."""

    method: str
    share: Share


class Tried(StoredValue):
    """One candidate of a race. `score` is its mean on the first `n` dev examples of the race, None where it was not
    measured: `why` says so then, or why it was left before the end. `calls` and `tokens` are of compiling and measuring
    it, without answers that were paid for before; `calls_per_answer` counts those too. `settings` of its method are
    those that are not the defaults. Of `refuted` further questions people have said only what is wrong: on `repeated`
    of them it said that again. They are in no score; candidates are `ranked_by` a mean that holds them too, by what
    they are estimated to be worth, None where there are none."""

    candidate: str
    method: str
    score: Share | None = None
    n: Count = 0
    calls: Count = 0
    tokens: Count = 0
    seconds: float = Field(0.0, ge=0, allow_inf_nan=False)
    calls_per_answer: float = Field(0.0, ge=0, allow_inf_nan=False)
    why: str = ""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    refuted: Count = 0
    repeated: Count = 0
    ranked_by: Share | None = None

    @property
    def sentence(self) -> str:
        """For people."""
        scored = "not measured" if self.score is None else f"{percent(self.score)} of {self.n}"
        scored += f", {self.repeated} of {self.refuted} refuted answers said again" if self.refuted else ""
        cost = f"{counted(self.calls, 'LM call')}, {self.tokens} tokens, {self.seconds:.1f} s"
        return f"{self.candidate}: {scored} ({cost})" + (f"; {self.why}" if self.why else "")


class Race(StoredValue):
    """What came of a portfolio. `champion` is the one that serves, measured with the `winner` on the dev examples that
    it had not learned from; None where it was not compared, and `why_not` says why. `winner_ranked_by` is its mean
    there beside the champion's `ranked_by`, `winner_repeated` how many refuted answers it said again. `is_cheaper`:
    none was better, and the winner is the cheapest of those that dev does not show to be worse."""

    tried: tuple[Tried, ...]
    winner: str
    champion: Tried | None = None
    winner_beside: Share | None = None
    why_not: str = ""
    winner_ranked_by: Share | None = None
    winner_repeated: Count = 0
    is_cheaper: bool = False

    @property
    def won_by(self) -> Tried:
        """The winner."""
        return next(tried for tried in self.tried if tried.candidate == self.winner)

    @property
    def is_better(self) -> bool:
        """Whether dev does not say that the champion is as good."""
        if self.champion is None or self.champion.score is None or self.winner_beside is None:
            return True
        if self.is_cheaper:
            return False
        if self.champion.ranked_by is not None and self.winner_ranked_by is not None:
            return self.winner_ranked_by > self.champion.ranked_by
        return self.winner_beside > self.champion.score

    @property
    def is_offered(self) -> bool:
        """Whether the winner goes into a contest."""
        return self.is_better or self.is_cheaper

    @property
    def sentence(self) -> str:
        """What came of it. The score of the best of several is too high by chance, so it is told as such."""
        best = self.won_by
        scored = "was not measured" if best.score is None else f"is best of {len(self.tried)} on dev"
        if self.is_cheaper and best.score is not None:
            scored = f"is the cheapest of {len(self.tried)} that dev does not show to be worse, {percent(best.score)}"
        elif best.score is not None:
            scored += f", {percent(best.score)} of {best.n} (too high by being chosen; a contest judges)"
        return f"{self.winner} {scored}{self._beside}"

    @property
    def _beside(self) -> str:
        if self.champion is None or self.champion.score is None or self.winner_beside is None:
            return f"; the champion was not compared: {self.why_not}" if self.why_not else ""
        best = self.won_by.calls_per_answer
        both = f"{percent(self.winner_beside)} against the champion's {percent(self.champion.score)}"
        told = f"; {both} on {counted(self.champion.n, 'dev example')} that this one had not seen"
        if self.champion.refuted:
            again = f"{self.winner_repeated} against {self.champion.repeated}"
            told += f", of {counted(self.champion.refuted, 'refuted answer')} there {again} said again"
        calls = f"{best:.2g} in place of {self.champion.calls_per_answer:.2g} LM calls an answer"
        return f"{told}; none is better, {calls}: it is tried as a cheaper one" if self.is_cheaper else told


class PastRaces(StoredValue):
    """How often methods raced for one kind of program (`modality` of a context), and how often each was best and better
    than what served."""

    kind: str
    raced: dict[str, int] = Field(default_factory=dict)
    won: dict[str, int] = Field(default_factory=dict)

    def odds(self, method: str) -> float:
        """The chance of a method to win its next race, in 0..1: Laplace's rule of succession, 1/2 of an unknown one."""
        return (self.won.get(method, 0) + 1) / (self.raced.get(method, 0) + 2)


UNKNOWN = PastRaces(kind="")


def past_races(races: Iterable[tuple[str, Race]]) -> tuple[PastRaces, ...]:
    """What races tell, each given with its kind of program; by kind. A method that was not measured did not race."""
    raced: dict[str, Counter[str]] = {}
    won: dict[str, Counter[str]] = {}
    for kind, race in races:
        measured = {tried.method for tried in race.tried if tried.score is not None}
        raced.setdefault(kind, Counter()).update(measured)
        if race.is_better and race.won_by.method in measured:
            won.setdefault(kind, Counter())[race.won_by.method] += 1
    return tuple(PastRaces(kind=kind, raced=dict(raced[kind]), won=dict(won.get(kind, {}))) for kind in sorted(raced))


def entrants(methods: Sequence[str], first: str, past: PastRaces = UNKNOWN) -> tuple[Entrant, ...]:
    """The methods in the order in which they are tried, with their shares of what searches may spend.

    Those that won more often come first and get more; while nothing is known, `first` does, which the rules name, and
    then the order given, from cheap to dear.
    """
    odds: Mapping[str, float] = {method: past.odds(method) for method in methods}
    all_odds = sum(odds.values())
    ordered = sorted(methods, key=lambda method: (-odds[method], method != first, methods.index(method)))
    return tuple(Entrant(method=method, share=odds[method] / all_odds) for method in ordered)
