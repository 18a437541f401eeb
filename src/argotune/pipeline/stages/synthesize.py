"""synthesize: training examples that an LM writes about the tenant's content, where real ones are few."""

from __future__ import annotations

import dspy

from argotune.data.dataset import Dataset
from argotune.errors import BudgetSpent, ConfigInvalid, NotFound
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Pass
from argotune.programs.own import own_program
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.champions import version_to_beat
from argotune.runs.run import Plan
from argotune.synthetic.generation import QUERY_GENERATION, QueryGenerator
from argotune.synthetic.generators import GENERATORS
from argotune.synthetic.report import SyntheticReport
from argotune.synthetic.service import Means, make
from argotune.synthetic.values import SyntheticDataRequest, SyntheticDataResponse, parse_request
from argotune.tenants.config import MODALITIES, BudgetLimits, RoutingConfigUnified

BUDGET_SHARE = 0.25
"""Of a run's LM calls and tokens: training and the sealed test need the rest."""


def synthesize(
    this: Pass, program: Program, plan: Plan, data: Dataset, lms: LMs, meter: Meter
) -> SyntheticDataResponse:
    """`plan.synthetic_count` examples, fewer where more could not be made. Deterministic in the plan's seed.

    What is lacking for good (an LM that writes, a content source, its credentials) is told in the report, and the run
    goes on with real examples. Raises Unavailable: an outage is never "no content".
    """
    if program.module not in GENERATORS:
        return _none(plan, f"nothing generates queries for own programs such as {program.name}")
    what, calls = f"{program.name}: writing synthetic examples", meter.spent.calls
    config, ports = this.config, this.ports
    means = Means(
        lms=lms,
        embedders=this.embedders(meter),
        generator=_generator(this, meter),
        known=data.picked(),
        has_room=lambda: _has_room(meter, config.budget),
        progress=lambda done, asked: ports.progress(what, done, asked),
    )
    try:
        made = make(_request(program, config, plan), config, ports.content(config), means)
    except (ConfigInvalid, NotFound, BudgetSpent) as error:
        return _none(plan, str(error))
    report = made.report.model_copy(update={"lm_calls": meter.spent.calls - calls})
    return made.model_copy(update={"report": report})


def _request(program: Program, config: RoutingConfigUnified, plan: Plan) -> SyntheticDataRequest:
    modality = program.name.partition(".")[2]
    return parse_request(
        optimizer=program.module,
        count=plan.synthetic_count,
        tenant_id=config.tenant_id,
        modalities=(modality,) if modality else MODALITIES,
        quality_threshold=config.synthetic_quality_threshold,
        seed=plan.seed,
    )


def _generator(this: Pass, meter: Meter) -> dspy.Module:
    """The champion, where the tenant has the generator tuned as a program of its own, else the generator as written."""
    name = next((name for name, path in this.config.programs.items() if path == QUERY_GENERATION), None)
    if name is None:
        return QueryGenerator()
    program = own_program(this.config, name)
    embedders = this.embedders(meter)
    champion = version_to_beat(this.registry, program, embedders, this.now).version
    return load(program, champion.state, champion.signature_hash, embedders)


def _has_room(meter: Meter, limits: BudgetLimits) -> bool:
    spent = meter.spent
    return spent.calls < BUDGET_SHARE * limits.max_lm_calls and spent.tokens < BUDGET_SHARE * limits.max_lm_tokens


def _none(plan: Plan, why: str) -> SyntheticDataResponse:
    report = SyntheticReport(asked=plan.synthetic_count, why_none=why)
    return SyntheticDataResponse(examples=(), report=report)
