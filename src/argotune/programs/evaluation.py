"""Evaluation: one module on given examples, example by example, and how examples of ours become DSPy's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass, field, replace

import dspy

from argotune.data.examples import Example
from argotune.errors import ConfigInvalid, NoContent, ProgramFailed, Unanswered
from argotune.errors.lines import in_short
from argotune.lm.effort import UNKNOWN, Effort, Measuring, Stopwatch
from argotune.lm.lack import Lack
from argotune.lm.port import LMs
from argotune.programs.failures import missed, raising_as
from argotune.programs.prediction import answers_of, confidence_of, fell_through_of, lack_in, prediction_of, returned
from argotune.programs.program import Appraisal, Program, dspy_example
from argotune.programs.unmetered import SeesOwnLMs
from argotune.programs.untraced import untraced
from argotune.stats.wording import counted

ENOUGH = 10
"""Of so many questions at least one is answered, where the LM and the program are well."""


@dataclass(frozen=True)
class Scored:
    """What a module answered to one example, and its score in 0..1.

    `lack` is why the answer cannot be used, `why` the same in a line with what was met; the score is 0 then, and
    answers may be "". `effort` is what the answer took; `fell_through` why a student left it to an LM.
    """

    example_index: int
    answers: dict[str, str]
    score: float
    confidence: float | None = None
    lack: Lack | None = None
    why: str = ""
    effort: Effort = field(default=UNKNOWN, compare=False)
    fell_through: str = ""

    @property
    def is_parsed(self) -> bool:
        return self.lack is None


def to_dspy(program: Program, example: Example) -> dspy.Example:
    """An example as DSPy wants it: inputs marked, answers as labels, all values of their types."""
    return asked_of(program, example.inputs, example.expected)


def asked_of(program: Program, inputs: Mapping[str, str], expected: Mapping[str, str]) -> dspy.Example:
    """A question and what is right, from the texts that were kept, as `to_dspy`."""
    return dspy_example(program.typed_fields.values({**inputs, **expected}), inputs)


def score(
    module: dspy.Module,
    program: Program,
    examples: Sequence[dspy.Example],
    lms: LMs,
    progress: Callable[[int, int], None],
) -> list[Scored]:
    """The scores of a module, in the order of the examples; `progress` is told (done, all) after each.

    Nothing is sampled here: the same module, examples and LM answers give the same scores. BudgetSpent,
    Unavailable and their like leave at once. A question that is not answered, or on which the program raises, is a
    miss that says why; where it is so with every question, it is raised: NoContent for a silent server, ConfigInvalid
    where all requests are refused or the program always fails.
    """
    return score_side_by_side([module], program, examples, lms, progress)[0]


def score_side_by_side(
    modules: Sequence[dspy.Module],
    program: Program,
    examples: Sequence[dspy.Example],
    lms: LMs,
    progress: Callable[[int, int], None],
) -> list[list[Scored]]:
    """The scores of each module, as `score` gives them. All modules are asked an example before any is asked the next,
    each first in its turn, so that an LM that changes or fails for a while does so to all of them alike."""
    rows = _side_by_side(modules, program, examples, lms, progress)
    _refuse_if_all_lack(program, [row for of_module in rows for row in of_module])
    return rows


def _side_by_side(
    modules: Sequence[dspy.Module],
    program: Program,
    examples: Sequence[dspy.Example],
    lms: LMs,
    progress: Callable[[int, int], None],
    stopwatch: Stopwatch = time.monotonic,
) -> list[list[Scored]]:
    jobs = [
        _Job(which, index, modules[which], program, example, stopwatch)
        for index, example in enumerate(examples)
        for which in _turns(len(modules), index)
    ]
    with untraced([SeesOwnLMs(lms)], **program.asked_of(lms)):
        rows = _in_turn(jobs, progress) if lms.num_threads <= 1 else _in_threads(jobs, lms.num_threads, progress)
    of_module: list[list[Scored]] = [[] for _ in modules]
    for job, row in zip(jobs, rows, strict=True):
        of_module[job.which].append(row)
    return of_module


@dataclass(frozen=True)
class Asked:
    """What each module said, in the order of the questions, and why the metric gave no number in 0..1 to one of them,
    by the question's place."""

    rows: list[list[Scored]]
    faults: Mapping[int, str]


def ask_side_by_side(
    modules: Sequence[dspy.Module],
    program: Program,
    questions: Sequence[Mapping[str, str] | Example],
    lms: LMs,
    stopwatch: Stopwatch,
) -> Asked:
    """What each module answers, as `score_side_by_side`. Where nobody has said what is right the scores are 0.

    A metric that fails, or gives no number in 0..1, ends nothing: its question is named among the faults.
    Fewer than ENOUGH questions may all lack an answer: that tells of them and not of a server.
    """
    asked = [to_dspy(program, q) if isinstance(q, Example) else asked_of(program, q, {}) for q in questions]
    metric = _Forgiving(program, [x for x, q in zip(asked, questions, strict=True) if isinstance(q, Example)])
    rows = _side_by_side(modules, replace(program, metric=metric), asked, lms, lambda _done, _all: None, stopwatch)
    if len(questions) >= ENOUGH:
        _refuse_if_all_lack(program, [row for of_module in rows for row in of_module])
    return Asked(rows, {place: metric.faults[id(x)] for place, x in enumerate(asked) if id(x) in metric.faults})


