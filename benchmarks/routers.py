"""Every way to make a router, alone, on CLINC150: accuracy, LM calls, latency, size and start, a row at a time.

    python benchmarks/routers.py DATA_FOLDER RESULTS.jsonl [--sets domains,intents] [--examples 50,200,1000]
        [--methods student,nearest] [--seeds 5] [--test 1000] [--lm-test 100] [--max-calls 600] [--shared ANSWERS.jsonl]
    python benchmarks/routers.py DATA_FOLDER RESULTS.jsonl --table

A row is one method on one draw of training, dev and test examples; it is appended to RESULTS.jsonl, and what is there
is not done again, so that a run can be ended at any time and gone on with. All methods of a seed have one draw, LM,
teacher (the same LM) and limit of LM calls. Dev has `--dev-share` times as many examples as training, one a label at
least, and teaches where a method chooses nothing on it. `--test` queries are asked of what answers without an LM or
hardly asks it, the first `--lm-test` of them of the others. `mipro_light` is mipro with DSPy's own `auto="light"`.
`distilled` is a student that learns from no label, but from what `nearest` answers to `--unlabelled` requests. With
`--shared` an answer that several methods ask for is computed once and paid for by each (shared_answers.py).
`domains`: ten agents; `intents`: 150 labels, and how many out-of-scope queries are answered without an LM. Latency is
that of single requests, no answer kept; start is that of a fresh process, from the imports to the first answer, and as
latency without an LM in CPU time, which other work on the machine does not lengthen as much.
DATA_FOLDER holds data_full.json and domains.json of https://github.com/clinc/oos-eval (CC BY 3.0).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean, quantiles, stdev
from typing import Any

import dspy
from clinc150 import AGENTS, domain_of
from scipy.stats import t as student_t
from shared_answers import SharedAnswers

from argotune import wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.data.fields import Fields
from argotune.errors import ArgotuneError
from argotune.lm.kept_answers import KeptAnswers, NothingKept
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.optimizers.task import Optimizer
from argotune.optimizers.tutor import answers_by
from argotune.programs.answering import answer
from argotune.programs.closed_set import ClosedSet, ClosedSetAnswers, share_right, signature_of
from argotune.programs.program import Program, dspy_example
from argotune.programs.routing import INPUTS
from argotune.programs.state import dump, load
from argotune.settings import Settings, read_settings
from argotune.stats.paired import wilson_interval
from argotune.tenants.config import BudgetLimits, LMChoice
from argotune.tenants.optimizer_settings import MiproSettings, OptimizerSettings

AS_WRITTEN, DISTILLED, LIGHT = "none", "distilled", "mipro_light"
KEY = ("set", "examples", "dev_share", "method", "max_calls", "seed")
HARDLY_ASKING = ("student", "policy", "cascade")
"""Kinds of states that answer most requests without an LM."""
Query = tuple[str, str]
"""A text and its label."""


@dataclass(frozen=True)
class Draw:
    """What every method of a seed is given."""

    train: Sequence[Query]
    dev: Sequence[Query]
    test: Sequence[Query]
    out_of_scope: Sequence[str]
    unlabelled: Sequence[str]


def main() -> None:
    """Do the rows that are not done, print the table of all, or tell how a start went."""
    asked = _arguments()
    if asked.start:
        return print(json.dumps({"start_cpu_s": _started(asked.folder, Path(asked.start))}))
    if not asked.table:
        for key in _wanted(asked, {tuple(row[name] for name in KEY) for row in _rows(asked.results)}):
            row = _row(asked, key)
            with asked.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps({**row, "right": ""}), file=sys.stderr, flush=True)
    print("\n".join(_table(_rows(asked.results))))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sets", type=_names, default=["domains"])
    parser.add_argument("--examples", type=_names, default=["50", "200", "1000"])
    parser.add_argument("--methods", type=_names, default=[AS_WRITTEN, *OPTIMIZERS, LIGHT])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--test", type=int, default=1000, help="test examples, and out-of-scope queries")
    parser.add_argument("--lm-test", type=int, default=100, help="test examples of programs that ask the LM each time")
    parser.add_argument("--dev-share", type=float, default=0.2, help="dev examples for each training example")
    parser.add_argument("--max-calls", type=int, default=600, help="LM calls that a training may take")
    parser.add_argument("--unlabelled", type=int, default=0, help="requests without a label, for methods that use them")
    parser.add_argument("--iterations", type=int, default=10, help="candidates that a search may try")
    parser.add_argument("--shared", type=Path, help="a file of answers that methods share")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--start", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _names(text: str) -> list[str]:
    return text.split(",")


def _wanted(asked: argparse.Namespace, done: set[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    keys = (
        (kind, int(n), asked.dev_share, method, asked.max_calls, seed)
        for seed in range(asked.seeds)
        for n in asked.examples
        for kind in asked.sets
        for method in asked.methods
    )
    return (key for key in keys if key not in done)


def _rows(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text("utf-8").splitlines()] if results.exists() else []


# The data


def _draw(asked: argparse.Namespace, kind: str, n: int, seed: int) -> Draw:
    folder, n_test = asked.folder, asked.test
    data = json.loads((folder / "data_full.json").read_text("utf-8"))
    label_of = _labels_of(folder, kind)
    pools = {name: _shuffled(data[name], label_of, seed) for name in ("train", "test")}
    k, rest = max(n // len(set(label_of.values())), 1), max(n_test // len(set(label_of.values())), 1)
    of_dev = max(round(k * asked.dev_share), 1)
    train, dev = _stratified(pools["train"], 0, k), _stratified(pools["train"], k, of_dev)
    left = [text for text, _ in _stratified(pools["train"], k + of_dev, asked.unlabelled)]
    strangers = [text for text, _ in data.get("oos_test", [])] if kind == "intents" else []
    unlabelled = random.Random(seed).sample(left, min(asked.unlabelled, len(left)))
    return Draw(train, dev, _stratified(pools["test"], 0, rest), strangers[:n_test], unlabelled)


def _labels_of(folder: Path, kind: str) -> dict[str, str]:
    """The label of each intent: its domain, or itself."""
    return {intent: domain if kind == "domains" else intent for intent, domain in domain_of(folder).items()}


def _shuffled(rows: Sequence[Sequence[str]], label_of: Mapping[str, str], seed: int) -> dict[str, list[str]]:
    pool: dict[str, list[str]] = {label: [] for label in sorted(set(label_of.values()))}
    for text, intent in random.Random(seed).sample(rows, len(rows)):
        pool[label_of[intent]].append(text)
    return pool


def _stratified(pool: Mapping[str, Sequence[str]], skip: int, n: int) -> list[Query]:
    """So many of each label, the labels in turn."""
    parts = {label: texts[skip : skip + n] for label, texts in pool.items()}
    return [(texts[place], label) for place in range(n) for label, texts in parts.items() if place < len(texts)]


def _program(folder: Path, kind: str) -> Program:
    labels = {label: AGENTS.get(label, "") for label in sorted(set(_labels_of(folder, kind).values()))}
    about = "The agent that can best answer the query"
    signature = signature_of(f"Choose {about[0].lower()}{about[1:]}.", INPUTS, {"agent": ClosedSet(about, labels)})
    return Program(
        name="routing",
        module="routing",
        fields=Fields("routing", tuple(INPUTS), {"agent": tuple(labels)}),
        build=partial(ClosedSetAnswers, signature),
        metric=share_right("agent"),
    )


def _inputs(text: str) -> dict[str, str]:
    return {**dict.fromkeys(INPUTS, ""), "query": text}


# One row


def _row(asked: argparse.Namespace, key: tuple[Any, ...]) -> dict[str, Any]:
    kind, n, _, method, max_calls, seed = key
    draw, program = _draw(asked, kind, n, seed), _program(asked.folder, kind)
    meter, started = Meter(BudgetLimits(max_lm_calls=max_calls, max_lm_tokens=10**12)), time.perf_counter()
    shared = SharedAnswers(asked.shared) if asked.shared else None
    lms = _lms(meter, KeptAnswers(MemoryStore(), "clinc", "benchmark"), is_teaching=True, shared=shared)
    row = {**dict(zip(KEY, key, strict=True)), "n_train": len(draw.train), "cpus": os.cpu_count()}
    task = _task(program, draw, lms, meter, seed, asked.iterations)
    try:
        state = dump(_compiled(task, method))
    except ArgotuneError as error:
        return {**row, "refused": str(error)}
    waited = shared.waited_s if shared else 0.0
    row |= {"train_s": time.perf_counter() - started + waited, "notes": task.notes}
    row |= {"train_calls": meter.spent.calls, "reused": meter.spent.reused}
    row |= {"bytes": len(json.dumps(state)), "kind": state["kind"], "start_cpu_s": _start_cpu_s(asked, kind, state)}
    n_test = asked.test if state["kind"] in HARDLY_ASKING else asked.lm_test
    return row | _asked_one_by_one(program, state, replace(draw, test=draw.test[:n_test]))


def _task(program: Program, draw: Draw, lms: LMs, meter: Meter, seed: int, iterations: int) -> TrainingTask:
    return TrainingTask(
        program=program,
        student=program.build(),
        train=[_example(query) for query in draw.train],
        dev=[_example(query) for query in draw.dev],
        lms=lms,
        embedders=wiring.open_embedders(read_settings()),
        seed=seed,
        max_iterations=iterations,
        unlabelled=[dspy_example(_inputs(text), INPUTS) for text in draw.unlabelled],
        meter=meter,
    )


def _compiled(task: TrainingTask, method: str) -> dspy.Module:
    if method == AS_WRITTEN:
        return task.program.build()
    if method == DISTILLED:
        return _distilled(task)
    if method == LIGHT:
        light = OptimizerSettings(mipro=MiproSettings(auto="light"))
        return OPTIMIZERS["mipro"].compile(replace(task, settings=light))
    optimizer = OPTIMIZERS[method]
    unlabelled = task.unlabelled[: optimizer.unlabelled(task.settings)]
    return optimizer.compile(replace(_taught_by_dev(task, optimizer), unlabelled=unlabelled))


def _taught_by_dev(task: TrainingTask, optimizer: Optimizer) -> TrainingTask:
    return task if optimizer.chooses else replace(task, train=[*task.train, *task.dev])


def _distilled(task: TrainingTask) -> dspy.Module:
    """A student that knows the answers of its teacher, and no label."""
    teacher = OPTIMIZERS["nearest"].compile(_taught_by_dev(task, OPTIMIZERS["nearest"]))
    said = answers_by(task, teacher, task.unlabelled)
    taught = [dspy_example({**each.question.toDict(), **each.answers}, INPUTS) for each in said]
    return OPTIMIZERS["student"].compile(replace(task, train=taught, dev=[], unlabelled=[]))


def _example(query: Query) -> dspy.Example:
    return dspy_example({**_inputs(query[0]), "agent": query[1]}, INPUTS)


def _lms(
    meter: Meter,
    answers: KeptAnswers | NothingKept,
    *,
    is_teaching: bool = False,
    shared: SharedAnswers | None = None,
) -> LMs:
    settings = read_settings()
    choice = LMChoice(teacher_model=settings.task_model if is_teaching else None)
    return (shared.open if shared else _opened)(settings, choice, meter, answers)


def _opened(settings: Settings, choice: LMChoice, meter: Meter, answers: KeptAnswers | NothingKept) -> LMs:
    return wiring.open_lms(settings).open(choice, meter, answers)


def _asked_one_by_one(program: Program, state: dict[str, Any], draw: Draw) -> dict[str, Any]:
    """What single requests come to, and which of them took an LM call."""
    meter = Meter(BudgetLimits(max_lm_calls=10**9, max_lm_tokens=10**12))
    lms, embedders = _lms(meter, NothingKept()), wiring.open_embedders(read_settings())
    module = load(program, state, program.signature_hash, embedders)
    answer(module, program, _inputs("a first one that loads what is loaded late"), lms)
    hits, calls, seconds, cpu_seconds = list[bool](), list[int](), list[float](), list[float]()
    for text, label in draw.test:
        before, started, cpu = meter.spent.calls, time.perf_counter(), time.process_time()
        found = answer(module, program, _inputs(text), lms)
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu)
        calls.append(meter.spent.calls - before)
        hits.append(found.answers["agent"] == label)
    return {
        "n_test": len(hits),
        "hits": sum(hits),
        "right": "".join("01"[hit] for hit in hits),
        "calls_per_1000": 1000 * fmean(calls),
        "without_lm": fmean(c == 0 for c in calls),
        "hits_without_lm": sum(hit for hit, c in zip(hits, calls, strict=True) if c == 0),
        "p50_ms": 1000 * quantiles(seconds, n=100)[49],
        "p99_ms": 1000 * quantiles(seconds, n=100)[98],
        "cpu_p50_ms": 1000 * quantiles(cpu_seconds, n=100)[49],
        "cpu_p99_ms_without_lm": _p99([s for s, c in zip(cpu_seconds, calls, strict=True) if c == 0]),
        "oos_without_lm": _strangers(program, module, draw.out_of_scope, lms, meter),
    }


def _p99(seconds: Sequence[float]) -> float | None:
    return 1000 * quantiles(seconds, n=100)[98] if len(seconds) > 1 else None


def _strangers(program: Program, module: dspy.Module, texts: Sequence[str], lms: LMs, meter: Meter) -> float | None:
    """The share of out-of-scope queries that is answered without an LM."""
    alone = list[bool]()
    for text in texts:
        by_student = getattr(module, "by_student", None)
        if by_student is not None:  # a cascade tells who would answer, without asking the LM
            alone.append(isinstance(by_student(_inputs(text)), dspy.Prediction))
            continue
        before = meter.spent.calls
        answer(module, program, _inputs(text), lms)
        alone.append(meter.spent.calls == before)
    return fmean(alone) if alone else None


def _start_cpu_s(asked: argparse.Namespace, kind: str, state: dict[str, Any]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        path.write_text(json.dumps({"kind": kind, "state": state}), "utf-8")
        command = [sys.executable, __file__, str(asked.folder), str(asked.results), "--start", str(path)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(told.splitlines()[-1])["start_cpu_s"])


def _started(folder: Path, path: Path) -> float:
    """CPU seconds until the first answer of a version, all imports of this file done."""
    kept = json.loads(path.read_text("utf-8"))
    program, started = _program(folder, kept["kind"]), time.process_time()
    lms = _lms(Meter(BudgetLimits()), NothingKept())
    module = load(program, kept["state"], program.signature_hash, wiring.open_embedders(read_settings()))
    answer(module, program, _inputs("how much is in my account"), lms)
    return time.process_time() - started


# The table

COLUMNS = (
    *("set", "examples", "dev", "method", "most LM calls", "accuracy", "95 % interval", "seeds, answers"),
    *("LM calls to train", "train s", "LM calls for 1,000", "without an LM", "p50 ms", "p99 ms"),
    *("CPU p50 ms", "CPU p99 ms without an LM", "kB", "start CPU s", "out-of-scope without an LM"),
)


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    groups: defaultdict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in KEY[:-1])].append(row)
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for key, found in sorted(groups.items(), key=lambda item: item[0]):
        yield _line(key, found)


def _line(key: tuple[Any, ...], rows: Sequence[Mapping[str, Any]]) -> str:
    done = [row for row in rows if "hits" in row]
    if not done:
        return f"| {' | '.join(map(str, key))} | refused: {rows[0]['refused']} |" + " |" * (len(COLUMNS) - len(key) - 1)
    low, high = _interval(done)
    cells = (
        *key,
        f"{fmean(row['hits'] / row['n_test'] for row in done):.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{len(done)}, {sum(row['n_test'] for row in done)}",
        *(f"{_mean(done, name):.0f}" for name in ("train_calls", "train_s", "calls_per_1000")),
        f"{_mean(done, 'without_lm'):.0%}",
        *(f"{_mean(done, name):.1f}" for name in ("p50_ms", "p99_ms")),
        *(_known(done, name, ".1f") for name in ("cpu_p50_ms", "cpu_p99_ms_without_lm")),
        f"{_mean(done, 'bytes') / 1000:.0f}",
        _known(done, "start_cpu_s", ".2f"),
        _known(done, "oos_without_lm", ".0%"),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return fmean(row[name] for row in rows)


def _known(rows: Sequence[Mapping[str, Any]], name: str, form: str) -> str:
    found = [row[name] for row in rows if row[name] is not None]
    return format(fmean(found), form) if found else ""


def _interval(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Of the mean over seeds by Student's t from three on, else Wilson's of all answers."""
    shares = [row["hits"] / row["n_test"] for row in rows]
    if len(shares) < 3:
        found = wilson_interval(sum(row["hits"] for row in rows), sum(row["n_test"] for row in rows))
        return found.low, found.high
    reach = float(student_t.ppf(0.975, len(shares) - 1)) * stdev(shares) / len(shares) ** 0.5
    return fmean(shares) - reach, fmean(shares) + reach


if __name__ == "__main__":
    main()
