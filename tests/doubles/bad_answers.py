"""Answers that no product documents, and what is to become of each: one table for the clients of all products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from bad_server import BadServer

from argotune.adapters.json_http import ServerRefused
from argotune.errors import AccessDenied, ArgotuneError, BadAnswer, ConfigInvalid, RateLimited, Unavailable

BAD_ANSWERS: dict[str, tuple[dict[str, Any], type[ArgotuneError], str, int]] = {
    # what is answered, as which error it is told, in which words, and after how many attempts
    "401": ({"status": 401}, AccessDenied, "401; check {credentials}", 1),
    "403": ({"status": 403}, AccessDenied, "403", 1),
    "404": ({"status": 404, "body": b"<html>Not Found"}, ConfigInvalid, "{address}: no {product} there.*Not Found", 1),
    "429": ({"status": 429}, RateLimited, "429", 3),
    "500": ({"status": 500, "body": b"Internal"}, Unavailable, "500: Internal", 3),
    "503": ({"status": 503}, Unavailable, "503", 3),
    "418": ({"status": 418, "body": b"teapot"}, ServerRefused, "418: teapot", 1),
    "redirect": ({"status": 302, "headers": {"Location": "https://in"}}, ConfigInvalid, "redirects to 'https://in'", 1),
    "cut off": ({"body": b'{"data": [' + b" " * 99, "cut_to_bytes": 20}, BadAnswer, "breaks off", 3),
    "empty": ({"body": b""}, BadAnswer, "not JSON", 1),
    "html": ({"body": b"<!DOCTYPE html>"}, BadAnswer, "not JSON", 1),
    "not utf-8": ({"body": b'{"data": "\xff"}'}, BadAnswer, "not JSON", 1),
    "too deep": ({"body": b"[" * 100_000}, BadAnswer, "not JSON", 1),
}


@dataclass(frozen=True)
class Product:
    """How a product is named, and the variables with its address and its credentials."""

    product: str
    address: str
    credentials: str


def told_of(name: str, server: BadServer, of: Product, call: Callable[[], object]) -> str:
    """All that is said where the server answers a call so, in one line and after its attempts."""
    answer, error_type, message, attempts = BAD_ANSWERS[name]
    vars(server.script[0]).update(answer)
    with pytest.raises(error_type, match=message.format(**vars(of))) as caught:
        call()
    assert len(server.asked) == attempts
    assert "\n" not in str(caught.value)
    return "".join(map(str, _chain(caught.value)))


def _chain(error: BaseException | None) -> list[BaseException]:
    return [error, *_chain(error.__cause__ or error.__context__)] if error else []
