"""evaluate: champion and challenger on the same sealed examples. The only stage that opens the test split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from argotune.data.examples import Example
from argotune.data.guards.leaks import leaks
from argotune.lm.lack import Lack
from argotune.lm.port import LMs
from argotune.pipeline.ports import Progress
from argotune.programs.embedder import Embedder
from argotune.programs.evaluation import Scored, score_side_by_side, to_dspy
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.verdicts import Comparison, Score, UnusableAnswers
from argotune.promotion.versions import Version


@dataclass(frozen=True)
class Evaluation:
    """The comparison for the gate, and both programs' answers for people."""

    comparison: Comparison
    champion_answers: tuple[dict[str, str], ...]
    challenger_answers: tuple[dict[str, str], ...]


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

    Both are asked each question one after the other, so that an LM that changes or fails for a while does so to both.
    Where the champion's question met silence the pair is left out; the challenger's silence is a miss: what is missing
    never speaks for the challenger. Raises BudgetSpent or Unavailable, and NoContent, ConfigInvalid or ProgramFailed
    where no question at all was answered; nothing is judged then.
    """
    modules = [load(program, v.state, v.signature_hash, embedder) for v in (champion, challenger)]
    what = f"{program.name}: champion and challenger on sealed examples"
    asked = [to_dspy(example) for example in examples]
    before, after = score_side_by_side(modules, program, asked, lms, lambda done, n: progress(what, done, n))
    pairs = list(zip(examples, before, after, strict=True))
    scores = tuple(_score(*pair) for pair in pairs if not (pair[1].lack and pair[1].lack.is_silence))
    held = leaks(challenger.state, examples)
    return Evaluation(
        Comparison(program.name, champion.id, challenger.id, attempt, scores, held, _unusable(before, after)),
        tuple(row.answers for row in before),
        tuple(row.answers for row in after),
    )


def _score(example: Example, before: Scored, after: Scored) -> Score:
    return Score(
        example_id=example.id,
        source=example.source,
        slices=dict(example.slices or {}),
        champion=before.score,
        challenger=after.score,
    )


def _unusable(before: Sequence[Scored], after: Sequence[Scored]) -> UnusableAnswers:
    lacks = list(zip((row.lack for row in before), (row.lack for row in after), strict=True))
    return UnusableAnswers(
        asked=len(lacks),
        champion=_counted(lack for lack, _ in lacks),
        challenger=_counted(lack for _, lack in lacks),
        champion_only=sum(lack is not None and other is None for lack, other in lacks),
        challenger_only=sum(lack is None and other is not None for lack, other in lacks),
    )


def _counted(lacks: Iterable[Lack | None]) -> dict[str, int]:
    return dict(Counter(str(lack) for lack in lacks if lack))
