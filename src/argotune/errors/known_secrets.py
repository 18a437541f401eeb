"""Known secrets: the passwords, tokens and keys that this process was given, and texts without them.

Whoever is given one remembers it here: the settings, and each adapter that logs in. What leaves the process passes
through here: messages of errors, logs and stderr by `masked`, results, files and records by `masked_data`, which leaves
words of everyday language alone even where somebody has one as a password.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from argotune.errors.causes import causes_of

MASK = "***"
MIN_CHARS = 3
"""A shorter secret is found only where it stands in a URL: as a word it would be everywhere."""

MIN_CHARS_IN_DATA = 8

_LOGIN = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://)[^\s\"'<>]{0,2000}@")
_SHAPE = re.compile(r"\b(?:(?:sk|pk|rk|gsk|xai|hf)[-_]|AIza|Bearer )[\w.\-]{6,}")
_NAME = re.compile(r"(?i)(?:^|_)(?:api_?key|key|token|secret|password|passwd|credentials?|auth)(?:_|$)")

_in_sentences: set[str] = set()
_in_data: set[str] = set()


def remember(*secrets: str | None) -> None:
    """From now on these appear nowhere; None and "" are none."""
    for secret in filter(None, secrets):
        forms = tuple(_forms(secret))
        if len(secret) >= MIN_CHARS:
            _in_sentences.update(forms)
        if _is_no_word(secret):
            _in_data.update(forms)


def remember_login(url: str) -> None:
    """The password in a URL, and what a Basic authorization makes of it."""
    login, at, _ = url.partition("://")[2].rpartition("@")
    user, colon, password = login.partition(":")
    if at and colon and password:
        pair = f"{unquote(user)}:{unquote(password)}".encode("utf-8", "surrogatepass")
        remember(password, unquote(password), base64.b64encode(pair).decode())


def remember_environment(environment: Mapping[str, str]) -> None:
    """Keys in variables of providers and others, OPENAI_API_KEY say, and passwords in URLs, such as a proxy's."""
    for name, value in environment.items():
        if _NAME.search(name) and _is_no_word(value) and not value.startswith(("/", "./")):
            remember(value)
        if "://" in value:
            remember_login(value)


def forget_all() -> None:
    """For tests, which have many secrets in one process."""
    _in_sentences.clear()
    _in_data.clear()


def masked(text: str) -> str:
    """A sentence without known secrets, logins in URLs, and what looks like a key."""
    without = _without(_in_sentences, text)
    if "://" in without:
        without = _LOGIN.sub(rf"\1{MASK}@", without)
    return _SHAPE.sub(MASK, without)


def masked_data(text: str) -> str:
    """Text that others wrote, or that programs read, without the known secrets that are no everyday words."""
    return _without(_in_data, text)


def masked_json(value: Any, dump: Callable[[Any], str]) -> str:
    """The JSON that `dump` makes of a value, with its texts as `masked_data` has them: an escape or a number that looks
    like a secret stays, or the whole would be no JSON. Texts are gone through only where one may hold a secret."""
    text = dump(value)
    return text if masked_data(text) == text else dump(_masked_values(value))


def _masked_values(value: Any) -> Any:
    if isinstance(value, str):
        return masked_data(value)
    if isinstance(value, Mapping):
        return {masked_data(str(name)): _masked_values(item) for name, item in value.items()}
    return [_masked_values(item) for item in value] if isinstance(value, list | tuple) else value


def is_clean(error: BaseException | None) -> bool:
    """Whether no message of the error or of what it came from has anything to mask: it can be shown as a cause."""
    return all(masked(str(each)) == str(each) for each in causes_of(error, with_context=True))


def _without(secrets: set[str], text: str) -> str:
    found = [secret for secret in tuple(secrets) if secret in text]
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _is_no_word(secret: str) -> bool:
    return len(secret) >= MIN_CHARS_IN_DATA and not (secret.isalpha() and secret.islower())


def _forms(secret: str) -> Iterator[str]:
    """As it is, and as JSON and URLs spell it."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret.encode("utf-8", "surrogatepass"), safe="")
    yield repr(secret)[1:-1]
