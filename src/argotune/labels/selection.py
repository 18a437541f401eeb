"""Selecting: which questions are worth a person's label, and with which probability each was chosen.

Pure rules over what is known of a program's questions. Who is asked, and where that is written down, is
queue.py and pipeline/stages/annotate.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

from argotune.data.experiences import Experience
from argotune.data.splitting import Split, Splitter, normalised

POOL_PER_PLACE = 4
"""So many training questions are looked at more closely for each that is chosen: that costs LM calls."""


READ_AT_ONCE = 100
"""Questions whose texts are read together."""


class Reason(StrEnum):
    """Why a question is worth a label, the most telling first."""

    ANNOTATORS = "annotators disagree"
    DIFFER = "champion and challenger differ"
    REFUTED = "said to be wrong"
    NEIGHBOURS = "neighbours disagree"
    UNSURE = "low confidence"
    LOT = "random"


@dataclass(frozen=True)
class Selection:
    """A question for a person: the span that holds it, why, its split from now on, and how likely it was chosen."""

    experience: Experience
    split: Split
    reason: Reason
    probability: float


Doubts = Callable[[Sequence[Experience]], Mapping[str, frozenset[Reason]]]
"""What speaks for a label, by span id: asked of a few training questions only, as it costs LM calls."""


def lot_of(key: str, tenant_id: str) -> float:
    """The lot of a normalised question, in [0, 1): the same for ever, and independent of its split.

    A permanent random number (Ohlsson, "Coordination of samples using permanent random numbers", 1995): whenever the
    lowest lots are taken, what has been taken is a simple random sample of all questions so far.
    """
    return _lot(_digest(key, tenant_id))


@dataclass(frozen=True, slots=True)
class _Newest:
    """What is held of a question, as it was asked last: its text is read again where it is looked at."""

    at: datetime
    span_id: str
    confidence: float


@dataclass(frozen=True, slots=True)
class _Lot:
    lot: float
    span_id: str
    confidence: float
    is_refuted: bool


@dataclass(frozen=True)
class _OpenQuestion:
    lot: float
    experience: Experience
    is_refuted: bool


Read = Callable[[Iterable[str]], Iterable[Experience]]
"""The experiences of these spans, in their order, but those that are gone."""


class OpenQuestions:
    """The distinct questions that nobody is asked about and nobody has answered, by their lots.

    `taken` are ids of spans that people have labelled or that are in the queue: every span of the same question is out
    with them. `answered` are those with an LM's label that will do for training, and for nothing else. `refuted` are
    ids of spans of which somebody has said that the answer is wrong, and not what is right. `read` gives the texts of
    the few that are looked at.
    """

    def __init__(
        self,
        experiences: Iterable[Experience],
        taken: frozenset[str],
        answered: frozenset[str],
        tenant_id: str,
        read: Read,
        refuted: frozenset[str] = frozenset(),
    ) -> None:
        newest: dict[bytes, _Newest] = {}
        gone: set[bytes] = set()
        wrong: set[bytes] = set()
        self._answered, self._read = answered, read
        for experience in experiences:
            key = _digest(normalised(experience.query), tenant_id)
            if experience.span_id in taken:
                gone.add(key)
            if experience.span_id in refuted:
                wrong.add(key)
            if key not in newest or _age(experience) > _age(newest[key]):
                newest[key] = _Newest(experience.at, experience.span_id, _confidence(experience))
        open_ = (_Lot(_lot(key), x.span_id, x.confidence, key in wrong) for key, x in newest.items() if key not in gone)
        self._by_lot = sorted(open_, key=lambda question: (question.lot, question.span_id))

    def drawn(self, places: int, splitter: Splitter) -> list[Selection]:
        """Questions of the dev and test splits with the lowest lots, at most `places`; nothing else is looked at.

        Their probability is the lowest lot that was not taken: every dev or test question below it is in the sample
        (bottom-k sampling; Duffield, Lund and Thorup, J. ACM 54, 2007), 1.0 when all were taken.
        """
        found: list[tuple[Experience, Split]] = []
        if places <= 0:
            return []
        for question in self._opened(self._by_lot):
            split = splitter.preview(question.experience.query)
            if split is Split.TRAIN or not isinstance(split, Split):
                continue
            if len(found) == places:
                return [Selection(x, place, Reason.LOT, question.lot) for x, place in found]
            found.append((question.experience, split))
        return [Selection(x, place, Reason.LOT, 1.0) for x, place in found]

    def informative(self, places: int, splitter: Splitter, threshold: float, doubts: Doubts) -> list[Selection]:
        """The most informative training questions, at most `places`: most reasons first, then the least confident.

        Of those that are looked at half are the ones that were said to be wrong, and of the rest half the least
        confident below `threshold`; the others have the lowest lots.
        Where nothing speaks for a question it is taken by its lot: that is a choice by chance, too.
        """
        pool = self._pool(places, splitter, threshold)
        found = doubts([question.experience for question in pool]) if pool else {}
        reasons = {q.experience.span_id: _reasons(q, found, threshold) for q in pool}
        ranked = sorted(pool, key=lambda q: _rank(q, reasons[q.experience.span_id]))
        lots = [q.lot for q in ranked[places:] if not reasons[q.experience.span_id]]
        reached = min(lots, default=1.0)
        return [_informative(q.experience, reasons[q.experience.span_id], reached) for q in ranked[:places]]

    def _pool(self, places: int, splitter: Splitter, threshold: float) -> list[_OpenQuestion]:
        size = places * POOL_PER_PLACE
        pool = self._training(size // 2, splitter, (q for q in self._unanswered() if q.is_refuted))
        unsure = sorted(
            (q for q in self._unanswered() if q.confidence < threshold and not q.is_refuted),
            key=lambda q: (q.confidence, q.lot),
        )
        pool += self._training((size - len(pool)) // 2, splitter, unsure)
        known = {question.experience.span_id for question in pool}
        others = (q for q in self._unanswered() if q.span_id not in known)
        return pool + self._training(size - len(pool), splitter, others)

    def _training(self, most: int, splitter: Splitter, questions: Iterable[_Lot]) -> list[_OpenQuestion]:
        """The first of them that belong to the training split."""
        opened = self._opened(questions) if most else ()
        return list(islice((q for q in opened if splitter.preview(q.experience.query) is Split.TRAIN), most))

    def _unanswered(self) -> Iterator[_Lot]:
        return (question for question in self._by_lot if question.span_id not in self._answered)

    def _opened(self, questions: Iterable[_Lot]) -> Iterator[_OpenQuestion]:
        """With their texts, some at a time."""
        rest = iter(questions)
        while some := {question.span_id: question for question in islice(rest, READ_AT_ONCE)}:
            for experience in self._read(some):
                question = some[experience.span_id]
                yield _OpenQuestion(question.lot, experience, question.is_refuted)


def select(
    questions: OpenQuestions, splitter: Splitter, places: int, random_share: float, threshold: float, doubts: Doubts
) -> list[Selection]:
    """At most `places` questions: by lot for the dev and test splits, the most informative for the training split.

    What one side has no questions for goes to the other. Deterministic in its arguments.
    """
    drawn = questions.drawn(round(places * random_share), splitter)
    informative = questions.informative(places - len(drawn), splitter, threshold, doubts) if random_share < 1 else []
    missing = places - len(drawn) - len(informative)
    if missing and random_share > 0:
        drawn = questions.drawn(len(drawn) + missing, splitter)
    # Near questions that were chosen together share a split only when they are placed one after the other.
    return [c for c in (*drawn, *informative) if splitter.place(c.experience.query) is c.split]


def _reasons(question: _OpenQuestion, found: Mapping[str, frozenset[Reason]], threshold: float) -> list[Reason]:
    given = set(found.get(question.experience.span_id, frozenset()))
    given |= {Reason.UNSURE} if _confidence(question.experience) < threshold else set()
    given |= {Reason.REFUTED} if question.is_refuted else set()
    return [reason for reason in Reason if reason in given]


def _rank(question: _OpenQuestion, reasons: Sequence[Reason]) -> tuple[int, float, float]:
    return -len(reasons), _confidence(question.experience) if reasons else 1.0, question.lot


def _informative(experience: Experience, reasons: Sequence[Reason], reached: float) -> Selection:
    """What was chosen for a reason was certain to be; what was not, had the chance of the lots that were reached."""
    if reasons:
        return Selection(experience, Split.TRAIN, reasons[0], 1.0)
    return Selection(experience, Split.TRAIN, Reason.LOT, reached)


def _digest(key: str, tenant_id: str) -> bytes:
    return hashlib.sha256(f"lot\n{tenant_id}\n{key}".encode("utf-8", "surrogatepass")).digest()


def _lot(digest: bytes) -> float:
    return int.from_bytes(digest[:8], "big") / 2**64


def _age(asked: Experience | _Newest) -> tuple[datetime, str]:
    return asked.at, asked.span_id


def _confidence(experience: Experience) -> float:
    """Nothing is said of a decision without a confidence."""
    return 1.0 if experience.confidence is None else experience.confidence
