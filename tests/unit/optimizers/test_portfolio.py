"""Portfolio: who wins, what is told of it, how the calls are shared, and what stops nothing but itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dspy
import pytest
from tuning import ROUTING, THINGS, WORDS, examples, scripted, task

from argotune.decisions.races import Entrant, Race
from argotune.errors import ArgotuneError, BudgetSpent, ConfigInvalid, ProgramFailed, Unavailable
from argotune.lm.meter import Meter
from argotune.optimizers.portfolio import Portfolio
from argotune.optimizers.task import Incumbent, Optimizer, TrainingTask
from argotune.programs.program import Appraisal
from argotune.tenants.config import BudgetLimits
from argotune.tenants.optimizer_settings import OptimizerSettings

DEV = examples(THINGS[:8])
"""48 of them."""
RIGHT = {phrase.split()[0]: agent for agent, phrases in WORDS.items() for phrase in phrases}


class Answers(dspy.Module):
    """Right on queries about the first `known` things, at so many LM calls each."""

    otherwise = "nobody"

    def __init__(self, known: int, calls: int, meter: Meter) -> None:
        dspy.Module.__init__(self)
        self.known, self.calls, self.meter = known, calls, meter

    def forward(self, query: str, **_: Any) -> dspy.Prediction:
        for _ in range(self.calls):
            with self.meter.call(10) as bill:
                bill.tokens = 5
        knows = query.split()[-1] in THINGS[: self.known]
        return dspy.Prediction(agent=RIGHT[query.split()[0]] if knows else self.otherwise)


Make = Callable[[TrainingTask], dspy.Module]


def method(name: str, make: Make, *, searches: bool = False, chooses: bool = True, needs: int = 1) -> Optimizer:
    def iterations(asked: int, _settings: OptimizerSettings) -> int:
        return asked if searches else 1

    return Optimizer(name, make, needs, iterations=iterations, chooses=chooses)


def knows(known: int, calls: int = 1, training: int = 0) -> Make:
    """A compilation that takes some calls."""

    def make(given: TrainingTask) -> dspy.Module:
        for _ in range(training):
            with given.meter.call(10) as bill:
                bill.tokens = 5
        return Answers(known, calls, given.meter)

    return make


def raising(error: ArgotuneError) -> Make:
    def make(_given: TrainingTask) -> dspy.Module:
        raise error

    return make


def run(*methods: Optimizer, calls: int = 10_000, **changes: Any) -> tuple[dspy.Module, Race]:
    """The winner and the race, of methods in this order."""
    races: list[Race] = []
    usual: dict[str, Any] = {
        "dev": DEV,
        "entrants": [Entrant(method=m.name, share=1 / len(methods)) for m in methods],
        "meter": Meter(BudgetLimits(max_lm_calls=calls)),
        "stopwatch": lambda: 0.0,
        "on_race": races.append,
    }
    given = task(scripted(), **{**usual, **changes})
    module = Portfolio({m.name: m for m in methods}, given).compile()
    return module, races[0]


def told(race: Race) -> dict[str, tuple[float | None, int]]:
    return {t.candidate: (t.score, t.n) for t in race.tried}


def test_the_best_on_dev_wins_and_all_that_was_tried_is_told():
    module, race = run(method("a", knows(2)), method("b", knows(7, training=3)), method("c", knows(4)))
    assert (module.known, race.winner) == (7, "b")
    assert told(race)["b"] == (7 / 8, 48)
    assert told(race)["a"][1] == 24, "the worst was asked half of them"
    assert [t.calls for t in race.tried] == [24, 51, 48]
    assert [t.tokens for t in race.tried] == [5 * t.calls for t in race.tried]
    assert "b is best of 3 on dev, 87.5 % of 48 (too high by being chosen; a contest judges)" in race.sentence


@pytest.mark.parametrize(("calls", "winner"), [((2, 1), "b"), ((1, 2), "a"), ((1, 1), "a"), ((1, 0), "b")])
def test_of_equal_ones_the_cheaper_wins_then_the_earlier(calls: tuple[int, int], winner: str):
    _, race = run(method("a", knows(5, calls[0])), method("b", knows(5, calls[1])))
    assert race.winner == winner


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConfigInvalid("lm: no teacher"), "not compiled: lm: no teacher"),
        (ProgramFailed("it raised"), "not compiled: it raised"),
        (BudgetSpent("all used"), "not compiled: all used"),
    ],
)
@pytest.mark.parametrize("searches", [False, True])
def test_a_candidate_that_fails_is_told_of_and_stops_nothing_but_itself(
    error: ArgotuneError, told: str, searches: bool
):
    module, race = run(method("a", raising(error), searches=searches), method("b", knows(3)))
    assert (module.known, race.winner) == (3, "b")
    assert [(t.why, t.score) for t in race.tried if t.candidate == "a"] == [(told, None)]


def test_one_without_enough_examples_is_not_compiled():
    _, race = run(method("a", knows(8), needs=99), method("b", knows(3)))
    assert "a needs 99 training examples, 24 are here" in race.tried[0].why


def test_a_dead_server_ends_the_portfolio_as_what_it_is():
    with pytest.raises(Unavailable):
        run(method("a", raising(Unavailable("down"))), method("b", knows(3)))


@pytest.mark.parametrize("dev", [[], DEV])
def test_where_all_fail_the_reason_is_raised(dev: list[dspy.Example]):
    with pytest.raises(BudgetSpent, match="all used"):
        run(method("a", raising(ConfigInvalid("no"))), method("b", raising(BudgetSpent("all used"))), dev=dev)


def test_too_few_dev_examples_choose_nothing_and_the_first_that_compiles_is_taken():
    module, race = run(
        method("a", raising(ConfigInvalid("no"))), method("b", knows(1)), method("c", knows(8)), dev=DEV[:7]
    )
    assert (module.known, race.winner, race.won_by.score) == (1, "b", None)
    assert race.why_not == "7 dev examples tell nothing apart, 8 are needed"


# Searches


def test_a_search_is_measured_beside_the_best_and_has_its_share_of_candidates():
    seen: list[int] = []

    def search(given: TrainingTask) -> dspy.Module:
        seen.append(given.max_iterations)
        return Answers(8, 1, given.meter)

    module, race = run(
        method("s", search, searches=True),
        method("t", search, searches=True),
        method("a", knows(2)),
        max_iterations=40,
    )
    assert (module.known, race.winner, seen) == (8, "s", [20, 20])
    assert told(race) == {"a": (2 / 8, 48), "s": (1.0, 48), "t": (1.0, 48)}


def test_a_search_is_stopped_at_its_share_and_the_others_go_on_with_theirs():
    left: list[int] = []

    def endless(given: TrainingTask) -> dspy.Module:
        left.append(given.meter.left)
        return knows(8, training=10**6)(given)

    module, race = run(
        method("s", endless, searches=True), method("t", endless, searches=True), method("a", knows(2)), calls=448
    )
    assert (module.known, race.winner) == (2, "a")
    assert left == [(448 - 48) // 2 - 48, 448 - 48 - 152 - 48], "less what measuring it takes"
    assert [t.why for t in race.tried[1:]] == ["not compiled: the calls that were planned for this are used"] * 2


def test_a_cascade_comes_last_and_is_built_on_the_best_that_asks_an_lm():
    tutors: list[Any] = []

    def make(given: TrainingTask) -> dspy.Module:
        tutors.append(given.tutor)
        return Answers(8, 0, given.meter)

    methods = method("cascade", make), method("student", knows(7, 0)), method("a", knows(5)), method("b", knows(3))
    _, race = run(*methods, method("s", knows(4), searches=True))
    assert [t.candidate for t in race.tried] == ["student", "a", "b", "s", "cascade"]
    assert (tutors[0].known, race.winner) == (5, "cascade")


def test_what_is_planned_so_does_not_make_the_budget_spent():
    meter = Meter(BudgetLimits(max_lm_calls=500))
    run(method("s", knows(8, training=10**6), searches=True), method("a", knows(2)), meter=meter)
    assert not meter.is_spent


def test_where_the_budget_ends_in_the_race_the_best_so_far_wins():
    meter = Meter(BudgetLimits(max_lm_calls=70))
    module, race = run(method("a", knows(2)), method("b", knows(8)), meter=meter)
    assert (module.known, race.winner, meter.is_spent) == (8, "b", True)
    assert {n for _, n in told(race).values()} == {32}, "both on the examples that both were asked"


# The champion


def champion(known: int, unseen: range) -> dict[str, Any]:
    return {"incumbent": Incumbent(Answers(known, 0, Meter(BudgetLimits())), frozenset(unseen))}


@pytest.mark.parametrize(("known", "is_better"), [(2, True), (5, False), (8, False)])
def test_a_champion_that_is_as_good_says_so(known: int, is_better: bool):
    _, race = run(method("a", knows(5)), method("b", knows(1)), **champion(known, range(48)))
    assert race.is_better is is_better
    assert race.champion.n == 48
    assert f"62.5 % against the champion's {100 * known / 8} % on 48 dev examples" in race.sentence


def test_a_champion_is_compared_only_on_what_it_has_not_learned_from():
    _, race = run(method("a", knows(5)), **champion(8, range(40, 48)))
    assert race.champion.n == 8
    _, race = run(method("a", knows(5)), **champion(8, range(42, 48)))
    assert race.is_better
    assert race.why_not == "6 dev examples are new to it, 8 are needed"


def wrong(*things: str) -> list[dspy.Example]:
    """Questions about these things without a right answer, of which people have said that `text` is wrong."""
    return [each.without("agent") for each in examples(things) if each.agent != "text"]


def appraised(example: dspy.Example, said: dspy.Prediction) -> Appraisal | None:
    return None if len(example.labels()) else Appraisal(0.0 if said.agent == "text" else 0.25)


KNOWING = replace(ROUTING, refuted=appraised)


@pytest.fixture
def else_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answers, "otherwise", "text")


@pytest.mark.usefixtures("else_text")
def test_what_people_say_is_wrong_ranks_equal_ones_and_is_in_no_score_that_is_told():
    asked = {"dev": examples(THINGS[:2]), "refuted_dev": wrong(THINGS[5]), "program": KNOWING}
    found, race = run(method("a", knows(2)), method("b", knows(6)), **asked)
    assert (race.winner, found.known) == ("b", 6)
    first, second = race.tried
    assert (first.score, first.n, first.refuted, first.repeated) == (1.0, 12, 4, 4)
    assert (second.score, second.n, second.refuted, second.repeated) == (1.0, 12, 4, 0)
    assert (first.ranked_by, second.ranked_by) == (pytest.approx(12 / 16), pytest.approx(13 / 16))
    assert "100.0 % of 12, 4 of 4 refuted answers said again" in first.sentence


@pytest.mark.usefixtures("else_text")
@pytest.mark.parametrize(("seen", "is_better"), [(frozenset(), True), (frozenset(range(4)), False)])
def test_a_champion_that_says_again_what_is_wrong_is_worse_where_it_has_not_seen_that(seen: Any, is_better: bool):
    asked = {"dev": examples(THINGS[:2]), "refuted_dev": wrong(THINGS[5]), "program": KNOWING}
    serving = Incumbent(Answers(2, 0, Meter(BudgetLimits())), frozenset(range(12)), frozenset(range(4)) - seen)
    _, race = run(method("a", knows(6)), **asked, incumbent=serving)
    assert (race.is_better, race.champion.n, race.champion.score, race.winner_beside) == (is_better, 12, 1.0, 1.0)
    assert ("of 4 refuted answers there 0 against 4 said again" in race.sentence) is is_better


def test_what_people_say_is_wrong_makes_no_race_of_too_few_examples():
    _, race = run(method("a", knows(2)), dev=examples(THINGS[:1]), refuted_dev=wrong(*THINGS), program=KNOWING)
    assert race.why_not == "6 dev examples tell nothing apart, 8 are needed"


@pytest.mark.parametrize(
    ("serves", "cheap", "margin", "winner"),
    [
        pytest.param(7, (7, 1), 0.01, "cheap", id="as good, for half the calls"),
        pytest.param(7, (6, 0), 0.1, "cheap", id="below by no more than margin and noise"),
        pytest.param(7, (4, 0), 0.01, "dear", id="far below"),
        pytest.param(7, (7, 2), 0.01, "dear", id="no cheaper"),
        pytest.param(7, (6, 0), 0.0, "dear", id="cheapness does not count"),
        pytest.param(5, (5, 0), 0.01, "dear", id="one is better, and goes first"),
    ],
)
def test_where_none_is_better_the_cheapest_that_dev_does_not_show_to_be_worse_wins(serves, cheap, margin, winner):
    meter = Meter(BudgetLimits(max_lm_calls=10_000))
    incumbent = Incumbent(Answers(serves, 2, meter), frozenset(range(48)), margin=margin)
    both = method("dear", knows(7, 2)), method("cheap", knows(*cheap))
    module, race = run(*both, meter=meter, incumbent=incumbent)
    assert (race.winner, race.is_cheaper, module.known) == (
        winner,
        winner == "cheap",
        cheap[0] if race.is_cheaper else 7,
    )
    assert race.is_offered is (race.is_cheaper or serves == 5)
    assert ("it is tried as a cheaper one" in race.sentence) is race.is_cheaper


# What is kept


def test_dev_teaches_a_winner_that_does_not_choose_by_it():
    taught: list[tuple[int, int, int]] = []

    def make(given: TrainingTask) -> dspy.Module:
        taught.append((len(given.train), len(given.dev), len(given.weights)))
        return Answers(8, 1, given.meter)

    run(method("a", make, chooses=False), dev_weights=[0.5] * 48)
    assert taught == [(24, 48, 0), (72, 0, 72)]
    taught.clear()
    run(method("a", make))
    assert taught == [(24, 48, 0)]


def test_the_same_seed_gives_the_same_race():
    methods = method("a", knows(2)), method("b", knows(3)), method("c", knows(3, 2))
    assert run(*methods)[1] == run(*methods)[1]
    other = run(*methods, seed=8)[1]
    assert {t.candidate: t.n for t in other.tried} == {t.candidate: t.n for t in run(*methods)[1].tried}


def test_nearest_is_tried_with_several_numbers_of_neighbours():
    seen: list[tuple[int, str | None]] = []

    def make(given: TrainingTask) -> dspy.Module:
        seen.append((given.settings.nearest.k, given.settings.nearest.embedder))
        return Answers(given.settings.nearest.k, 1, given.meter)

    own = OptimizerSettings.model_validate(
        {"nearest": {"k": 3, "embedder": "tfidf"}, "portfolio": {"nearest_k": [2, 6]}}
    )
    module, race = run(method("nearest", make, chooses=False), settings=own)
    assert ([t.candidate for t in race.tried], race.winner) == (["nearest 2", "nearest 3", "nearest 6"], "nearest 6")
    assert (seen, module.known) == ([(k, "tfidf") for k in (2, 3, 6, 6)], 6), "the one that won is compiled anew"


def test_without_a_plan_all_that_fit_are_tried():
    methods = {m.name: m for m in (method("labeled", knows(2)), method("mipro", knows(8)), method("mine", knows(9)))}
    methods["mipro"] = replace(methods["mipro"], needs_writer=True)
    races: list[Race] = []
    lms = replace(scripted(), teacher=None)
    Portfolio(methods, task(lms, dev=DEV, on_race=races.append)).compile()
    assert [t.candidate for t in races[0].tried] == ["labeled"]
