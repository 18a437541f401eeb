"""Name model: where a text names people and places, by a spaCy pipeline that the installation has.

spaCy comes with the extra `names`, and is imported when a text is first looked at; the pipeline is the user's choice,
as each knows some languages only.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from argotune.errors import ConfigInvalid
from argotune.errors.lines import one_line, told
from argotune.store.sealing import digest
from argotune.tenants.masking_rules import MaskingRules, NamedKind

if TYPE_CHECKING:
    from spacy.language import Language

NamingKind = Literal["person", "address", "place"]

LABELS: dict[str, NamingKind] = {
    **dict.fromkeys(("PERSON", "PER", "persName"), "person"),
    **dict.fromkeys(("ADDRESS", "STREET_ADDRESS", "STREET"), "address"),
    **dict.fromkeys(("GPE", "LOC", "FAC", "placeName", "geogName"), "place"),
}
"""What pipelines call these: those of OntoNotes, of WikiNER and of the NKJP corpus, and some that people train."""

UNUSED = ("tagger", "parser", "senter", "morphologizer", "lemmatizer", "attribute_ruler", "trainable_lemmatizer")
"""Parts of a pipeline that find no names and take most of its time."""

MISSING = "masking.kinds: name and address need spaCy, which is missing: pip install 'argotune[names]'"


@dataclass(frozen=True, slots=True)
class Naming:
    """What `text[start:end]` names."""

    kind: NamingKind
    start: int
    end: int


def asks_for_names(rules: MaskingRules) -> bool:
    """Whether something is to be masked that only a model finds."""
    return rules.enabled and not frozenset(get_args(NamedKind)).isdisjoint(rules.kinds)


def check_model(rules: MaskingRules) -> None:
    """Raises ConfigInvalid where rules ask for names that nothing here could find."""
    if asks_for_names(rules):
        model_edition(rules.names_model)


@lru_cache(maxsize=16)
def namings(text: str, model: str) -> Sequence[Naming]:
    """What a text names, in order. Kept for the finders that look at one text in turn. Raises ConfigInvalid."""
    return _pipeline(model).namings(text)


@cache
def model_edition(model: str) -> str:
    """What tells one version of a pipeline from another; nothing is imported for it. Raises ConfigInvalid where spaCy
    or the pipeline is missing."""
    if find_spec("spacy") is None:
        raise ConfigInvalid(MISSING)
    try:
        return digest(_meta_of(model).read_text("utf-8"))
    except (OSError, ValueError):
        raise ConfigInvalid(
            f"masking.names_model: {model!r} is no spaCy pipeline that is installed, nor the folder of one"
        ) from None


def _meta_of(model: str) -> Path:
    """The file in which a pipeline says what it is. Raises ValueError where a name is that of no package."""
    if "/" in model:
        return Path(model) / "meta.json"
    found = find_spec(model)
    if found is None or found.origin is None:
        raise ValueError(model)
    return Path(found.origin).with_name("meta.json")


class _Pipeline:
    """A loaded pipeline. Texts take turns, so that what spaCy remembers of their words can be forgotten after each."""

    def __init__(self, loaded: Language) -> None:
        self._loaded, self._turn = loaded, threading.Lock()

    def namings(self, text: str) -> Sequence[Naming]:
        with self._turn, self._loaded.memory_zone():
            found = self._loaded(text[: self._loaded.max_length]).ents
            return tuple(Naming(LABELS[e.label_], e.start_char, e.end_char) for e in found if e.label_ in LABELS)


@cache
def _pipeline(model: str) -> _Pipeline:
    """Raises ConfigInvalid where a pipeline cannot be loaded."""
    model_edition(model)
    import spacy

    try:
        return _Pipeline(spacy.load(model, exclude=UNUSED))
    except (OSError, ValueError, ImportError) as error:
        raise ConfigInvalid(told(f"masking.names_model: {model!r}: {one_line(str(error))}", 300)) from error
