"""Step outcomes: what a step of a workflow says of itself in one line, all that Argo shows of a step that succeeded.

Short enough for the workflow's own object; the whole story is in the report (reports.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from argotune.errors import ArgotuneError
from argotune.promotion.verdicts import Numbers
from argotune.runs.reports import ModuleReport, unreadable_words
from argotune.runs.run import Run
from argotune.scheduling.trigger_check import Conditions
from argotune.stats.wording import chance, counted, percent, points
from argotune.store.records import Unreadable
from argotune.tenants.config import MODULES

MAX_OUTCOME_CHARS = 1500
"""A workflow keeps every step's outcome in its own object, whose size the API server limits."""

FAILED = ("Failed", "Error")
STATUSES = ("Succeeded", "Skipped", "Omitted", *FAILED)
"""What Argo says of a step that is over."""

_ORDER = ("promoted", "rejected", "undecided", "skipped", "unfinished")


@dataclass(frozen=True)
class ModuleCheck:
    """What the trigger's step found of one module. `missing` says that nothing was ever sent for it, and from where.

    Without traces nothing can be optimized, not by force either.
    """

    conditions: Conditions
    missing: str = ""

    @property
    def is_due(self) -> bool:
        return self.conditions.is_due and not self.missing

    @property
    def has_step(self) -> bool:
        """Whether the module's step has something to do: what is due, or to see how its champions do."""
        return (self.conditions.is_due or self.conditions.is_to_look) and not self.missing

    @property
    def words(self) -> str:
        """Due or not, and why, e.g. `due (120 traces)`."""
        if self.missing:
            return f"not due: no traces yet: {self.missing}"
        if not self.is_due and self.has_step:
            return f"not due, to be looked at for drops ({counted(self.conditions.unread, 'trace')} or more)"
        if not self.is_due:
            return f"not due: {self.conditions.why_not.replace('; ', ' and ')}"
        why = "forced, " if self.conditions.is_forced else "unfinished, " if self.conditions.is_unfinished else ""
        why = why or ("a champion got worse, " if self.conditions.is_degraded_anew else "")
        traces = "trace" if self.conditions.traces_text == "1" else "traces"
        return f"due ({why}{self.conditions.traces_text} {traces})"


def outcome_of_looks(looks: Sequence[ModuleCheck], left_out: Sequence[Unreadable] = ()) -> str:
    """One line over all modules; those of which the same is said are named together. Then what was left out."""
    said: dict[str, list[str]] = {}
    for look in looks:
        said.setdefault(look.words, []).append(look.conditions.module)
    parts = [f"{', '.join(modules)} {words}" for words, modules in said.items()] or ["no module to look at"]
    return _line([*parts, *filter(None, [unreadable_words(left_out)])], "")


def outcome_of_reports(reports: Sequence[ModuleReport], failures: Mapping[str, ArgotuneError]) -> str:
    """One line over all programs of the modules; what failed comes first."""
    parts = [f"{module}: failed: {error}" for module, error in failures.items()]
    for report in reports:
        parts += [outcome_of_run(run) for run in report.runs] or ([] if report.failure else report.lines)
    left_out = dict.fromkeys(record for report in reports for record in report.unreadable)
    parts += [words] if (words := unreadable_words(tuple(left_out))) else []
    return _line(parts, "no module to optimize")


def outcome_of_steps(statuses: Mapping[str, str], runs: Sequence[Run]) -> str:
    """One line over the steps of a workflow (module -> one of STATUSES) and their runs; what failed comes first."""
    failed, ran = failed_modules(statuses), {run.module if run.module in MODULES else "own" for run in runs}
    parts = [f"{', '.join(failed)} failed"] if failed else []
    parts += [outcome_of_run(run) for run in sorted(runs, key=lambda run: _ORDER.index(run.outcome))]
    idle = [module for module, status in statuses.items() if status == "Succeeded" and module not in ran]
    return _line([*parts, *(f"{module}: nothing was due any more" for module in idle)], "nothing was run")


def failed_modules(statuses: Mapping[str, str]) -> list[str]:
    """The modules whose step failed."""
    return [module for module, status in statuses.items() if status in FAILED]


def outcome_of_run(run: Run) -> str:
    """What came of a run, e.g. `routing: promoted v3f2a1b, 71.0 % -> 78.5 %, p = 0.0040`."""
    if run.skip or not run.verdict:
        return f"{run.program}: {run.sentence}"
    outcome, numbers = run.verdict.outcome, run.verdict.numbers
    means = _means(numbers)
    reason = run.verdict.reason.partition(": ")[2]
    p_value = numbers.not_worse.p_value if run.way == "cheaper" and numbers.not_worse else numbers.p_value
    as_way = " as not worse and cheaper" if run.way == "cheaper" else ""
    why = f"{as_way}, p = {chance(p_value)}" if outcome == "promoted" else f": {reason}"
    made = run.synthetic
    aside = f", {counted(made.made, 'synthetic example')} among its training data" if made and made.is_used else ""
    end = "" if run.is_over else ", not published"
    return f"{run.program}: {outcome} {str(run.challenger)[:7]}{means}{why}{aside}{end}"


def _means(numbers: Numbers) -> str:
    if numbers.champion_mean is None or numbers.challenger_mean is None:
        return f", {points(numbers.effect)} points" if numbers.answers else ""
    return f", {percent(numbers.champion_mean)} -> {percent(numbers.challenger_mean)}"


def links(runs: Sequence[Run]) -> list[str]:
    """Where the runs' comparisons can be looked at. URLs."""
    return [run.comparison_link for run in runs if run.comparison_link]


def _line(parts: Sequence[str], nothing: str) -> str:
    line = "; ".join(parts) or nothing
    return line if len(line) <= MAX_OUTCOME_CHARS else f"{line[: MAX_OUTCOME_CHARS - 3]}..."
