"""Texts: what of a text a store, a server or a trace can hold."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text without NUL, which Postgres does not take, and with `?` for lone surrogates, which no UTF-8 has."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
