"""How every method is run: its LMs bound, silent, stopped at once when the budget ends, its errors told in ours.

DSPy counts any exception in a program as a wrong answer, up to a limit (dspy/utils/parallelizer.py), and SIMBA
without limit. A spent budget or a dead server must not look like bad candidates, so such errors leave DSPy as a
BaseException, which it does not catch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback

from argotune.errors import ArgotuneError, BudgetSpent, ConfigInvalid, Unanswered
from argotune.optimizers.quiet import quiet
from argotune.optimizers.task import Stopped, TrainingTask, bare_student
from argotune.programs.failures import NO_ANSWER, raising_as, stopping_error
from argotune.programs.state import dump, load
from argotune.programs.states import State
from argotune.programs.untraced import untraced

log = logging.getLogger(__name__)

NEVER = 10**9
"""As `max_errors`: wrong answers are no reason to give up."""

Compile = Callable[[TrainingTask], dspy.Module]


class _StopAtOwnErrors(BaseCallback):
    """Ends the compilation when a module or an LM fails with an error of ours; one question that is not answered is
    a miss."""

    def on_module_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:  # noqa: ARG002
        self._stop_at(exception)

    def on_lm_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:  # noqa: ARG002
        self._stop_at(exception)

    def _stop_at(self, exception: BaseException | None) -> None:
        error = stopping_error(exception)
        if error is not None:
            raise Stopped(error) from exception


@dataclass(frozen=True)
class _Candidate:
    size: int
    score: float
    state: State


class _Watch(BaseCallback):
    """Remembers the candidates that a search has measured, for when it cannot be finished: those that were measured on
    the most examples, as a search may take a part of them for all."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[int, State]] = {}
        self.measured: list[_Candidate] = []

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        size = len(inputs.get("devset") or instance.devset)
        if size >= max((candidate.size for candidate in self.measured), default=0):
            self._running[call_id] = size, dump(inputs["program"])

    def on_evaluate_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:
        begun = self._running.pop(call_id, None)
        if begun is not None and outputs is not None and exception is None:
            self.measured.append(_Candidate(begun[0], float(outputs.score), begun[1]))

    def best_beside(self, student: State) -> State | None:
        """The best of at least two candidates that were measured alike, None when that is the student itself."""
        most = max((candidate.size for candidate in self.measured), default=0)
        whole = [candidate for candidate in self.measured if candidate.size == most]
        if len(whole) < 2:
            return None
        best = max(whole, key=lambda candidate: candidate.score)
        return None if best.state == student else best.state


def guarded(name: str, compile: Compile) -> Compile:
    """The method as the rest of the package calls it.

    The result is rebuilt from its own state, so what is measured later is exactly what will be stored. When the
    budget ends, or the teacher does not answer, the best candidate measured so far is returned, and BudgetSpent or
    Unanswered is raised where none is better than the student. Raises ConfigInvalid for a teacher that cannot do it,
    and ArgotuneError, naming the optimizer, for what fails inside DSPy.
    """

    def run(task: TrainingTask) -> dspy.Module:
        watch = _Watch()
        try:
            with _surroundings(name, task, watch):
                state = dump(_compiled(name, compile, task))
        except Stopped as stopped:
            state = _so_far(name, stopped.error, watch.best_beside(dump(bare_student(task))))
        except Unanswered as error:
            state = _so_far(name, error, watch.best_beside(dump(bare_student(task))))
        return load(task.program, state, task.program.signature_hash, task.embedders)

    return run


def _compiled(name: str, compile: Compile, task: TrainingTask) -> dspy.Module:
    try:
        return compile(task)
    except Unanswered:
        raise
    except NO_ANSWER as error:
        # Programs' own unusable answers are counted as wrong before they get here.
        raise ConfigInvalid(
            f"optimizer {name}: the teacher LM wrote nothing that can be used; "
            "set a stronger lm.teacher_model or another preferred_optimizer"
        ) from error


def _surroundings(name: str, task: TrainingTask, watch: _Watch) -> ExitStack:
    stack = ExitStack()
    stack.enter_context(raising_as(ArgotuneError, f"optimizer {name}"))
    stack.enter_context(quiet())
    stack.enter_context(
        untraced(
            **task.program.asked_of(task.lms),
            num_threads=task.lms.num_threads,
            max_errors=NEVER,
            callbacks=[_StopAtOwnErrors(), watch],
        )
    )
    return stack


def _so_far(name: str, error: ArgotuneError, best: State | None) -> State:
    if best is None or not isinstance(error, BudgetSpent | Unanswered):
        raise error
    log.warning("optimizer %s stopped early, the best candidate so far is kept: %s", name, error)
    return best
