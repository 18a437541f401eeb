"""Scoring: how the champions do on the dev split; the sealed test split is not opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from argotune.data.examples import Example
from argotune.data.guards.leaks import leaks
from argotune.data.splitting import Split
from argotune.data.stored_examples import StoredExamples
from argotune.errors import Corrupt, NotFound
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.operations.asked import modules_of
from argotune.pipeline.ports import Ports
from argotune.programs import programs_of
from argotune.programs.embedder import Embedders
from argotune.programs.evaluation import score, to_dspy
from argotune.programs.metric_trial import try_metric
from argotune.programs.program import Program
from argotune.programs.state import learns_numbers, load
from argotune.promotion.champions import version_to_beat
from argotune.promotion.versions import Version
from argotune.tenants.catalog import Configs


@dataclass(frozen=True)
class DevScore:
    """A champion's mean score on the dev examples that it has not learned from; None without any."""

    program: str
    version: str
    examples: int
    mean: float | None


def champion_scores(ports: Ports, tenant_id: str, module: str) -> list[DevScore]:
    """The champions of a tenant's modules (asked as `modules_of` has it) on the dev split. Raises NotFound for an
    unknown tenant, ConfigInvalid for a module that it does not have, and what LMs raise."""
    config = Configs(ports.store).get(tenant_id)
    return [score for name in modules_of(config, module) for score in dev_scores(Pass(ports, config, name))]


def dev_scores(this: Pass) -> list[DevScore]:
    """The champions of a module on the stored dev examples, asked afresh: the LM may have changed since the last run.
    What a champion holds in its demonstrations or instructions, or has made numbers of, tells nothing of it and is left
    out. The sealed test split is not opened."""
    meter = Meter(this.config.budget)
    lms, embedders = this.ports.lms.open(this.config.lm, meter, NothingKept()), this.embedders(meter)
    return [_dev_score(this, program, lms, embedders) for program in programs_of(this.config, this.module)]


def _dev_score(this: Pass, program: Program, lms: LMs, embedders: Embedders) -> DevScore:
    champion, ports = version_to_beat(this.registry, program, embedders, this.now).version, this.ports
    stored = StoredExamples(this.archive, this.questions(program.name), program.fields)
    known = list(stored.of(stored.readable(this.config.training.max_examples)[Split.DEV]))
    held = _learned_by_heart(this, champion, known)
    dev = [example for example in known if example.id not in held]
    if not dev:
        return DevScore(program.name, champion.id, 0, None)
    try_metric(program, dev)
    module = load(program, champion.state, champion.signature_hash, embedders)
    what = f"{program.name}: champion on dev examples"
    rows = score(
        module, program, [to_dspy(program, e) for e in dev], lms, lambda done, n: ports.progress(what, done, n)
    )
    return DevScore(program.name, champion.id, len(dev), sum(row.score for row in rows) / len(rows))


def _learned_by_heart(this: Pass, champion: Version, known: Sequence[Example]) -> frozenset[str]:
    """The examples whose answers the champion may know. Of what numbers hold of an example nothing can be read, so all
    that its contest says it could see counts."""
    held = frozenset(leaks(champion.state, known))
    if not learns_numbers(champion.state) or not champion.lineage.run_id:
        return held
    try:
        return held.union(this.contests.contest(champion.lineage.run_id).seen_ids)
    except (NotFound, Corrupt):
        return frozenset(example.id for example in known)
