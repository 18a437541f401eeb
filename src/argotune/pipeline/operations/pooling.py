"""Pooling: training the pooled programs of an installation on the examples of tenants that share.

What comes of it is seen by all of them, so it must hold nothing that one of them said: it is trained by `student`,
whose state is numbers, on the query alone, as a student keeps short values of other inputs as they are. What the
examples say is looked for in the state all the same. A program is pooled where at least two tenants have examples.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from argotune.data.archive import ExperienceLog
from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.errors import ConfigInvalid
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.pipeline.ports import Ports
from argotune.promotion.pool import POOLED, Pool, PooledVersion
from argotune.promotion.versions import Lineage, new_version
from argotune.stats.wording import counted
from argotune.store.port import Store
from argotune.store.records import Unreadable, unreadable
from argotune.store.sealing import digest
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODULES, BudgetLimits, LMChoice, RoutingConfigUnified

if TYPE_CHECKING:
    from argotune.optimizers import TrainingTask
    from argotune.programs.program import Program

LEAST_TENANTS = 2
"""One tenant's examples are no pool: its program would be handed to the others as it is."""

MAX_EXAMPLES = 2_000
"""Of one tenant for one program, so that none drowns the others."""

BY = "student"


@dataclass(frozen=True)
class Pooling:
    """What was pooled, why other programs were not (by program and digest of the signature), how many older ones went,
    and records that were left out."""

    versions: tuple[PooledVersion, ...]
    left_out: Mapping[str, str]
    gone: int
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def outcome(self) -> str:
        """In one line."""
        not_pooled = f", {len(self.left_out)} not" if self.left_out else ""
        return f"{counted(len(self.versions), 'program')} pooled{not_pooled}; {self.gone} of before went"


def pool_programs(ports: Ports, most: int = MAX_EXAMPLES) -> Pooling:
    """Train all pooled programs anew and put them in place of those that there were. `most` examples of a tenant.

    A tenant whose config cannot be read does not share. Raises Unavailable and its like, before anything is replaced.
    """
    if most < 1:
        raise ConfigInvalid(f"{most} is no number of examples", argument="examples")
    found, left_out = list[PooledVersion](), dict[str, str]()
    groups = _groups(ports.store)
    for number, (name, group) in enumerate(groups.items()):
        ports.progress("pooling programs", number, len(groups))
        given = {id: _examples(ports.store, id, program, most) for id, program in group.items()}
        given = {id: examples for id, examples in given.items() if examples}
        if len(given) < LEAST_TENANTS:
            left_out[name] = (
                f"{len(given)} of {len(group)} tenants that share have examples, {LEAST_TENANTS} are needed"
            )
            continue
        try:
            found.append(_trained(ports, next(iter(group.values())), list(given.values())))
        except ConfigInvalid as error:
            left_out[name] = str(error)
    return Pooling(tuple(found), left_out, Pool(ports.store).replace(found), unreadable())


def pooled_versions(store: Store) -> list[PooledVersion]:
    """What there is, by program."""
    return Pool(store).all()


def _groups(store: Store) -> dict[str, dict[str, Program]]:
    """The shipped programs of tenants that share, those together that have one signature: by tenant."""
    from argotune.programs import programs_of  # brings DSPy

    groups: defaultdict[str, dict[str, Program]] = defaultdict(dict)
    for config in Configs(store).readable():
        for module in _shared_modules(config):
            for program in programs_of(config, module):
                groups[f"{program.name} {program.signature_hash[:12]}"][config.tenant_id] = program
    return dict(groups)


def _shared_modules(config: RoutingConfigUnified) -> Iterator[str]:
    return (module for module in config.modules if config.shared and module in MODULES)


def _examples(store: Store, tenant_id: str, program: Program, most: int) -> list[Example]:
    """What training may see of a tenant, as it is kept: masked, and its query alone; the same ones each time."""
    kept = (e for e in ExperienceLog(store, tenant_id).each_example(program.name) if e.split is not Split.TEST)
    usable = (e for e in kept if program.fields.allow(e.expected) and not e.is_synthetic)
    chosen = nsmallest(most, usable, key=lambda example: digest(example.id))
    blank = dict.fromkeys(program.fields.inputs, "")
    return [replace(example, inputs={**blank, "query": example.inputs.get("query", "")}) for example in chosen]


def _trained(ports: Ports, program: Program, given: Sequence[Sequence[Example]]) -> PooledVersion:
    """Raises ConfigInvalid where the state says what an example says, and what the optimizer raises."""
    from argotune.optimizers import OPTIMIZERS
    from argotune.programs.state import dump

    examples = [example for of_tenant in given for example in of_tenant]
    state = dict(dump(OPTIMIZERS[BY].compile(_task(ports, program, examples))))
    if state["kind"] != BY or _says_something_of(state, examples):
        raise ConfigInvalid(f"{program.name}: what {BY} made holds more than numbers, and is not shared")
    version = new_version(
        program.name, program.signature_hash, state, _lineage(len(given), len(examples), ports.clock())
    )
    return PooledVersion(version=version, tenants=len(given), examples=len(examples))


def _task(ports: Ports, program: Program, examples: Sequence[Example]) -> TrainingTask:
    from argotune.optimizers import TrainingTask
    from argotune.programs.evaluation import to_dspy

    return TrainingTask(
        program=program,
        student=program.build(),
        train=[to_dspy(program, example) for example in examples],
        dev=[],
        lms=ports.lms.open(LMChoice(), Meter(BudgetLimits()), NothingKept()),
        embedders=ports.embedders(),
        seed=0,
        max_iterations=1,
        weights=[example.weight for example in examples],
    )


def _says_something_of(state: Mapping[str, object], examples: Sequence[Example]) -> bool:
    """Whether a text in the state is what one of the examples asks."""
    asked = {text for example in examples for text in example.inputs.values() if text}
    return any(text in asked for text in _texts(state))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from (key, *_texts(part))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _lineage(tenants: int, examples: int, at: datetime) -> Lineage:
    return Lineage(
        parent=None,
        data_hash="",
        optimizer=POOLED,
        reason=f"pooled: {examples} examples of {tenants} tenants",
        seed=0,
        lms={},
        packages={},
        run_id=None,
        created_at=at,
    )
