"""Passwords: where passwords stand in prose, settings, commands and URLs. A finder as in `personal_data`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from argotune.data.guards.named_values import NamedValue, Relation, Words, is_explained, is_expression, is_variable
from argotune.data.guards.personal_data import Place
from argotune.data.guards.randomness import is_made_up, is_strong

_WORDS = Words(
    *("password", "passwd", "passphrase", "passcode", "passwrd", "paasword", "passwort", "kennwort", "identified by"),
    *("pass", "pwd", "pswd", "psw", "pw", "p/w", "pin", "mdp", "mot de passe", "contraseña", "contrasena", "senha"),
    *("clave", "access code", "security code", "pin code", "door code", "unlock code", "wifi code", "otp"),
    *("verification code", "one-time code"),
    *("wachtwoord", "hasło", "lösenord", "adgangskode", "kodeord", "passord", "salasana", "heslo", "jelszó", "parola"),
    *("şifre", "пароль", "κωδικός", "סיסמה", "كلمة المرور", "كلمة السر", "पासवर्ड", "รหัสผ่าน", "mật khẩu", "kata sandi"),
    *("密码", "密碼", "口令", "パスワード", "비밀번호", "비번", "암호", "패스워드"),
)
_URL_LOGIN = re.compile(r"://(?::|(?=[^\s/@<>:]{1,200}+:))([^\s/@<>]{1,200}+)@")
_STAND_IN = re.compile(r":[${(*]|:%\(|:(?:your|replace)[_-]|[{(\[]", re.IGNORECASE)
_OPTION = re.compile(
    r"(?i)(?:\bnet(?:\.exe)? user \S{1,64} "
    r"|(?:sshpass|mysql\w{0,8}|docker login|psexec|smbclient|redis-cli)\b[^\n<>]{0,120}?\s-[pa]\s?"
    r"|(?:curl|wget|http)\b[^\n<>]{0,200}?\s(?:-u|--user)[\s=](?=[\"']?[^\s:\"'<>]{1,64}:))[\"']?([^\s\"'<>]{4,200}+)"
)
_LOGIN = re.compile(
    r"(?i)(?:\b(?:user\s?(?:name|id)?|login|e-?mail|account|id|utilisateur|usuario|benutzer(?:name)?)\b|用户|账号|아이디)"
    r"\W{1,4}(?:is\W{1,3})?\w"
)
_PAIR = re.compile(
    r"(?i)\b(?:log(?:in|ged)?(?: in)?|sign(?:ed)? in|cred(?:ential)?s?|id\s?/\s?p\w{1,7}"
    r"|user(?:name)?\s?/\s?pass\w{0,6})"
    r"\b[^\n<>]{0,40}?[\s:(\"'`]([\w.@+-]{2,64}+)[\"'`]?\s?[/:|]\s?[\"'`]?([^\s\"'`<>/,;]{4,64}+)"
)
_ACCOUNT = re.compile(
    r"(?i)\b(?:user(?:name| ?id)?|login|e-?mail|account|id)\W{1,3}(?=\S{0,64}[@\d._])\S{2,64}[\s,;]{1,3}"
    r"(?:and |with )?(?:the )?(?:password|passwd|pass|pw|pwd)[\s:=]{1,3}"
    r"[\"'`]?([^\s\"'`<>,;()\[\]{}$]{4,64}+)(?=[\"'`,;)]|\s*(?:$|\n))"
    r"|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,60}\s?[:/|]\s?(?=[^\s/]{0,64}[!#$%&*^~])([^\s\"'`<>/,;]{6,64}+)"
)
_IS_IT = re.compile(
    r"(?i)(?<!\S)(?P<quote>[\"'`])?([^\s\"'`<>]{5,64}+)(?(quote)(?P=quote)),? (?:(?(quote)(?P<as>as)|as)|is|was|for|be)"
    r"(?: no longer)?(?: (?:my|the|our|your|his|her|a|an))?(?: \w{1,20}){0,2} pass(?:word|code)\b"
)
_NEAR = re.compile(
    r"(?i)(?:passw(?:or[dt]|d)s?|kennwort|mot de passe|contraseña|senha|wachtwoord|hasło|şifre\w{0,4}"
    r"|пароль|login|cred(?:ential)?s?)\b([^\n<>]{1,60})|(?:密码|パスワード|비밀번호)([^\n<>]{1,60})"
)
_SIGNED = re.compile(
    r"(?<![^\s,;:(\"'`])(?=[^\s,;]{0,40}\d)(?=[^\s,;]{1,40}[!#$%&*@^~])[\w!#$%&*@^~?+-][\w!#$%&*@^~.?+-]{5,63}+(?![(=/])"
)
_MEASURE = re.compile(
    r"\d+[-–]?(?:char|digit|letter|symbol|bit|byte|day|hour|min|time)\w*"
    r"|(?:sha|md|aes|utf|base|bcrypt|pbkdf)-?\d*",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"(?i)[\s-]{0,2}(?:char|digit|letter|symbol|bit|byte|day|hour|min|time|%|attempt|zeichen|stellig|caract|word)"
)
_OF_LOGINS = ("log", "sign", "cred", "id", "user", "@")


def find_passwords(text: str) -> Iterator[Place]:
    """What stands behind a word for password, in several languages, and `user:password` of a URL, command or pair.

    After `=` anything is one that is no code; in quotes what is one word; after a colon or "is" only what holds a
    digit or a sign, as in "password is required" is none, unless a user's name stands before it; with nothing between
    them only what nobody would write by chance.
    """
    if "://" in text:
        yield from (found.span(1) for found in _URL_LOGIN.finditer(text) if not _STAND_IN.search(found[1]))
    lowered = text.lower()
    has_word, has_login = _WORDS.are_in(lowered), any(word in lowered for word in _OF_LOGINS)
    if has_word:
        yield from _WORDS.places(text, _is_password)
        yield from (found.span(2) for found in _IS_IT.finditer(text) if is_strong(found[2]) or found["as"])
    if " -" in text or " user " in lowered:
        yield from (found.span(1) for found in _OPTION.finditer(text) if is_made_up(found[1]) and "$" not in found[1])
    if has_login:
        yield from (found.span(2) for found in _PAIR.finditer(text) if is_strong(found[2]))
        yield from (found.span(found.lastindex or 0) for found in _ACCOUNT.finditer(text))
    if has_word or has_login:
        yield from _near(text)


def _near(text: str) -> Iterator[Place]:
    """What has letters, digits and a sign, in a sentence that speaks of a password: `her password, Gr8Harbour#,`."""
    for found in _NEAR.finditer(text):
        for value in _SIGNED.finditer(text, *found.span(found.lastindex or 0)):
            if is_strong(value[0]) and not re.fullmatch(r"[$@#%&*]+\w+|\w{3,}@\w+(?:\.\w+)*", value[0]):
                yield value.start(), value.start() + len(value[0].rstrip(".?"))


def _is_password(named: NamedValue) -> bool:
    if (
        named.value in ("password", "test", "secret")
        and named.relation in (Relation.SAID, Relation.LABELLED)
        and _is_of_a_login(named)
    ):
        return True
    if is_expression(named) or is_explained(named) or _MEASURE.fullmatch(named.value) or len(named.value) > 200:
        return False
    if named.relation is Relation.ASSIGNED:
        return not is_variable(named)
    if named.is_quoted and named.relation is not Relation.LISTED and not _is_verb(named):
        return len(named.value) >= 4 or not named.value.isalpha()
    if named.relation in (Relation.BESIDE, Relation.LISTED) or _is_verb(named):
        return is_strong(named.value) or (named.name.casefold() in ("passcode", "otp") and _is_number(named))
    return _is_said(named)


def _is_verb(named: NamedValue) -> bool:
    """`pass x to y`, `pin x`."""
    is_linked = named.relation is Relation.SAID and _link(named) in ("to", "as")
    return (is_linked or named.relation is Relation.BESIDE) and named.name.casefold() in ("pass", "pin")


def _link(named: NamedValue) -> str:
    return named.before.rstrip(" *:\"'`(").rpartition(" ")[2]


def _is_said(named: NamedValue) -> bool:
    if named.relation is Relation.SAID and _link(named) in ("to", "as", "are"):
        return is_strong(named.value) or (_link(named) == "to" and is_made_up(named.value))
    return is_made_up(named.value) or _is_number(named) or _is_of_a_login(named)


def _is_number(named: NamedValue) -> bool:
    """Digits alone are a PIN, unless they count something."""
    return re.fullmatch(r"\d{4,12}", named.value) is not None and not _UNIT.match(named.after)


def _is_of_a_login(named: NamedValue) -> bool:
    """A plain word is a password where a user's name stands before it: `login: admin password: admin`."""
    before = named.before[: -len(named.name)]
    is_last = re.match(r"\s*(?:$|[\n.,;)|/(])|\sand\b", named.after) is not None
    return is_last and named.value.isalnum() and _LOGIN.search(before) is not None
