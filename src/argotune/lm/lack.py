"""Lack: why an answer cannot be used."""

from __future__ import annotations

from enum import StrEnum


class Lack(StrEnum):
    """Why an answer cannot be used. The values are what people read."""

    NO_CONTENT = "no content"
    DECLINED = "declined by the LM"
    REFUSED = "refused by the server"
    TOO_LONG = "question too long"
    CUT = "cut off"
    FORM = "not in the form asked for"
    OUTSIDE = "outside the labels"
    FAILED = "the program failed"

    @property
    def is_silence(self) -> bool:
        """Whether the LM said nothing at all, which tells nothing of the program that asked."""
        return self in (Lack.NO_CONTENT, Lack.DECLINED, Lack.REFUSED)


CUT = "cut_off"
"""As `code` of an AdapterParseError: the answer ended where its length was used up."""
