"""Precision and recall of masking person names and addresses, on texts that others wrote and marked.

    python benchmarks/names.py MODEL FILE... [--half 1] [--misses]

MODEL is a spaCy pipeline as `masking.names_model` takes it. A FILE is JSON as presidio-research has it (`full_text`,
and `spans` with PERSON and STREET_ADDRESS), columns of words and labels (WNUT 2017, WikiANN, GermEval: B-PER,
B-person), or lines of text of which nothing is marked. `--half 0` or `1`: texts with an even or an odd number alone.
Found: no letter or digit of what was marked is left, whatever it was taken for. Right: what was found overlaps
something marked as of its kind.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from argotune.data.guards.masking import Finding, findings, mask
from argotune.stats.paired import wilson_interval
from argotune.tenants.masking_rules import MaskingRules

KINDS = {"PERSON": "name", "PER": "name", "person": "name", "STREET_ADDRESS": "address", "ADDRESS": "address"}
Row = tuple[str, list[Finding]]


def rows(file: Path) -> list[Row]:
    """The texts of a file with what is marked in each."""
    text = file.read_text("utf-8")
    if file.suffix == ".json":
        return [(row["full_text"], [_span(span) for span in row["spans"]]) for row in json.loads(text)]
    if "\tO" in text:
        return [_joined(block) for block in re.split(r"\n\s*\n", text) if block.strip()]
    return [(line, []) for line in text.splitlines() if line.strip()]


def _span(span: dict[str, object]) -> Finding:
    return Finding(str(span["entity_type"]), int(str(span["start_position"])), int(str(span["end_position"])))


def _joined(block: str) -> Row:
    """Words with a space between them, as nothing says where there was none."""
    text, found, last = "", list[Finding](), ""
    for word, label in _words(block):
        start = len(text) + bool(text)
        text = f"{text} {word}".strip()
        begins, _, kind = label.partition("-")
        if begins == "I" and found and last.endswith(kind):
            found[-1] = Finding(kind, found[-1].start, len(text))
        elif begins in "BI" and kind:
            found.append(Finding(kind, start, len(text)))
        last = label
    return text, found


def _words(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        columns = line.split("\t")
        if len(columns) >= 2 and columns[0] != "#":
            numbered = len(columns) > 3
            word = columns[1] if numbered else re.sub("^[a-z]{2}:", "", columns[0])
            yield word or "-", columns[2 if numbered else 1]


def measure(of: list[Row], rules: MaskingRules, shows_misses: bool) -> None:
    """Prints what was found of what is marked, what was found rightly, and what it took."""
    right, wrong, found, marked = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    touched, seconds = 0, 0.0
    for text, spans in of:
        started = time.process_time()
        said = findings(text, rules)
        seconds += time.process_time() - started
        touched += bool(said)
        gone = {place for each in said for place in range(each.start, each.end)}
        own = [Finding(KINDS[span.kind], span.start, span.end) for span in spans if span.kind in KINDS]
        for span in own:
            letters = {place for place in range(span.start, span.end) if text[place].isalnum()}
            marked[span.kind] += 1
            found[span.kind] += letters <= gone
            if shows_misses and not letters <= gone:
                print(f"- {span.kind:8} {text[span.start : span.end]!r:40} in {text[:150]!r}")
        for each in said:
            is_right = any(each.start < s.end and s.start < each.end for s in own if s.kind == each.kind)
            (right if is_right else wrong)[each.kind] += 1
            if shows_misses and not is_right:
                print(f"+ {each.kind:8} {text[each.start : each.end]!r:40} in {text[:150]!r}")
    print(f"{len(of)} texts, {touched} touched, {1000 * seconds / len(of):.2f} ms a text")
    for kind in rules.kinds:
        print(
            f"{kind}: found {_share(found[kind], marked[kind])}, right {_share(right[kind], right[kind] + wrong[kind])}"
        )
    again = sum(mask(mask(text, rules).text, rules).text != mask(text, rules).text for text, _ in of[:500])
    print(f"masked again: {again} of {min(500, len(of))} texts change")


def _share(hits: int, n: int) -> str:
    of = wilson_interval(hits, n)
    return f"{hits}/{n} = {100 * hits / max(n, 1):.0f} % ({100 * of.low:.0f} to {100 * of.high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1))
    parser.add_argument("--misses", action="store_true", help="show what went wrong")
    arguments = parser.parse_args()
    rules = MaskingRules(kinds=["name", "address"], names_model=arguments.model)
    before, started = _peak_mb(), time.perf_counter()
    findings("warm", rules)
    print(f"loaded in {time.perf_counter() - started:.1f} s, peak memory {before:.0f} -> {_peak_mb():.0f} MB")
    for file in arguments.files:
        half = rows(file) if arguments.half is None else rows(file)[arguments.half :: 2]
        print(f"\n{file.name}: ", end="")
        measure(half, rules, arguments.misses)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
