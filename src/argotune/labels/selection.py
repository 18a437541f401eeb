"""Selecting: which questions are worth a person's label, and with which probability each was chosen.

Pure rules over what is known of a program's questions. Who is asked, and where that is written down, is
queue.py and pipeline/stages/annotate.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from argotune.data.experiences import Experience
from argotune.data.splitting import Split, Splitter, normalised

POOL_PER_PLACE = 4
"""So many training questions are looked at more closely for each that is chosen: that costs LM calls."""


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
    digest = hashlib.sha256(f"lot\n{tenant_id}\n{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass(frozen=True)
class _OpenQuestion:
    lot: float
    experience: Experience
    is_refuted: bool


class OpenQuestions:
    """The distinct questions that nobody is asked about and nobody has answered, by their lots.

    `taken` are ids of spans that people have labelled or that are in the queue: every span of the same question is out
    with them. `answered` are those with an LM's label that will do for training, and for nothing else. `refuted` are
    ids of spans of which somebody has said that the answer is wrong, and not what is right.
    """

    def __init__(
        self,
        experiences: Iterable[Experience],
        taken: frozenset[str],
        answered: frozenset[str],
        tenant_id: str,
        refuted: frozenset[str] = frozenset(),
    ) -> None:
        newest: dict[str, Experience] = {}
        gone: set[str] = set()
        wrong: set[str] = set()
        self._answered = answered
        for experience in experiences:
            key = normalised(experience.query)
            if experience.span_id in taken:
                gone.add(key)
            if experience.span_id in refuted:
                wrong.add(key)
            if key not in newest or _age(experience) > _age(newest[key]):
                newest[key] = experience
        open_ = (_OpenQuestion(lot_of(key, tenant_id), x, key in wrong) for key, x in newest.items() if key not in gone)
        self._by_lot = sorted(open_, key=lambda question: (question.lot, question.experience.span_id))

    def drawn(self, places: int, splitter: Splitter) -> list[Selection]:
        """Questions of the dev and test splits with the lowest lots, at most `places`; nothing else is looked at.

        Their probability is the lowest lot that was not taken: every dev or test question below it is in the sample
        (bottom-k sampling; Duffield, Lund and Thorup, J. ACM 54, 2007), 1.0 when all were taken.
        """
        found: list[tuple[Experience, Split]] = []
        if places <= 0:
            return []
        for question in self._by_lot:
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
        pool = _first(size // 2, _training((q for q in self._unanswered() if q.is_refuted), splitter))
        unsure = sorted(
            (q for q in self._unanswered() if _confidence(q.experience) < threshold and not q.is_refuted),
            key=lambda q: (_confidence(q.experience), q.lot),
        )
        pool += _first((size - len(pool)) // 2, _training(unsure, splitter))
        known = {question.experience.span_id for question in pool}
        others = (q for q in _training(self._unanswered(), splitter) if q.experience.span_id not in known)
        return pool + _first(size - len(pool), others)

    def _unanswered(self) -> Iterator[_OpenQuestion]:
        return (question for question in self._by_lot if question.experience.span_id not in self._answered)


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


def _training(questions: Iterable[_OpenQuestion], splitter: Splitter) -> Iterator[_OpenQuestion]:
    return (question for question in questions if splitter.preview(question.experience.query) is Split.TRAIN)


def _first(n: int, questions: Iterator[_OpenQuestion]) -> list[_OpenQuestion]:
    return list(islice(questions, n))


def _age(experience: Experience) -> tuple[object, str]:
    return experience.at, experience.span_id


def _confidence(experience: Experience) -> float:
    """Nothing is said of a decision without a confidence."""
    return 1.0 if experience.confidence is None else experience.confidence
