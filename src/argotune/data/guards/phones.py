"""Phones: where phone numbers stand in a text. A finder as in `personal_data`; numbering plans are phonenumbers'."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum

from argotune.data.guards.personal_data import Place


class Cue(IntEnum):
    """What the words around a number say of it."""

    NONE = 0
    LIKELY = 1
    """A word such as "call" stands before it."""
    NAMED = 2
    """It is called a phone number: `phone: ...`, `my number is ...`, `... (fax)`."""


_NUMBER = re.compile(
    r"(?<![0-9A-Za-z_$€£¥₹+#])(?<!\d[.,:])(?<![0-9A-Za-z]-)(?<![\w:/]/)"
    r"\(?\+?\(?\d[\d ().\-/]{5,30}\d(?P<extension>[ ,;]{0,2}(?i:x|ext\.?|extension|доб\.?|转|轉|#) ?\d{1,6})?"
    r"(?![0-9A-Za-z_%°€]|[.,-]\d)"
)
_DATE = re.compile(
    r"(?<!\d)(?:\d{1,4}([-./])\d{1,2}\1\d{1,4}(?![./-]?\d)|(?:0?[1-9]|1[0-2])[/.](?:19|20)\d\d(?!\d)"
    r"|(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d(?!\d)|(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?!\d))"
)
_QUANTITY = re.compile(
    r"\d+\.\d+|\d+ - \d+|\d{1,3}(?:[ .]\d{3})*[ .]000|-?\d+\.\d{3,}[ /-]+\d+\.\d{3,}|[01](?:[ .-]?[01])+"
)
_NANP = re.compile(r"(?:1[-. ])?(?:\([2-9]\d\d\)[ -]?|[2-9]\d\d([-.]))[2-9]\d\d[-.]\d{4}")
_GROUPS = re.compile(r"\(?\d+(?:[ ().\-/]+\d{2,})+")
_LIKELY = re.compile(
    r"(?i)phone|tel\b|telef|tele[cp]|\btlf|mobile|\bcell|\bcall|\bdial|\bfax|\bsms|whatsapp|telegram|signal|viber"
    r"|\bring\b|\breach|my number|answer|handy|\bruf|\banruf|meine nummer|portable|appel|mon numéro|t[ée]l[ée]|móvil"
    r"|ll[aá]ma|mi número|cellulare|mio numero|chiama|\bbel\b|mijn nummer|celular|ligue|meu número|zadzwo|mój numer"
    r"|ileti[sş]im|numaram|kontakt|contact|тел|мобил|позвон|звон|мой номер|τηλ|κινητ|טלפון|נייד|התקשר|هاتف|جوال|رقمي"
    r"|اتصل|موبايل|फ़ोन|फोन|मेरा नंबर|मोबाइल|कॉल|โทร|เบอร์|电话|手机|请打|電話|携帯|연락처|전화|휴대폰"
)
_NAMED = re.compile(
    r"(?i)(?:(?<![a-z])(?:(?:tele|cell)?phone|tele?fono?|tele?fone|tel|tlf|t[eé]l[eé](?:phone|fono)|mobile?|mobiel|cell|fax"
    r"|whatsapp|handy|desk|m[oó]vil|celular|cellulare|portable|gsm)|телефон|тел|моб|факс|τηλ\w{0,7}|טלפון|هاتف|جوال|फ़ोन|फोन"
    r"|โทร|เบอร์|电话|手机|传真|電話|携帯|전화|연락처|휴대폰|팩스"
    r"|(?<![a-z])(?:my|our|his|her|their|your) number|meine nummer|mon numéro|mi número|meu número|mio numero|numaram)"
    r"(?:nummer)?(?:[\s_-]?(?:number|no|nr|num|nummer|num[eé]ro|número|номер|番号|号码|號碼|号|번호|नंबर|numarası|#))?"
    r"[\s:.)\"'*_-]{0,5}(?:is|was|are|at|on|ist|est|es|é|è|は|是|为|는|은|=)?[\s:\"'*]{0,4}$"
)
_NAMED_AFTER = re.compile(r"(?i)\W{0,2}\(?(?:office|fax|mobile|cell|home|phone|desk|work)\b(?! \w)")
_OTHER_NUMBER = re.compile(
    r"(?i)(?:isbn|issn|doi|order|invoice|ticket|serial|version|account|konto|part|item|article|case|reference|\bref|\bid)"
    r"\b[\w .:#-]{0,12}$"
)
_ZIP = re.compile(r"\d{5}-\d{4}")
"""Behind the letters of a state: `MA 02110-1301`."""
_CUE_CHARS = 30


def find_phones(text: str, regions: Sequence[str]) -> Iterator[Place]:
    """Phone numbers with a country code anywhere, national ones of `regions` (ISO 3166, the likeliest first).

    What the text calls a phone number is one. Any other national number must be written in the groups of its country
    and begin with 0, ( or as 212-555-0187 do, unless a word such as "call" or "电话" stands before it: order numbers
    are digits too.
    """
    for found in _NUMBER.finditer(text):
        place = _phone_in(found, _cue_of(found), regions)
        if place:
            yield found.start() + place[0], found.start() + place[1]


def _cue_of(found: re.Match[str]) -> Cue:
    before = found.string[max(found.start() - _CUE_CHARS, 0) : found.start()]
    if _NAMED.search(before) or _NAMED_AFTER.match(found.string, found.end()):
        return Cue.NAMED
    return Cue.LIKELY if _LIKELY.search(before) else Cue.NONE


def _phone_in(found: re.Match[str], cue: Cue, regions: Sequence[str]) -> Place | None:
    number = found[0][: -len(found["extension"])] if found["extension"] else found[0]
    whole, digits = (0, len(found[0])), sum(map(str.isdigit, number))
    if "+" in number[:3] or number.lstrip("(").startswith(("00", "011") if cue else "00"):
        return whole if _is_international(number, cue) or cue is Cue.NAMED else None
    if cue is Cue.NAMED and digits <= 15:
        return whole if digits >= 7 and not _DATE.fullmatch(number) else None
    if _DATE.search(number) or _QUANTITY.fullmatch(number.strip("()")):
        return None
    return whole if _NANP.fullmatch(number) else _national(number, found, cue, regions)


def _is_international(number: str, cue: Cue) -> bool:
    """Of the length of its country; where nothing says that it is a phone and + does not stand, also of its plan."""
    import phonenumbers

    digits = re.sub(r"\(0\)|\D", "", number)
    code = digits if "+" in number[:3] else digits[3:] if digits.startswith("011") else digits[2:]
    try:
        parsed = phonenumbers.parse("+" + code)
    except phonenumbers.NumberParseException:
        return False
    is_likely = "+" in number[:3] or cue is not Cue.NONE
    return phonenumbers.is_possible_number(parsed) if is_likely else phonenumbers.is_valid_number(parsed)


def _national(number: str, found: re.Match[str], cue: Cue, regions: Sequence[str]) -> Place | None:
    from phonenumbers import Leniency

    if cue is not Cue.NONE:
        is_grouped = _GROUPS.fullmatch(number) is not None and 8 <= sum(map(str.isdigit, number)) <= 12
        return (0, len(found[0])) if is_grouped else _match(number, regions, Leniency.VALID)
    before = found.string[max(found.start() - _CUE_CHARS, 0) : found.start()]
    is_zip = _ZIP.fullmatch(number) and (
        before[-3:-1].isupper() or re.match(r",? {1,2}US", found.string[found.end() : found.end() + 8])
    )
    is_other = is_zip or _OTHER_NUMBER.search(before) or re.fullmatch(r"\d\d-\d{7}", number)
    if is_other or not _GROUPS.fullmatch(number) or number[0] not in "0(":
        return None
    return _match(number, regions, Leniency.STRICT_GROUPING)


def _match(number: str, regions: Sequence[str], leniency: int) -> Place | None:
    """The longest place that is a number of one of the regions."""
    from phonenumbers import PhoneNumberMatcher

    longest: Place | None = None
    for region in regions:
        for found in PhoneNumberMatcher(number, region, leniency, max_tries=10):
            if sum(map(str.isdigit, found.raw_string)) < 7:
                continue
            if (found.start, found.end) == (0, len(number)):
                return found.start, found.end
            if longest is None or found.end - found.start > longest[1] - longest[0]:
                longest = found.start, found.end
    return longest