class _Forgiving:
    """A program's metric on those examples that have a right answer; `faults` say by an example's `id()` why there is
    no number for it."""

    def __init__(self, program: Program, labelled: Sequence[dspy.Example]) -> None:
        self._program, self._labelled = program, {id(example) for example in labelled}
        self.faults: dict[int, str] = {}

    def __call__(self, example: dspy.Example, prediction: dspy.Prediction) -> float:
        if id(example) not in self._labelled:
            return 0.0
        try:
            return hit_share(self._program, example, prediction)
        except (ConfigInvalid, ProgramFailed) as error:
            self.faults[id(example)] = in_short(error)
            return 0.0


def score_of(program: Program, example: Example, answers: Mapping[str, str]) -> float:
    """The score of an answer that was kept as text, by the right answer of an example.

    Its fields are read back as the program's signature types them. Raises ConfigInvalid where the metric fails on it
    or gives no number in 0..1.
    """
    with raising_as(ConfigInvalid, f"{program.name}: its metric failed"):
        found = program.worth(to_dspy(program, example), prediction_of(program, answers))
    return _in_range(program, found)


def _turns(modules: int, index: int) -> list[int]:
    return [(index + turn) % modules for turn in range(modules)]


@dataclass(frozen=True)
class _Job:
    """One question to one module, the `which`-th."""

    which: int
    index: int
    module: dspy.Module
    program: Program
    example: dspy.Example
    stopwatch: Stopwatch


def _in_turn(jobs: Sequence[_Job], progress: Callable[[int, int], None]) -> list[Scored]:
    results = []
    for done, job in enumerate(jobs, start=1):
        results.append(_score_one(job))
        progress(done, len(jobs))
    return results


def _in_threads(jobs: Sequence[_Job], num_threads: int, progress: Callable[[int, int], None]) -> list[Scored]:
    pool = ThreadPoolExecutor(max_workers=num_threads)
    failures: list[Exception] = []

    def score_unless_over(job: _Job) -> Scored:
        if failures:
            raise CancelledError  # whatever is asked after a failure would be asked again by the rerun
        try:
            return _score_one(job)
        except Exception as error:
            failures.append(error)
            raise

    try:
        waiting: list[Future[Scored]] = [pool.submit(copy_context().run, score_unless_over, job) for job in jobs]
        for done, future in enumerate(as_completed(waiting), start=1):
            if failures:
                raise failures[0]  # the first one ends it, whichever example it is of
            future.result()
            progress(done, len(jobs))
        return [future.result() for future in waiting]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _score_one(job: _Job) -> Scored:
    program, measuring = job.program, Measuring(job.stopwatch)
    try:
        with measuring:
            prediction = returned(program, job.module, job.example.inputs())
    except Exception as error:  # noqa: BLE001 - a user's program may raise anything
        empty = dict.fromkeys(program.fields.answers, "")
        return Scored(job.index, empty, 0.0, None, *missed(error), effort=measuring.effort)
    answers, confidence = answers_of(program, prediction), confidence_of(prediction)
    fell_through = fell_through_of(program, prediction)
    found = Scored(job.index, answers, 0.0, confidence, effort=measuring.effort, fell_through=fell_through)
    if lack := lack_in(program, prediction, answers):
        return replace(found, lack=lack, why=str(prediction.get("lack_told") or lack))
    try:
        with raising_as(ProgramFailed, "its metric failed"):
            score = program.worth(job.example, prediction)
    except ProgramFailed as error:
        return replace(found, lack=Lack.FAILED, why=str(error))
    except Unanswered as error:  # of an LM that the metric asks
        return replace(found, lack=Lack.FAILED, why=f"its metric failed: {in_short(error)}")
    return replace(found, score=_in_range(program, score))


def _refuse_if_all_lack(program: Program, rows: Sequence[Scored]) -> None:
    """Raise what no answer at all means, where all lack it for one reason that is not the program's answers."""
    lacks = {row.lack for row in rows}
    if not rows or None in lacks:
        return
    told = f"{program.name}: none of {counted(len(rows), 'question')} was answered: {rows[0].why}"
    if lacks <= {Lack.NO_CONTENT, Lack.DECLINED}:
        raise NoContent(told)
    if lacks <= {Lack.REFUSED, Lack.TOO_LONG}:
        raise ConfigInvalid(told)
    if lacks == {Lack.FAILED}:
        raise ProgramFailed(f"{program.name}: {rows[0].why}, on all of {counted(len(rows), 'example')}")


def hit_share(program: Program, example: dspy.Example, prediction: dspy.Prediction) -> float:
    """The program's own metric. Raises ProgramFailed when it fails, ConfigInvalid when it gives no number in 0..1."""
    return appraisal_on(program, example, prediction).score


def appraisal_on(program: Program, example: dspy.Example, prediction: dspy.Prediction) -> Appraisal:
    """The program's own metric with its feedback. Raises as `hit_share`."""
    with raising_as(ProgramFailed, f"{program.name}: its metric failed"):
        found = program.appraisal(example, prediction)
    _in_range(program, found.score)
    return found


def _in_range(program: Program, found: float) -> float:
    if not math.isfinite(found) or not 0 <= found <= 1:
        raise ConfigInvalid(f"{program.name}: its metric gave {found}, not a number in 0..1")
    return found
