"""Synthesizing: what would be generated for a tenant, for people to look at. No example is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from argotune.data.archive import ExperienceLog
from argotune.data.examples import Example
from argotune.data.question_log import QuestionLog
from argotune.data.stored_examples import StoredExamples
from argotune.errors import ConfigInvalid
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.ports import Ports
from argotune.programs import programs_of
from argotune.programs.program import Program
from argotune.store.port import Store
from argotune.synthetic.generation import QueryGenerator
from argotune.synthetic.service import Means, make
from argotune.synthetic.values import SyntheticDataResponse, parse_request
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODALITIES, MODULES, RoutingConfigUnified


@dataclass(frozen=True)
class PreviewRequest:
    """So many examples for a shipped module; other seeds draw other content."""

    tenant_id: str
    module: str
    count: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Preview:
    """What was made, from how many documents, and what the content source is called."""

    made: SyntheticDataResponse
    documents: int
    content: str


def preview_examples(ports: Ports, asked: PreviewRequest) -> Preview:
    """Make examples as a run would, within the tenant's budget of one run.

    Raises NotFound, ConfigInvalid, BudgetSpent, and Unavailable when the LM or the content source is away.
    """
    config = Configs(ports.store).get(asked.tenant_id)
    if asked.module not in MODULES:
        raise ConfigInvalid(f"{asked.module!r} is none of {', '.join(MODULES)}", argument="module")
    request = parse_request(
        optimizer=asked.module,
        count=asked.count,
        tenant_id=config.tenant_id,
        quality_threshold=config.synthetic_quality_threshold,
        seed=asked.seed,
    )
    content = ports.content(config)
    made = make(request, config, content, _means(ports, config, asked.module))
    return Preview(made, content.count(config.tenant_id, MODALITIES), config.content)


def _means(ports: Ports, config: RoutingConfigUnified, module: str) -> Means:
    meter = Meter(config.budget)
    return Means(
        lms=ports.lms.open(config.lm, meter, NothingKept()),
        embedders=Pass(ports, config, module).embedders(meter),
        generator=QueryGenerator(),
        known=[example for program in programs_of(config, module) for example in _known(ports.store, config, program)],
        progress=lambda done, asked: ports.progress("writing synthetic examples", done, asked),
    )


def _known(store: Store, config: RoutingConfigUnified, program: Program) -> Iterator[Example]:
    """As many as a run reads."""
    log, questions = ExperienceLog(store, config.tenant_id), QuestionLog(store, config.tenant_id, program.name)
    stored = StoredExamples(log, questions, program.fields)
    return stored.of(id for ids in stored.readable(config.training.max_examples).values() for id in ids)
