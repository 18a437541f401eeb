"""National ids: where numbers that a state gave to a person stand in a text. A finder as in `personal_data`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from argotune.data.guards.personal_data import Place


@dataclass(frozen=True)
class NationalId:
    """A country's number: how it is written, python-stdnum's module of its check digits, and what it is called.

    `shape` is told from other numbers by its form and check digits, `plain` only where a word of `names` stands near
    or where the text is nothing else.
    """

    shape: str | None
    plain: str | None
    module: str | None
    names: str = r"(?!)"


_IDS = (
    NationalId(r"\d{3}-\d{2}-\d{4}", r"\d{3}[ .]?\d{2}[ .]?\d{4}", "us.ssn", r"\bssns?\b|social.security|\bsocial\b"),
    NationalId(r"\d{8}[- ]?[a-z]", r"\d{7}[- ]?[A-Za-z]", "es.dni", r"\bdni\b|\bnif\b"),
    NationalId(r"[xyz][- ]?\d{7}[- ]?[a-z]", None, "es.nie"),
    NationalId(r"\d{3}\.\d{3}\.\d{3}-\d{2}", r"\d{3}[. ]?\d{3}[. ]?\d{3}[- ]?\d{2}", "br.cpf", r"\bcpf\b"),
    NationalId(r"[a-z]{6}[\dlmnp-v]{2}[a-z][\dlmnp-v]{2}[a-z][\dlmnp-v]{3}[a-z]", None, "it.codicefiscale"),
    NationalId(r"[12] ?\d\d ?\d\d ?(?:\d\d|2[ab]) ?\d{3} ?\d{3} ?\d\d", None, "fr.nir"),
    NationalId(r"\d{17}[\dx]", None, "iso7064.mod_11_2"),  # Chinese; its digits for places change over the years
    NationalId(r"\d{4}[ -]\d{4}[ -]\d{4}", r"\d{12}", "in_.aadhaar", r"aadhaa?r|\buid(?:ai)?\b|आधार|unique id"),
    NationalId(r"\d{6}-\d{7}", r"\d{6}[ -]?\d{7}", "kr.rrn", r"\brrn\b|resident|주민|registration"),
    NationalId(
        r"(?:19|20)?\d{6}[-+]\d{4}",
        r"(?:19|20)?\d{10}",
        "se.personnummer",
        r"person|\bpnr\b|swed|svensk|\bid\b|födelse",
    ),
    NationalId(None, r"\d{11}", "pl.pesel", r"pesel|identyfik|\bnr ewid"),
    NationalId(None, r"\d{3}[. ]?\d{3}[. ]?\d{3}|\d{4}[. ]\d{2}[. ]\d{3}", "nl.bsn", r"\bbsn\b|burgerservice|sofi.?n"),
    NationalId(  # British, without check digit
        r"[a-ceghj-pr-tw-z][a-ceghj-npr-tw-z][ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?[a-d]", None, None
    ),
)
_EDGES = r"(?<![0-9A-Za-z_.-])(?<!\d[ -])(?:{})(?![0-9A-Za-z_]|[-. ]\d)"
_SHAPES = [(found, re.compile(_EDGES.format(found.shape), re.IGNORECASE)) for found in _IDS if found.shape]
_PLAIN = [
    (found, re.compile(_EDGES.format(found.plain)), re.compile(found.names, re.IGNORECASE))
    for found in _IDS
    if found.plain
]
_TOLD_APART = ("kr.rrn", "se.personnummer", "pl.pesel", "br.cpf", "es.dni")
"""Alone in a text, these are told from other numbers by a day of birth, two check digits or a letter."""
_CUE_CHARS = 40


def find_national_ids(text: str) -> Iterator[Place]:
    """Numbers of countries whose form or check digits tell them from others; in other forms where they are named."""
    for country, shape in _SHAPES:
        yield from (found.span() for found in shape.finditer(text) if _is_valid(country, found[0]))
    for country, plain, names in _PLAIN:
        for found in plain.finditer(text):
            around = text[max(0, found.start() - _CUE_CHARS) : found.end() + _CUE_CHARS]
            is_alone = country.module in _TOLD_APART and found[0] == text.strip()
            is_named = names.search(around) is not None
            if (is_alone or is_named) and (
                _is_valid(country, found[0]) or (is_named and _is_korean(country, found[0]))
            ):
                yield found.span()


def _is_valid(country: NationalId, number: str) -> bool:
    if country.module is None:
        return True
    written = re.sub(r"[. ]", "", number).upper()
    if country.module == "es.dni":
        written = written.replace("-", "").zfill(9)
    return bool(importlib.import_module(f"stdnum.{country.module}").is_valid(written))


def _is_korean(country: NationalId, number: str) -> bool:
    """Numbers given since October 2020 have no check digit: where it is named, a day of birth is enough."""
    day = r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ -]?[1-8]\d{6}"
    return country.module == "kr.rrn" and re.fullmatch(day, number) is not None
