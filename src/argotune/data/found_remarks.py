"""Found remarks: what annotations of a name look like, and what they would mean to us."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from argotune.data.annotations import Annotation
from argotune.data.found_programs import cut
from argotune.data.preferences import SUFFIX
from argotune.data.remarks import INCORRECT, Unread, says_right, share_of, verdict_of
from argotune.data.remarks import VERDICT as OWN_VERDICT
from argotune.tenants.remark_names import RemarkKind, RemarkMeaning

CLEAR_SHARE = 0.9
"""So many of a name's annotations must say the same kind of thing."""

STARS = RemarkMeaning(means="satisfaction", worst=1, best=5)
TEN = RemarkMeaning(means="satisfaction", worst=0, best=10)
VERDICT = RemarkMeaning(means="verdict")

_OF_ANOTHER = "of another program: nothing to say here"

_OF_CORRECTION = re.compile(r"correct(ed|ion)?|expected|ideal|gold|right|reference|truth|should|label", re.IGNORECASE)
"""Words in the name of annotations in which people write what would have been right."""


@dataclass(frozen=True)
class FoundRemark:
    """The annotations of one name in a sample. `kinds`: how many of people, LMs and code; `looks`: what they look like.
    `refuting`: how many of people's say that an answer is wrong, where that is what it means.
    `meaning`: what would be written for them, None where nothing needs to be or can be said, as `advice` tells."""

    name: str
    count: int
    kinds: Mapping[str, int]
    labels: Mapping[str, int]
    scores: tuple[float, float] | None
    explained: int
    looks: str
    meaning: RemarkMeaning | None
    advice: str
    refuting: int = 0


@dataclass(frozen=True)
class KnownAnswers:
    """The names of answers, with the labels that each may take, of the programs that are asked about (`own`) and of all
    that there are."""

    own: Mapping[str, Sequence[str]]
    all: Mapping[str, Sequence[str]]


def found_remarks(seen: Iterable[Annotation], answers: KnownAnswers, shown: Callable[[str], str]) -> list[FoundRemark]:
    """What was said under each name. `shown`: what may be shown of a text."""
    names: dict[str, list[Annotation]] = {}
    for each in seen:
        names.setdefault(each.name, []).append(each)
    return [_found(name, names[name], answers, shown) for name in sorted(names)]


def _found(name: str, given: Sequence[Annotation], answers: KnownAnswers, shown: Callable[[str], str]) -> FoundRemark:
    labels = Counter(cut(shown(a.label)) for a in given if a.label)
    scores = [a.score for a in given if a.score is not None]
    guess = _guess(name, given, answers)
    return FoundRemark(
        name=name,
        count=len(given),
        kinds=Counter(str(a.kind) for a in given),
        labels=dict(labels.most_common(5)),
        scores=(min(scores), max(scores)) if scores else None,
        explained=sum(bool(a.explanation) for a in given),
        looks=guess.looks,
        meaning=guess.meaning,
        advice=guess.advice,
        refuting=sum(map(_refutes, given)) if guess.is_verdict else 0,
    )


def _refutes(annotation: Annotation) -> bool:
    read = verdict_of(annotation, VERDICT)
    return annotation.kind == "HUMAN" and not isinstance(read, Unread) and read.label == INCORRECT


@dataclass(frozen=True)
class _Guess:
    looks: str
    meaning: RemarkMeaning | None = None
    advice: str = ""
    is_own_verdict: bool = False

    @property
    def is_verdict(self) -> bool:
        return self.is_own_verdict or self.meaning == VERDICT


def _guess(name: str, given: Sequence[Annotation], answers: KnownAnswers) -> _Guess:
    """By the first rule that most of the annotations meet."""
    if name == OWN_VERDICT or name.endswith(f".{SUFFIX}"):
        return _Guess("Argotune's own", advice="read as it is", is_own_verdict=name == OWN_VERDICT)
    if name.startswith("argotune."):
        return _Guess("Argotune's own", advice=f"not read: of names of ours {OWN_VERDICT} alone says something")
    if name in answers.all:
        of = "read as it is: it has the name of the answer" if name in answers.own else _OF_ANOTHER
        return _Guess(f"right answers of {name}", advice=of)
    rules = (_corrections, _praise, _labels_of_answers, _stars, _numbers)
    found = next((guess for rule in rules if (guess := rule(name, given, answers))), None)
    return found or _Guess("other texts", advice=f"say what it means: annotation.remarks.{name}")


