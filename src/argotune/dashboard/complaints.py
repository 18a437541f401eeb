"""Complaints: errors as a page tells them, a heading and a sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from argotune.errors import AccessDenied, ArgotuneError, ConfigInvalid, Conflict, Corrupt, NotFound, Unavailable


@dataclass(frozen=True)
class Complaint:
    """What is wrong, in words of ours, and what the error says, which may hold words of others."""

    heading: str
    sentence: str


HEADINGS: Mapping[type[ArgotuneError], str] = {
    AccessDenied: "A server refuses the credentials.",
    ConfigInvalid: "An argument or a setting is wrong.",
    NotFound: "It is not there.",
    Conflict: "Somebody else is changing it. Read again.",
    Unavailable: "A server does not answer. Nothing is lost: read again later.",
    Corrupt: "A stored record cannot be read.",
    ArgotuneError: "It cannot be shown.",
}
"""The first that fits."""


def complaint_of(error: ArgotuneError) -> Complaint:
    """What a page says of it."""
    return Complaint(next(words for kind, words in HEADINGS.items() if isinstance(error, kind)), str(error))
