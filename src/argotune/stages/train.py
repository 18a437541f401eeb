"""train: compile a challenger with the planned optimizer. It never sees the test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from argotune.examples import Example
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.ports import Embedder, LMs
from argotune.programs.evaluation import to_dspy
from argotune.programs.program import Program
from argotune.programs.state import dump
from argotune.registry import Lineage, Version, new_version
from argotune.runs import Plan


@dataclass(frozen=True)
class Origin:
    """What a new version remembers of the run that made it."""

    parent: str
    run_id: str
    at: datetime
    packages: dict[str, str]


def train(
    program: Program,
    plan: Plan,
    examples: Sequence[Example],
    dev: Sequence[Example],
    lms: LMs,
    embedder: Callable[[], Embedder],
    origin: Origin,
) -> Version:
    """The challenger as a version, not yet stored. Raises BudgetSpent when the budget ends before any candidate."""
    task = TrainingTask(
        program=program,
        student=program.build(),
        train=[to_dspy(example) for example in examples],
        dev=[to_dspy(example) for example in dev],
        lms=lms,
        embedder=embedder,
        seed=plan.seed,
        max_iterations=plan.max_iterations,
    )
    state = dict(dump(OPTIMIZERS[plan.optimizer].compile(task)))
    lineage = Lineage(
        parent=origin.parent,
        data_hash=plan.data_hash,
        optimizer=plan.optimizer,
        reason=plan.reason,
        seed=plan.seed,
        lms=dict(lms.names),
        packages=origin.packages,
        run_id=origin.run_id,
        created_at=origin.at,
    )
    return new_version(program.name, program.signature_hash, state, lineage)
