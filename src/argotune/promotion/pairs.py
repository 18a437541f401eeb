"""Pairs: what both versions of a contest answered to its questions, as it is kept, page by page.

Answers are kept, verdicts are not: what they come to is weighed anew each time (promotion/evidence.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import ConfigDict

from argotune.lm.effort import UNKNOWN, Effort
from argotune.lm.lack import Lack
from argotune.promotion.verdicts import Drawn
from argotune.store.records import StoredValue


@dataclass(frozen=True)
class Answer:
    """What a version said to a question. `lack` is why it cannot be used, `effort` what it took, `fell_through` why a
    student left it to an LM, "" where none did, as in records of releases that did not keep it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    answers: Mapping[str, str]
    lack: Lack | None = None
    effort: Effort = UNKNOWN
    fell_through: str = ""


def are_equal(a: Answer, b: Answer) -> bool:
    """Whether both say the same, or neither anything that can be used."""
    return (a.lack is None) == (b.lack is None) and dict(a.answers) == dict(b.answers)


@dataclass(frozen=True)
class Pair:
    """Both answers to one question, by the id that its example has or would have.

    `repeats` names an earlier question of the contest that it is a near-duplicate of: it tells how often the two
    differ, and nothing of which is right. `is_champion_first` is the order in which people see both answers, where they
    say which is better. `was_equal`: whether both said the same before their texts were masked, None where they stand
    as they were said.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    question: str
    span_id: str
    drawn: Drawn
    champion: Answer
    challenger: Answer
    slices: Mapping[str, str] = field(default_factory=dict)
    repeats: str | None = None
    is_champion_first: bool = True
    was_equal: bool | None = None

    def masked(self, mask: Callable[[Mapping[str, str]], Mapping[str, str]]) -> Pair:
        """The pair with masked answers. Those that differed differ still, though the mask of both is the same."""
        both = [replace(answer, answers=mask(answer.answers)) for answer in (self.champion, self.challenger)]
        if both == [self.champion, self.challenger]:
            return self
        return replace(self, champion=both[0], challenger=both[1], was_equal=self.is_equal)

    def with_renamed(self, renamed: Mapping[str, str]) -> Pair:
        """The pair with the new ids of questions."""
        repeats = self.repeats and renamed.get(self.repeats, self.repeats)
        return replace(self, question=renamed.get(self.question, self.question), repeats=repeats)

    @property
    def is_equal(self) -> bool:
        """Whether both said the same, so that whatever is right they are equally right."""
        return are_equal(self.champion, self.challenger) if self.was_equal is None else self.was_equal

    @property
    def is_silent(self) -> bool:
        """Whether the champion's question met silence: that says nothing for the challenger, the pair is left out."""
        return self.champion.lack is not None and self.champion.lack.is_silence


@dataclass(frozen=True)
class Marks:
    """The scores of both versions on a question, given to predictions that were made with its right answer known.

    `label` is the digest of that answer: by another one both are asked again.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    question: str
    label: str
    champion: float
    challenger: float

    def with_renamed(self, renamed: Mapping[str, str]) -> Marks:
        """The scores under the new id of the question."""
        return replace(self, question=renamed.get(self.question, self.question))


class Page(StoredValue):
    """A page of a contest's journal, written once. `passed` are spans that were drawn and not asked, as the challenger
    may have seen what they ask. `marks` are of this page's pairs or earlier ones."""

    contest: str
    number: int
    at: datetime
    pairs: tuple[Pair, ...]
    passed: tuple[str, ...] = ()
    marks: tuple[Marks, ...] = ()
