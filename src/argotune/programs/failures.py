"""Failures inside DSPy or inside a user's program, told as errors of this package."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from dspy.utils.exceptions import AdapterParseError, ContextWindowExceededError, LMError
from pydantic.fields import FieldInfo

from argotune.data.field_types import labels_of
from argotune.errors import ArgotuneError, BadAnswer, Unanswered
from argotune.errors.causes import causes_of
from argotune.errors.lines import in_short
from argotune.lm.lack import CUT, Lack
from argotune.lm.meanings import lack_meant, meaning_of

NO_ANSWER = (AdapterParseError, ContextWindowExceededError, Unanswered)
"""The LM gave no usable answer to one question: a miss, and the work goes on."""


def lack_of(error: BaseException) -> Lack:
    """What an error says of one answer: why the LM gave none that can be used, or that the program itself failed."""
    found = lack_meant(error)
    if found is not None or not isinstance(error, AdapterParseError):
        return found or Lack.FAILED
    if error.code == CUT:
        return Lack.CUT
    return Lack.OUTSIDE if _is_outside(error) else Lack.FORM


def _is_outside(error: AdapterParseError) -> bool:
    """Whether a field with a closed set was answered with something else. DSPy tells it in the message only."""
    sets = [name for name, field in _outputs(error).items() if labels_of(field.annotation)]
    return any(f"Failed to parse field {name}" in (error.message or "") for name in sets)


def _outputs(error: AdapterParseError) -> dict[str, FieldInfo]:
    signature: Any = error.signature  # the class; DSPy annotates an instance
    outputs: dict[str, FieldInfo] = signature.output_fields
    return outputs


def stopping_error(error: BaseException | None) -> ArgotuneError | None:
    """The error of this package that ends the work: any but one that is about a single answer."""
    own = own_error(error)
    return None if isinstance(own, Unanswered) else own


def missed(error: Exception) -> tuple[Lack, str]:
    """What an error means for one question, in a word and in a line. Raises an error of ours that is about more."""
    stopping = stopping_error(error)
    if stopping is not None:
        raise stopping from error
    why = own_error(error) or error
    lack = lack_of(why)
    return lack, f"{'it failed' if lack is Lack.FAILED else lack}: {in_short(why)}"


def own_error(error: BaseException | None) -> ArgotuneError | None:
    """The error of this package in the chain of causes, or what an LM's failure means; None for anything else.

    DSPy wraps what an engine raises, so BudgetSpent may arrive as the cause of an LMUnexpectedError.
    """
    for found in causes_of(error):
        if isinstance(found, ArgotuneError):
            return found
    return _meant(error) if isinstance(error, LMError) else None


def _meant(error: LMError) -> ArgotuneError | None:
    """None for a prompt that is too long, which DSPy's modules know how to treat, and for what may be the program's own
    doing: an answer that is garbage."""
    kind = meaning_of(error)
    is_of_program = isinstance(error, ContextWindowExceededError) or kind is BadAnswer
    return None if is_of_program else kind(f"LM: {in_short(error)}")


class raising_as(AbstractContextManager[None]):
    """Whatever fails inside is raised as `kind`, its one line beginning with `what`.

    Errors of this package, and LM failures that mean one of them, keep their kind.
    """

    def __init__(self, kind: type[ArgotuneError], what: str) -> None:
        self._kind = kind
        self._what = what

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, ArgotuneError) or not isinstance(error, Exception):
            return
        own = own_error(error)
        raise own or self._kind(f"{self._what}: {in_short(error)}") from error
