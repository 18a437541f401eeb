"""Two weeks of a tenant's life: accuracy of whoever serves, day by day, LM calls and labels.

    python benchmarks/lifetime.py DATA_FOLDER MEMO.sqlite [--tenants 0,1,2,3] [--days 14] [--labelled all|10]
        [--ways contests,before,dev,ceiling] [--before WORKTREE] [--set split.test=0.2]... [--scripted]
        [--method nearest] [--plot FILE.svg]

Tenants are cut from CLINC150: six of its ten domains are a tenant's agents; 40 requests a day from its train and
validation splits. People label every request, or the first ten of the day's queue. Three passes a day: before people
label, after they did, and an hour later. Accuracy is that of the serving champion on `--held-out` queries of the test
split, which nothing else sees.

contests: argotune as it is here, with `--set` in the tenant's config. before: an earlier release, by the lifetime.py
among that worktree's benchmarks, as modules have moved since; where it had none, put this one there as of a commit that
fits it. dev: trains every day on 70 % of the labels and serves what scores higher on the rest (the newest 50), by
`--method`. ceiling: trains it every day on all labels and serves what scores higher on the held-out queries.
MEMO and --scripted as in ledger.py; DATA_FOLDER as in clinc150.py. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chart import Line, chart
from clinc150 import AGENTS, _pool, _task, domain_of
from ledger import World, _memoize, _script

from argotune import wiring
from argotune.adapters.llama_cpp.scorer import LabelScorer
from argotune.data.annotations import Annotation, LabelSource
from argotune.data.examples import Example
from argotune.data.spans import Span
from argotune.data.splitting import Split
from argotune.data.stream import Stream
from argotune.labels.queue import AnnotationQueue
from argotune.optimizers import OPTIMIZERS
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.programs import programs_of
from argotune.programs.answering import answer
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.champions import serving_version
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.settings import read_settings
from argotune.store.sealing import digest
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
N_AGENTS, A_DAY, NEWEST, TRAIN_SHARE = 6, 40, 50, 0.7
EMPTY = {"entities": "", "relationships": "", "enhanced_query": ""}


@dataclass(frozen=True)
class Tenant:
    """A tenant with its requests day by day and the queries that only measure, each with the right agent."""

    id: str
    agents: tuple[str, ...]
    days: tuple[tuple[tuple[str, str], ...], ...]
    held_out: tuple[tuple[str, str], ...]


@dataclass
class Life:
    """What became of a tenant. `promotions` are (day, held-out accuracy before, after)."""

    accuracy: list[float] = field(default_factory=list)
    promotions: list[tuple[int, float, float]] = field(default_factory=list)
    calls: int = 0
    labels: int = 0

    @property
    def mean(self) -> float:
        return sum(self.accuracy) / len(self.accuracy)

    def is_served(self, day: int, accuracy: float, *, is_new: bool) -> None:
        if is_new:
            self.promotions.append((day, self.accuracy[-1] if self.accuracy else accuracy, accuracy))
        self.accuracy.append(accuracy)


@dataclass(frozen=True)
class Case:
    """A tenant, how many of a day's requests people label, and the settings tried."""

    tenant: Tenant
    labels_a_day: int
    changes: Mapping[str, Any]
    method: str = "nearest"

    @property
    def config(self) -> RoutingConfigUnified:
        known: dict[str, Any] = {
            "tenant_id": self.tenant.id,
            "agents": {agent: AGENTS[agent] for agent in self.tenant.agents},
            "modules": ["routing"],
            "min_samples_for_optimization": 1,
            "use_synthetic_data": False,
            "annotation": {"daily_limit": min(self.labels_a_day, A_DAY), "min_annotations_for_optimization": 1},
            "decisions": {"exploration_share": 0, "use_meta_models": False},
        }
        for name, value in self.changes.items():
            group, _, key = name.partition(".")
            known[group] = {**known.get(group, {}), key: value}
        return RoutingConfigUnified.model_validate(known)


def tenant_of(number: int, folder: Path, days: int, held_out: int) -> Tenant:
    data = json.loads((folder / "data_full.json").read_text())
    domains = domain_of(folder)
    rng = random.Random(f"life {number}")
    agents = tuple(rng.sample(sorted(AGENTS), N_AGENTS))
    pools = {name: _pool(data[name], domains) for name in ("train", "val", "test")}

    def queries(names: Sequence[str], n: int) -> list[tuple[str, str]]:
        own = [(text, agent) for name in names for agent in agents for text in pools[name][agent]]
        return rng.sample(own, n)

    asked = queries(("train", "val"), days * A_DAY)
    by_day = tuple(tuple(asked[day * A_DAY : (day + 1) * A_DAY]) for day in range(days))
    return Tenant(f"life-{number}", agents, by_day, tuple(queries(("test",), held_out)))


