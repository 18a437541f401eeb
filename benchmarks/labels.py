"""How many labels of people a contest takes until it promotes a better challenger, and how often a useless one.

    python benchmarks/labels.py DATA_FOLDER [--answers FILE.sqlite] [--orders 300] [--questions 600] [--labels 200]

CLINC150's ten domains as ten agents (benchmarks/clinc150.py). Traffic are questions of the train split, the champion is
the program as written, the challenger the same with the nearest of 200 labelled questions of the validation split as
demonstrations; both answer every question once, which FILE remembers. The lot then draws the questions in different
orders, and argotune's own judge is asked after every label, at the level of the year's first contest. The useless
challenger is right exactly as often as the champion, on other questions. Beside it the gate of the release before
(tenant_years.py): 30 % of the labels are sealed test examples, the gate is asked for the first time at each size.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clinc150 import AGENTS, _pool, _stratified, _task, domain_of
from tenant_years import TEST_SHARE, release_before

from argotune import wiring
from argotune.adapters.sqlite import SQLiteStore
from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS
from argotune.programs import programs_of
from argotune.programs.evaluation import score, to_dspy
from argotune.programs.program import Program
from argotune.promotion.contests import Shares
from argotune.promotion.evidence import Standing, weigh
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.verdicts import Promoted, Rejected
from argotune.settings import read_settings
from argotune.stats.paired import wilson_interval
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = RoutingConfigUnified(tenant_id="clinc", agents=AGENTS)
LEVEL = Shares().next_level(CONFIG.gate.significance, NOW)
STEP = 20


@dataclass(frozen=True)
class Asked:
    """A question of the traffic with the agents that champion, challenger and a useless challenger named."""

    example: Example
    champion: str
    challenger: str
    useless: str = ""

    @property
    def right(self) -> str:
        return self.example.expected["agent"]

    def difference(self, role: str) -> int:
        return int(getattr(self, role) == self.right) - int(self.champion == self.right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--answers", type=Path, default=Path("labels-answers.sqlite"))
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--labels", type=int, default=200, help="until which a useless challenger is looked at")
    args = parser.parse_args()
    started = time.perf_counter()
    traffic = answered(args.folder, args.questions, args.answers)
    print(
        f"{len(traffic)} questions; LM {read_settings().task_model}; {time.perf_counter() - started:.0f} s for answers"
    )
    say(traffic, args.orders, args.labels)


def answered(folder: Path, n: int, answers: Path) -> list[Asked]:
    """The traffic with what both programs answered."""
    (program,) = programs_of(CONFIG, "routing")
    meter = Meter(BudgetLimits(max_lm_calls=10**9, max_lm_tokens=10**12))
    kept = KeptAnswers(SQLiteStore(answers), "clinc", "benchmark")
    lms, pools = wiring.open_lms(read_settings()).open(LMChoice(), meter, kept), _pools(folder)
    examples = _stratified(pools["train"], 0, n // len(AGENTS), Split.TRAIN)
    demos = _stratified(pools["val"], 0, 20, Split.TRAIN)
    champion = _answers(program, program.build(), examples, lms)
    challenger = _answers(program, OPTIMIZERS["nearest"].compile(_task(program, demos, [], lms)), examples, lms)
    return with_useless([Asked(*row) for row in zip(examples, champion, challenger, strict=True)])


def _pools(folder: Path) -> Mapping[str, dict[str, list[str]]]:
    data = json.loads((folder / "data_full.json").read_text())
    domains = domain_of(folder)
    return {name: _pool(data[name], domains) for name in ("train", "val")}


def _answers(program: Program, module, examples: Sequence[Example], lms: LMs) -> list[str]:
    rows = score(module, program, [to_dspy(program, e) for e in examples], lms, lambda _done, _total: None)
    return [row.answers.get("agent", "") for row in rows]


def with_useless(traffic: Sequence[Asked]) -> list[Asked]:
    """Half of the champion's errors are put right, and as many of its right answers become wrong."""
    wrong = [i for i, asked in enumerate(traffic) if asked.champion != asked.right]
    right = [i for i, asked in enumerate(traffic) if asked.champion == asked.right]
    n, chance, found = min(len(wrong), len(right)) // 2, random.Random(1), [asked.champion for asked in traffic]
    for i in chance.sample(wrong, n):
        found[i] = traffic[i].right
    for i in chance.sample(right, n):
        found[i] = next(agent for agent in AGENTS if agent != traffic[i].right)
    return [Asked(a.example, a.champion, a.challenger, useless) for a, useless in zip(traffic, found, strict=True)]


