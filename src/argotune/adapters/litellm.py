"""LMs outside this process: any LiteLLM name, through DSPy's own engines, one attempt at a time.

DSPy sends what it can by itself and imports litellm for the rest, when such an LM is really called. Retries are
here, because each attempt must be reserved with the meter.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from typing import Any

import dspy
from dspy._vendor.lm15.serde import request_to_dict
from dspy.clients.capabilities import resolve
from dspy.clients.costs import estimate_cost
from dspy.lm15 import LM15Error, Request, Response
from dspy.utils.exceptions import (
    ContextWindowExceededError,
    LMError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
)

from argotune.adapters.reasons import KEY, lasting_reason, passing_reason
from argotune.adapters.retrying import USUAL, Passing, Patience, seconds_asked
from argotune.errors import AccessDenied, ConfigInvalid, Declined, NoContent, RequestRefused, Unavailable
from argotune.errors.causes import causes_of
from argotune.errors.known_secrets import is_clean, remember
from argotune.errors.lines import told
from argotune.lm.kept_answers import PaidAnswers
from argotune.lm.meanings import may_pass, meaning_of
from argotune.lm.meter import Meter
from argotune.lm.names import Keys
from argotune.tenants.config import LMChoice

MAX_ANSWER_TOKENS = 4000
_TOO_LONG = "context_length_exceeded"
"""The provider's own code; litellm does not know it of all providers."""

_FORBIDDEN = 403

_OF_THE_WAY = (LMTransportError, LMServerError, LMUnexpectedError)
"""What a client raises that did not get through to the LM; litellm calls some of it the server's error."""


def _asked_s(error: LMError) -> float | None:
    """Seconds that the server's Retry-After asks for; litellm keeps the header where DSPy does not look."""
    for found in causes_of(error):
        known_s = getattr(found, "retry_after", None)
        header = (getattr(found, "litellm_response_headers", None) or {}).get("retry-after")
        asked_s = seconds_asked(header) if known_s is None else float(known_s)
        if asked_s is not None:
            return asked_s
    return None


class RemoteWriter:
    """One LM behind an API. Nothing is connected or imported before the first call."""

    def __init__(
        self,
        name: str,
        key: str | None,
        api_base: str | None,
        timeout_s: float,
        temperature: float,
        patience: Patience,
        key_variable: str = "its API key",
    ) -> None:
        self.identity: dict[str, str | None] = {"lm": name, "api_base": api_base}
        self.temperature = temperature
        self.max_tokens = MAX_ANSWER_TOKENS
        self._key_variable = key_variable
        remember(key)
        self._patience = patience
        self._has_answered = False
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ConfigInvalid(f"{key_variable} holds a character that no key has")
        client: dict[str, Any] = {"api_key": key, "api_base": api_base, "timeout": timeout_s}
        try:
            self._lm = dspy.LM(name, cache=False, num_retries=0, **{k: v for k, v in client.items() if v is not None})
        except (ValueError, TypeError) as error:
            raise ConfigInvalid(f"lm: {name[:60]!r} cannot be used: {error}") from error

    @property
    def supports_response_schema(self) -> bool:
        return self._lm.supports_response_schema

    @property
    def supported_params(self) -> Collection[str]:
        return self._lm.supported_params

    def complete(self, request: Request, _draw: int, meter: Meter) -> Response:
        """One answer after as many attempts as patience allows.

        Raises BudgetSpent, AccessDenied, RateLimited, Unavailable, BadAnswer or ConfigInvalid, and of this request
        alone NoContent, Declined or RequestRefused; a prompt that does not fit leaves as DSPy's
        ContextWindowExceededError, which modules know how to treat.
        """
        return self._patience.call(lambda: self._attempt(request, meter))

    def _attempt(self, request: Request, meter: Meter) -> Response:
        try:
            return self._answered(request, meter)
        except ContextWindowExceededError:
            raise
        except NoContent as error:
            raise Passing(error) from error.__cause__
        except LMError as error:
            own, cause = self._told(error), error if is_clean(error) else None
            if may_pass(error):
                raise Passing(own, _asked_s(error)) from cause
            raise own from cause

    def _answered(self, request: Request, meter: Meter) -> Response:
        with meter.call(most_tokens(request)) as bill:
            try:
                # The LM around this one keeps history, usage and callbacks: once is enough.
                with dspy.context(disable_history=True, usage_tracker=None, callbacks=[], send_stream=None):
                    response: Response = self._lm(request=request)
            except LMError as error:
                self._refuse_lasting(error)
                if error.status is not None and not isinstance(error, LMTimeoutError):
                    bill.tokens, bill.usd = 0, 0.0  # the server said no, so it did no work
                raise
            bill.tokens, bill.answer_tokens = response.usage.total_tokens, response.usage.output_tokens
            bill.usd = _usd(self._lm, request, response)
        self._refuse_empty(response)
        self._has_answered = True
        return response

    def _refuse_empty(self, response: Response) -> None:
        """Raise for an answer in which nothing was said. One that was cut off before it began is not empty by chance:
        it goes on, and nobody can read it."""
        name, parts = self.identity["lm"], response.message.parts
        if response.finish_reason == "content_filter" or any(part.type == "refusal" for part in parts):
            raise Declined(f"{name}: the LM declined to answer")
        said = any(part.type != "thinking" and getattr(part, "text", "-").strip() for part in parts)
        if not said and response.finish_reason != "length":
            raise NoContent(f"{name}: an answer without content")

    def _refuse_lasting(self, error: LMError) -> None:
        """Raise ConfigInvalid for what no other attempt mends: a certificate, a proxy, a key that no header takes."""
        if isinstance(error, _OF_THE_WAY) and (reason := lasting_reason(error)):
            named = reason.replace(KEY, self._key_variable)
            raise ConfigInvalid(f"{self.identity['lm']}: {told(named)}") from None

    def _told(self, error: LMError) -> Exception:
        kind = meaning_of(error)
        if error.status == _FORBIDDEN and self._has_answered:
            kind = RequestRefused  # as moderation says it; a key without the right is refused from the first request on
        said = told(str(error.message or error).strip().partition("\n")[0])
        if error.provider_code == _TOO_LONG:
            return ContextWindowExceededError(model=self.identity["lm"], message=said)
        remedy = f"; check {self._key_variable}" if kind is AccessDenied else ""
        if kind is Unavailable and (reason := passing_reason(error)) not in said:
            remedy = f" ({reason})"
        return kind(f"{self.identity['lm']}: {said}{remedy}")

    def __repr__(self) -> str:
        return f"RemoteWriter({self.identity['lm']!r})"