def by_passes(case: Case, lms: Any) -> Life:
    """The loop itself: requests are served by the champion of the day, a pass, labels, a pass."""
    world, config, life = World(lms), case.config, Life()
    Configs(world.store).save(config)
    measured, serving, truth = dict[str, float](), "", dict[str, str]()
    for day, requests in enumerate(case.tenant.days):
        world.now = START + timedelta(days=day)
        truth |= _serve(world, case, config, day, requests)
        run_module(world.ports(), config, "routing", Request())
        life.labels += _label(world, case, truth, day)
        world.now += timedelta(hours=6)
        run_module(world.ports(), config, "routing", Request())
        world.now += timedelta(hours=1)
        run_module(world.ports(), config, "routing", Request())
        version, module, program = _serving(world, config)
        if version not in measured:
            measured[version] = _accuracy(module, program, case.tenant.held_out, world.lms())
        life.is_served(day, measured[version], is_new=day > 0 and version != serving)
        serving = version
    life.calls = sum(run.lm_calls for run in RunBook(world.store, config.tenant_id).runs())
    return life


def _serving(world: World, config: RoutingConfigUnified) -> tuple[str, Any, Program]:
    (program,) = programs_of(config, "routing")
    version = serving_version(Registry(world.store, config.tenant_id), program, world.now).version
    return (
        version.id,
        load(program, version.state, version.signature_hash, wiring.open_embedders(read_settings())),
        program,
    )


def _serve(world: World, case: Case, config: RoutingConfigUnified, day: int, requests: Sequence[tuple[str, str]]):
    """The right agents by span."""
    (version, module, program), lms, spans, truth = _serving(world, config), world.lms(), [], {}
    for number, (query, right) in enumerate(requests):
        span_id = digest([case.tenant.id, day, number])[:16]
        at, said = world.now - timedelta(minutes=45 - number), _said(module, program, query, lms)
        told = {"program": "routing", "program_version": version, "query": query, "chosen_agent": said}
        attributes = {f"routing.{name}": value for name, value in told.items()}
        spans.append(Span(span_id, span_id * 2, "cogniverse.routing", at, at, attributes))
        truth[span_id] = right
    world.traces.record(config.tenant_id, spans)
    return truth


def _label(world: World, case: Case, truth: Mapping[str, str], day: int) -> int:
    """People label today's requests, or what is first in their queue; how many."""
    span_ids = [digest([case.tenant.id, day, number])[:16] for number in range(A_DAY)]
    if case.labels_a_day < A_DAY:
        waiting = [item.span_id for item in AnnotationQueue(world.store, case.tenant.id).items() if item.is_waiting]
        span_ids = waiting[: case.labels_a_day]
    labels = [Annotation(id, "agent", truth[id], "HUMAN", "benchmark", world.now) for id in span_ids]
    world.traces.annotate(Stream(case.tenant.id, "routing"), labels)
    return len(labels)


def _said(module: Any, program: Program, query: str, lms: Any) -> str:
    found: Any = answer(module, program, {**EMPTY, "query": query}, lms)
    return str((found[0] if isinstance(found, tuple) else found.answers)["agent"])  # a tuple in earlier releases


def _accuracy(module: Any, program: Program, queries: Sequence[tuple[str, str]], lms: Any) -> float:
    return sum(_said(module, program, query, lms) == right for query, right in queries) / len(queries)


def by_dev(case: Case, lms: Any) -> Life:
    """Trains every day on a part of the labels and serves what scores higher on the newest of the rest."""

    def parts(labelled: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], Sequence[tuple[str, str]]]:
        is_train = [int(digest(query)[:8], 16) < TRAIN_SHARE * 16**8 for query, _ in labelled]
        train = [row for row, trains in zip(labelled, is_train, strict=True) if trains]
        dev = [row for row, trains in zip(labelled, is_train, strict=True) if not trains]
        return train, dev[-NEWEST:]

    return _by_choice(case, lms, parts)


def by_held_out(case: Case, lms: Any) -> Life:
    """Trains every day on all labels and serves what scores higher on what measures: nobody can know that."""
    return _by_choice(case, lms, lambda labelled: (list(labelled), case.tenant.held_out))


Parts = Callable[[Sequence[tuple[str, str]]], tuple[list[tuple[str, str]], Sequence[tuple[str, str]]]]
"""Labelled queries -> those to train on, and those that choose."""


def _by_choice(case: Case, lms: Any, parts: Parts) -> Life:
    world, life, labelled = World(lms), Life(), list[tuple[str, str]]()
    (program,) = programs_of(case.config, "routing")
    rng, opened, champion = random.Random(f"{case.tenant.id} labels"), world.lms(), program.build()
    accuracy = _accuracy(champion, program, case.tenant.held_out, opened)
    for day, requests in enumerate(case.tenant.days):
        labelled += rng.sample(requests, min(case.labels_a_day, A_DAY))
        train, chooses = parts(labelled)
        task = _task(program, [_example(query, right) for query, right in train], [], opened)
        challenger = OPTIMIZERS[case.method].compile(task)
        before, after = (_accuracy(module, program, chooses, opened) for module in (champion, challenger))
        if after > before:
            champion, new = challenger, _accuracy(challenger, program, case.tenant.held_out, opened)
            life.promotions.append((day, accuracy, new))
            accuracy = new
        life.is_served(day, accuracy, is_new=False)
        life.calls += 2 * len(chooses)
    life.labels = len(labelled)
    return life


