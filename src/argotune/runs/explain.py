"""Explain: the whole story of one version, for people and as JSON, and why a run was decided as it was."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from argotune.data.live_quality import Fall
from argotune.data.questions import REFUTED_QUESTIONS
from argotune.decisions.values import ModelingContext, TrainingDecision
from argotune.errors import NotFound
from argotune.programs.state import prompts
from argotune.promotion.champions import UNTUNED
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Contest
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Bar, Change, Version
from argotune.runs.book import RunBook
from argotune.runs.reports import run_json
from argotune.runs.run import Run
from argotune.stats.wording import chance, counted, each_counted, points


@dataclass(frozen=True)
class PromptChange:
    """A prompt of a version, by the name of its predictor or part, beside that of the version it is compared with; ""
    where one has none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Explanation:
    """A version, the run that made it, the moves of the champion pointer that concern it, and its prompt changes.

    `contest` is the one that it was the challenger of, and `judged` the run that judged it last. `falls` are the drops
    that were found of its live quality. `prompts` are compared with those of `compared_with`: its parent, or where it
    has none the program as written; None where it is not kept.
    """

    version: Version
    run: Run | None
    changes: tuple[Change, ...]
    prompt_diff: tuple[str, ...]
    bar: Bar | None = None
    contest: Contest | None = None
    judged: Run | None = None
    falls: tuple[Fall, ...] = ()
    prompts: tuple[PromptChange, ...] = ()
    compared_with: str | None = None

    def lines(self) -> list[str]:
        """The story in lines of text."""
        lineage = self.version.lineage
        story = [
            f"version   {self.version.id} of {self.version.program}",
            f"made      {lineage.created_at:%Y-%m-%d %H:%M:%S} by {lineage.optimizer}: {lineage.reason}",
            f"from      parent {lineage.parent or '-'}, data {lineage.data_hash[:12] or '-'}, seed {lineage.seed}",
            f"with      {_pairs(lineage.lms)}; {_pairs(lineage.packages)}",
        ]
        if self.run:
            judge = self.judged or self.run
            story += [f"run       {self.run.id}", *_contest(self.contest)]
            story += [f"verdict   {judge.sentence}", *_numbers(judge), *_without_lm(judge), *_unusable(judge)]
            story += [f"synthetic {self.run.synthetic.sentence}"] if self.run.synthetic else []
            story += _race(self.run)
            story += [f"unified   {self.run.unified.sentence}"] if self.run.unified else []
            story += [f"enhanced  {self.run.enhancement.sentence}"] if self.run.enhancement else []
        story += [f"history   {c.at:%Y-%m-%d %H:%M:%S} {c.how} by {c.who}: {c.reason}" for c in self.changes]
        story += [f"fell      {fall.sentence}" for fall in self.falls]
        story += [f"barred    {self.bar.sentence}"] if self.bar else []
        return [*story, "", "prompts before and after:", *(self.prompt_diff or ("  (no change)",))]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "version": self.version.model_dump(mode="json"),
            "run": run_json(self.run) if self.run else None,
            "contest": self.contest.as_json() if self.contest else None,
            "judged": run_json(self.judged) if self.judged else None,
            "history": [change.model_dump(mode="json") for change in self.changes],
            "prompt_diff": list(self.prompt_diff),
            "falls": [fall.model_dump(mode="json") for fall in self.falls],
            "prompts": [asdict(each) for each in self.prompts],
            "compared_with": self.compared_with,
            "barred": self.bar.model_dump(mode="json") if self.bar else None,
        }


def explain(registry: Registry, book: RunBook, contests: ContestBook, version_id: str) -> Explanation:
    """Everything that is known of a version but how it did when it served. Raises NotFound."""
    version = registry.version(version_id)
    changes = [c for c in registry.history(version.program) if version_id in (c.version, c.previous)]
    before = _compared_with(registry, version)
    compared = _compared(before, version)
    story = (_run(book, version.lineage.run_id), tuple(changes), tuple(_diff(compared)))
    contest = _contest_of(contests, version.lineage.run_id)
    judged = _run(book, contest.judged_by) if contest else None
    return Explanation(
        version,
        *story,
        registry.bar(version_id),
        contest,
        judged,
        prompts=compared,
        compared_with=before.id if before else None,
    )


def _run(book: RunBook, id: str | None) -> Run | None:
    try:
        return book.run(id) if id else None
    except NotFound:
        return None


def _contest_of(contests: ContestBook, run_id: str | None) -> Contest | None:
    """A contest has the id of the run that trained its challenger."""
    try:
        return contests.contest(run_id) if run_id else None
    except NotFound:
        return None


