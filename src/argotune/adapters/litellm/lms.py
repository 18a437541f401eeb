"""LMs outside this process: any LiteLLM name, through DSPy's own engines, one attempt at a time.

DSPy sends what it can by itself and imports litellm for the rest, when such an LM is really called. Retries are
here, because each attempt must be reserved with the meter.
"""

from __future__ import annotations

import json
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
    LMTimeoutError,
)

from argotune.adapters.litellm import fetch_no_prices
from argotune.adapters.litellm.failures import Failures, refuse_odd_key
from argotune.adapters.retrying import USUAL, Passing, Patience
from argotune.errors import ConfigInvalid, Declined, NoContent
from argotune.errors.known_secrets import remember
from argotune.lm.kept_answers import PaidAnswers
from argotune.lm.meter import Meter
from argotune.lm.names import Keys
from argotune.tenants.config import LMChoice

MAX_ANSWER_TOKENS = 4000


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
        self._failures = Failures(name, key_variable)
        remember(key)
        self._patience = patience
        self._has_answered = False
        refuse_odd_key(key, key_variable)
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
            self._failures.throw(error, has_answered=self._has_answered)

    def _answered(self, request: Request, meter: Meter) -> Response:
        with meter.call(most_tokens(request)) as bill:
            try:
                # The LM around this one keeps history, usage and callbacks: once is enough.
                with dspy.context(disable_history=True, usage_tracker=None, callbacks=[], send_stream=None):
                    response: Response = self._lm(request=request)
            except LMError as error:
                self._failures.refuse_lasting(error)
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
        fetch_no_prices()
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
