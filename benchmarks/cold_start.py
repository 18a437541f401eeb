"""Cold start on CLINC150's ten domains: accuracy at 0, 10, 20 and 50 real examples, with and without synthetic ones.

    python benchmarks/cold_start.py DATA_FOLDER [--test 200] [--threshold 0.5] [--real 0,10,20,50]

Content is what a tenant has before it has traffic: a list of its topics, filed under the agent that answers for them
(here the names of CLINC150's 150 intents under their ten domains; no query of the data set is content). The LM of the
installation writes, and reads independently. As many are asked for as the rules say (mixing.py), at 50 real ones as
many as HYBRID would. `nearest` trains where it has eight examples, the program as written answers else. Real, dev and
test examples are stratified; nothing is chosen on test. DATA_FOLDER as for clinc150.py. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from clinc150 import AGENTS, SEED, _pool, _stratified, _task

from argotune import wiring
from argotune.adapters.memory.content import MemoryContent
from argotune.adapters.memory.store import MemoryStore
from argotune.data.examples import Example, Split
from argotune.decisions.values import Strategy
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS
from argotune.programs import programs_of
from argotune.programs.evaluation import score, to_dspy
from argotune.settings import read_settings
from argotune.stats.paired import wilson_interval
from argotune.synthetic.content import Content
from argotune.synthetic.generation import QueryGenerator
from argotune.synthetic.mixing import synthetic_share, weighed
from argotune.synthetic.service import Means, as_example, make
from argotune.synthetic.values import parse_request
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

CONFIG = RoutingConfigUnified(tenant_id="clinc", agents=AGENTS)
SYNTHETIC_BELOW = 20
DEV_OF_EACH = 4


def main() -> None:
    arguments = _arguments()
    domains = json.loads((arguments.folder / "domains.json").read_text())
    data = json.loads((arguments.folder / "data_full.json").read_text())
    domain_of = {intent: domain for domain, intents in domains.items() for intent in intents}
    pools = {name: _pool(data[name], domain_of) for name in ("train", "test")}
    test = _stratified(pools["test"], 0, arguments.test // 10, Split.TEST)
    dev = _stratified(pools["train"], 20, DEV_OF_EACH, Split.DEV)
    source = MemoryContent({"clinc": _topics(domains)})
    print(f"{len(test)} test, {len(dev)} dev; LM {read_settings().task_model}, threshold {arguments.threshold}\n")
    print("| real | made of asked, goals | written, LM calls, s | without (95 %) | with (95 %) | dev without, with |")
    print("|---|---|---|---|---|---|")
    for n_real in map(int, arguments.real.split(",")):
        _row(n_real, _stratified(pools["train"], 0, n_real // 10, Split.TRAIN), dev, test, source, arguments.threshold)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--threshold", type=float, default=CONFIG.synthetic_quality_threshold)
    parser.add_argument("--real", default="0,10,20,50")
    return parser.parse_args()


def _topics(domains: dict[str, list[str]]) -> list[Content]:
    return [
        Content(intent, "text", intent.replace("_", " "), "", agent=domain)
        for domain, intents in domains.items()
        for intent in intents
    ]


def _row(n_real: int, real: list[Example], dev: list[Example], test: list[Example], source, threshold: float) -> None:
    meter = Meter(BudgetLimits(max_lm_calls=10**9, max_lm_tokens=10**12))
    choice = LMChoice(teacher_model=read_settings().teacher_model or "local/smollm2")
    lms = wiring.open_lms(read_settings()).open(choice, meter, KeptAnswers(MemoryStore(), "clinc", "benchmark"))
    strategy = Strategy.SYNTHETIC if n_real < SYNTHETIC_BELOW else Strategy.HYBRID
    asked = synthetic_share(strategy, n_real, CONFIG.synthetic_data_ratio, SYNTHETIC_BELOW)
    request = parse_request(
        optimizer="routing",
        count=asked,
        tenant_id="clinc",
        modalities=("text",),
        quality_threshold=threshold,
        route_types=("direct",),
        seed=SEED,
    )
    started = time.perf_counter()
    found = make(
        request,
        CONFIG,
        source,
        Means(lms, wiring.open_embedders(read_settings()), QueryGenerator(), (*real, *dev, *test)),
    )
    seconds, calls, report = time.perf_counter() - started, meter.spent.calls, found.report
    made = weighed([as_example(e) for e in found.examples], real, strategy, CONFIG.synthetic_data_ratio)
    without, with_ = (_hits(examples, dev, test, lms) for examples in (real, [*real, *made]))
    print(
        f"| {n_real} | {report.made} of {asked}, {report.goals} | {report.writes}, {calls}, {seconds:.0f} "
        f"| {_shown(without[1])} | {_shown(with_[1])} | {_mean(without[0]):.1%}, {_mean(with_[0]):.1%} |",
        flush=True,
    )
    print(f"<!-- {n_real}: refused {report.refused} -->")
    for example in found.examples[:8]:
        print(f"<!-- {example.agent} ({example.confidence:.2f}): {example.query} -->", flush=True)


def _hits(train: list[Example], dev: list[Example], test: list[Example], lms: LMs) -> tuple[list[float], list[float]]:
    (program,) = programs_of(CONFIG, "routing")
    module = program.build()
    if len(train) >= OPTIMIZERS["nearest"].min_examples:
        module = OPTIMIZERS["nearest"].compile(_task(program, train, dev, lms))
    asked = [[to_dspy(program, e) for e in part] for part in (dev, test)]
    scored = [score(module, program, part, lms, lambda _d, _t: None) for part in asked]
    return [row.score for row in scored[0]], [row.score for row in scored[1]]


def _mean(hits: list[float]) -> float:
    return sum(hits) / len(hits)


def _shown(hits: list[float]) -> str:
    interval = wilson_interval(round(sum(hits)), len(hits))
    return f"{_mean(hits):.1%} ({interval.low:.1%} to {interval.high:.1%})"


if __name__ == "__main__":
    main()
