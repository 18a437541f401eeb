"""Evaluation: one module on given examples, example by example, and how examples of ours become DSPy's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass

import dspy

from argotune.errors import ArgotuneError, ConfigInvalid
from argotune.examples import Example
from argotune.ports import LMs
from argotune.programs.failures import NO_ANSWER, told_as
from argotune.programs.program import Program


@dataclass(frozen=True)
class Scored:
    """What a module answered to one example, and its score in 0..1.

    `is_parsed` is False where the LM gave no usable answer; the score is 0 then, and answers may be "".
    """

    example_index: int
    answers: dict[str, str]
    score: float
    confidence: float | None = None
    is_parsed: bool = True


def to_dspy(example: Example) -> dspy.Example:
    """An example as DSPy wants it: inputs marked, answers as labels."""
    return dspy.Example({**example.inputs, **example.expected}).with_inputs(*example.inputs)


def score(
    module: dspy.Module,
    program: Program,
    examples: Sequence[dspy.Example],
    lms: LMs,
    progress: Callable[[int, int], None],
) -> list[Scored]:
    """The scores of a module, in the order of the examples; `progress` is told (done, all) after each.

    Nothing is sampled here: the same module, examples and LM answers give the same scores. BudgetSpent,
    Unavailable and their like leave at once; any other failure is told as ArgotuneError with the example's number.
    """
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        if lms.num_threads <= 1:
            return _in_turn(module, program, examples, progress)
        return _side_by_side(module, program, examples, lms.num_threads, progress)


def _in_turn(
    module: dspy.Module, program: Program, examples: Sequence[dspy.Example], progress: Callable[[int, int], None]
) -> list[Scored]:
    results = []
    for index, example in enumerate(examples):
        results.append(_score_one(module, program, index, example))
        progress(index + 1, len(examples))
    return results


def _side_by_side(
    module: dspy.Module,
    program: Program,
    examples: Sequence[dspy.Example],
    num_threads: int,
    progress: Callable[[int, int], None],
) -> list[Scored]:
    pool = ThreadPoolExecutor(max_workers=num_threads)
    try:
        waiting: list[Future[Scored]] = [
            pool.submit(copy_context().run, _score_one, module, program, index, example)
            for index, example in enumerate(examples)
        ]
        for done, future in enumerate(as_completed(waiting), start=1):
            future.result()  # the first failure ends it, whichever example it is of
            progress(done, len(examples))
        return [future.result() for future in waiting]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _score_one(module: dspy.Module, program: Program, index: int, example: dspy.Example) -> Scored:
    with told_as(ArgotuneError, f"{program.name}, example {index}"):
        try:
            prediction = module(**example.inputs())
        except NO_ANSWER:
            return Scored(index, dict.fromkeys(program.fields.answers, ""), 0.0, is_parsed=False)
    answers = {name: _text(prediction.get(name)) for name in program.fields.answers}
    if not _in_their_sets(program, answers):
        return Scored(index, answers, 0.0, _confidence(prediction), is_parsed=False)
    return Scored(index, answers, hit_share(program, example, prediction), _confidence(prediction))


def hit_share(program: Program, example: dspy.Example, prediction: dspy.Prediction) -> float:
    """The program's own metric. Raises ConfigInvalid when it fails or gives something that is no number in 0..1."""
    with told_as(ConfigInvalid, f"{program.name}: its metric failed"):
        found = float(program.metric(example, prediction))
    if not math.isfinite(found) or not 0 <= found <= 1:
        raise ConfigInvalid(f"{program.name}: its metric gave {found}, not a number in 0..1")
    return found


def _in_their_sets(program: Program, answers: dict[str, str]) -> bool:
    return all(labels is None or answers[name] in labels for name, labels in program.fields.answers.items())


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _confidence(prediction: dspy.Prediction) -> float | None:
    value = prediction.get("confidence")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(max(float(value), 0.0), 1.0)
