"""A student and a cascade beside the LM program that they stand for, on CLINC150's ten domains.

    python benchmarks/student.py DATA_FOLDER [--test 300] [--strangers 200]

The LM program shows the task LM the nearest training examples. Told of each: accuracy on held-out queries, milliseconds
an answer, the share answered without an LM, and how that is for queries out of scope and in a language of which no
example is. The bar of the document: at least 90 % of the tutor's accuracy at three times its speed. DATA_FOLDER holds
data_full.json and domains.json of https://github.com/clinc/oos-eval (CC BY 3.0). Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import dspy
from clinc150 import AGENTS, _splits, _task

from argotune import wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.lm.kept_answers import KeptAnswers, NothingKept
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS
from argotune.programs import programs_of
from argotune.programs.answering import answer
from argotune.programs.program import Program
from argotune.programs.state import dump, load
from argotune.settings import read_settings
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

HUNGARIAN = (
    "Holnap esni fog az eső Szegeden?",
    "Mikor indul a következő vonat?",
    "Kérem, olvassa fel a híreket.",
    "Hogyan kell lángost sütni?",
    "Mennyibe kerül a bérlet?",
    "Írj egy verset a Dunáról!",
    "Hol van a legközelebbi gyógyszertár?",
    "Ki nyerte a tegnapi meccset?",
    "Fordítsd le ezt a mondatot!",
    "Hány éves a nagymamám?",
)
"""A language that the shipped embedder was not trained on."""


def main() -> None:
    asked = _arguments()
    train, dev, test = _splits(asked.folder, asked.test)
    data = json.loads((asked.folder / "data_full.json").read_text())
    strangers = [text for text, _ in data.get("oos_test", data["test"])][: asked.strangers]
    (program,) = programs_of(RoutingConfigUnified(tenant_id="clinc", agents=AGENTS), "routing")
    meter = Meter(BudgetLimits(max_lm_calls=10**9, max_lm_tokens=10**12))
    lms = _lms(meter, NothingKept())
    print(f"{len(train)} train, {len(dev)} dev, {len(test)} test; LM {read_settings().task_model}\n")
    print("| program | accuracy | ms an answer | without an LM | out of scope | unknown language | load ms | kB |")
    print("|---|---|---|---|---|---|---|---|")
    for name in ("nearest", "student", "cascade"):
        task = _task(program, train, dev, _lms(meter, KeptAnswers(MemoryStore(), "clinc", "benchmark")))
        state = dump(OPTIMIZERS[name].compile(task))
        embedders = wiring.open_embedders(read_settings())
        started = time.perf_counter()
        module = load(program, state, program.signature_hash, embedders)
        took = time.perf_counter() - started
        rows = [(example.inputs["query"], example.expected["agent"]) for example in test]
        print(
            f"| {name} | {_told(program, module, rows, lms)} | {_share(program, module, strangers, lms):.0%} ", end=""
        )
        print(
            f"| {_share(program, module, HUNGARIAN, lms):.0%} | {took * 1000:.0f} | {len(json.dumps(state)) // 1024} |"
        )
        for note in task.notes:
            print(f"\n{name}: {note}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--strangers", type=int, default=200)
    return parser.parse_args()


def _lms(meter: Meter, answers: KeptAnswers | NothingKept) -> LMs:
    return wiring.open_lms(read_settings()).open(LMChoice(), meter, answers)


def _told(program: Program, module: dspy.Module, rows: Sequence[tuple[str, str]], lms: LMs) -> str:
    hits, without, started = 0, 0, time.perf_counter()
    for query, agent in rows:
        found = answer(module, program, _inputs(query), lms)
        hits += found.answers["agent"] == agent
        without += found.by == "student"
    ms = (time.perf_counter() - started) / len(rows) * 1000
    return f"{hits / len(rows):.1%} | {ms:.1f} | {without / len(rows):.0%}"


def _share(program: Program, module: dspy.Module, texts: Sequence[str], lms: LMs) -> float:
    """The share that is answered without an LM."""
    by_student = getattr(module, "by_student", None)
    if by_student is not None:  # who would answer, without asking the LM
        return sum(isinstance(by_student(_inputs(text)), dspy.Prediction) for text in texts) / len(texts)
    return float(answer(module, program, _inputs(texts[0]), lms).by == "student")


def _inputs(query: str) -> dict[str, str]:
    return {"query": query, "entities": "", "relationships": "", "enhanced_query": ""}


if __name__ == "__main__":
    main()
