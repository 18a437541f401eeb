"""Learning when to train: a ledger made by running the loop, then four ways of deciding on tenants held back from it.

    python benchmarks/ledger.py DATA_FOLDER MEMO.sqlite [--tenants 24] [--held-back 12] [--rounds 8] [--scripted]

Small tenants are cut from CLINC150: 3 to 5 of its domains are a tenant's agents, 4 intents each are what it is asked
about, 10 to 30 queries come each day, every query labelled, in some tenants with wrong labels, with a drift to other
intents half-way, or with labels that no query tells. All answers come from the embedded LM; MEMO keeps them, so that
equal prompts are computed once over all policies and runs of this script, but each policy is charged for every prompt
that it asks for the first time. With --scripted no LM is asked: of the demonstrations shown the one that shares most
words with the query is believed, in 85 of 100 queries; that takes minutes for hundreds of tenants.

Prints Markdown tables: what the ledger holds, who takes over, and for the tenants held back LM calls and accuracy (of
the serving champion on fresh queries, mean over all days) of: always train, the rules, the meta-model, and an oracle
that trains just where always-train got a promotion. DATA_FOLDER as in clinc150.py.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from clinc150 import AGENTS
from scipy.stats import bootstrap

from argotune import wiring
from argotune.adapters.llama_cpp.scorer import LabelScorer
from argotune.adapters.memory.content import MemoryContent
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces, MemoryTracker
from argotune.data.annotations import Annotation
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.decisions.active_model import Activation, ActiveModel
from argotune.decisions.gain_model import MetaModel, fit, trainings_of
from argotune.decisions.ledger import LedgerRow, ledger_of
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.pipeline.ports import Ports
from argotune.pipeline.stages.learn import SEED, learn
from argotune.programs import programs_of
from argotune.programs.answering import answer
from argotune.programs.state import load
from argotune.promotion.champions import serving_version
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.settings import read_settings
from argotune.store.sealing import digest
from argotune.tenants.catalog import Configs
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
HIDDEN = 30
INTENTS = 4
ALWAYS = {"detectable_gain": 0, "growth_share": 1e-9, "stale_days": 1e-3, "exploration_share": 0}
RULES = {"exploration_share": 0, "use_meta_models": False}
MODEL = {"exploration_share": 0}
LOGGING = {"exploration_share": 1.0, "explored_optimizers": [], "use_meta_models": False}


@dataclass(frozen=True)
class Tenant:
    """A small tenant. `pools[phase][agent]` are its queries; `truth` is "domain" or "nothing" (labels drawn)."""

    id: str
    agents: tuple[str, ...]
    per_day: int
    noise: float
    drift_day: int | None
    truth: str
    pools: tuple[dict[str, list[str]], ...]

    def phase(self, day: int) -> int:
        return int(self.drift_day is not None and day >= self.drift_day)


@dataclass(frozen=True)
class Result:
    """What a policy spent on a tenant, and the champion's accuracy on fresh queries, day by day."""

    calls: int
    trainings: int
    promotions: int
    accuracy: tuple[float, ...]


