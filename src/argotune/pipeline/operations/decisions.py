"""Decisions: why a run was decided so, what the ledger holds, and who decides from now on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from argotune.data.spans import Json
from argotune.decisions.active_model import Activation, ActiveModel
from argotune.decisions.ledger import LedgerRow, ledger_of
from argotune.decisions.values import Contribution, ModelingContext, TrainingDecision
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.asked import tenant_ids_of
from argotune.runs.book import RunBook
from argotune.runs.run import Run
from argotune.runs.sums import Money
from argotune.store.port import Store
from argotune.tenants.catalog import Configs


@dataclass(frozen=True)
class DecidedRun:
    """A run, what was decided on it, what was known then, and the story of it in lines of text."""

    run: Run
    decision: TrainingDecision
    context: ModelingContext
    story: tuple[str, ...]


def explain_run(store: Store, tenant_id: str, run_id: str) -> DecidedRun:
    """Which rule or which features decided on a run. Raises NotFound, for a run that ended before that too."""
    from argotune.runs.explain import decided, explain_decision  # brings DSPy

    Configs(store).get(tenant_id)
    run = RunBook(store, tenant_id).run(run_id)
    return DecidedRun(run, *decided(run), tuple(explain_decision(run)))


@dataclass(frozen=True)
class RunDecision:
    """A run, why it trained or did not, and what came of it.

    `decided`, `by`, `expected_gain`, `probability` and `contributions` are None or empty where it ended before anything
    was decided; `reason` says why then too. `effect` is what the challenger measured, in score, None where nothing was.
    """

    run_id: str
    program: str
    module: str
    at: datetime
    ended_at: datetime | None
    outcome: str
    sentence: str
    decided: str | None
    trains: bool
    by: str | None
    reason: str
    expected_gain: float | None
    probability: float | None
    contributions: tuple[Contribution, ...]
    trained_on: str
    challenger: str | None
    contest: str | None
    effect: float | None
    spent: Money

    def as_json(self) -> Mapping[str, Json]:
        """For programs."""
        return {
            **asdict(self),
            "at": self.at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "contributions": [each.model_dump(mode="json") for each in self.contributions],
        }


def decisions_of(store: Store, tenant_id: str, program: str | None = None, limit: int = 100) -> tuple[RunDecision, ...]:
    """Of the last `limit` runs of a tenant or of one program, the newest first. Raises NotFound for an unknown tenant,
    and ConfigInvalid for a limit below 1."""
    Configs(store).get(tenant_id)
    if limit < 1:
        raise ConfigInvalid(f"{limit} is less than 1", argument="limit")
    runs = [run for run in RunBook(store, tenant_id).runs() if program in (None, run.program)]
    return tuple(_decision(run) for run in reversed(runs[-limit:]))


def _decision(run: Run) -> RunDecision:
    found = run.decision
    numbers = run.verdict.numbers if run.verdict else None
    return RunDecision(
        run_id=run.id,
        program=run.program,
        module=run.module,
        at=run.started_at,
        ended_at=run.ended_at,
        outcome=run.outcome,
        sentence=run.sentence,
        decided=found.action.name if found else None,
        trains=run.challenger is not None and run.plan is not None,
        by=found.by if found else None,
        reason=found.reason if found else run.sentence,
        expected_gain=found.expected_gain if found else None,
        probability=found.probability if found else None,
        contributions=found.contributions if found else (),
        trained_on=run.trained_on.value,
        challenger=run.challenger,
        contest=run.contest,
        effect=numbers.effect if numbers and numbers.answers else None,
        spent=run.summary.tally.money,
    )


def ledger(store: Store, tenant_id: str | None = None) -> list[LedgerRow]:
    """What was known, decided, spent and gained, of one tenant or of all, oldest first. Raises NotFound."""
    rows = [row for id in tenant_ids_of(store, tenant_id) for row in ledger_of(store, id)]
    return sorted(rows, key=lambda row: row.at)


def learn_now(store: Store, now: datetime) -> Activation:
    """Fit the meta-models on all tenants' ledgers; who decides from now on. Raises Conflict while another does."""
    from argotune.pipeline.stages.learn import learn  # brings XGBoost

    return learn(store, now)


def activations(store: Store) -> list[Activation]:
    """Who decided since when, and why."""
    return ActiveModel(store).history()
