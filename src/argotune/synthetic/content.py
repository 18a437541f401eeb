"""Content: what a tenant's queries are about, as a content source gives it, and a fair sample of it.

Content was written by others. It is data: it is shown to an LM between marks and never obeyed (data/guards).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import chain, zip_longest
from typing import Any

from argotune.store.sealing import digest
from argotune.store.texts import storable
from argotune.tenants.config import MODALITIES

MAX_TITLE_CHARS = 300
MAX_TEXT_CHARS = 4_000
"""Of one document; a query is about its beginning."""


class BadContent(StrEnum):
    """Why a document gives no content. The values are what reports show."""

    NO_OBJECT = "document is not an object"
    NO_ID = "document without an id"
    NO_TEXT = "document without title and text"
    UNKNOWN_MODALITY = "document of an unknown modality"
    WRONG_TYPE = "a document's field is no text"
    OTHER_TENANT = "document of another tenant"


@dataclass(frozen=True, slots=True)
class Content:
    """One document. `profile` is the kind of index it is from, `agent` who answers for it where the tenant says so."""

    id: str
    modality: str
    title: str
    text: str
    profile: str = ""
    agent: str = ""

    @property
    def words(self) -> str:
        """Title and text, in one piece."""
        return ". ".join(part for part in (self.title.rstrip(" ."), self.text) if part)


FIELDS = tuple(field.name for field in fields(Content))


@dataclass(frozen=True)
class Sample:
    """Contents, and under its reason each document that was looked at and is none."""

    contents: tuple[Content, ...]
    refused: Mapping[str, int]


def read_content(row: Any) -> Content | BadContent:
    """The content in a document's fields (those of Content), or the named reason why there is none. Never raises."""
    if not isinstance(row, Mapping):
        return BadContent.NO_OBJECT
    values = {name: row.get(name) for name in FIELDS}
    if any(value is not None and not isinstance(value, str) for value in values.values()):
        return BadContent.WRONG_TYPE
    texts = {name: storable(value).strip() if value else "" for name, value in values.items()}
    texts["modality"] = texts["modality"].lower()
    texts["title"], texts["text"] = texts["title"][:MAX_TITLE_CHARS], texts["text"][:MAX_TEXT_CHARS]
    return _problem(texts) or Content(**texts)


def _problem(texts: Mapping[str, str]) -> BadContent | None:
    if not texts["id"]:
        return BadContent.NO_ID
    if texts["modality"] not in MODALITIES:
        return BadContent.UNKNOWN_MODALITY
    return None if texts["title"] or texts["text"] else BadContent.NO_TEXT


def sample_of(
    found: Iterable[Content | BadContent], count: int, modalities: Sequence[str], profiles: Sequence[str], seed: int
) -> Sample:
    """At most `count` contents, as evenly over the modalities as there are any. Equal seeds choose the same ones.

    No `profiles` means all. Holds no more than `count` contents of each modality, however many there are.
    """
    refused: Counter[str] = Counter()
    chosen: dict[str, list[tuple[str, str, Content]]] = defaultdict(list)
    for content in found:
        if isinstance(content, BadContent):
            refused[content.value] += 1
        elif content.modality in modalities and (not profiles or content.profile in profiles):
            _keep_highest(chosen[content.modality], (_rank(seed, content.id), content.id, content), count)
    columns = [[content for *_, content in sorted(chosen[m], key=_place, reverse=True)] for m in modalities]
    evenly = (content for content in chain.from_iterable(zip_longest(*columns)) if content is not None)
    return Sample(tuple(content for content, _ in zip(evenly, range(count), strict=False)), dict(refused))


def count_of(found: Iterable[Content | BadContent], modalities: Sequence[str]) -> int:
    """How many contents of these modalities there are."""
    return sum(isinstance(content, Content) and content.modality in modalities for content in found)


def _keep_highest(heap: list[tuple[str, str, Content]], item: tuple[str, str, Content], size: int) -> None:
    if len(heap) < size:
        heapq.heappush(heap, item)
    elif heap and item[:2] > heap[0][:2]:
        heapq.heapreplace(heap, item)


def _place(item: tuple[str, str, Content]) -> tuple[str, str]:
    return item[:2]


def _rank(seed: int, id: str) -> str:
    return digest([seed, id])
