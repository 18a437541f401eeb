"""Personal data: where addresses of people, phones, cards, accounts and national numbers stand in a text.

Each finder takes a text as `masking.findable` gives it and yields (start, end) of what it finds, in time linear in the
text: runs are bounded or possessive. Check digits are python-stdnum's, numbering plans those of phonenumbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Place = tuple[int, int]

GLUED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003fffd"
)
"""Characters of scripts that put no space around a foreign word: Thai, Lao, Burmese, Khmer, kana, Han, Hangul."""

_DOMAIN = r"(?:[\w-]{1,63}+\.){1,8}(?:xn--[a-z0-9-]{2,59}+|[A-Za-z]{2,24}+(?![0-9_])|(?![A-Za-z])[^\W\d_]{2,24}+)"
_EMAIL = re.compile(
    rf"(?:(?<=[{GLUED}])[A-Za-z0-9][\w.%+'-]{{0,63}}+(?<![{GLUED}])"
    rf"|(?<![\w.%+-])\w(?:(?![{GLUED}])[\w.%+'-]){{0,63}}+"
    rf"|(?<![\w.%+-])[\w.%+'-]{{1,64}}+(?<=[{GLUED}]))@{_DOMAIN}"
)
_SPELLED_DOT = r"\s?[(\[{<]\s?(?:dot|punkt|punto|ponto|\.)\s?[)\]}>]\s?|\s(?:dot|punto|ponto|\.)\s"
_SIGN = rf"(?:{_SPELLED_DOT}|\s(?:underscore|dash|hyphen|minus|plus)\s|\.)"
_DOT = rf"(?:{_SPELLED_DOT}|[_-]dot[_-]|\.)"
_SPELLED_AT = re.compile(r"(?i)(?<=[\s(\[{<_-])(?:at|arroba|собака)(?=[\s)\]}>_-])|\s@\s|[(\[{]@")
_SPELLED_EMAIL = re.compile(
    rf"(?<![\w.+-])(?P<local>[\w+-]{{1,64}}+(?:{_SIGN}[\w+-]{{1,64}}+){{0,3}})"
    r"(?P<at>[(\[{<]\s?(?:at|@|arroba|собака)\s?[)\]}>]|\s[(\[{<]\s?(?:at|@|arroba|собака)\s?[)\]}>]\s|\s(?:at|@|arroba|собака)\s)"
    rf"(?P<domain>(?:[\w-]{{1,63}}+{_DOT}){{1,4}}[a-z]{{2,24}}+)(?![\w-])",
    re.IGNORECASE,
)
_JOINED_EMAIL = re.compile(  # name_at_example.com, name-at-example-dot-com
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}?(?:_at_|-at-(?=[\w-]{1,100}-dot-))(?P<domain>[A-Za-z0-9][A-Za-z0-9-]{0,62}?"
    r"(?:(?:_dot_|-dot-|\.)[A-Za-z0-9]{2,63}){1,3})(?![\w-])"
)
_WRITES = re.compile(
    r"(?i)mail|proton|gmx|yahoo|outlook|icloud|yandex|contact|write|reach|author|maintain|schreib|kontakt|écri|escrib|scriv"
    r"|napisz|пиши|почта|correo|адрес"
)
_MAIL_HOSTS = re.compile(
    r"(?i)(?:g|google|hot|y|proton|fast|rediff)?mail\b|yahoo|outlook|aol\b|icloud|proton\b|gmx|yandex|naver|qq\b|laposte"
)
_NO_NAMES = frozenset(
    [
        "look",
        "looking",
        "looked",
        "me",
        "us",
        "it",
        "is",
        "are",
        "be",
        "available",
        "arrived",
        "works",
        "work",
        "working",
        "account",
        "email",
        "mail",
        "login",
        "hosted",
        "found",
        "find",
        "live",
        "stay",
        "staying",
        "logged",
        "signed",
        "sign",
        "log",
        "address",
        "inbox",
        "search",
        "searching",
        "here",
        "there",
        "not",
        "them",
        "this",
        "that",
        "right",
    ]
)


def find_emails(text: str) -> Iterator[Place]:
    """Addresses in any script (RFC 6531), and spelled ones: `anna (at) example dot org`.

    `anna at example dot org` is an address only where prose would not say it ("look at booking dot com"): in or
    behind words like "mail", in brackets, at a known mail service, with a sign spelled in the first part, or with AT in
    capitals.
    """
    if "@" in text:
        yield from (found.span() for found in _EMAIL.finditer(text) if not found[0].startswith("git@"))
    if is_spelled(text):
        yield from (found.span() for found in _SPELLED_EMAIL.finditer(text) if _is_address(found))
        joined = (
            found
            for found in _JOINED_EMAIL.finditer(text)
            if "dot" in found["domain"] or _MAIL_HOSTS.match(found["domain"])
        )
        yield from (found.span() for found in joined)


def is_spelled(text: str) -> bool:
    """Whether there can be a spelled mail address in a text; quick."""
    lowered = text.lower()
    return ("at" in lowered or "@" in text or "arroba" in lowered or "собака" in lowered) and _SPELLED_AT.search(
        text
    ) is not None


def _is_address(found: re.Match[str]) -> bool:
    at = found["at"].strip()
    is_bare = at.isalpha() or at == "@"
    if not is_bare or at.isupper() or re.search(rf"(?i){_SIGN}", found["local"]):
        return True
    return found["local"].casefold() not in _NO_NAMES and _is_told(found, at)


def _is_told(found: re.Match[str], at: str) -> bool:
    """Whether what stands around a name, "at" and a domain says that they are a mail address."""
    domain, text = found["domain"], found.string
    before, after = text[max(0, found.start() - 30) : found.start()], text[found.end() : found.end() + 4]
    is_enclosed = before.endswith(("<", "(", "[", ";")) and after[:1] in (">", ")", "]", "&")
    is_alone = _STARTS.search(before[-4:]) is not None and _ENDS.match(after) is not None
    is_spelled_out = re.search(r"(?i)\sdot\s|[\[({]|\s\.\s", domain) is not None
    if _MAIL_HOSTS.match(domain):
        return is_spelled_out or is_enclosed or is_alone or at == "@" or _WRITES.search(before) is not None
    is_long = domain.lower().count(" dot ") > 1
    is_likely = is_enclosed or is_alone or is_long or _WRITES.search(before + found[0]) is not None
    return is_likely and (is_spelled_out or at.casefold() in ("arroba", "собака"))


_STARTS = re.compile(r"(?:^|\n)[\s/*#%;-]*$")
_ENDS = re.compile(r"\s*(?:$|\n)")


_CARD = re.compile(r"(?<![0-9A-Za-z_.+-])\d(?:[ -]?\d){11,18}+(?![0-9A-Za-z_])")
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}"  # American Express, Diners, JCB
    r"|6(?:011|4[4-9]\d|[05]\d\d)\d{12}|62\d{14,17}|220[0-4]\d{12}|9792\d{12}"  # Discover, RuPay, UnionPay, Mir, Troy
    r"|(?:50|5[6-8]|6304|676\d)\d{10,15}|67\d{14}|(?:1800|2131)\d{11}"  # Maestro, JCB
)
_CARD_WORD = re.compile(
    r"(?i)\bcards?\b|credit|debit|visa|master ?card|maestro|amex|american express|discover|diners|\bjcb\b|\bcc\b"
    r"|karte\b|carte\b|tarjeta|cart[aã]o|carta di|\bkart|карт|银行卡|信用卡|クレジット|カード|카드"
)


def find_cards(text: str) -> Iterator[Place]:
    """Payment cards: first digits and length of an issuer, or a word such as "card" nearby, and Luhn's check digit.

    Lengths and check digit: ISO/IEC 7812-1.
    """
    from stdnum import luhn

    for found in _CARD.finditer(text):
        is_named = _CARD_WORD.search(text[max(0, found.start() - 60) : found.start()]) is not None
        for end in _ends(found[0], 19, 12):
            digits = re.sub(r"\D", "", found[0][:end])
            is_issued = is_named if len(digits) == 12 else is_named or _ISSUED.fullmatch(digits)
            if is_issued and luhn.is_valid(digits):
                yield found.start(), found.start() + end
                break


_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}\d{2}(?:[ -]?[0-9A-Za-z]){11,30}+")


def find_ibans(text: str) -> Iterator[Place]:
    """Bank accounts: check digits, length and structure of their country (ISO 13616)."""
    from stdnum import iban

    for found in _ACCOUNT.finditer(text):
        for end in _ends(found[0], 34, 15):
            if iban.is_valid(found[0][:end], check_country=False):
                yield found.start(), found.start() + end
                break


def _ends(text: str, most: int, least: int) -> Iterator[int]:
    """Where a number of `most` down to `least` letters and digits may end: before a separator or at the end."""
    places = [i for i, char in enumerate(text, start=1) if char.isalnum()]
    for count in range(min(most, len(places)), least - 1, -1):
        if places[count - 1] == len(text) or not text[places[count - 1]].isalnum():
            yield places[count - 1]
