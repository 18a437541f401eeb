"""Credentials: where passwords, tokens and keys stand in a text.

Finders as in `personal_data`. The patterns are ours: detect-secrets reports lines and not places, looks for random
texts within quotes only, keeps its plugins in global settings, and had its last release in 2024.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from argotune.data.guards.personal_data import Place

_URL_LOGIN = re.compile(r"://(?::|(?=[^\s/@<>:]{1,200}+:))([^\s/@<>]{1,200}+)@")
_PASSWORD_WORDS = (
    *("password", "passwd", "passphrase", "passcode", "pass", "pwd", "pswd", "pin", "passwort", "kennwort"),
    *("mot de passe", "mdp", "contraseña", "senha", "wachtwoord", "hasło", "lösenord", "adgangskode"),
    *("şifre", "пароль", "κωδικός", "סיסמה", "كلمة المرور", "كلمة السر", "पासवर्ड", "รหัสผ่าน"),
    *("密码", "密碼", "パスワード", "비밀번호"),
)
_TOKEN_WORDS = (
    *("token", "session_id", "session-id", "session id", "sessionid", "sid"),
    *("токен", "令牌", "トークン", "토큰"),
)
_KEY_WORDS = (
    *(f"{what}{sign}key" for what in ("api", "access", "account", "secret", "private", "signing") for sign in "_- "),
    *("apikey", "accesskey", "accountkey", "secretkey", "key", "secret", "密钥", "ключ api"),
)
_IS = r"[\"']?\s{0,3}(?:[:=]|→|\b(?:is|ist|lautet|est|es)\b|é|это|是|は)\s{0,3}[\"']?"


def _after(words: Iterable[str], between: str, most: int) -> re.Pattern[str]:
    """A pattern of a word and the `value` of up to `most` characters that stands behind it."""
    starts = "|".join(word if len(word) > 4 or not word.isascii() else f"(?<![a-z]){word}" for word in words)
    return re.compile(rf"(?i)(?:{starts})(?![a-z])(?P<is>{between})(?P<value>[^\s\"'<>,;]{{4,{most}}}+)")


_PASSWORD = _after(_PASSWORD_WORDS, rf"{_IS}|\s", 200)
_TOKEN = _after(_TOKEN_WORDS, rf"{_IS}|\s", 500)
_KEY = _after(_KEY_WORDS, rf"{_IS}|\s", 500)
_BEARER = re.compile(r"(?i)(?<![a-z])(?:bearer|authorization: ?(?:basic|token)):? ([A-Za-z0-9._~+/=-]{8,4000}+)")
_FORMATS_OF_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:eyJ[\w-]{5,4000}+\.eyJ[\w-]{5,4000}+\.[\w-]{0,4000}+"  # JWT, RFC 7519
    r"|gh[pousr]_[A-Za-z0-9]{30,255}+|github_pat_\w{30,255}+|glpat-[\w-]{16,64}+"
    r"|xox[abeoprs]-[\w-]{10,250}+|npm_[A-Za-z0-9]{30,64}+|hf_[A-Za-z0-9]{30,64}+|pypi-[\w-]{16,250}+"
    r"|ya29\.[\w-]{10,500}+|\d{8,10}:[\w-]{35}(?![\w-]))"
    r"|(?<=hooks\.slack\.com/services/)[A-Z0-9]{6,20}+/[A-Z0-9]{6,20}+/[A-Za-z0-9]{10,40}+"
)
_FORMATS_OF_KEYS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:A(?:KIA|SIA|GPA|IDA|ROA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[\w-]{35}(?![\w-])"
    r"|sk-[\w-]{20,250}+|[rsp]k_(?:live|test)_[A-Za-z0-9]{10,250}+|SG\.[\w-]{16,64}+\.[\w-]{16,64}+)"
)
_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_RUN = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{20,}+={0,2}")


def find_passwords(text: str) -> Iterator[Place]:
    """What stands behind a word for password, in several languages, and `user:password` of a URL.

    After `=` anything is one; after a colon or "is" only what holds a digit or a sign, as in "password is required" is
    none; with nothing between them only what nobody would write by chance.
    """
    if "://" in text:
        yield from (found.span(1) for found in _URL_LOGIN.finditer(text))
    if _has_any(_PASSWORD_WORDS, text):
        for found in _PASSWORD.finditer(text):
            value = found["value"].rstrip(".)]}")
            if "=" in found["is"] or (_is_made_up(value) if found["is"].strip() else _is_strong(value)):
                yield found.start("value"), found.start("value") + len(value)


def _is_made_up(value: str) -> bool:
    return any(map(str.isalpha, value)) and re.search(r"[\d!#$%&*@^~]", value) is not None


def _is_strong(value: str) -> bool:
    has_sign = re.search(r"[!#$%&*@^~]", value) is not None
    kinds = {"u" if c.isupper() else "l" if c.islower() else "d" for c in value if c.isalnum()}
    return len(kinds) == 3 and (has_sign or len(value) >= 8)


def _has_any(words: Iterable[str], text: str) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in words)


def find_tokens(text: str) -> Iterator[Place]:
    """Tokens of known formats, after `Bearer`, and what stands behind a word for token."""
    if _has_long_word(text):
        yield from (found.span() for found in _FORMATS_OF_TOKENS.finditer(text))
    if _has_any(("bearer ", "basic "), text):
        yield from (found.span(1) for found in _BEARER.finditer(text) if _has_letters_and_digits(found[1]))
    if _has_any(_TOKEN_WORDS, text):
        yield from _assigned(_TOKEN, text)


def _has_long_word(text: str) -> bool:
    return max(map(len, text.split()), default=0) >= 16


def find_keys(text: str) -> Iterator[Place]:
    """Private keys as PEM blocks, to the end of the text where it was cut; known formats; what is called a key."""
    if "-----BEGIN" in text:
        yield from (found.span() for found in _BLOCK.finditer(text))
    if _has_long_word(text):
        yield from (found.span() for found in _FORMATS_OF_KEYS.finditer(text))
    if _has_any(("key", "secret", "密钥", "ключ"), text):
        yield from _assigned(_KEY, text)


def _assigned(pattern: re.Pattern[str], text: str) -> Iterator[Place]:
    for found in pattern.finditer(text):
        value = found["value"].partition("&")[0].rstrip(".)]}")  # in a query string the next field follows
        if _has_letters_and_digits(value) and (found["is"].strip() or _is_random(value) or _is_hash(value)):
            yield found.start("value"), found.start("value") + len(value)


def _has_letters_and_digits(value: str) -> bool:
    return len(value) >= 8 and any(map(str.isalpha, value)) and any(map(str.isdigit, value))


def _is_hash(value: str) -> bool:
    return re.fullmatch(r"(?:[0-9a-f]{2,}-?){2,}", value) is not None and len(value) >= 20


def find_random_texts(text: str) -> Iterator[Place]:
    """Runs of 20 characters or more that nobody would write by hand: keys of formats that are not known here."""
    return (found.span() for found in _RUN.finditer(text) if _is_random(found[0]))


_PART = re.compile(r"[A-Z][a-z]+|[A-Z]+(?![a-z])|[a-z]+|[A-Z]|\d+")
_LONGEST_PARTS = 2.5


def _is_random(run: str) -> bool:
    """Small and capital letters and digits in a run, in parts shorter than those of words and of names in code.

    Parts of texts drawn from 62 characters have 1.9 on average, `fooBarBaz2` is 4 parts of 2.5. Hashes and UUIDs have
    no capitals.
    """
    parts = _PART.findall(run)
    is_mixed = any(map(str.isdigit, parts)) and any(map(str.islower, run)) and any(map(str.isupper, run))
    return len(run) >= 16 and is_mixed and sum(map(len, parts)) < _LONGEST_PARTS * len(parts)