def _contest(found: Contest | None) -> list[str]:
    if found is None:
        return []
    opened = f"{found.opened_at:%Y-%m-%d %H:%M:%S} against {found.champion}, level {chance(found.level)}"
    return [f"contest   {found.sentence}", f"          opened {opened}"]


def _compared_with(registry: Registry, version: Version) -> Version | None:
    """The parent; of a version without one the program as written, if it is kept."""
    try:
        if version.lineage.parent:
            return registry.version(version.lineage.parent)
    except NotFound:
        return None
    others = [] if version.lineage.optimizer == UNTUNED else registry.versions(version.program)
    return next((each for each in reversed(others) if each.lineage.optimizer == UNTUNED), None)


def _compared(before: Version | None, version: Version) -> tuple[PromptChange, ...]:
    old, new = prompts(before.state) if before else {}, prompts(version.state)
    return tuple(PromptChange(name, old.get(name, ""), new.get(name, "")) for name in sorted(old | new))


def _diff(compared: Iterable[PromptChange]) -> list[str]:
    lines: list[str] = []
    for each in compared:
        old, new = each.before.splitlines(), each.after.splitlines()
        lines += difflib.unified_diff(old, new, f"{each.name} before", f"{each.name} after", lineterm="")
    return lines


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items())) or "-"


def _numbers(run: Run) -> list[str]:
    if not run.verdict:
        return []
    numbers, shown = run.verdict.numbers, ("n", "champion_mean", "challenger_mean", "effect", "p_value", "level")
    told = [f"          {name} = {getattr(numbers, name)}" for name in (*shown, "labels", "answers", "differ")]
    low, high = points(numbers.interval.low), points(numbers.interval.high)
    efforts = [f"effort    {ratio.sentence}" for ratio in (numbers.latency, numbers.cost, numbers.saving) if ratio]
    way = [f"          way = {run.way}"] if run.way else []
    not_worse = [f"          {numbers.not_worse.sentence}"] if numbers.not_worse else []
    return [*told, f"          interval = {low} to {high} points", *way, *not_worse, *efforts]


def _race(run: Run) -> list[str]:
    """What a portfolio tried, on the dev split, and what each took."""
    if run.race is None:
        return []
    return [f"race      {run.race.sentence}", *(f"          {tried.sentence}" for tried in run.race.tried)]


def _without_lm(run: Run) -> list[str]:
    found = run.comparison.without_lm if run.comparison else None
    return [f"without LM {found.sentence}"] if found else []


def _unusable(run: Run) -> list[str]:
    found = run.comparison.unusable if run.comparison else None
    sides = {"champion": found.champion, "challenger": found.challenger} if found else {}
    return [
        f"unusable  {counted(sum(lacks.values()), 'answer')} of the {role}: {each_counted(lacks)}"
        for role, lacks in sides.items()
        if lacks
    ]


_BY = {
    "floor": "nothing could be chosen",
    "forced": "a person forced the training",
    "rules": "the cold-start rules",
    "model": "the meta-model {model}",
    "chance": "chance: a share of all decisions is drawn, to learn what the other choice would have brought",
}


def decided(run: Run) -> tuple[TrainingDecision, ModelingContext]:
    """What was decided on a run, and what was known then. Raises NotFound for a run that ended before that."""
    if run.decision is None or run.context is None:
        raise NotFound(f"run: {run.id!r} ended before anything was decided: {run.sentence}")
    return run.decision, run.context


def explain_decision(run: Run) -> list[str]:
    """The story of a decision in lines of text. Raises NotFound."""
    decision, context = decided(run)
    lines = [
        f"run        {run.id}",
        f"decided    {decision.action.name}",
        f"by         {_BY[decision.by].format(model=decision.model)}",
        f"because    {decision.reason}",
        f"trained on {run.trained_on}",
        f"came to    {run.sentence}",
    ]
    lines += [f"refuted    {n} {REFUTED_QUESTIONS}"] if (n := run.counts.get(REFUTED_QUESTIONS)) else []
    lines += [line.replace("race      ", "race       ") for line in _race(run)]
    if decision.possible:
        lines.append(f"possible   {', '.join(action.name for action in decision.possible)}")
        lines.append(f"drawn with probability {decision.probability:.3g}; the rules alone: {decision.by_rules.name}")
    if decision.expected_gain is not None:
        asked = "expected" if decision.model else "to be shown"
        lines.append(f"gain {asked}: {points(decision.expected_gain)} points")
    for c in decision.contributions:
        lines.append(f"  {c.feature} = {'unknown' if c.value is None else f'{c.value:g}'}: {points(c.gain, 2)} points")
    known = {name: value for name, value in context.model_dump().items() if value not in (None, "")}
    return [*lines, "known at the time:", *(f"  {name} = {_shown(value)}" for name, value in known.items())]


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
