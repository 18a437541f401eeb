"""Postal addresses: a street with a number, a postcode with a place, a post box, and what of an address is beside them.

Streets are told by their words in nine languages; which words are places, and so belong to an address that they stand
beside, by a model. A place alone is no address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from argotune.data.guards.names_model import Naming
from argotune.data.guards.personal_data import Place

_NAME = r"[^\W\d_][\w'’.-]{0,40}"
_CAPITAL = r"[^\W\d_a-z][\w'’.-]{0,40}"
_NUMBER = r"\d{1,5}(?:\s?[A-Za-z](?!\w))?(?:\s?[-/]\s?\d{1,5}[a-z]?)?(?!\w)"
_OF = r"(?:de|del|della|dei|da|do|dos|du|des|la|le|les|el|los|las)"
_PLAIN_WORDS = (
    r"(?!(?:in|on|the|a|of|about|to|for|at|by|and|from|with|or|down|across|per|miles?|min|minutes?|km|hours?|days?"
    r"|best|top|ways?|things?)\s)"
)
_STREETS = (
    # 221B Baker Street, 1600 N Main St., 77 5th Avenue
    rf"(?<![\w.,-])\d{{1,5}}[A-Za-z]?(?:-\d+)?,?\s(?:{_CAPITAL}\s|\d+(?:st|nd|rd|th)\s){{1,3}}(?:Street|St|Avenue|Ave|Road"
    r"|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Square|Sq|Place|Pl|Terrace|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Close"
    r"|Crescent|Alley|Way|Row|Mews|Quay|Gardens|Grove)\b\.?",
    # 12 baker street
    rf"(?<![\w.,-])\d{{1,5}}[a-z]?,?\s(?:{_PLAIN_WORDS}{_NAME}\s){{1,2}}(?i:street|avenue|ave|road|rd|boulevard|blvd"
    r"|lane|ln|parkway|highway)\b\.?",
    # Hauptstraße 12a, Kerkstraat 3, Storgatan 5
    rf"\b{_NAME}(?i:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee|ufer|damm|chaussee|straat|laan|plein|gracht|kade|gatan"
    rf"|vägen|gata|gade|vej|veien|katu|kuja|tie)\s{_NUMBER}",
    # Berliner Str. 7, Király utca 15.
    rf"\b{_NAME}\s(?i:stra(?:ß|ss)e|str\.|weg|platz|allee|ring|utca|tér|út|u\.)\s{_NUMBER}\.?",
    # 12 bis, rue de la Paix
    r"(?<![\w.,-])\d{1,4}(?:\s(?:bis|ter))?,?\s(?i:rue|avenue|av\.|boulevard|bd|allée|chemin|impasse|quai|cours)"
    rf"\s(?:{_OF}\s|[dl]['’])*{_NAME}(?:[\s-](?:{_OF}\s)?{_CAPITAL}){{0,3}}",
    # Calle de Alcalá 42, Via Roma, 7, ul. Długa 5
    r"\b(?:[Cc]alle|C/|[Aa]venida|Avda?\.?|[Pp]aseo|Plaza|[Vv]ia|Viale|Piazza|Corso|Rua|Travessa|Praça|[Uu]l\.|[Uu]lica)"
    rf"\s(?:{_OF}\s){{0,2}}{_CAPITAL}(?:\s(?:{_OF}|{_CAPITAL})){{0,3}},?\s(?:n[.º°o]?\s?)?{_NUMBER}",
    # P.O. Box 1234, PSC 0413, Box 8144
    r"\b(?:PSC|CMR|Unit)\s\d{1,5},?\sBox\s\d{1,5}",
    r"\b(?i:p\.?\s?o\.?\s?box|postfach|postbus|apartado|bo[iî]te postale)\s\d[\d ]{0,7}(?<=\d)(?!\w)",
    # 6750 Koskikatu 25 Apt. 864, Allika 46, Suite 501
    rf"(?<![\w.,-])\d{{1,5}}\s(?:{_NAME}\s){{1,4}}(?:\d{{1,5}}\.?)?[\s,>]{{1,6}}(?i:apt|apartment|suite)\.?\s#?\w{{1,6}}",
    rf"\b{_CAPITAL}\s\d{{1,5}}\.?[\s,>]{{1,6}}(?i:apt|apartment|suite)\.?\s#?\w{{1,6}}",
)
_STREET = re.compile("|".join(_STREETS))

_POSTCODE = (
    r"(?:[A-Z]{2}[\s,]+\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}|\d{4}\s?[A-Z]{2}|[A-Z]{1,2}-\d{4,5}|\d{4,6}"
    r"|\d{2,3}[ -]\d{2,3})"
)
_UNIT = r"(?i:(?:apt|apartment|suite|ste|unit|flat|floor|room|building|bldg|etage|stock|piso)\.?\s#?\w{1,6}|#\s?\d+\w?)"
_GAP = r"[\s,;·/()>-]{1,6}"

_TOWN = rf"{_CAPITAL}(?:[ -]{_CAPITAL}){{0,3}}"
_BEHIND = re.compile(
    rf"{_GAP}(?:{_UNIT}|{_POSTCODE}|[A-Z]{{2}}|(?:{_TOWN}{_GAP}){{1,3}}(?:{_POSTCODE}|[A-Z]{{2}}\s\d{{4,6}}))(?!\w)"
)
_BEFORE = re.compile(rf"(?<![\w.,-])(?:{_UNIT}|{_POSTCODE}|\d{{1,5}}){_GAP}\Z")
_CODE_AND_PLACE = re.compile(rf"(?<![\w.,-]){_POSTCODE}\s+\Z")

_REACH = 40
"""Characters before an address in which its postcode or unit may stand."""


def find_postal_addresses(text: str, named: Sequence[Naming]) -> Iterator[Place]:
    """Where addresses stand in a text in which a model found these names."""
    places = [each for each in named if each.kind == "place"]
    whole = [(each.start, each.end) for each in named if each.kind == "address"]
    streets = [match.span() for match in _STREET.finditer(text)]
    for start, end in [*whole, *streets, *_coded(text, places)]:
        yield _widened(text, start, end, places)


def _coded(text: str, places: Iterable[Naming]) -> Iterator[Place]:
    """Places right behind a postcode of more than four digits: `80331 München`; in front of one a place is a number
    away from anything."""
    for place in places:
        code = _CODE_AND_PLACE.search(text, max(0, place.start - 12), place.start)
        if code and sum(map(str.isdigit, code[0])) >= 5:
            yield code.start(), place.end


def _widened(text: str, start: int, end: int, places: Sequence[Naming]) -> Place:
    """An address with what of it stands beside it: units, postcodes, places."""
    while True:
        before = _BEFORE.search(text, max(0, start - _REACH), start)
        behind = _BEHIND.match(text, end)
        if place := _next(text, end, places):
            end = place.end
        elif behind:
            end = behind.end()
        elif before:
            start = before.start()
        else:
            return start, end


def _next(text: str, end: int, places: Iterable[Naming]) -> Naming | None:
    """The place that goes on where an address ends."""
    return next((p for p in places if p.end > end and p.start <= end + 6 and _is_gap(text[end : p.start])), None)


def _is_gap(between: str) -> bool:
    return not between or bool(re.fullmatch(_GAP, between))
