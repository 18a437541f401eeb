"""Experience buffer: those of many experiences that are learned from. Bounded, newest first, not all of one kind."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from argotune.data.episodes import Step, standing_for
from argotune.data.experiences import Experience
from argotune.data.near_texts import NearTexts
from argotune.data.splitting import normalised

NEAR_AMONG = 2_500
"""Different questions, the last ones, among which nearly the same one is looked for at least (and in twice as many at
most): each is compared with all of them, so that time would grow with the square of what there is. The very same
question is found among all."""


@dataclass(frozen=True)
class BufferLimits:
    """`size` steps at most; of them the share `max_answer_share` of one answer, and `max_repeats` of one answer to
    nearly the same question."""

    size: int
    max_answer_share: float
    max_repeats: int


@dataclass(frozen=True)
class Buffer:
    """What was kept, in the order of time. `repeated` were like one that was kept, `of_one_answer` too many of their
    answer, `older` not looked at any more."""

    steps: tuple[Step, ...]
    repeated: int = 0
    of_one_answer: int = 0
    older: int = 0


def filled(steps: Sequence[Step], limits: BufferLimits) -> Buffer:
    """The newest steps within the limits.

    None is chosen by its reward. What is kept stands for those like it that were not (`Step.stands_for`, the inverse of
    the share that was kept: Horvitz and Thompson, 1952), so that means over the buffer are those over the experiences
    that were looked at.
    """
    return _Filling(limits).filled(sorted(steps, key=lambda step: step.experience.moment, reverse=True))


def newest(experiences: Iterable[Experience], size: int) -> list[Experience]:
    """The `size` newest in the order of time, without more of them at once."""
    return heapq.nlargest(size, experiences, key=lambda experience: experience.moment)[::-1]


Answer = tuple[str, ...]


class _Filling:
    def __init__(self, limits: BufferLimits) -> None:
        self._limits = limits
        self._most = max(math.ceil(limits.max_answer_share * limits.size), 1)
        self._near, self._kinds = _Lately(), dict[str, str]()
        self._kept: list[tuple[Step, Answer, str]] = []
        self._of_answer: Counter[Answer] = Counter()
        self._like: defaultdict[tuple[Answer, str], int] = defaultdict(int)
        self._repeats: Counter[tuple[Answer, str]] = Counter()
        self._too_many: Counter[Answer] = Counter()

    def filled(self, newest_first: Sequence[Step]) -> Buffer:
        looked_at = 0
        for step in newest_first:
            if len(self._kept) >= self._limits.size:
                break
            self._offer(step)
            looked_at += 1
        return Buffer(
            steps=tuple(reversed(list(self._weighed()))),
            repeated=self._repeats.total(),
            of_one_answer=self._too_many.total(),
            older=len(newest_first) - looked_at,
        )

    def _offer(self, step: Step) -> None:
        answer = tuple(step.experience.answers.values())
        if self._of_answer[answer] >= self._most:
            self._too_many[answer] += 1
            return
        kind = self._kind(normalised(step.experience.query))
        if self._like[answer, kind] >= self._limits.max_repeats:
            self._repeats[answer, kind] += 1
            return
        self._like[answer, kind] += 1
        self._of_answer[answer] += 1
        self._kept.append((step, answer, kind))

    def _kind(self, text: str) -> str:
        """Which near-duplicates a question is one of, by the first of them."""
        if text not in self._kinds:
            self._kinds[text] = min(self._near.groups_near(text), default=text)
            self._near.add(text, self._kinds[text])
        return self._kinds[text]

    def _weighed(self) -> Iterator[Step]:
        """What was kept, each standing for those like it that were not."""
        seen = Counter(self._of_answer)
        for (answer, _), repeats in self._repeats.items():
            seen[answer] += repeats
        for step, answer, kind in self._kept:
            like = self._like[answer, kind]
            of_kind = (like + self._repeats[answer, kind]) / like
            yield standing_for(step, of_kind * (seen[answer] + self._too_many[answer]) / seen[answer])


class _Lately:
    """The near texts among the last ones. While an index fills its second half the next one is begun with that half."""

    def __init__(self) -> None:
        self._near, self._next, self._held = NearTexts(), NearTexts(), 0

    def groups_near(self, text: str) -> frozenset[str]:
        return self._near.groups_near(text)

    def add(self, text: str, group: str) -> None:
        if self._held == 2 * NEAR_AMONG:
            self._near, self._next, self._held = self._next, NearTexts(), NEAR_AMONG
        self._near.add(text, group)
        if self._held >= NEAR_AMONG:
            self._next.add(text, group)
        self._held += 1
