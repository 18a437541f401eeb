"""Masking: personal data and secrets in a text, replaced by placeholders before the text is kept or shown to an LM.

What each kind looks like is said in the finders of `_ORDER`, a file for each sort beside this one; what a tenant wants
to be masked in `MaskingRules` (docs/decisions/0004-masking-and-leaks.md).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import get_args

from argotune.data.annotations import Annotation
from argotune.data.examples import Example
from argotune.data.experiences import Experience, shared
from argotune.data.fields import Fields
from argotune.data.guards.addresses import find_postal_addresses
from argotune.data.guards.credentials import find_keys, find_random_texts, find_tokens
from argotune.data.guards.host_addresses import find_hosts, find_ips
from argotune.data.guards.names import find_person_names
from argotune.data.guards.names_model import asks_for_names, model_edition, namings
from argotune.data.guards.national_ids import find_national_ids
from argotune.data.guards.passwords import find_passwords
from argotune.data.guards.personal_data import (
    Place,
    find_cards,
    find_emails,
    find_ibans,
    is_spelled,
)
from argotune.data.guards.phones import find_phones
from argotune.store.sealing import digest
from argotune.tenants.masking_rules import MaskedKind, MaskingRules

EDITION = 2
"""Raised whenever masking reaches what it did not: what is stored is then masked again. Finders tell it themselves."""

MAX_PASSES = 5
"""What is masked can uncover more, as `a@b.cc` did in `x:a@b.cc`. Texts that need more passes are made to."""


@dataclass(frozen=True)
class Finding:
    """One place in a text, `text[start:end]`, that is to be masked as `kind`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class MaskedText:
    """A text without what was masked in it, and how many pieces of each kind that were."""

    text: str
    counts: Mapping[str, int]


def mask(text: str, rules: MaskingRules) -> MaskedText:
    """The text with each found piece replaced by its kind: `<EMAIL>`. Masking again changes nothing. Raises nothing but
    ConfigInvalid, where names are to be masked and the model that finds them is missing."""
    counts: Counter[str] = Counter()
    for _ in range(MAX_PASSES):
        found = findings(text, rules)
        if not found:
            return MaskedText(text, counts)
        counts.update(finding.kind for finding in found)
        text = _replaced(text, found)
    return MaskedText("<TEXT>", counts + Counter(text=1))


class Mask:
    """One tenant's rules at work on experiences, examples and labels; `counts` are the pieces masked so far."""

    def __init__(self, rules: MaskingRules, counts: Mapping[str, int] | None = None) -> None:
        self._rules = rules
        self.counts = Counter(counts)

    def text(self, text: str) -> str:
        """The text, masked and counted."""
        masked = mask(text, self._rules)
        self.counts.update(masked.counts)
        return masked.text

    def experience(self, experience: Experience, fields: Fields) -> Experience:
        """Inputs, free-text answers and slices; labels of a closed set are the tenant's own words."""
        return replace(
            experience,
            inputs=self._inputs(experience.inputs, fields),
            answers=self.answers(experience.answers, fields),
            greedy_answers=experience.greedy_answers and self.answers(experience.greedy_answers, fields),
            modality=experience.modality and self.text(experience.modality),
            language=experience.language and self.text(experience.language),
            filled=experience.filled and self._inputs(experience.filled, fields),
        )

    def example(self, example: Example, fields: Fields) -> Example:
        """As for an experience. What is masked has another id."""
        slices = {
            name: value if name == "label" else self.text(value) for name, value in (example.slices or {}).items()
        }
        inputs = self._inputs(example.inputs, fields)
        return replace(example, inputs=inputs, expected=self.answers(example.expected, fields), slices=slices)

    def annotation(self, annotation: Annotation, fields: Fields) -> Annotation:
        """A label that somebody gave to an answer."""
        label = self._answer(annotation.name, annotation.label, fields)
        return annotation if label == annotation.label else replace(annotation, label=label)

    def answers(self, answers: Mapping[str, str], fields: Fields) -> Mapping[str, str]:
        """Those in free text masked."""
        return shared(*((name, self._answer(name, answer, fields)) for name, answer in answers.items()))

    def _answer(self, name: str, answer: str, fields: Fields) -> str:
        return answer if fields.answers.get(name) is not None else self._value(name, answer, fields)

    def _inputs(self, inputs: Mapping[str, str], fields: Fields) -> dict[str, str]:
        return {name: self._value(name, text, fields) for name, text in inputs.items()}

    def _value(self, name: str, text: str, fields: Fields) -> str:
        """What is masked in a list or an object are the texts in it, so that it stays one."""
        type_ = fields.types.get(name)
        return type_.mapped(text, self.text) if type_ else self.text(text)


