"""Meanings: what DSPy's LM errors are in this package's words, the same for adapters and for programs."""

from __future__ import annotations

import pytest
from dspy.utils import exceptions
from dspy.utils.exceptions import LMError

from argotune.errors import (
    AccessDenied,
    ArgotuneError,
    BadAnswer,
    ConfigInvalid,
    RateLimited,
    RequestRefused,
    Unavailable,
)
from argotune.lm.lack import Lack
from argotune.lm.meanings import may_pass, meaning_of
from argotune.programs.failures import missed, own_error, stopping_error


@pytest.mark.parametrize(
    ("kind", "status", "own", "passes"),
    [
        ("LMNotConfiguredError", None, AccessDenied, False),
        ("LMAuthError", 401, AccessDenied, False),
        ("LMBillingError", 402, AccessDenied, False),
        ("LMRateLimitError", 429, RateLimited, True),
        ("LMTimeoutError", None, Unavailable, True),
        ("LMServerError", 500, Unavailable, True),
        ("LMTransportError", None, Unavailable, True),
        ("LMUnsupportedFeatureError", None, ConfigInvalid, False),
        ("LMConfigurationError", None, ConfigInvalid, False),
        ("LMInvalidRequestError", 400, RequestRefused, False),
        ("LMInvalidRequestError", 404, ConfigInvalid, False),
        ("LMProviderError", 422, RequestRefused, False),
        ("LMProviderError", 405, ConfigInvalid, False),
        ("LMProviderError", None, BadAnswer, True),
        ("LMUnexpectedError", None, BadAnswer, True),
        ("LMLockTimeoutError", None, Unavailable, True),
    ],
)
def test_a_failure_of_an_lm_means_one_thing(kind: str, status: int | None, own: type[ArgotuneError], passes: bool):
    error: LMError = getattr(exceptions, kind)("no")
    error.status = status
    assert (meaning_of(error), may_pass(error)) == (own, passes)
    assert type(own_error(error)) is (type(None) if own is BadAnswer else own)


def test_one_refused_question_of_a_program_is_a_miss_and_an_unknown_model_is_not():
    refused = exceptions.LMInvalidRequestError("too explicit")
    refused.status = 400
    assert missed(refused)[0] is Lack.REFUSED
    unknown = exceptions.LMUnsupportedModelError("no such model")
    assert isinstance(stopping_error(unknown), ConfigInvalid)


def test_garbage_and_a_prompt_too_long_are_a_matter_of_the_one_question():
    assert missed(exceptions.LMUnexpectedError("?"))[0] is Lack.FAILED
    assert missed(exceptions.ContextWindowExceededError(model="m", message="long"))[0] is Lack.TOO_LONG
