"""Credentials: where tokens and keys stand in a text. Finders as in `personal_data`.

The patterns are ours: scanners of source code report lines and not places, or are 45 MB of another language, and know
no prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from argotune.data.guards.named_values import NamedValue, Relation, Words, is_explained, is_expression
from argotune.data.guards.personal_data import Place
from argotune.data.guards.randomness import (
    has_letters_and_digits,
    is_drawn,
    is_mixed,
    is_of_one_case,
    is_random,
    is_strong,
)
from argotune.data.guards.secret_formats import keys_by_format, tokens_by_format

_TOKENS = Words(
    *("token", "pat", "session_id", "session-id", "session id", "sessionid", "sid", "bearer", "webhook"),
    *("токен", "令牌", "トークン", "토큰"),
)
_KEYS = Words(
    *(
        f"{what}key"
        for what in ("api", "access", "secret", "private", "account", "auth", "app", "license", "token", "user")
    ),
    *("key", "secret", "private", "credential", "signature", "auth", "密钥", "密鑰", "ключ", "シークレット", "시크릿"),
)
_BEARER = re.compile(
    r"(?i)(?<![a-z])(?:bearer|authorization[\"']?\s?[:=,]\s?[\"']?(?:basic|token|apikey|key|\w{1,20}))[:=]? "
    r"([A-Za-z0-9._~+/=|:-]{8,4000}+)"
)


def find_tokens(text: str) -> Iterator[Place]:
    """Tokens of known formats, after `Bearer`, and what stands behind a word for token."""
    yield from tokens_by_format(text)
    lowered = text.lower()
    if "bearer" in lowered or "authorization" in lowered:
        yield from (found.span(1) for found in _BEARER.finditer(text) if _is_borne(found[1]))
    if _TOKENS.are_in(lowered):
        yield from _TOKENS.places(text, _is_secret)


def _is_borne(value: str) -> bool:
    return (has_letters_and_digits(value) or is_mixed(value)) and "://" not in value


def find_keys(text: str) -> Iterator[Place]:
    """Private keys as PEM blocks, known formats, and what is called a key or secret."""
    yield from keys_by_format(text)
    if _KEYS.are_in(text.lower()):
        yield from _KEYS.places(text, _is_secret)


_WEAK_NAME = re.compile(r"(?i)(?:auth|key|private)s?")
_OTHER_KEYS = re.compile(
    r"(?i)(?:public|pub|primary|foreign|cache|sort|partition|dict|map|index|group|object|shard)[\W_]?$"
)


def _is_secret(named: NamedValue) -> bool:
    """Tokens and keys have letters and digits; the less a text says of them, the more they must look drawn."""
    if is_expression(named) or is_explained(named) or _OTHER_KEYS.search(named.before_name):
        return False
    is_weak = _WEAK_NAME.fullmatch(named.name) is not None and not named.is_qualified
    if is_weak or named.relation in (Relation.BESIDE, Relation.LISTED):
        is_listed = named.relation is Relation.LISTED and is_strong(named.value)
        return is_drawn(named.value) or is_listed or (not is_weak and _is_long(named.value))
    return _is_set(named) or (has_letters_and_digits(named.value) and not _is_wordy(named.value))


def _is_set(named: NamedValue) -> bool:
    """16 letters or digits that a setting or a text in quotes gives; letters alone only where they are no words."""
    value, is_literal = named.value, named.is_quoted or named.text[named.start - 1] == "="
    if named.relation is not Relation.ASSIGNED or not is_literal or not re.fullmatch(r"[A-Za-z0-9]{16,}", value):
        return False
    return not value.isalpha() or len(value) >= 20 or is_mixed(value)


def _is_long(value: str) -> bool:
    """One word of 20 letters and digits, or groups of them as in a licence."""
    return has_letters_and_digits(value) and _LONG.fullmatch(value) is not None


_LONG = re.compile(r"[A-Za-z0-9]{20,}|(?:[A-Z0-9]{4,8}-){2,}[A-Z0-9]{4,12}")


def _is_wordy(value: str) -> bool:
    """Words with numbers between them, such as a name of a file, a version or a day."""
    return _WORDY.fullmatch(value) is not None or value[:2] == "0x" or any(sign in value for sign in "(){}^")


_WORDY = re.compile(
    r"\d{4}-\d\d-\d\d\S{0,20}|[A-Za-z]\w*(?:\._?[a-z][a-z_]+)+|v?\d+(?:\.\d+){1,3}|(?:[A-Za-z]{3,}[_./-]){2,}\w{0,12}"
    r"|(?:[A-Za-z]{2,}\d{0,2}|\d{0,2}[A-Za-z])(?:[._](?:[A-Za-z]+\d{0,2}|\d{1,2}[a-z]?))+"
    r"|[A-Za-z]{2,8}-?\d{1,4}(?:-[A-Za-z]{2,5})?"
    r"|(?:[A-Z][a-z]+)*[A-Z]?[a-z]+\d{1,2}(?:[A-Z][a-z]*)*"
)


_RUN = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{20,}+={0,2}")
_CUE = re.compile(r"(?i)key|token|secret|access|private|passw|auth|credential|\bpat\b|密钥|токен")
_OTHER = re.compile(
    r"(?i)commit|sha\d|hash|digest|md5|checksum|revision|etag|uuid|guid|\bids?\b|[_-]id\b|version|file|contract"
)
_NO_SECRET = re.compile(
    r"(?i)(?:address|contract|wallet|mint|program|sha\d{1,3}|base64|integrity|ssh-\w{3,8}|public.?keys?|commit|etag|checksum)"
    r"\W{0,3}(?:is |at )?\W?$"
)


_GLUED = re.compile(
    r"(?i)[\w-]{0,40}?(?:key|token|secret|private|access)[a-z0-9]{0,12}[_-](?=[\w-]{0,20}\d)([A-Za-z0-9-]{20,})$"
)


def find_random_texts(text: str) -> Iterator[Place]:
    """Runs of 20 characters or more that nobody would write by hand: keys of formats that are not known here.

    Hashes and the like only where a word for a key stands near. Addresses of contracts and the paths of URLs are none.
    """
    for found in _RUN.finditer(text):
        before = text[max(0, found.start() - 40) : found.start()].rpartition("\n")[2]
        glued = _GLUED.match(found[0])
        start = glued.start(1) if glued else 0
        is_named = glued is not None or (_CUE.search(before) is not None and _OTHER.search(before) is None)
        if not _NO_SECRET.search(before) and _is_key(found[0][start:], before, is_named):
            yield found.start() + start, found.end()


def _is_key(run: str, before: str, is_named: bool) -> bool:
    if not is_random(run) and not is_of_one_case(run) and not (is_named and is_drawn(run)):
        return False
    is_name = sum(map(run.count, "_-")) > len(run) / 10 + 1
    is_public = re.fullmatch(r"0x[0-9a-fA-F]{40}|sha\d{1,3}-.*", run) is not None
    return not (is_name or is_public or re.search(r"\w\.$|://\S*$", before) or _is_path(run))


def _is_path(run: str) -> bool:
    """Words between slashes: in base64 the parts are longer or random themselves."""
    parts = [part for part in run.split("/") if 3 <= len(part) < 24]
    return "/" in run and len(run) < 40 and any(not is_random(part) for part in parts)
