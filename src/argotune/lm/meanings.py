"""Meanings: what DSPy's LM errors mean in this package's words, one table for all that asks an LM."""

from __future__ import annotations

from dspy.utils.exceptions import (
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMLockTimeoutError,
    LMNotConfiguredError,
    LMProviderError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    LMUnsupportedFeatureError,
    LMUnsupportedModelError,
    is_retryable_lm_error,
)

from argotune.errors import (
    AccessDenied,
    ArgotuneError,
    BadAnswer,
    ConfigInvalid,
    Declined,
    NoContent,
    RateLimited,
    RequestRefused,
    Unavailable,
)
from argotune.lm.lack import Lack

# Specific kinds before the kinds they are of.
_MEANING: tuple[tuple[type[LMError], type[ArgotuneError]], ...] = (
    (LMNotConfiguredError, AccessDenied),
    (LMAuthError, AccessDenied),
    (LMBillingError, AccessDenied),
    (LMRateLimitError, RateLimited),
    (LMTimeoutError, Unavailable),
    (LMServerError, Unavailable),
    (LMTransportError, Unavailable),
    (LMLockTimeoutError, Unavailable),
    (LMUnsupportedModelError, ConfigInvalid),
    (LMInvalidRequestError, RequestRefused),
    (LMUnsupportedFeatureError, ConfigInvalid),
    (LMConfigurationError, ConfigInvalid),
    (LMProviderError, BadAnswer),
    (LMUnexpectedError, BadAnswer),
)

_LACKS: tuple[tuple[type[BaseException], Lack], ...] = (
    (Declined, Lack.DECLINED),
    (NoContent, Lack.NO_CONTENT),
    (RequestRefused, Lack.REFUSED),
    (ContextWindowExceededError, Lack.TOO_LONG),
)

_OF_ALL_REQUESTS = (404, 405, 410)
"""Statuses of an address where nothing of the kind is served, whatever the question."""


def meaning_of(error: LMError) -> type[ArgotuneError]:
    """The error of this package that a failure of an LM is, by DSPy's kind and the server's status."""
    kind = next((own for theirs, own in _MEANING if isinstance(error, theirs)), BadAnswer)
    if kind not in (RequestRefused, BadAnswer) or not _is_refusal(error):
        return kind
    return ConfigInvalid if error.status in _OF_ALL_REQUESTS else RequestRefused


def may_pass(error: LMError) -> bool:
    """Whether another attempt may do better: what DSPy says of itself, and an answer that is garbage."""
    is_garbage = type(error) in (LMProviderError, LMUnexpectedError) and not _is_refusal(error)
    return is_garbage or is_retryable_lm_error(error)


def lack_meant(error: BaseException) -> Lack | None:
    """Why one question got no answer at all; None for an error that is not about one question."""
    return next((lack for kind, lack in _LACKS if isinstance(error, kind)), None)


def _is_refusal(error: LMError) -> bool:
    """Whether the server did not take the request: a status of 400 to 499."""
    return error.status is not None and 400 <= error.status < 500
