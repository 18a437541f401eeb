"""Personal data: where addresses of people, phones, cards, accounts and national numbers stand in a text.

Each finder takes a text as `masking.findable` gives it and yields (start, end) of what it finds, in time linear in the
text: runs are bounded or possessive. Check digits are python-stdnum's, numbering plans those of phonenumbers.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence

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
_DOT = r"(?:\s?[(\[{]\s?dot\s?[)\]}]\s?|\sdot\s|\.)"
_SPELLED_AT = re.compile(r"(?i)(?<=[\s(\[{])at(?=[\s)\]}])")
_SIGN = r"(?:\s?[(\[{]\s?dot\s?[)\]}]\s?|\s(?:dot|underscore|dash|hyphen|minus|plus)\s|\.)"
_SPELLED_EMAIL = re.compile(
    rf"(?<![\w.+-])(?P<local>[\w+-]{{1,64}}+(?:{_SIGN}[\w+-]{{1,64}}+){{0,3}})"
    r"(?P<at>\s?[(\[{]\s?at\s?[)\]}]\s?|\sat\s)"
    rf"(?:[\w-]{{1,63}}+{_DOT}){{1,4}}[a-z]{{2,24}}+(?![\w-])",
    re.IGNORECASE,
)
_WRITES = re.compile(
    r"(?i)mail|proton|gmx|yahoo|outlook|icloud|yandex|contact|write|reach|schreib|kontakt|écri|escrib|scriv|napisz|пиши|почта"
)


def find_emails(text: str) -> Iterator[Place]:
    """Addresses in any script (RFC 6531), and spelled ones: `anna (at) example dot org`.

    `anna at example dot org` is an address only where prose would not say it ("look at booking dot com"): in or
    behind words like "mail", with a sign spelled in the first part, or with AT in capitals.
    """
    if "@" in text:
        yield from (found.span() for found in _EMAIL.finditer(text) if not found[0].startswith("git@"))
    if is_spelled(text):
        yield from (found.span() for found in _SPELLED_EMAIL.finditer(text) if _is_address(found))


def is_spelled(text: str) -> bool:
    """Whether there can be a spelled mail address in a text; quick."""
    return "at" in text.lower() and _SPELLED_AT.search(text) is not None


def _is_address(found: re.Match[str]) -> bool:
    at = found["at"].strip()
    if not at.isalpha() or at.isupper() or re.search(rf"(?i){_SIGN}", found["local"]):
        return True
    nearby = found.string[max(found.start() - 30, 0) : found.end()]
    return " dot " in found[0].lower() and _WRITES.search(nearby) is not None


_NUMBER = re.compile(r"(?<![0-9A-Za-z_.,:/#$€£¥₹=+-])[+(]?\(?\d[\d ().\-/]{5,28}\d(?![0-9A-Za-z_])")
_DATE = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}(?![\d./-])")
_NANP = re.compile(r"(?:1[-. ])?\(?\d{3}(?:\) ?|([-. ]))\d{3}[-. ]\d{4}")
_GROUPS = re.compile(r"\(?\d+(?:[ ().\-/]+\d{2,})+")
_PHONE_WORDS = re.compile(
    r"(?i)phone|tel\b|telef|tele[cp]|\btlf|mobile|\bcell|\bcall|\bdial|\bfax|\bsms|whatsapp|telegram|signal|viber"
    r"|\bring\b|\breach|my number|handy|\bruf|\banruf|meine nummer|portable|appel|mon numéro|t[ée]l[ée]|móvil|ll[aá]ma"
    r"|mi número|cellulare|mio numero|chiama|\bbel\b|mijn nummer|celular|ligue|meu número|zadzwo|mój numer|ileti[sş]im"
    r"|numaram|kontakt|contact|тел|мобил|позвон|звон|мой номер|τηλ|κινητ|טלפון|נייד|התקשר|هاتف|جوال|رقمي|اتصل|موبايل"
    r"|फ़ोन|फोन|मेरा नंबर|मोबाइल|कॉल|โทร|เบอร์|电话|手机|请打|電話|携帯|연락처|전화|휴대폰"
)
_CUE_CHARS = 30


def find_phones(text: str, regions: Sequence[str]) -> Iterator[Place]:
    """Phone numbers with a country code anywhere, national ones of `regions` (ISO 3166, the likeliest first).

    A national number must be written in the groups of its country and begin with 0, ( or as 212-555-0187 do,
    unless a word such as "call" or "电话" stands before it: order numbers are digits too.
    """
    for found in _NUMBER.finditer(text):
        before = text[max(found.start() - _CUE_CHARS, 0) : found.start()]
        place = _phone_in(found[0], _PHONE_WORDS.search(before) is not None, regions)
        if place:
            yield found.start() + place[0], found.start() + place[1]


def _phone_in(number: str, has_cue: bool, regions: Sequence[str]) -> Place | None:
    from phonenumbers import Leniency

    if number.startswith("+"):
        return _match(number, ("ZZ",), Leniency.VALID)
    if number.startswith("00") and (place := _match("+" + number[2:], ("ZZ",), Leniency.VALID)):
        return place[0], place[1] + 1
    if has_cue:
        return _match(number, regions, Leniency.VALID)
    if _DATE.match(number) or not _GROUPS.fullmatch(number) or not (number[0] in "0(" or _NANP.fullmatch(number)):
        return None
    return _match(number, regions, Leniency.STRICT_GROUPING)


def _match(number: str, regions: Sequence[str], leniency: int) -> Place | None:
    """The longest place that is a number of one of the regions."""
    from phonenumbers import PhoneNumberMatcher

    longest: Place | None = None
    for region in regions:
        for found in PhoneNumberMatcher(number, region, leniency, max_tries=10):
            if (found.start, found.end) == (0, len(number)):
                return found.start, found.end
            if longest is None or found.end - found.start > longest[1] - longest[0]:
                longest = found.start, found.end
    return longest


_CARD = re.compile(r"(?<![0-9A-Za-z_.+-])\d(?:[ -]?\d){12,18}+(?![0-9A-Za-z_])")
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}"  # American Express, Diners, JCB
    r"|6(?:011|4[4-9]\d|[05]\d\d)\d{12}|62\d{14,17}|220[0-4]\d{12}|9792\d{12}"  # Discover, RuPay, UnionPay, Mir, Troy
    r"|(?:50|5[6-8]|6304|676\d)\d{10,15}|67\d{14}"  # Maestro
)


def find_cards(text: str) -> Iterator[Place]:
    """Payment cards: first digits and length of an issuer, and Luhn's check digit (ISO/IEC 7812-1)."""
    from stdnum import luhn

    for found in _CARD.finditer(text):
        for end in _ends(found[0], 19, 13):
            digits = re.sub(r"\D", "", found[0][:end])
            if _ISSUED.fullmatch(digits) and luhn.is_valid(digits):
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


_NATIONAL = tuple(
    (re.compile(rf"(?<![0-9A-Za-z_.-])(?:{shape})(?![0-9A-Za-z_]|[-.]\d)"), module)
    for shape, module in (
        (r"\d{3}-\d{2}-\d{4}", "us.ssn"),
        (r"\d{8}-?[A-Z]", "es.dni"),
        (r"[XYZ]-?\d{7}-?[A-Z]", "es.nie"),
        (r"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf"),
        (r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]", "it.codicefiscale"),
        (r"[12] ?\d\d ?\d\d ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", "fr.nir"),
        (r"\d{17}[\dX]", "iso7064.mod_11_2"),  # Chinese; its digits for places change over the years
        (r"\d{4} \d{4} \d{4}", "in_.aadhaar"),
        (r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[0-9]\d{6}", None),  # Korean, since 2020 without check digit
        (r"\d{6}[-+]\d{4}", "se.personnummer"),
        (r"(?<=PESEL )\d{11}|(?<=PESEL: )\d{11}", "pl.pesel"),
        (r"(?<=BSN )\d{9}|(?<=BSN: )\d{9}", "nl.bsn"),
        (r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]", None),  # British, without check digit
    )
)


def find_national_ids(text: str) -> Iterator[Place]:
    """Numbers that a state gave to a person, of countries whose shape or check digits tell them from other numbers."""
    for shape, module in _NATIONAL:
        for found in shape.finditer(text):
            if module is None or importlib.import_module(f"stdnum.{module}").is_valid(found[0]):
                yield found.span()