def by_contest(order: Sequence[Asked], role: str, *, asks_all: bool, most: int = 10**9) -> float:
    """Labels until the contest promotes; infinite where it ends otherwise, runs out of questions or of `most` labels.

    With `asks_all` every question is put before people, as where equal answers may score differently.
    """
    pairs, examples, labels = list[Pair](), dict[str, Example](), 0
    for asked in order:
        answers = (Answer({"agent": asked.champion}), Answer({"agent": getattr(asked, role)}))
        pairs.append(Pair(asked.example.id, asked.example.id, "lot", *answers))
        if pairs[-1].is_equal and not asks_all:
            continue
        examples[asked.example.id], labels = asked.example, labels + 1
        standing = Standing(examples, frozenset(), {})
        found = weigh(("routing", "a", "b"), pairs, standing, _scores, NOW, timedelta(days=3), is_plain=not asks_all)
        verdict = judge(found.comparison, Terms(LEVEL, NOW, NOW, CONFIG))
        if isinstance(verdict, Promoted) and labels <= most:
            return labels
        if isinstance(verdict, Rejected) or labels >= most:
            return math.inf
    return math.inf


def _scores(pair: Pair, example: Example) -> tuple[float, float]:
    champion, challenger = (dict(answer.answers) == example.expected for answer in (pair.champion, pair.challenger))
    return float(champion), float(challenger)


def by_release_before(order: Sequence[Asked], role: str, seed: int, size: int) -> bool:
    """Whether it promotes when it is asked for the first time after `size` labels."""
    lot = random.Random(f"split {seed}")
    differences = [asked.difference(role) for asked in order[:size] if lot.random() < TEST_SHARE]
    return release_before(differences.count(1), differences.count(-1), len(differences), 1)


def say(traffic: Sequence[Asked], orders: int, labels: int) -> None:
    shares = {role: _share_right(traffic, role) for role in ("champion", "challenger", "useless")}
    differ = sum(a.champion != a.challenger for a in traffic) / len(traffic)
    print(", ".join(f"{role} {share:.1%}" for role, share in shares.items()), f"; the first two differ on {differ:.0%}")
    print(f"\n| {orders} orders | labels until 50 % / 80 % / 95 % promote | useless one promoted by {labels} labels |")
    print("|---|---|---|")
    shuffled = [random.Random(seed).sample(traffic, len(traffic)) for seed in range(orders)]
    for name, asks_all in (
        ("contest, disagreements are labelled", False),
        ("contest, every question is labelled", True),
    ):
        until = [by_contest(order, "challenger", asks_all=asks_all) for order in shuffled]
        false = sum(by_contest(order, "useless", asks_all=asks_all, most=labels) < math.inf for order in shuffled)
        print(f"| {name} | {_quantiles(until)} | {_told(false, orders)} |", flush=True)
    sizes = range(STEP, len(traffic) + 1, STEP)
    promoted = {n: sum(by_release_before(o, "challenger", i, n) for i, o in enumerate(shuffled)) for n in sizes}
    needed = (next((str(n) for n in sizes if promoted[n] >= share * orders), "more") for share in (0.5, 0.8, 0.95))
    false = sum(by_release_before(order, "useless", i, labels) for i, order in enumerate(shuffled))
    print(f"| the release before, asked for the first time | {' / '.join(needed)} | {_told(false, orders)} |")


def _share_right(traffic: Sequence[Asked], role: str) -> float:
    return sum(getattr(asked, role) == asked.right for asked in traffic) / len(traffic)


def _quantiles(labels: Sequence[float]) -> str:
    ranked = sorted(labels)
    found = [ranked[math.ceil(share * len(ranked)) - 1] for share in (0.5, 0.8, 0.95)]
    return " / ".join("more" if math.isinf(n) else f"{n:.0f}" for n in found)


def _told(hits: int, n: int) -> str:
    interval = wilson_interval(hits, n)
    return f"{hits / n:.1%} ({interval.low:.1%} to {interval.high:.1%})"


if __name__ == "__main__":
    main()
