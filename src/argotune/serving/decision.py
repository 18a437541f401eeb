"""Decision: what a program answered to an application, and the span attributes that record it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from argotune.data.field_types import as_text
from argotune.data.span_format import FILLED_ATTRIBUTE, GREEDY, OUTCOMES, SESSION_ID, attribute_names
from argotune.data.tenancy import SESSION
from argotune.errors import ConfigInvalid
from argotune.lm.effort import UNKNOWN, Effort
from argotune.store.texts import storable


@dataclass(frozen=True)
class Decision:
    """One answer of one program: `inputs` and `answers` are values of the types of its fields, `texts` what these
    are in spans. `propensity`: the probability with which it was chosen, 1 without exploring; `greedy`: where it was
    drawn at random, the texts of what the champion itself said.

    `lack` says why the answers cannot be used (an LM that refused the question or wrote nothing usable, a program that
    failed): the application does without then. "" where they can. `effort` is what its LM calls took, `model` the LM.
    `filled` names the inputs that the version's query enhancement filled in, whose `texts` are what it said; `unfilled`
    says why it filled in nothing though something was missing, "" where that is not so. `by` says whether an LM was
    asked at all: `lm`, or `student`; `fell_through` why a student left it to the LM: `unfamiliar`, `unsure` or
    `no vector`.
    """

    tenant_id: str
    program: str
    version: str
    inputs: Mapping[str, Any]
    answers: Mapping[str, Any]
    confidence: float | None
    processing_time_s: float
    propensity: float = 1.0
    lack: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    effort: Effort = UNKNOWN
    model: str = ""
    greedy: Mapping[str, str] | None = None
    filled: tuple[str, ...] = ()
    unfilled: str = ""
    by: str = "lm"
    fell_through: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether the answers can be used."""
        return not self.lack

    @property
    def is_explored(self) -> bool:
        """Whether the answer was drawn at random, whatever the champion said."""
        return self.greedy is not None

    def attributes(
        self, *, session_id: str | None = None, user_id: str | None = None, **outcome: bool | float | str | None
    ) -> dict[str, bool | float | str]:
        """Span attributes of this decision (docs/traces.md), with the outcome that the application saw.

        Those of OpenInference are among them, so that Phoenix shows what went in and came out. Session and user begin
        with the tenant's id: Phoenix knows each but once, whatever project names it.
        Raises ConfigInvalid for a name that is no outcome (span_format.OUTCOMES), or is a field of the program.
        """
        self._refuse_unknown(outcome)
        decided: dict[str, bool | float | str | None] = {
            "routing.tenant_id": self.tenant_id,
            "routing.program": self.program,
            "routing.program_version": self.version,
            "routing.confidence": self.confidence,
            "routing.propensity": self.propensity,
            GREEDY: None if self.greedy is None else as_text(self.greedy),
            "routing.answered_by": self.by,
            "routing.fell_through": self.fell_through or None,
            "routing.processing_time": self.processing_time_s,
            **{attribute_names(name)[0]: value for name, value in self.texts.items()},
            FILLED_ATTRIBUTE: ",".join(self.filled) or None,
            "routing.enhancement.lack": self.unfilled or None,
            **{f"routing.{name}": value for name, value in outcome.items()},
            **self._shown(),
            SESSION: None if session_id is None else f"{self.tenant_id}:{session_id}",
            SESSION_ID: session_id,
            "user.id": None if user_id is None else f"{self.tenant_id}:{user_id}",
        }
        return {name: _storable(value) for name, value in decided.items() if value is not None}

    def lm_attributes(self) -> dict[str, bool | float | str]:
        """Attributes of a span below the decision's for its LM calls, from which Phoenix tells tokens and costs.

        Empty where it is not known what they took, as where no LM was asked.
        """
        tokens, answer_tokens = self.effort.tokens, self.effort.answer_tokens
        if not tokens or answer_tokens is None:
            return {}
        return {
            "openinference.span.kind": "LLM",
            "llm.model_name": self.model,
            "llm.token_count.prompt": tokens - answer_tokens,
            "llm.token_count.completion": answer_tokens,
            "llm.token_count.total": tokens,
        }

    def _shown(self) -> dict[str, str]:
        """What OpenInference calls a span's input, output and metadata."""
        about = {"tenant": self.tenant_id, "program": self.program, "version": self.version}
        return {
            "openinference.span.kind": "CHAIN",
            "input.value": as_text(self.inputs),
            "input.mime_type": "application/json",
            "output.value": as_text(self.answers),
            "output.mime_type": "application/json",
            "metadata": as_text(about),
        }

    def _refuse_unknown(self, outcome: Mapping[str, object]) -> None:
        fields = {*self.inputs, *self.answers}
        known = [name for name in OUTCOMES if name not in fields]
        unknown = next((name for name in outcome if name not in known), None)
        if unknown is not None:
            what = f"a field of {self.program}, said already" if unknown in fields else "no outcome"
            raise ConfigInvalid(f"attributes: {unknown!r} is {what}; outcomes are {', '.join(known)}")


def _storable(value: bool | float | str) -> bool | float | str:
    """OpenTelemetry fails on a lone surrogate and takes every span of the batch with it."""
    return storable(value) if isinstance(value, str) else value
