"""CLINC150's ten domains as ten agents: held-out accuracy and LM calls of each optimizer and of `auto`.

    python benchmarks/clinc150.py DATA_FOLDER [--test 300] [--only nearest,auto]

200 training examples (20 an agent) and 100 dev examples from the data set's train split, the test examples from its
test split, stratified; nothing is chosen on the test split. DATA_FOLDER holds data_full.json and domains.json of
https://github.com/clinc/oos-eval (CC BY 3.0). Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

from argotune import wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.data.annotations import LabelSource
from argotune.data.examples import Example, Split
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask, Unfit, choose
from argotune.programs import programs_of
from argotune.programs.evaluation import score, to_dspy
from argotune.settings import read_settings
from argotune.stats.paired import wilson_interval
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

AGENTS = {
    "banking": "accounts, balances, transfers, bills, PINs",
    "credit_cards": "card limits, rewards, APR, applications, lost cards",
    "kitchen_and_dining": "recipes, restaurants, calories, cooking times",
    "home": "lists, calendar, reminders, smart home, music",
    "auto_and_commute": "traffic, directions, gas, tires, car care",
    "travel": "flights, visas, hotels, luggage, time zones",
    "utility": "weather, alarms, timers, math, spelling, definitions",
    "work": "taxes, paid time off, insurance, payday, meetings",
    "small_talk": "greetings, jokes, chatting about the assistant itself",
    "meta": "yes, no, repeat, change language, volume, settings",
}
SEED = 7


def main() -> None:
    arguments = _arguments()
    train, dev, test = _splits(arguments.folder, arguments.test)
    print(f"{len(train)} train, {len(dev)} dev, {len(test)} test; LM {read_settings().task_model}\n")
    print("| optimizer | accuracy | 95 % interval | LM calls to train | train s | ms an answer |")
    print("|---|---|---|---|---|---|")
    wanted = arguments.only.split(",") if arguments.only else ["none", *OPTIMIZERS, "auto"]
    for name in wanted:
        print(_row(name, train, dev, test), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--only", default="")
    return parser.parse_args()


def _splits(folder: Path, n_test: int) -> tuple[list[Example], list[Example], list[Example]]:
    data = json.loads((folder / "data_full.json").read_text())
    pools = {name: _pool(data[name], domain_of(folder)) for name in ("train", "test")}
    return (
        _stratified(pools["train"], 0, 20, Split.TRAIN),
        _stratified(pools["train"], 20, 10, Split.DEV),
        _stratified(pools["test"], 0, n_test // 10, Split.TEST),
    )


def domain_of(folder: Path) -> dict[str, str]:
    """The domain of each intent."""
    domains = json.loads((folder / "domains.json").read_text())
    return {intent: domain for domain, intents in domains.items() for intent in intents}


def _pool(rows: list[list[str]], domains: dict[str, str]) -> dict[str, list[str]]:
    pool: dict[str, list[str]] = {agent: [] for agent in AGENTS}
    for text, intent in random.Random(SEED).sample(rows, len(rows)):
        pool[domains[intent]].append(text)
    return pool


def _stratified(pool: dict[str, list[str]], skip: int, n: int, split: Split) -> list[Example]:
    return [
        Example(
            "routing",
            {"query": text, "entities": "", "relationships": "", "enhanced_query": ""},
            {"agent": agent},
            LabelSource.HUMAN,
            1.0,
            split,
        )
        for agent, texts in pool.items()
        for text in texts[skip : skip + n]
    ]


def _row(name: str, train: list[Example], dev: list[Example], test: list[Example]) -> str:
    config = RoutingConfigUnified(tenant_id="clinc", agents=AGENTS)
    (program,) = programs_of(config, "routing")
    meter = Meter(BudgetLimits(max_lm_calls=10**9, max_lm_tokens=10**12))
    lms = wiring.open_lms(read_settings()).open(
        LMChoice(teacher_model=None if name == "auto" else read_settings().task_model),
        meter,
        KeptAnswers(MemoryStore(), "clinc", "benchmark"),
    )
    started = time.perf_counter()
    module, shown = program.build(), name
    if name != "none":
        choice = choose(name, len(train), None, lms.teacher is not None)
        if isinstance(choice, Unfit):
            return f"| {name} | refused: {choice.reason} | | | | |"
        shown = f"auto ({choice.optimizer})" if name == "auto" else name
        module = OPTIMIZERS[choice.optimizer].compile(_task(program, train, dev, lms))
    trained_s, calls = time.perf_counter() - started, meter.spent.calls
    started = time.perf_counter()
    rows = score(module, program, [to_dspy(program, e) for e in test], lms, lambda _d, _t: None)
    answered_ms = (time.perf_counter() - started) / len(test) * 1000
    hits = [row.score for row in rows]
    interval = wilson_interval(round(sum(hits)), len(hits))
    return (
        f"| {shown} | {sum(hits) / len(hits):.1%} | {interval.low:.1%} to {interval.high:.1%} | {calls} "
        f"| {trained_s:.0f} | {answered_ms:.0f} |"
    )


def _task(program, train: list[Example], dev: list[Example], lms: LMs) -> TrainingTask:
    return TrainingTask(
        program=program,
        student=program.build(),
        train=[to_dspy(program, e) for e in train],
        dev=[to_dspy(program, e) for e in dev],
        lms=lms,
        embedders=wiring.open_embedders(read_settings()),
        seed=SEED,
        max_iterations=10,
    )


if __name__ == "__main__":
    main()
