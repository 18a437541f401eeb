"""Reports: what came of the pipeline, as sentences for people and as versioned JSON for programs.

The JSON is documented in docs/operate.md; `schema` changes when a field changes its meaning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from argotune.errors import ArgotuneError
from argotune.runs.enhancement import EnhancementReport
from argotune.runs.pass_figures import PassFigures
from argotune.runs.run import Run
from argotune.runs.sums import Money
from argotune.runs.unified import UnifiedReport
from argotune.scheduling.trigger_check import Conditions
from argotune.stats.wording import counted
from argotune.store.records import Unreadable
from argotune.synthetic.report import SyntheticReport

SCHEMA = "argotune.report/1"


@dataclass(frozen=True)
class ModuleReport:
    """What came of one module of one tenant: the trigger's conditions, and a run per program when it was due.

    `failure` says why a program has no run while others have; `unreadable` are records that were left out. `figures`
    are of what the pass took in.
    """

    conditions: Conditions
    runs: tuple[Run, ...]
    failure: ArgotuneError | None = None
    unreadable: tuple[Unreadable, ...] = ()
    figures: PassFigures = field(default_factory=PassFigures)

    @property
    def lines(self) -> list[str]:
        """One sentence per program, or one for a module that was not due."""
        told = [f"{self.conditions.module}: {words}"] if (words := unreadable_words(self.unreadable)) else []
        if self.failure:
            told.append(f"{self.conditions.module}: failed: {self.failure}")
        if not self.runs and not self.failure:
            return [f"{self.conditions.module}: skipped: {self.conditions.why_not}", *told]
        return [*(f"{run.program}: {run.sentence}" for run in self.runs), *told]


def unreadable_words(found: Sequence[Unreadable]) -> str:
    """Which records were left out, the first of them by name; "" where none was."""
    if not found:
        return ""
    named = ", ".join(f"{record.collection} {record.id!r}" for record in found[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    told = counted(len(found), "stored record cannot be read and was", "stored records cannot be read and were")
    return f"{told} left out: {named}{more}; `argotune doctor --records`"


def report_json(
    tenant_id: str, reports: Sequence[ModuleReport], failures: Mapping[str, ArgotuneError], at: datetime
) -> dict[str, Any]:
    """The JSON summary of one command for one tenant. `failures` are the modules that have no report."""
    runs = [run for report in reports for run in report.runs]
    return {
        "schema": SCHEMA,
        "tenant_id": tenant_id,
        "at": at.isoformat(),
        "summary": summary_json(runs, [r.conditions for r in reports if not r.runs and not r.conditions.is_due]),
        "modules": [_module_json(report) for report in reports],
        "failed": [_failure_json(module, error) for module, error in failures.items()],
    }


def summary_json(runs: Sequence[Run], not_due: Sequence[Conditions] = ()) -> dict[str, Any]:
    """Counts by outcome over runs and modules that were not due."""
    outcomes = Counter(run.outcome for run in runs)
    return {
        "runs": len(runs),
        "promoted": outcomes["promoted"],
        "rejected": outcomes["rejected"],
        "undecided": outcomes["undecided"],
        "skipped": outcomes["skipped"],
        "unfinished": outcomes["unfinished"],
        "not_due": len(not_due),
        "lm_calls": sum(run.lm_calls for run in runs),
        "lm_tokens": sum(run.lm_tokens for run in runs),
    }


def _module_json(report: ModuleReport) -> dict[str, Any]:
    return {
        "module": report.conditions.module,
        "due": report.conditions.is_due,
        "why_not": report.conditions.why_not or None,
        "traces": report.conditions.traces,
        "degraded": list(report.conditions.degraded),
        "runs": [run_json(run) for run in report.runs],
        "unreadable": [{"collection": r.collection, "id": r.id, "why": r.why} for r in report.unreadable],
    }


def _failure_json(module: str, error: ArgotuneError) -> dict[str, Any]:
    return {"module": module, "error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}


def run_json(run: Run) -> dict[str, Any]:
    """A run without the per-example rows, which the tracker shows."""
    verdict = run.model_dump(mode="json", include={"verdict"})["verdict"] or {}
    return {
        "id": run.id,
        "program": run.program,
        "outcome": run.outcome,
        "sentence": run.sentence,
        "state": run.state.value,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "optimizer": run.plan.optimizer if run.plan else None,
        "optimizer_reason": run.plan.reason if run.plan else None,
        "race": run.race.model_dump(mode="json") if run.race else None,
        "trained_on": run.trained_on.value,
        "champion": run.champion,
        "challenger": run.challenger,
        "numbers": verdict.get("numbers"),
        "rule": verdict.get("rule"),
        "way": verdict.get("way"),
        "live": run.live.model_dump(mode="json") if run.live else None,
        "counts": run.counts,
        "unusable": _unusable_json(run),
        "synthetic": _told_json(run.synthetic),
        "enhancement": _told_json(run.enhancement),
        "unified": _told_json(run.unified, without={"example_ids"}),
        "lm": _lm_json(run.summary.tally.money),
        "links": {"dataset": run.dataset_link, "comparison": run.comparison_link},
    }


def _lm_json(paid: Money) -> dict[str, int | float | None]:
    return {
        "calls": paid.lm_calls,
        "tokens": paid.lm_tokens,
        "reused": paid.lm_reused,
        "usd": paid.usd,
        "unpriced": paid.unpriced_calls,
    }


def _unusable_json(run: Run) -> dict[str, Any] | None:
    """Answers to sealed questions that could not be used, of each version by reason."""
    found = run.comparison.unusable if run.comparison else None
    return asdict(found) if found else None


def _told_json(
    found: SyntheticReport | EnhancementReport | UnifiedReport | None, without: Set[str] = frozenset()
) -> dict[str, object] | None:
    """What a run made beside its challenger, with its sentence."""
    return {"sentence": found.sentence, **found.model_dump(mode="json", exclude=set(without))} if found else None
