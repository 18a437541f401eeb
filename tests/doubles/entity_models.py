"""Models of entities that know a few words, called as GLiNER is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from world import WORDS

Found = Iterable[Mapping[str, object]]

KNOWN = {
    "clip": ("film", 0.62),
    "footage": ("film", 0.45),
    "film": ("film", 0.9),
    "paper": ("writing", 0.7),
    "memo": ("writing", 0.55),
    "article": ("writing", 0.8),
    "gist": ("digest", 0.6),
    "brief": ("digest", 0.5),
    "sum": ("digest", 0.75),
    "song": ("music", 0.7),
    "podcast": ("music", 0.35),
    "of": ("noise", 0.3),
    "on": ("film", 0.2),
}


def find(text: str, labels: Sequence[str], threshold: float = 0.5) -> Found:
    """By single words; `on` is taken for a film, but with a low score."""
    found = [(word, *KNOWN[word]) for word in text.lower().replace(":", "").split() if word in KNOWN]
    return [{"text": w, "label": label, "score": s} for w, label, s in found if label in labels and s >= threshold]


def broken(text: str, labels: Sequence[str], threshold: float = 0.5) -> Found:
    raise RuntimeError(f"CUDA is out of memory for {len(text)} characters")


def broken_on_papers(text: str, labels: Sequence[str], threshold: float = 0.5) -> Found:
    if "paper" in text:
        raise RuntimeError("no papers")
    return find(text, labels, threshold)


class Model:
    """As GLiNER's own object."""

    def predict_entities(self, text: str, labels: Sequence[str], threshold: float = 0.5) -> Found:
        return find(text, labels, threshold)


model = Model()


def of_world(text: str, labels: Sequence[str], threshold: float = 0.5) -> Found:
    """Knows the words of the traffic in world.py."""
    words = {word: label for label, of in zip(labels, WORDS.values(), strict=False) for word in of.split()}
    return [{"text": word, "label": words[word], "score": 0.6} for word in text.split() if word in words]
