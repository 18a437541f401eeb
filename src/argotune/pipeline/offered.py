"""Offered: what an application has tuned in its own process is tried before anything is trained.

It is a challenger like any other: it serves only when it has won its contest, on questions like none that it was tuned
on.
"""

from __future__ import annotations

from argotune.data.dataset import Dataset
from argotune.errors import ProgramChanged
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.stages.decide import DecisionInputs
from argotune.pipeline.untrained import may_try, plan_to_try
from argotune.programs.program import Program
from argotune.promotion.offers import OFFERED, Offers
from argotune.promotion.versions import Version
from argotune.runs.run import Plan, Run


def offered_plan(this: Pass, program: Program, data: Dataset, question: DecisionInputs) -> Plan | None:
    """The plan to try what an application offers; None where nothing waits, where no label could judge it and where a
    person has the tenant's own trained."""
    if not may_try(data, question):
        return None
    found = Offers(this.store, this.tenant_id).waiting(program.name, program.signature_hash)
    if found is None:
        return None
    return plan_to_try(OFFERED, f"an application offers a version, {found.sentence}", data, question.seed)


def offered_challenger(this: Pass, program: Program, run: Run) -> Version:
    """The offered version. Raises ProgramChanged where it is gone since the run was planned."""
    found = Offers(this.store, this.tenant_id).last(program.name, program.signature_hash)
    if found is None:
        raise ProgramChanged(f"{program.name}: what was offered is gone since this run was planned")
    return found.as_challenger(this.now, run.champion or "", run.id)
