"""Modalities as the documentation names them."""

from __future__ import annotations

from enum import StrEnum


class QueryModality(StrEnum):
    """What kind of thing a query asks for. A text that is its value is equal to it."""

    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"
    DOCUMENT = "document"
    TEXT = "text"
