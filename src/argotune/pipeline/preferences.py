"""Preferences: what people said of two answers, as labels: the answer that won becomes the expected one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from argotune.data.annotations import Annotation, strongest
from argotune.data.fields import Fields
from argotune.data.guards.masking import Mask
from argotune.data.preferences import FIRST, SECOND
from argotune.labels.queue import ItemKind, QueueItem
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.pairs import Pair
from argotune.promotion.preferences import in_blind_order, winner
from argotune.tenants.config import RoutingConfigUnified


def fresh_preferences(
    fields: Fields, annotations: Iterable[Annotation], queued: Mapping[str, QueueItem]
) -> Iterator[Annotation]:
    """Those that people gave on the pair that a span shows now, each with the choice that is meant: what was said
    before was said of two other answers. Sources tell whole seconds."""
    for annotation in annotations:
        item = queued.get(annotation.span_id)
        if annotation.name != fields.preference or annotation.kind != "HUMAN" or item is None:
            continue
        is_of_this = item.kind is ItemKind.PAIR and annotation.updated_at >= item.queued_at.replace(microsecond=0)
        choice = fields.compared.meant(fields.preference, annotation.label) if is_of_this else None
        if choice:
            yield replace(annotation, label=choice)


@dataclass(frozen=True)
class ShownPair:
    """Two answers as people see them, masked as all that is kept; nothing says whose they are."""

    first: Mapping[str, str]
    second: Mapping[str, str]

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Each answer as one text, under the choice that means it."""
        return (FIRST, _text(self.first)), (SECOND, _text(self.second))


def _text(answers: Mapping[str, str]) -> str:
    if len(answers) == 1:
        return next(iter(answers.values())) or "(no answer)"
    return "\n".join(f"{name}: {text}" for name, text in answers.items())


def shown_pairs(book: ContestBook, config: RoutingConfigUnified, contest: str) -> dict[str, ShownPair]:
    """The pairs of a contest that people may be asked about, by span."""
    mask, found = Mask(config.masking), {}
    for pair in reversed(book.pairs(contest)):
        first, second = in_blind_order(pair)
        found[pair.span_id] = ShownPair(_masked(first.answers, mask), _masked(second.answers, mask))
    return found


def _masked(answers: Mapping[str, str], mask: Mask) -> dict[str, str]:
    return {name: mask.text(text) for name, text in answers.items()}


def what_won(
    book: ContestBook, fields: Fields, annotations: Sequence[Annotation], queued: Mapping[str, QueueItem]
) -> list[Annotation]:
    """Annotations of the answers that people preferred, as if they had written them. Where neither won there is none,
    and none where people contradict each other."""
    if not fields.by_preference:
        return []
    given = list(fresh_preferences(fields, annotations, queued))
    said: dict[str, set[str]] = {}
    for each in given:
        said.setdefault(each.span_id, set()).add(each.label)
    pairs_of = cache(lambda contest: {p.span_id: p for p in reversed(book.pairs(contest))})
    agreed = (each for each in strongest(given).values() if len(said[each.span_id]) == 1)
    return [
        label
        for each in agreed
        if (pair := pairs_of(queued[each.span_id].contest).get(each.span_id))
        for label in _won(pair, each, fields)
    ]


def _won(pair: Pair, said: Annotation, fields: Fields) -> list[Annotation]:
    won = winner(pair, said.label)
    if won is None:
        return []
    texts = {name: won.answers.get(name, "") for name in fields.answers}
    return [replace(said, name=name, label=text, explanation="") for name, text in texts.items() if text.strip()]
