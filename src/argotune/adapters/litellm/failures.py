"""Failures of what is asked over LiteLLM, told in this package's errors, and whether another attempt may do better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from dspy.utils.exceptions import (
    ContextWindowExceededError,
    LMError,
    LMServerError,
    LMTransportError,
    LMUnexpectedError,
)

from argotune.adapters.reasons import KEY, lasting_reason, passing_reason
from argotune.adapters.retrying import Passing, seconds_asked
from argotune.errors import AccessDenied, ConfigInvalid, RequestRefused, Unavailable
from argotune.errors.causes import causes_of
from argotune.errors.known_secrets import is_clean
from argotune.errors.lines import told
from argotune.lm.meanings import may_pass, meaning_of

_TOO_LONG = "context_length_exceeded"
"""The provider's own code; litellm does not know it of all providers."""

_FORBIDDEN = 403

_OF_THE_WAY = (LMTransportError, LMServerError, LMUnexpectedError)
"""What a client raises that did not get through to the LM; litellm calls some of it the server's error."""


@dataclass(frozen=True)
class Failures:
    """Those of one model. `key_variable` says which environment variable a wrong key came from."""

    name: str
    key_variable: str

    def refuse_lasting(self, error: LMError) -> None:
        """Raise ConfigInvalid for what no other attempt mends: a certificate, a proxy, a key that no header takes."""
        if isinstance(error, _OF_THE_WAY) and (reason := lasting_reason(error)):
            raise ConfigInvalid(f"{self.name}: {told(reason.replace(KEY, self.key_variable))}") from None

    def throw(self, error: LMError, *, has_answered: bool) -> NoReturn:
        """Raise what the error means, as Passing where another attempt may do better.

        Its cause is the error itself unless that holds a secret.
        """
        own, cause = self._told(error, has_answered), error if is_clean(error) else None
        if may_pass(error):
            raise Passing(own, _asked_s(error)) from cause
        raise own from cause

    def _told(self, error: LMError, has_answered: bool) -> Exception:
        kind = meaning_of(error)
        if error.status == _FORBIDDEN and has_answered:
            kind = RequestRefused  # as moderation says it; a key without the right is refused from the first request on
        said = told(str(error.message or error).strip().partition("\n")[0])
        if error.provider_code == _TOO_LONG:
            return ContextWindowExceededError(model=self.name, message=said)
        remedy = f"; check {self.key_variable}" if kind is AccessDenied else ""
        if kind is Unavailable and (reason := passing_reason(error)) not in said:
            remedy = f" ({reason})"
        return kind(f"{self.name}: {said}{remedy}")


def refuse_odd_key(key: str | None, variable: str) -> None:
    """Raise ConfigInvalid for a key that no header takes."""
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigInvalid(f"{variable} holds a character that no key has")


def _asked_s(error: LMError) -> float | None:
    """Seconds that the server's Retry-After asks for; litellm keeps the header where DSPy does not look."""
    for found in causes_of(error):
        known_s = getattr(found, "retry_after", None)
        header = (getattr(found, "litellm_response_headers", None) or {}).get("retry-after")
        asked_s = seconds_asked(header) if known_s is None else float(known_s)
        if asked_s is not None:
            return asked_s
    return None