def rules_digest(rules: MaskingRules) -> str:
    """Equal where the same would be masked: another one for other rules, for finders of which a line changed and for
    another version of the model that finds names. Raises ConfigInvalid where that is asked for and missing."""
    model = [model_edition(rules.names_model)] if asks_for_names(rules) else []
    return digest([EDITION, _finders(), rules.model_dump(mode="json"), *model])


@cache
def _finders() -> str:
    """Digest of the sources of this package, so that whoever changes a finder has what is stored masked again."""
    sources = {file.name: file.read_text("utf-8") for file in files("argotune.data.guards").iterdir() if file.is_file()}
    return digest(sources)


def _replaced(text: str, found: Iterable[Finding]) -> str:
    parts, done = [], 0
    for finding in found:
        parts += [text[done : finding.start], f"<{finding.kind.upper()}>"]
        done = finding.end
    return "".join([*parts, text[done:]])


Finder = Callable[[str, MaskingRules], Iterable[Place]]


def _anywhere(find: Callable[[str], Iterable[Place]]) -> Finder:
    return lambda text, _rules: find(text)


_ORDER: tuple[tuple[str, Finder, int], ...] = (
    ("password", _anywhere(find_passwords), 0),
    ("token", _anywhere(find_tokens), 0),
    ("key", _anywhere(find_keys), 0),
    ("email", _anywhere(find_emails), 0),
    ("iban", _anywhere(find_ibans), 7),
    ("card", _anywhere(find_cards), 12),
    ("national_id", _anywhere(find_national_ids), 6),
    ("ip", _anywhere(find_ips), 1),
    ("host", _anywhere(find_hosts), 0),
    ("phone", lambda text, rules: find_phones(text, rules.phone_regions), 7),
    ("key", _anywhere(find_random_texts), 1),
    ("address", lambda text, rules: find_postal_addresses(text, namings(text, rules.names_model)), 1),
    ("name", lambda text, rules: find_person_names(text, namings(text, rules.names_model)), 0),
)
"""Each finder sees only what those before it left: of two that claim a place the earlier one has it. The number is
how many digits a text needs to be looked at, as most have fewer."""

_SIGNS = re.compile(
    r"[@＠:：=＝.\\\d\"`“„«]|(?<![^\W\d_])'|-----BEGIN|[_-][A-Za-z]{16}|(?i:passw|passcode|kennwort)|p(?:wd|w|in)\b"
)
"""All findings but spelled mail addresses hold one of these or stand behind it. Most texts have none of them."""


_PLACEHOLDER = re.compile(f"<(?:{'|'.join(get_args(MaskedKind))})>".upper())
"""Hidden from finders, to whom "phone" says that the next number is one."""


def findings(text: str, rules: MaskingRules) -> list[Finding]:
    """What one pass over a text would mask, in order and without overlaps."""
    if not rules.enabled or not (_SIGNS.search(text) or is_spelled(text) or asks_for_names(rules)):
        return []
    left, found = _PLACEHOLDER.sub(lambda placeholder: "<" * len(placeholder[0]), findable(text)), []
    digits = sum(map(left.count, "0123456789"))
    for kind, find, digits_needed in _ORDER:
        if digits < digits_needed or kind not in rules.kinds:
            continue
        places = _apart(find(left, rules))
        if places:
            left = _without(left, places)
            found += [Finding(kind, *place) for place in places if not _is_kept(text[slice(*place)], rules.keep)]
    return sorted(found, key=lambda finding: finding.start)


def _apart(places: Iterable[Place]) -> list[Place]:
    """The places, in order; those that overlap are one."""
    apart: list[Place] = []
    for start, end in sorted(places):
        if apart and start < apart[-1][1]:
            apart[-1] = apart[-1][0], max(end, apart[-1][1])
        else:
            apart.append((start, end))
    return apart


def _without(text: str, places: Sequence[Place]) -> str:
    """A text of the same length in which no finder finds anything at the places, as it would find in a placeholder."""
    parts, done = [], 0
    for start, end in places:
        parts += [text[done:start], "<" * (end - start)]
        done = end
    return "".join([*parts, text[done:]])


def _is_kept(piece: str, keep: Sequence[str]) -> bool:
    lowered = piece.casefold()
    return any(lowered == text or lowered.endswith(("@" + text, "." + text)) for text in map(str.casefold, keep))


class _Plain(dict[int, str]):
    """Character -> the one that finders know: digits of all scripts, full width, dashes and spaces become ASCII."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        value, category = unicodedata.decimal(char, None), unicodedata.category(char)
        if value is not None:
            char = str(value)
        elif 0xFF01 <= code <= 0xFF5E:
            char = chr(code - 0xFEE0)
        elif category == "Pd" or code == 0x2212:
            char = "-"
        elif category == "Zs":
            char = " "
        self[code] = char
        return char


_PLAIN = _Plain()


def findable(text: str) -> str:
    """The text as finders read it, of the same length, so that their places are places in the text."""
    return text if text.isascii() else text.translate(_PLAIN)