def _corrections(name: str, given: Sequence[Annotation], answers: KnownAnswers) -> _Guess | None:
    """Texts without a label or a score are explanations: what would have been right, or a note."""
    if not _most(given, lambda a: not a.label and a.score is None):
        return None
    if not _OF_CORRECTION.search(name):
        return _Guess("notes", advice="for people only; where they say what would have been right, set means: answer")
    return _answer("right answers, in explanations,", name, answers)


def _praise(_name: str, given: Sequence[Annotation], _answers: KnownAnswers) -> _Guess | None:
    """Thumbs, yes and no, correct and incorrect; those who gave none beside a score are taken along."""
    labelled = [a for a in given if a.label]
    if not labelled or not _most(labelled, lambda a: says_right(a.label) is not None):
        return None
    if not _most(given, lambda a: not isinstance(share_of(a, VERDICT), Unread)):
        return None
    return _Guess("thumbs, or right and wrong", VERDICT)


def _labels_of_answers(name: str, given: Sequence[Annotation], answers: KnownAnswers) -> _Guess | None:
    """Labels that an answer takes too, or texts under a name that speaks of what is right."""
    labelled = [a for a in given if a.label]
    if not labelled or not _most(given, lambda a: bool(a.label)):
        return None
    if named := _named_in(name, answers.all):
        return _right("labels", named, answers)
    for answer, labels in answers.own.items():
        if labels and _are_among(labels, labelled):
            return _Guess(f"labels of {answer}", RemarkMeaning(means="answer", field=answer))
    is_number = _most(labelled, lambda a: a.label.strip()[:1].isdigit() or "★" in a.label or "⭐" in a.label)
    if is_number or not _OF_CORRECTION.search(name):
        return None
    return _answer("right answers, in labels,", name, answers)


def _are_among(labels: Sequence[str], given: Sequence[Annotation]) -> bool:
    return _most(given, lambda a: a.label.strip() in labels)


def _stars(_name: str, given: Sequence[Annotation], _answers: KnownAnswers) -> _Guess | None:
    shares = [share_of(a, STARS) for a in given]
    if not given or sum(isinstance(share, float) for share in shares) < CLEAR_SHARE * len(given):
        return None
    is_above_one = any(isinstance(share, float) and share > 0 for share in shares)
    return _Guess("stars, 1 to 5", STARS) if is_above_one else None


def _numbers(_name: str, given: Sequence[Annotation], _answers: KnownAnswers) -> _Guess | None:
    scores = [a.score for a in given if a.score is not None]
    if len(scores) < CLEAR_SHARE * len(given) or not scores:
        return None
    if set(scores) <= {0.0, 1.0}:
        return _Guess("scores of 0 or 1", VERDICT)
    if min(scores) >= 0 and max(scores) <= 1:
        means: RemarkKind = "satisfaction" if _most(given, lambda a: a.kind == "HUMAN") else "quality"
        return _Guess("scores, 0 to 1", RemarkMeaning(means=means))
    if min(scores) >= 0 and max(scores) <= 10:
        return _Guess("scores, 0 to 10", TEN)
    looks = f"scores, {min(scores):g} to {max(scores):g}"
    return _Guess(looks, advice="say on which scale: means: quality, with worst and best")


def _answer(looks: str, name: str, answers: KnownAnswers) -> _Guess:
    """Of the answer whose name stands in that of the annotations, else of the only one that there is."""
    found = _named_in(name, answers.all) or (next(iter(answers.own)) if len(answers.own) == 1 else None)
    if found is None:
        return _Guess(looks, advice="say of which answer: means: answer, with its field")
    return _right(looks, found, answers)


def _right(looks: str, answer: str, answers: KnownAnswers) -> _Guess:
    if answer not in answers.own:
        return _Guess(f"{looks} of {answer}", advice=_OF_ANOTHER)
    return _Guess(f"{looks} of {answer}", RemarkMeaning(means="answer", field=answer))


def _named_in(name: str, answers: Iterable[str]) -> str | None:
    """The answer whose name is a part of that of annotations: `intent` of `correct_intent`."""
    parts = f"_{name.casefold()}_".replace("-", "_").replace(" ", "_").replace(".", "_")
    named = [answer for answer in answers if f"_{answer.casefold()}_" in parts]
    return max(named, key=len) if named else None


def _most(given: Sequence[Annotation], is_so: Callable[[Annotation], bool]) -> bool:
    return bool(given) and sum(map(is_so, given)) >= CLEAR_SHARE * len(given)
