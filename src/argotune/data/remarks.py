"""Remarks: what people and evaluators say of a decision in their own words, read as what it means to us.

A thumb, stars, yes or no, a correction under a name that a team chose: the tenant's config says what annotations of a
name mean (`annotation.remarks`), and each is read as an annotation under a name of ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from argotune.data.annotations import Annotation
from argotune.data.fields import Fields
from argotune.tenants.remark_names import RemarkMeaning

VERDICT, SATISFACTION, QUALITY = "argotune.verdict", "argotune.satisfaction", "argotune.quality"
"""Names of annotations that say whether the answer given was right, how content people were, how good results were."""

CORRECT, INCORRECT = "correct", "incorrect"
"""The labels of a verdict."""

REMARKS = (VERDICT, SATISFACTION, QUALITY)

_SCORED = {"satisfaction": SATISFACTION, "quality": QUALITY}


def _words(listed: str) -> frozenset[str]:
    return frozenset(word.strip() for word in listed.replace("\n", ",").split(",") if word.strip())


_GOOD = _words("""
correct, right, yes, y, true, pass, passed, good, great, helpful, relevant, accurate, ok, factual, satisfied, positive
thumbs up, thumb up, thumbsup, up, like, liked, accept, accepted, richtig, ja, oui, sí, 1, +1, 👍, ✅, ✔, ✓, 👌, 🙂, 😀
""")

_BAD = _words("""
incorrect, wrong, no, n, false, fail, failed, bad, poor, unhelpful, irrelevant, inaccurate, hallucinated, negative
not ok, not helpful, not relevant, not correct, not satisfied, unsatisfied, dissatisfied, dislike, disliked
thumbs down, thumb down, thumbsdown, down, reject, rejected, falsch, nein, non, 0, -1, 👎, ❌, ✘, ✗, 🙁, ☹
""")

_STARS = re.compile(r"(\d(?:[.,]\d)?)\s*(?:stars?|★|⭐|/\s*\d+)?", re.IGNORECASE)


class Unread(StrEnum):
    """Why an annotation of a name that the config explains says nothing. The values are what reports show."""

    EMPTY = "neither a label nor a score"
    UNCLEAR = "neither right nor wrong"
    OFF_SCALE = "a score outside its scale"
    NO_FIELD = "the program has no such answer field"
    OF_SESSION = "said of a session: that is no right answer to one question"


def says_right(label: str) -> bool | None:
    """Whether words are praise or blame: thumbs, yes and no, correct and incorrect; None for others."""
    word = unicodedata.normalize("NFKC", label).replace("\ufe0f", "").strip().casefold()
    word = re.sub(r"[\s_-]+", " ", word).strip(" .!") if len(word) > 2 else word
    word = word.rstrip("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")  # skin tones of a thumb
    return True if word in _GOOD else False if word in _BAD else None


def share_of(annotation: Annotation, meaning: RemarkMeaning) -> float | Unread:
    """How good somebody found something, in 0..1: by the score, else by stars, else by words."""
    given = annotation.score if annotation.score is not None else _stars(annotation.label)
    if given is None or (annotation.score is None and says_right(annotation.label) is not None and meaning.best <= 1):
        is_right = says_right(annotation.label)
        return Unread.UNCLEAR if is_right is None else float(is_right)
    share = (given - meaning.worst) / (meaning.best - meaning.worst)
    return share if 0 <= share <= 1 else Unread.OFF_SCALE


def _stars(label: str) -> float | None:
    """Stars in words, digits or signs."""
    filled = label.count("★") + label.count("⭐")
    if filled and not re.search(r"\d", label):
        return float(filled)
    found = _STARS.fullmatch(label.strip())
    return float(found[1].replace(",", ".")) if found else None


def verdict_of(annotation: Annotation, meaning: RemarkMeaning) -> Annotation | Unread:
    """By the words, else by the score, of which the middle says neither."""
    is_right = says_right(annotation.label)
    if is_right is None:
        share = share_of(annotation, meaning)
        if isinstance(share, Unread):
            return share
        if share == 0.5:
            return Unread.UNCLEAR
        is_right = share > 0.5
    return replace(annotation, name=VERDICT, label=CORRECT if is_right else INCORRECT)


def _right_answer(annotation: Annotation, meaning: RemarkMeaning, fields: Fields) -> Annotation | Unread:
    if annotation.is_of_session:
        return Unread.OF_SESSION
    field = meaning.field or (next(iter(fields.answers)) if len(fields.answers) == 1 else "")
    if field not in fields.answers:
        return Unread.NO_FIELD
    said = annotation.label.strip() or annotation.explanation.strip()
    return replace(annotation, name=field, label=said) if said else Unread.EMPTY


def meant_by(annotation: Annotation, meaning: RemarkMeaning, fields: Fields) -> Annotation | Unread:
    """The annotation under a name of ours that says the same, or why it says nothing."""
    read = _meant_by(annotation, meaning, fields)
    return read if isinstance(read, Unread) else replace(read, is_remark=annotation.name != read.name)


def _meant_by(annotation: Annotation, meaning: RemarkMeaning, fields: Fields) -> Annotation | Unread:
    if meaning.means == "answer":
        return _right_answer(annotation, meaning, fields)
    if not annotation.label.strip() and annotation.score is None:
        return Unread.EMPTY
    if meaning.means == "verdict":
        return verdict_of(annotation, meaning)
    share = share_of(annotation, meaning)
    return share if isinstance(share, Unread) else replace(annotation, name=_SCORED[meaning.means], score=share)


@dataclass(frozen=True)
class Heard:
    """The annotations that say something of a program, under names of ours, and how many said nothing, by why."""

    annotations: list[Annotation]
    unread: Mapping[str, int]


def heard(given: Iterable[Annotation], fields: Fields, meanings: Mapping[str, RemarkMeaning]) -> Heard:
    """What annotations say of a program's decisions. A name of the program's own means what it always does, and so does
    VERDICT."""
    meanings = {VERDICT: RemarkMeaning(means="verdict"), **meanings}
    found: list[Annotation] = []
    unread: Counter[str] = Counter()
    for annotation in given:
        if annotation.name in fields.label_names and annotation.is_of_session:
            unread[f"annotation {annotation.name}: {Unread.OF_SESSION}"] += 1
        elif annotation.name in fields.label_names:
            found += [annotation] if annotation.label else []
        elif meaning := meanings.get(annotation.name):
            read = meant_by(annotation, meaning, fields)
            if isinstance(read, Unread):
                unread[f"annotation {annotation.name}: {read}"] += 1
            else:
                found.append(read)
    return Heard(found, unread)