def _example(query: str, right: str) -> Example:
    inputs = {**EMPTY, "query": query}
    return Example("routing", inputs, {"agent": right}, LabelSource.HUMAN, 1.0, Split.TRAIN)


def by_release_before(arguments: argparse.Namespace, labels_a_day: int, number: int) -> Life:
    """The same passes by the earlier release's own script, in a process that finds that release first."""
    script = arguments.before / "benchmarks" / "lifetime.py"
    command = [sys.executable, str(script), *sys.argv[1:3], "--tenants", str(number), "--days", str(arguments.days)]
    command += ["--held-out", str(arguments.held_out), "--labelled", str(labels_a_day), "--ways", "contests", "--json"]
    command += ["--scripted"] if arguments.scripted else []
    env = {**os.environ, "PYTHONPATH": str(arguments.before / "src")}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return Life(**json.loads(done.stdout.splitlines()[-1]))


WAYS: dict[str, Callable[[Case, Any], Life]] = {"contests": by_passes, "dev": by_dev, "ceiling": by_held_out}


def main() -> None:
    arguments = _arguments()
    labels_a_day = A_DAY if arguments.labelled == "all" else int(arguments.labelled)
    changes = {name: json.loads(value) for name, _, value in (part.partition("=") for part in arguments.set)}
    found: dict[str, list[Life]] = {}
    with closing(sqlite3.connect(arguments.memo, timeout=120)) as memo:
        if arguments.scripted:
            LabelScorer._score = _script
        else:
            _memoize(memo)
        lms = wiring.open_lms(read_settings(lm_threads=1))
        for number in map(int, arguments.tenants.split(",")):
            tenant = tenant_of(number, arguments.folder, arguments.days, arguments.held_out)
            for way in arguments.ways.split(","):
                started = time.perf_counter()
                if way == "before":
                    life = by_release_before(arguments, labels_a_day, number)
                else:
                    life = WAYS[way](Case(tenant, labels_a_day, changes, arguments.method), lms)
                found.setdefault(way, []).append(life)
                if not arguments.json:
                    print(f"<!-- {tenant.id} {way} {time.perf_counter() - started:.0f} s {life} -->", flush=True)
    if arguments.json:
        print(json.dumps(asdict(life)))
        return
    _say(found, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("memo", type=Path)
    parser.add_argument("--tenants", default="0,1,2,3")
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--held-out", type=int, default=100)
    parser.add_argument("--labelled", default="all", help="all, or so many a day")
    parser.add_argument("--ways", default="contests,dev,ceiling")
    parser.add_argument("--before", type=Path, help="a worktree of an earlier release, for the way of that name")
    parser.add_argument("--set", action="append", default=[], help="a setting to try, such as split.test=0.2")
    parser.add_argument("--scripted", action="store_true")
    parser.add_argument("--method", default="nearest", help="what dev and ceiling train: nearest or student")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true", help="only the life, for whoever calls this")
    return parser.parse_args()


def _say(found: Mapping[str, Sequence[Life]], arguments: argparse.Namespace) -> None:
    days = range(arguments.days)
    print(
        f"\n{len(next(iter(found.values())))} tenants, labelled: {arguments.labelled}, {arguments.set or 'defaults'}\n"
    )
    print("| way | accuracy, mean over days | of dev | last day | promotions | worse by them | LM calls | labels |")
    print("|---|---|---|---|---|---|---|---|")
    dev = _mean([life.mean for life in found["dev"]]) if "dev" in found else None
    for way, lives in found.items():
        mean, promotions = _mean([life.mean for life in lives]), [p for life in lives for p in life.promotions]
        last, of_dev = _mean([life.accuracy[-1] for life in lives]), f"{mean / dev:.0%}" if dev else ""
        print(
            f"| {way} | {mean:.1%} | {of_dev} | {last:.1%} "
            f"| {len(promotions)} | {sum(after < before for _, before, after in promotions)} "
            f"| {sum(life.calls for life in lives)} | {sum(life.labels for life in lives)} |"
        )
    print("\n| accuracy on day |", " | ".join(str(day + 1) for day in days), "|\n|---|", "---|" * len(days))
    by_day = {way: [_mean([life.accuracy[day] for life in lives]) for day in days] for way, lives in found.items()}
    for way, means in by_day.items():
        print(f"| {way} |", " | ".join(f"{100 * mean:.0f} %" for mean in means), "|")
    if arguments.plot:
        lines = [Line(way, [(day + 1, mean) for day, mean in enumerate(means)]) for way, means in by_day.items()]
        arguments.plot.write_text(chart("Accuracy of whoever serves", "day", "accuracy, mean of tenants", lines))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
