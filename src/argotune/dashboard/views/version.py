"""Version: where it comes from, what its prompts say, how it did, and where that can be looked at."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argotune.dashboard.inert import is_web_address
from argotune.dashboard.views.tiles import Tile, figure_of, in_utc
from argotune.pipeline.operations.versions import VersionStanding
from argotune.stats.wording import chance, percent, points

if TYPE_CHECKING:
    from argotune.promotion.verdicts import Numbers, SliceResult
    from argotune.runs.explain import Explanation, PromptChange

CONTEXT_LINES = 3
"""Around what differs."""


@dataclass(frozen=True)
class KnownAncestor:
    """A version that another one was made from; `is_champion`: it serves."""

    id: str
    optimizer: str
    made: str
    is_champion: bool


@dataclass(frozen=True)
class GainView:
    """The gain in points of a hundred, and between which it lies at any time."""

    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class SliceBar:
    """One version's mean score (0..1) on a part of the questions."""

    slice: str
    role: str
    mean: float
    told: str


@dataclass(frozen=True)
class PromptDiff:
    """What tuning made of one part of a program; no lines: nothing."""

    name: str
    lines: tuple[str, ...]
    after: str


@dataclass(frozen=True)
class PageLink:
    """Where a person can look further. `name` is a word of ours."""

    name: str
    url: str


@dataclass(frozen=True)
class VersionView:
    """What the page shows of a version."""

    id: str
    program: str
    standing: str
    facts: tuple[tuple[str, str], ...]
    ancestors: tuple[KnownAncestor, ...]
    tiles: tuple[Tile, ...]
    gain: GainView | None
    slices: tuple[SliceBar, ...]
    verdict: str
    compared_with: str
    prompts: tuple[PromptDiff, ...]
    history: tuple[str, ...]
    links: tuple[PageLink, ...]


def version_view(found: Explanation, versions: Sequence[VersionStanding]) -> VersionView:
    """A version among those of its tenant."""
    version, judge = found.version, found.judged or found.run
    numbers = judge.verdict.numbers if judge and judge.verdict else None
    known = {each.version.id: each for each in versions}
    links = {"Comparison": judge.comparison_link, "Dataset": judge.dataset_link} if judge else {}
    return VersionView(
        id=version.id,
        program=version.program,
        standing=_standing(known.get(version.id)),
        facts=tuple(_facts(found)),
        ancestors=tuple(_ancestors(version.lineage.parent, known)),
        tiles=_tiles(numbers) if numbers else (),
        gain=_gain(numbers) if numbers else None,
        slices=tuple(bar for each in numbers.slices for bar in _slice(each)) if numbers else (),
        verdict=judge.sentence if judge else "",
        compared_with=found.compared_with or "",
        prompts=tuple(map(_diff, found.prompts)),
        history=tuple(f"{in_utc(c.at)} {c.version} {c.how} by {c.who}: {c.reason}" for c in found.changes),
        links=tuple(PageLink(name, url) for name, url in links.items() if url and is_web_address(url)),
    )


def _standing(known: VersionStanding | None) -> str:
    if known is None:
        return "not listed"
    return "serves" if known.is_champion else "rolled back" if known.is_barred else "does not serve"


def _facts(found: Explanation) -> Iterator[tuple[str, str]]:
    lineage = found.version.lineage
    yield "made", f"{in_utc(lineage.created_at)} by {lineage.optimizer}"
    yield "because", lineage.reason
    yield "parent", lineage.parent or "-"
    yield "data", lineage.data_hash[:12] or "-"
    yield "seed", str(lineage.seed)
    yield "LMs", _pairs(lineage.lms)
    yield "packages", _pairs(lineage.packages)
    yield "run", lineage.run_id or "-"
    if found.contest:
        yield "contest", found.contest.sentence
    if found.bar:
        yield "barred", found.bar.sentence


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items())) or "-"


def _ancestors(id: str | None, known: Mapping[str, VersionStanding]) -> Iterator[KnownAncestor]:
    """From the parent back to the first that is known, each once."""
    seen = set[str]()
    while id is not None and id not in seen:
        seen.add(id)
        found = known.get(id)
        if found is None:
            yield KnownAncestor(id, "not stored any more", "-", False)
            return
        lineage = found.version.lineage
        yield KnownAncestor(id, lineage.optimizer, in_utc(lineage.created_at), found.is_champion)
        id = lineage.parent


def _tiles(numbers: Numbers) -> tuple[Tile, ...]:
    means = (numbers.champion_mean, numbers.challenger_mean)
    before, after = ("-" if mean is None else percent(mean) for mean in means)
    low, high = points(numbers.interval.low), points(numbers.interval.high)
    return (
        Tile("Gain in points", points(numbers.effect), f"{low} to {high} at any time"),
        Tile("Champion", before, "mean score on sealed examples"),
        Tile("This version", after, "mean score on sealed examples"),
        Tile("Labels of people", figure_of(numbers.labels), f"{numbers.wins} won, {numbers.losses} lost"),
        Tile("Answers of both", figure_of(numbers.answers), f"{numbers.differ} differ"),
        Tile("p", chance(numbers.p_value), f"level {chance(numbers.level)}"),
    )


def _gain(numbers: Numbers) -> GainView:
    return GainView(100 * numbers.effect, 100 * numbers.interval.low, 100 * numbers.interval.high)


def _slice(each: SliceResult) -> Iterator[SliceBar]:
    name = f"{each.key} {each.value}"
    for role, mean in (("champion", each.champion_mean), ("this version", each.challenger_mean)):
        yield SliceBar(name, role, mean, f"{percent(mean)} of {each.n} examples, {each.wins} won, {each.losses} lost")


def _diff(change: PromptChange) -> PromptDiff:
    before, after = change.before.splitlines(), change.after.splitlines()
    lines = difflib.unified_diff(before, after, "before", "after", lineterm="", n=CONTEXT_LINES)
    return PromptDiff(change.name, tuple(lines), change.after)
