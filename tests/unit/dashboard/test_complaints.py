"""Each error that a page meets is a heading of ours and a sentence."""

from __future__ import annotations

import pytest

from argotune.dashboard.complaints import complaint_of
from argotune.errors import (
    AccessDenied,
    ArgotuneError,
    BadAnswer,
    ConfigInvalid,
    NewerRecord,
    NotFound,
    ProjectMissing,
    Unavailable,
)


@pytest.mark.parametrize(
    ("error", "heading"),
    [
        (NotFound("tenant: no 'x'"), "It is not there."),
        (ProjectMissing("no project"), "It is not there."),
        (AccessDenied("wrong key"), "A server refuses the credentials."),
        (ConfigInvalid("PHOENIX_ENDPOINT: no URL"), "An argument or a setting is wrong."),
        (Unavailable("connection refused"), "A server does not answer. Nothing is lost: read again later."),
        (BadAnswer("no JSON"), "A server does not answer. Nothing is lost: read again later."),
        (NewerRecord("of a newer release"), "A stored record cannot be read."),
        (ArgotuneError("odd"), "It cannot be shown."),
    ],
)
def test_the_heading_says_what_kind_of_thing_is_wrong_and_the_sentence_is_the_errors(
    error: ArgotuneError, heading: str
):
    found = complaint_of(error)
    assert (found.heading, found.sentence) == (heading, str(error))