def main() -> None:
    arguments = _arguments()
    intents = _intents(arguments.folder)
    tenants = [_tenant(number, intents, arguments.rounds) for number in range(arguments.tenants + arguments.held_back)]
    with closing(sqlite3.connect(arguments.memo)) as memo:
        if arguments.scripted:
            LabelScorer._score = _script
        else:
            _memoize(memo)
        lms = wiring.open_lms(read_settings(lm_threads=1))
        held_back, past = tenants[: arguments.held_back], tenants[arguments.held_back :]
        rows, activation, model = _ledger(past, arguments.rounds, lms)
        _say_ledger(rows, activation, model)
        if isinstance(model, MetaModel):
            _say_policies(_policies(held_back[: arguments.compare], arguments.rounds, lms, model))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("memo", type=Path)
    parser.add_argument("--tenants", type=int, default=24)
    parser.add_argument("--held-back", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--scripted", action="store_true")
    parser.add_argument("--compare", type=int, help="only so many of those held back (default: all)")
    return parser.parse_args()


def _intents(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Domain -> intent -> queries, those of all splits: no program is trained outside of this script's own split."""
    rows = [
        row for split in ("train", "val", "test") for row in json.loads((folder / "data_full.json").read_text())[split]
    ]
    domains = json.loads((folder / "domains.json").read_text())
    texts: dict[str, list[str]] = {}
    for text, intent in rows:
        texts.setdefault(intent, []).append(text)
    return {domain: {intent: texts[intent] for intent in names} for domain, names in domains.items()}


def _tenant(number: int, intents: dict[str, dict[str, list[str]]], rounds: int) -> Tenant:
    rng = random.Random(f"tenant {number}")
    agents = tuple(rng.sample(sorted(AGENTS), rng.randint(3, 5)))
    pools: tuple[dict[str, list[str]], ...] = ({}, {})
    for agent in agents:
        names = rng.sample(sorted(intents[agent]), len(intents[agent]))
        for phase, own in enumerate((names[:INTENTS], names[INTENTS : 2 * INTENTS])):
            texts = [text for name in own for text in intents[agent][name]]
            pools[phase][agent] = rng.sample(texts, len(texts))
    return Tenant(
        id=f"tenant-{number}",
        agents=agents,
        per_day=rng.choice((10, 20, 30)),
        noise=rng.choice((0.0, 0.0, 0.15, 0.3)),
        drift_day=rng.choice((None, rounds // 2)),
        truth=rng.choice(("domain", "domain", "domain", "nothing")),
        pools=pools,
    )


def _queries(tenant: Tenant, phase: int, kind: str, day: int, n: int) -> list[tuple[str, str]]:
    """(query, right agent): never the same query for two days or for both kinds, "asked" and "hidden"."""
    rng = random.Random(f"{tenant.id} {phase} {kind} {day}")
    found = []
    for _ in range(n):
        agent = rng.choice(tenant.agents)
        pool = tenant.pools[phase][agent]
        half = len(pool) // 4
        text = pool[rng.randrange(half) if kind == "hidden" else rng.randrange(half, len(pool))]
        found.append((text, agent if tenant.truth == "domain" else rng.choice(tenant.agents)))
    return found


def _memoize(memo: sqlite3.Connection) -> None:
    """Keep what the LM computed, under its whole prompt and options."""
    memo.execute("CREATE TABLE IF NOT EXISTS scores (id TEXT PRIMARY KEY, shares TEXT)")
    compute = LabelScorer._score

    def remembered(self, text, question):
        id = digest([text, list(question.options.items())])
        known = memo.execute("SELECT shares FROM scores WHERE id = ?", (id,)).fetchone()
        if known:
            with self._paid.meter.call(
                len(text)
            ) as bill:  # charged as if it were computed; tokens by their usual length
                bill.tokens = len(text) // 4
            return json.loads(known[0])
        shares = compute(self, text, question)
        memo.execute("INSERT INTO scores VALUES (?, ?)", (id, json.dumps(shares)))
        memo.commit()
        return shares

    LabelScorer._score = remembered


def _script(self, text, question):
    """Shares as an LM would give them: the label of the demonstration most like the query, or any."""
    with self._paid.meter.call(len(text)) as bill:
        bill.tokens = len(text) // 4
    asked = re.findall(r"query: (.*)\n", text)[-1]
    words, luck = set(asked.lower().split()), int(digest(asked)[:8], 16)
    demos = re.findall(r"query: (.*)\n(?:.*\n)*?agent: (.*)\n", text)
    nearest = max(demos, key=lambda demo: len(words & set(demo[0].lower().split())), default=("", ""))[1]
    labels = list(question.options)
    named = next((label for label, name in question.options.items() if name == nearest), None)
    chosen = named if named and luck % 100 < 85 else labels[luck // 100 % len(labels)]
    return {label: 0.7 if label == chosen else 0.3 / len(labels) for label in labels}


class World:
    """One policy's installation: a store, traces, and a clock."""

    def __init__(self, lms) -> None:
        self.store, self.traces, self.tracker = MemoryStore(), MemoryTraces(), MemoryTracker()
        self.now, self._lms, self._ids = START, lms, 0

    def ports(self) -> Ports:
        return Ports(
            store=self.store,
            traces=self.traces,
            tracker=self.tracker,
            lms=self._lms,
            embedders=lambda: wiring.open_embedders(read_settings()),
            content=lambda _config: MemoryContent({}),
            clock=lambda: self.now,
            new_id=self._new_id,
        )

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:06d}"

    def lms(self) -> LMs:
        unlimited = Meter(BudgetLimits(max_lm_calls=2**62, max_lm_tokens=2**62))
        return self._lms.open(LMChoice(), unlimited, NothingKept())


def _config(tenant: Tenant, decisions: dict) -> RoutingConfigUnified:
    return RoutingConfigUnified(
        tenant_id=tenant.id,
        agents={agent: AGENTS[agent] for agent in tenant.agents},
        modules=["routing"],
        min_samples_for_optimization=1,
        phoenix_lookback_hours=24 * 365,
        use_synthetic_data=False,
        split={"train": 0.5, "dev": 0.1, "test": 0.4},
        annotation={"daily_limit": 0},
        decisions=decisions,
    )


Force = Callable[[int], bool | None]
"""Whether to train on a day: forced to, forced not to, or (None) as decided."""


def _live(world: World, tenant: Tenant, decisions: dict, rounds: int, force: Force = lambda _day: None) -> Result:
    """A tenant's days: queries are served by the champion of the day and labelled, then the loop runs."""
    config = _config(tenant, decisions)
    Configs(world.store).save(config)
    accuracy = []
    for day in range(rounds):
        world.now = START + timedelta(days=day)
        _serve(world, tenant, config, day)
        if force(day) is not False:
            run_module(world.ports(), config, "routing", Request(is_training_forced=force(day) is True))
        accuracy.append(_hidden_accuracy(world, tenant, config, day))
    runs = RunBook(world.store, tenant.id).runs()
    return Result(
        calls=sum(run.lm_calls for run in runs),
        trainings=sum(run.plan is not None for run in runs),
        promotions=sum(run.outcome == "promoted" for run in runs),
        accuracy=tuple(accuracy),
    )


def _answers(world: World, tenant: Tenant, config: RoutingConfigUnified, queries: Sequence[str]) -> Iterator[str]:
    (program,) = programs_of(config, "routing")
    version = serving_version(Registry(world.store, tenant.id), program, world.now).version
    module, lms = (
        load(program, version.state, version.signature_hash, wiring.open_embedders(read_settings())),
        world.lms(),
    )
    empty = dict.fromkeys(program.fields.inputs, "")
    for query in queries:
        yield answer(module, program, {**empty, "query": query}, lms).answers["agent"]


def _serve(world: World, tenant: Tenant, config: RoutingConfigUnified, day: int) -> None:
    asked = _queries(tenant, tenant.phase(day), "asked", day, tenant.per_day)
    rng = random.Random(f"{tenant.id} labels {day}")
    spans, labels = [], []
    for number, ((query, right), chosen) in enumerate(
        zip(asked, _answers(world, tenant, config, [query for query, _ in asked]), strict=True)
    ):
        span_id = digest([tenant.id, day, number])[:16]
        at = world.now - timedelta(minutes=30)
        attributes = {
            "routing.program": "routing",
            "routing.query": query,
            "routing.chosen_agent": chosen,
            "routing.agent_success": chosen == right,
        }
        spans.append(Span(span_id, span_id * 2, "cogniverse.routing", at, at, attributes))
        given = rng.choice(tenant.agents) if rng.random() < tenant.noise else right
        labels.append(Annotation(span_id, "agent", given, "HUMAN", "benchmark", world.now))
    world.traces.record(tenant.id, spans)
    world.traces.annotate(Stream(tenant.id, "routing"), labels)


def _hidden_accuracy(world: World, tenant: Tenant, config: RoutingConfigUnified, day: int) -> float:
    phase = tenant.phase(day)
    hidden = _queries(tenant, phase, "hidden", 0, HIDDEN)
    answers = _answers(world, tenant, config, [query for query, _ in hidden])
    return sum(found == right for found, (_, right) in zip(answers, hidden, strict=True)) / HIDDEN


def _ledger(tenants: Sequence[Tenant], rounds: int, lms) -> tuple[list[LedgerRow], Activation, object]:
    world = World(lms)
    for tenant in tenants:
        result = _live(world, tenant, LOGGING, rounds)
        print(f"<!-- {tenant.id} {tenant.truth} noise {tenant.noise} {result} -->", flush=True)
    rows = [row for tenant in tenants for row in ledger_of(world.store, tenant.id)]
    activation = learn(world.store, world.now)
    return rows, activation, fit(trainings_of(rows), SEED)


def _say_ledger(rows: Sequence[LedgerRow], activation: Activation, model: object) -> None:
    by = Counter(f"{row.decision.by}: {row.outcome}" for row in rows)
    print(f"\nLedger: {len(rows)} rows; " + ", ".join(f"{name} {n}" for name, n in sorted(by.items())))
    print(f"Activation: {activation.reason}")
    if not isinstance(model, MetaModel):
        print(f"No model: {model.reason}")


Policies = dict[str, list[Result]]


def _policies(tenants: Sequence[Tenant], rounds: int, lms, model: MetaModel) -> Policies:
    found: Policies = {"always train": [], "rules": [], "meta-model": [], "oracle": []}
    for tenant in tenants:
        always = World(lms)
        found["always train"].append(_live(always, tenant, ALWAYS, rounds))
        found["rules"].append(_live(World(lms), tenant, RULES, rounds))
        found["meta-model"].append(_live(_with_model(World(lms), model), tenant, MODEL, rounds))
        good = {_day(run.started_at) for run in RunBook(always.store, tenant.id).runs() if run.outcome == "promoted"}
        found["oracle"].append(_live(World(lms), tenant, ALWAYS, rounds, lambda day, good=good: day in good))
        print(f"<!-- {tenant.id} {tenant.truth}", *(f"{k}: {v[-1]}" for k, v in found.items()), "-->", flush=True)
    return found


def _day(at: datetime) -> int:
    return (at - START).days


def _with_model(world: World, model: MetaModel) -> World:
    activation = Activation(number=1, at=START, model=model.id, reason="benchmark", rows=model.trainings)
    ActiveModel(world.store).activate(activation, model, None)
    return world


def _say_policies(found: Policies) -> None:
    print(f"\n{len(found['rules'])} tenants held back")
    before = [_first(results) for results in zip(*found.values(), strict=True)]
    always = found["always train"]
    print(
        "\n| policy | trainings | promotions | LM calls | of always | accuracy | gain over untuned | of always' gain |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, results in found.items():
        gains = [_mean(r.accuracy) - b for r, b in zip(results, before, strict=True)]
        most = [_mean(r.accuracy) - b for r, b in zip(always, before, strict=True)]
        interval = bootstrap((gains,), np.mean, method="percentile", rng=1).confidence_interval
        calls, all_calls = sum(r.calls for r in results), sum(r.calls for r in always)
        print(
            f"| {name} | {sum(r.trainings for r in results)} | {sum(r.promotions for r in results)} | {calls} "
            f"| {calls / all_calls:.0%} | {_mean([_mean(r.accuracy) for r in results]):.1%} "
            f"| {100 * _mean(gains):+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f}) points "
            f"| {_mean(gains) / _mean(most):.0%} |"
        )


def _first(results: Sequence[Result]) -> float:
    """The accuracy before anything was trained: that of the first day, when no policy has enough to train."""
    return max(result.accuracy[0] for result in results)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
