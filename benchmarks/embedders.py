"""Sentence embedders: how well a linear model tells domains by their vectors, in which languages, and how fast.

    python benchmarks/embedders.py CLINC_FOLDER [--mtop FOLDER] [--embedder use-multilingual] [--test 1000] [--draws 5]

CLINC_FOLDER holds data_full.json and domains.json of https://github.com/clinc/oos-eval (CC BY 3.0): its ten domains at
50, 200 and 1,000 training examples. MTOP's FOLDER holds dev.json and test.json of `dataset/mtop` in
https://github.com/psunlpgroup/XSemPLR (MTOP: CC BY-SA 4.0): the same requests in English, German and French; a model
trains on English dev requests, or on each in one of the three languages, and is tested on the test requests in each.

C of the logistic regression is chosen on the training examples by cross-validation, never on the test. Times are CPU
time of one thread: on a shared machine the clock measures the others. Prints Markdown.
Any name of an embedder will do; ARGOTUNE_EMBEDDER_DIR says where onnx: and static: look.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from clinc150 import domain_of
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from argotune import wiring
from argotune.programs.embedder import SentenceEmbedder, Vectors
from argotune.settings import read_settings

LANGUAGES = ("en", "de", "fr")
PENALTIES = [3, 10, 30, 100]
SIZES = (5, 20, 100)
"""Training examples of each domain."""

DOMAINS = {
    "MUSIC": "music", "RECIPES": "recipes", "NEWS": "news", "TIMER": "timer", "ALARM": "alarm",
    "REMINDER": "reminder", "MESSAGE": "messaging", "RSVP": "event", "EVENT": "event", "WEATHER": "weather",
    "SUN": "weather", "CALL": "calling", "AVAILAB": "calling",
}  # fmt: skip
"""What of an intent's name tells its domain; all others are about people."""

Texts = list[tuple[str, str]]
"""Texts with their labels."""


def main() -> None:
    arguments = _arguments()
    with threadpool_limits(1):
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    started = time.process_time()
    embedder = wiring.open_embedders(read_settings()).sentences(arguments.embedder)
    embedder.vectors(["warm"])
    loaded_s = time.process_time() - started
    known = _Known(embedder)
    print("| embedder | numbers | CLINC150: 50 | 200 | 1,000 |" + (_MTOP_HEAD if arguments.mtop else ""))
    print("|---|---|---|---|---|" + ("---|---|" if arguments.mtop else ""))
    cells = [arguments.embedder, str(known.of(["a"]).shape[1]), *_clinc(known, arguments)]
    print(f"| {' | '.join([*cells, *(_mtop(known, arguments.mtop) if arguments.mtop else [])])} |\n", flush=True)
    print("| one question, p50 | p99 | in a batch of 500, a text | loading it |\n|---|---|---|---|")
    print(f"| {' | '.join([*_times(embedder, known.texts), f'{loaded_s:.2f} s'])} |")


_MTOP_HEAD = " MTOP from English: en / de / fr | from all three: en / de / fr |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mtop", type=Path)
    parser.add_argument("--embedder", default="use-multilingual")
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=5)
    return parser.parse_args()


class _Known:
    """Vectors of texts, each made once."""

    def __init__(self, embedder: SentenceEmbedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}

    @property
    def texts(self) -> list[str]:
        return list(self._known)

    def of(self, texts: Sequence[str]) -> Vectors:
        if missing := [text for text in dict.fromkeys(texts) if text not in self._known]:
            self._known |= dict(zip(missing, self._embedder.vectors(missing), strict=True))
        return np.stack([self._known[text] for text in texts])

    def accuracy(self, train: Texts, test: Texts) -> float:
        grid = {"C": PENALTIES}
        model = GridSearchCV(LogisticRegression(max_iter=500, tol=1e-3), grid, cv=3)
        model.fit(self.of([text for text, _ in train]), [label for _, label in train])
        return float(model.score(self.of([text for text, _ in test]), [label for _, label in test]))


def _clinc(known: _Known, arguments: argparse.Namespace) -> list[str]:
    data = json.loads((arguments.folder / "data_full.json").read_text())
    domains = domain_of(arguments.folder)
    test = _stratified(data["test"], domains, arguments.test // 10, seed=7)
    return [_mean(known, data["train"], domains, size, test, arguments.draws) for size in SIZES]


def _mean(known: _Known, rows: list, domains: Mapping[str, str], size: int, test: Texts, draws: int) -> str:
    """Mean accuracy over draws of the training examples, and how far they lie apart."""
    scores = [known.accuracy(_stratified(rows, domains, size, seed=100 + n), test) for n in range(draws)]
    return f"{statistics.mean(scores):.1%} ± {statistics.stdev(scores):.1%}" if draws > 1 else f"{scores[0]:.1%}"


def _stratified(rows: list, domains: Mapping[str, str], size: int, seed: int) -> Texts:
    pools: defaultdict[str, list[str]] = defaultdict(list)
    for text, intent in random.Random(seed).sample(rows, len(rows)):
        pools[domains[intent]].append(text)
    return [(text, domain) for domain, texts in sorted(pools.items()) for text in texts[:size]]


def _mtop(known: _Known, folder: Path) -> list[str]:
    train, test = ({lang: _requests(folder / f"{split}.json", lang) for lang in LANGUAGES} for split in ("dev", "test"))
    chance = random.Random(3)
    mixed = [train[chance.choice(LANGUAGES)][n] for n in range(len(train["en"]))]
    return [" / ".join(f"{known.accuracy(of, test[lang]):.1%}" for lang in LANGUAGES) for of in (train["en"], mixed)]


def _requests(path: Path, language: str) -> Texts:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [(row["question"][language], _domain(row["mr"]["slot_intent"]["en"])) for row in rows]


def _domain(meaning: str) -> str:
    intent = re.match(r"\[IN:(\w+)", meaning)
    assert intent, meaning
    return next((domain for part, domain in DOMAINS.items() if part in intent.group(1)), "people")


def _times(embedder: SentenceEmbedder, texts: Sequence[str]) -> list[str]:
    single = sorted(_timed_ms(embedder, [text]) for text in texts[:500])
    batch_ms = min(_timed_ms(embedder, texts[:500]) for _ in range(3)) / len(texts[:500])
    return [f"{single[len(single) * share // 100]:.2f} ms" for share in (50, 99)] + [f"{batch_ms:.2f} ms"]


def _timed_ms(embedder: SentenceEmbedder, texts: Sequence[str]) -> float:
    started = time.process_time()
    embedder.vectors(texts)
    return (time.process_time() - started) * 1000


if __name__ == "__main__":
    sys.exit(main())
