"""Precision and recall of masking on `masking.jsonl`, per kind and part, and characters a second.

    python benchmarks/masking.py [--misses tune]

Each line of the set is {"text", "spans": [[kind, "exact substring"], ...], "part"}. It was written before any pattern
and parted by a hash of the text; its "late" half was written after the first patterns. Patterns were changed with the
"tune" parts in view, save a last change that had seen all (docs/benchmarks.md). A finding is right when kind and
substring are exactly those of a span: half a phone number is one miss and one false alarm. "covered" are the spans
of which no character is left, whatever it was taken for. Intervals are Wilson's, at 95 %.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from argotune.cli.demo.sample import TENANTS, queries
from argotune.data.guards.masking import findings, mask
from argotune.stats.paired import wilson_interval
from argotune.tenants.masking_rules import MaskingRules

SET = Path(__file__).with_name("masking.jsonl")
RULES = MaskingRules()
PARTS = ("tune", "held", "late_tune", "late_held", "all")


@dataclass(frozen=True)
class Row:
    """One text with what is to be masked in it: (kind, start, end)."""

    text: str
    spans: frozenset[tuple[str, int, int]]
    part: str


def rows(part: str = "all") -> list[Row]:
    """The set, or a part of it."""
    lines = map(json.loads, SET.read_text(encoding="utf-8").splitlines())
    return [
        Row(line["text"], frozenset(_placed(line["text"], line["spans"])), line["part"])
        for line in lines
        if part in ("all", line["part"])
    ]


def _placed(text: str, spans: Sequence[Sequence[str]]) -> Iterator[tuple[str, int, int]]:
    done = 0
    for kind, piece in spans:  # in the order in which they stand
        start = text.index(piece, done)
        done = start + len(piece)
        yield kind, start, done


@dataclass
class Result:
    """Per kind: findings that are right, findings that are not, and spans that were not found; `all` sums them up."""

    right: Counter[str]
    wrong: Counter[str]
    missed: Counter[str]
    covered: int
    clean_texts_touched: int

    def precision(self, kind: str = "all") -> tuple[int, int]:
        return self.right[kind], self.right[kind] + self.wrong[kind]

    def recall(self, kind: str = "all") -> tuple[int, int]:
        return self.right[kind], self.right[kind] + self.missed[kind]


def measure(of: Sequence[Row]) -> Result:
    """Findings of one pass against the spans."""
    result = Result(Counter(), Counter(), Counter(), 0, 0)
    for row in of:
        found = {(f.kind, f.start, f.end) for f in findings(row.text, RULES)}
        for counter, places in (
            (result.right, found & row.spans),
            (result.wrong, found - row.spans),
            (result.missed, row.spans - found),
        ):
            counter.update([kind for kind, _, _ in places] + ["all"] * len(places))
        gone = {place for _, start, end in found for place in range(start, end)}
        result.covered += sum(gone.issuperset(range(start, end)) for _, start, end in row.spans)
        result.clean_texts_touched += bool(found) and not row.spans
    return result


def _misses(part: str) -> None:
    for row in rows(part):
        found = {(f.kind, f.start, f.end) for f in findings(row.text, RULES)}
        for sign, places in (("-", row.spans - found), ("+", found - row.spans)):
            for kind, start, end in sorted(places, key=lambda place: place[1]):
                print(f"{sign} {kind:12} {row.text[start:end]!r:40} in {row.text!r}")


def _table(part: str) -> None:
    result, of = measure(rows(part)), rows(part)
    clean = sum(not row.spans for row in of)
    print(f"\n{part}: {len(of)} texts, {clean} clean, {result.clean_texts_touched} of them touched; ", end="")
    print(f"covered {_share(result.covered, result.recall()[1])}")
    print("| kind | precision | 95 % | recall | 95 % |\n|---|---|---|---|---|")
    for kind in (*RULES.kinds, "all"):
        print(f"| {kind} | {_share(*result.precision(kind))} | {_share(*result.recall(kind))} |")


def _share(hits: int, n: int) -> str:
    found = wilson_interval(hits, n)
    return f"{hits}/{n} | {100 * found.low:.0f} to {100 * found.high:.0f} %"


def _speed(name: str, texts: Sequence[str]) -> None:
    mask(texts[0], RULES)
    started = time.process_time()
    for text in texts:
        mask(text, RULES)
    seconds, chars = time.process_time() - started, sum(map(len, texts))
    print(f"{name}: {chars / seconds:,.0f} characters a second of CPU, {1e6 * seconds / len(texts):.1f} us a text")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misses", choices=PARTS, help="show what went wrong, and stop")
    arguments = parser.parse_args()
    if arguments.misses:
        return _misses(arguments.misses)
    for part in PARTS:
        _table(part)
    _speed("\nsample queries of the demo", [q.query for tenant in TENANTS for q in queries(tenant)] * 20)
    _speed("this set", [row.text for row in rows()] * 5)


if __name__ == "__main__":
    main()
