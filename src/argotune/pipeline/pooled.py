"""Pooled: a tenant that shares, and that no champion serves yet, tries the installation's pooled program first.

It is a challenger like any other: it serves only when it has won against the program as written. What the tenant trains
itself has to beat it from then on.
"""

from __future__ import annotations

from argotune.data.dataset import Dataset
from argotune.data.splitting import Split
from argotune.errors import NotFound, ProgramChanged
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.stages.decide import DecisionInputs
from argotune.pipeline.untrained import may_try, plan_to_try
from argotune.programs.program import Program
from argotune.promotion.champions import ServingVersion
from argotune.promotion.pool import POOLED, Pool, PooledVersion
from argotune.promotion.versions import Version
from argotune.runs.run import Plan, Run


def pooled_plan(
    this: Pass, program: Program, data: Dataset, serving: ServingVersion, question: DecisionInputs
) -> Plan | None:
    """The plan of a tenant that shares to try the pooled program; None where there is none for the program's signature,
    where the tenant has a champion or has tried this one before, where no label could judge it and where a person has
    the tenant's own trained.

    What the tenant gave to the pool may be in it: all its training and dev examples count as seen.
    """
    if serving.tag is not None or not may_try(data, question):
        return None
    found = Pool(this.store).of(program.name, program.signature_hash)
    if found is None or _is_known(this, found):
        return None
    reason = f"the tenant shares, and no champion serves yet: the pooled program, {found.sentence}"
    return plan_to_try(POOLED, reason, data, question.seed, seen=data.all_ids(Split.TRAIN, Split.DEV))


def pooled_challenger(this: Pass, program: Program, run: Run) -> Version:
    """The pooled program as it is by now. Raises ProgramChanged where it is gone since the run was planned."""
    found = Pool(this.store).of(program.name, program.signature_hash)
    if found is None:
        raise ProgramChanged(f"{program.name}: the pooled program is gone since this run was planned")
    return found.for_tenant(this.now, run.champion or "", run.id)


def _is_known(this: Pass, found: PooledVersion) -> bool:
    """A version is kept by a tenant when it becomes a challenger there."""
    try:
        this.registry.version(found.version.id)
    except NotFound:
        return False
    return True
