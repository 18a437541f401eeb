"""Sentence embedders behind an API: any LiteLLM name, some texts a request, one attempt at a time.

A run's meter counts each request as it counts those to LMs; an application in production has none.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import dspy
import numpy as np
from dspy.clients._litellm import get_litellm
from dspy.clients.engines.litellm_errors import to_lm15_error
from dspy.clients.errors import wrap_error
from dspy.utils.exceptions import ContextWindowExceededError, LMError

from argotune.adapters.litellm import fetch_no_prices
from argotune.adapters.litellm.failures import Failures, refuse_odd_key
from argotune.adapters.retrying import USUAL, Passing, Patience
from argotune.errors import BadAnswer, ConfigInvalid, RequestRefused
from argotune.errors.known_secrets import remember
from argotune.lm.meter import Meter
from argotune.programs.embedder import PaidEmbedder, Vectors, embeddable, unit_rows
from argotune.tenants.config import LMChoice

TEXTS_A_REQUEST = 32
"""What every provider takes at once."""


_EMPTY = "-"
"""Sent for a text without a character, which most providers refuse."""


class _NoRetries(int):
    """Zero that counts as given: litellm's embeddings over OpenAI's client read a plain 0 as unset, and try thrice."""

    def __bool__(self) -> bool:
        return True


class RemoteSentences(PaidEmbedder):
    """One model behind an API. Nothing is connected or imported before the first text."""

    def __init__(
        self,
        name: str,
        key: str | None,
        key_variable: str,
        patience: Patience = USUAL,
    ) -> None:
        """`name` begins with `litellm:`. Raises ConfigInvalid for a name or a key that cannot be one."""
        model = name.partition(":")[2]
        if not model.isprintable() or model != model.strip() or " " in model:
            raise ConfigInvalid(f"embedder: {name[:80]!r} is no LiteLLM name (provider/model)")
        refuse_odd_key(key, key_variable)
        remember(key)
        fetch_no_prices()
        usual = LMChoice()
        self.name = name
        self._model, self._key = model, key
        self._meter: Meter | None = None
        self._timeout_s = usual.timeout_s
        self._patience = patience.for_retries(usual.max_retries, usual.timeout_s)
        self._failures = Failures(name, key_variable)
        self._digest = ""
        self._has_answered = False

    def paid_by(self, meter: Meter) -> RemoteSentences:
        """The same, its requests counted by a run's meter."""
        twin = copy.copy(self)
        twin._meter = meter
        return twin

    @property
    def digest(self) -> str:
        """Of its name and how long its vectors are, which a first request tells. Raises as `vectors`."""
        if not self._digest:
            self.vectors([""])
        return self._digest

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """As long as the model's are.

        Raises BudgetSpent, AccessDenied, RateLimited, Unavailable, BadAnswer, RequestRefused or ConfigInvalid.
        """
        batches = [texts[start : start + TEXTS_A_REQUEST] for start in range(0, len(texts), TEXTS_A_REQUEST)]
        rows = [self._patience.call(lambda batch=batch: self._attempt(batch)) for batch in batches]  # type: ignore[misc]
        return unit_rows(np.concatenate(rows)) if rows else np.zeros((0, 1), np.float32)

    def _attempt(self, texts: Sequence[str]) -> Vectors:
        try:
            return self._answered([embeddable(text) or _EMPTY for text in texts])
        except ContextWindowExceededError as error:
            raise RequestRefused(f"{self.name}: {error}") from error
        except LMError as error:
            self._failures.refuse_lasting(error)
            try:
                self._failures.throw(error, has_answered=self._has_answered)
            except ContextWindowExceededError as too_long:
                raise RequestRefused(f"{self.name}: {too_long}") from too_long

    def _answered(self, texts: list[str]) -> Vectors:
        most = sum(len(text.encode()) for text in texts)  # no tokenizer makes more tokens than there are bytes
        with self._meter.beside_answers(most) if self._meter else nullcontext() as bill:
            answer = self._asked(texts)
            if bill is not None and (usage := getattr(answer, "usage", None)):
                bill.tokens = int(usage.total_tokens or usage.prompt_tokens or most)
        found = self._read(answer, len(texts))
        self._has_answered = True
        self._digest = hashlib.sha256(f"{self.name} {found.shape[1]}".encode()).hexdigest()
        return found

    def _asked(self, texts: list[str]) -> Any:
        from openai import OpenAIError  # slow to import; what litellm raises of any provider is one of these

        try:
            with dspy.context(disable_history=True):
                return get_litellm(feature="argotune").embedding(
                    model=self._model,
                    input=texts,
                    timeout=self._timeout_s,
                    max_retries=_NoRetries(0),
                    api_key=self._key,
                )
        except OpenAIError as error:
            found = wrap_error(to_lm15_error(error, model=self._model), model=self._model)
            raise found from error

    def _read(self, answer: Any, count: int) -> Vectors:
        try:
            rows = np.asarray([each["embedding"] for each in answer.data], np.float32)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise Passing(BadAnswer(f"{self.name}: an answer without vectors")) from error
        if rows.ndim != 2 or len(rows) != count or not rows.shape[1] or not np.isfinite(rows).all():
            raise Passing(BadAnswer(f"{self.name}: {len(rows)} vectors for {count} texts, or none of numbers"))
        return rows
