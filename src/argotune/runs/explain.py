"""Explain: the whole story of one version, for people and as JSON, and why a run was decided as it was."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from argotune.decisions.values import ModelingContext, TrainingDecision
from argotune.errors import NotFound
from argotune.programs.state import prompts
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Bar, Change, Version
from argotune.runs.book import RunBook
from argotune.runs.reports import run_json
from argotune.runs.run import Run
from argotune.stats.wording import points


@dataclass(frozen=True)
class Explanation:
    """A version, the run that made it, the moves of the champion pointer that concern it, and its prompt changes."""

    version: Version
    run: Run | None
    changes: tuple[Change, ...]
    prompt_diff: tuple[str, ...]
    bar: Bar | None = None

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
            story += [f"run       {self.run.id}", f"verdict   {self.run.sentence}", *_numbers(self.run)]
            story += _unusable(self.run)
            story += [f"synthetic {self.run.synthetic.sentence}"] if self.run.synthetic else []
        story += [f"history   {c.at:%Y-%m-%d %H:%M:%S} {c.how} by {c.who}: {c.reason}" for c in self.changes]
        story += [f"barred    {self.bar.sentence}"] if self.bar else []
        return [*story, "", "prompts before and after:", *(self.prompt_diff or ("  (no change)",))]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "version": self.version.model_dump(mode="json"),
            "run": run_json(self.run) if self.run else None,
            "history": [change.model_dump(mode="json") for change in self.changes],
            "prompt_diff": list(self.prompt_diff),
            "barred": self.bar.model_dump(mode="json") if self.bar else None,
        }


def explain(registry: Registry, book: RunBook, version_id: str) -> Explanation:
    """Everything that is known of a version. Raises NotFound."""
    version = registry.version(version_id)
    changes = [c for c in registry.history(version.program) if version_id in (c.version, c.previous)]
    story = (_run(book, version), tuple(changes), tuple(_diff(registry, version)))
    return Explanation(version, *story, registry.bar(version_id))


def _run(book: RunBook, version: Version) -> Run | None:
    try:
        return book.run(version.lineage.run_id) if version.lineage.run_id else None
    except NotFound:
        return None


def _diff(registry: Registry, version: Version) -> list[str]:
    before, after = _parent_prompts(registry, version), prompts(version.state)
    lines: list[str] = []
    for name in sorted(before | after):
        old, new = before.get(name, "").splitlines(), after.get(name, "").splitlines()
        lines += difflib.unified_diff(old, new, f"{name} before", f"{name} after", lineterm="")
    return lines


def _parent_prompts(registry: Registry, version: Version) -> dict[str, str]:
    try:
        return prompts(registry.version(version.lineage.parent).state) if version.lineage.parent else {}
    except NotFound:
        return {}


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items())) or "-"


def _numbers(run: Run) -> list[str]:
    if not run.verdict:
        return []
    shown = ("n", "champion_mean", "challenger_mean", "effect", "p_value", "level", "labels", "answers", "differ")
    return [f"          {name} = {getattr(run.verdict.numbers, name)}" for name in shown]


def _unusable(run: Run) -> list[str]:
    found = run.comparison.unusable if run.comparison else None
    sides = {"champion": found.champion, "challenger": found.challenger} if found else {}
    return [
        f"unusable  {sum(lacks.values())} answers of the {role}: "
        + ", ".join(f"{count} {lack}" for lack, count in sorted(lacks.items()))
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