def _usd(lm: dspy.LM, request: Request, response: Response) -> float | None:
    """What an answer costs by the list prices that come with DSPy, None where they do not tell."""
    try:
        route = resolve(lm)
    except LM15Error:  # a name that only litellm knows
        return None
    asked = {"provider": route.provider, "requested_model": route.model, "request": request}
    found: float | None = estimate_cost(response, **asked)[0]
    return found


def most_tokens(request: Request) -> int:
    """No tokenizer makes more tokens than there are bytes; the longest answer comes on top."""
    asked = json.dumps(request_to_dict(request), ensure_ascii=False).encode("utf-8", "replace")
    return len(asked) + (request.config.max_tokens or MAX_ANSWER_TOKENS)


class RemoteLMs:
    """Opens every other name."""

    prefix = ""
    num_threads = 4

    def __init__(
        self,
        keys: Keys,
        patience: Patience = USUAL,
    ) -> None:
        # Prices and abilities of models come with the packages; without this each process would fetch them anew.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        self._keys = keys
        self._patience = patience

    def scorer(self, _name: str, _paid: PaidAnswers) -> None:
        """APIs give no probabilities of whole labels, so these LMs write their answers."""
        return None

    def writer(self, name: str, choice: LMChoice, is_teacher: bool) -> RemoteWriter:
        """The LM that writes. Raises ConfigInvalid for a name that DSPy refuses."""
        key = self._keys.of_teacher(choice) if is_teacher else self._keys.of_task(choice)
        api_base = choice.api_base if not is_teacher or _is_same_provider(name, choice) else None
        patience = self._patience.for_retries(choice.max_retries, choice.timeout_s)
        temperature, variable = 1.0 if is_teacher else 0.0, self._keys.variable_of(key, is_teacher=is_teacher)
        return RemoteWriter(name, key, api_base, choice.timeout_s, temperature, patience, variable)


def _is_same_provider(teacher: str, choice: LMChoice) -> bool:
    """`api_base` is the task model's; the teacher shares it unless the task model is another provider's."""
    provider = (choice.task_model or "").partition("/")[0]
    return provider in ("local", teacher.partition("/")[0])
