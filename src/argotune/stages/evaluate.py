"""evaluate: champion and challenger on the same sealed examples. The only stage that opens the test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from argotune.examples import Example
from argotune.leaks import leaks
from argotune.ports import Embedder, LMs, Progress
from argotune.programs.evaluation import Scored, score, to_dspy
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.registry import Version
from argotune.runs import Attempt
from argotune.verdicts import Comparison, Score


@dataclass(frozen=True)
class Evaluation:
    """The comparison for the gate, and both programs' answers for people."""

    comparison: Comparison
    champion_answers: tuple[dict[str, str], ...]
    challenger_answers: tuple[dict[str, str], ...]


def attempt_number(earlier: Sequence[Attempt], example_ids: Sequence[str]) -> int:
    """1 + the number of earlier attempts that saw any of these examples."""
    seen = set(example_ids)
    return 1 + sum(not seen.isdisjoint(attempt.example_ids) for attempt in earlier)


def attempt_of(program: str, run_id: str, at: datetime, example_ids: Sequence[str]) -> Attempt:
    """The note that must be stored before `evaluate` is called."""
    return Attempt(program=program, run_id=run_id, at=at, example_ids=tuple(example_ids))


def evaluate(
    program: Program,
    champion: Version,
    challenger: Version,
    examples: Sequence[Example],
    attempt: int,
    lms: LMs,
    embedder: Callable[[], Embedder],
    progress: Progress,
) -> Evaluation:
    """Score both versions example by example, and find what of the examples the challenger holds.

    Raises BudgetSpent or Unavailable; nothing is judged then.
    """
    rows = {
        role: _scores(
            program, version, examples, lms, embedder, lambda d, n, role=role: progress(_what(program, role), d, n)
        )
        for role, version in (("champion", champion), ("challenger", challenger))
    }
    scores = tuple(
        Score(
            example_id=example.id,
            source=example.source,
            slices=dict(example.slices or {}),
            champion=before.score,
            challenger=after.score,
        )
        for example, before, after in zip(examples, rows["champion"], rows["challenger"], strict=True)
    )
    return Evaluation(
        Comparison(program.name, champion.id, challenger.id, attempt, scores, leaks(challenger.state, examples)),
        tuple(row.answers for row in rows["champion"]),
        tuple(row.answers for row in rows["challenger"]),
    )


def _scores(
    program: Program,
    version: Version,
    examples: Sequence[Example],
    lms: LMs,
    embedder: Callable[[], Embedder],
    progress: Callable[[int, int], None],
) -> list[Scored]:
    module = load(program, version.state, version.signature_hash, embedder)
    return score(module, program, [to_dspy(e) for e in examples], lms, progress)


def _what(program: Program, role: str) -> str:
    return f"{program.name}: {role} on sealed examples"
