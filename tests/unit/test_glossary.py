"""The glossary: each word once and in order, none that the code does not use, and every name of a module explained."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "argotune"
ROWS = re.findall(r"^\| (.+?) \| .+ \|$", (ROOT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE)[1:]


def words_of(text: str) -> set[str]:
    """Its words, in small letters."""
    return set(re.findall(r"[a-z]+", text.lower()))


PRODUCTS = words_of(
    """
    argo copro cpp gepa litellm llama mipro mlflow onnx phoenix platt prometheus redis simba sqlite tfidf vespa
    """
)
"""Products, and methods under the name that their papers gave them."""

PLAIN = words_of(
    """
    annotated roots
    arguments complaints dashboard decided desk elsewhere frame pages plots tiles views
    addresses aggregate analysis api application arrays asked assessments bar below beside bootstrap both bound bounds
    causes check checkup choice cli client cluster command commands compiling config connect connecting connection
    coordinator credentials cross data decide demo discover doubts errors evaluate evaluation explain exporter
    failures features files flags forget format formats found host hosts http ids inspect inspecting instructions
    json known learn learned learner learning linear lines main marker material measuring memory mending metric
    named names national nearest next offered old on once orchestrated orchestrator output overlap own pace
    parser parts passwords performance personal phones place progress project public quiet random randomness reasons
    recipe removal report reports results
    retrying returned right rows sample saved scheduling search secret secrets selection service sessions showing
    signatures static stats step steps store stored story tuner tuning types universal unmetered untrained up validation
    values watching weights who
    """
)
"""Words that mean in the code what they mean everywhere. A new one that means more is a row of the glossary."""

AT_HOME = {
    "document": ("adapters/vespa", "pipeline/operations/synthesizing", "synthetic/"),
    "interval": (
        "cli/commands/contests",
        "dashboard/views/version",
        "decisions/",
        "labels/agreement",
        "optimizers/policy",
        "pipeline/operations/accuracy",
        "pipeline/stages/report",
        "promotion/",
        "runs/",
        "stats/",
    ),
    "disagreement": ("decisions/", "pipeline/run_steps", "pipeline/standing", "promotion/", "stats/power"),
}
"""Words that could mean two things, and where names are made of them: the other meaning has another word there."""

PROMISED = {
    "optimization_interval_seconds",
    "span_eval_interval_minutes",
    "annotation_interval_minutes",
    "feedback_interval_minutes",
}
"""Names that the documentation fixes."""


def stem(word: str) -> str:
    """What the forms of a word share: pass, passes; split, splitting; annotate, annotations, annotator."""
    end = r"(at(e|es|ing|ions?|ors?)|it(y|ies)|i[sz](e|ing)|ed|e?s|is|ic|(er)?ings?|ions?|ers?|ors?|ies|e|y)$"
    return re.sub(r"(.)\1$", r"\1", re.sub(end, "", word.lower()))


def words_of_modules() -> set[str]:
    """The words of which the names of packages and modules are made; __init__ and __main__ are Python's names."""
    paths = [path.relative_to(SOURCES).with_suffix("") for path in SOURCES.rglob("*.py")]
    return {word for path in paths for part in path.parts if part[0] != "_" for word in part.split("_")}


def test_every_term_stands_once_and_in_order():
    terms = [term for row in ROWS for term in row.split(", ")]
    assert len(terms) == len({term.casefold() for term in terms})
    assert sorted(ROWS, key=str.casefold) == ROWS


def test_every_term_is_a_word_of_the_code():
    code = {stem(w) for path in SOURCES.rglob("*.py") for w in re.findall("[A-Za-z][a-z]+|LM", path.read_text("utf-8"))}
    assert [row for row in ROWS if not all(stem(word) in code for word in words_of(row))] == []


def test_the_name_of_a_module_is_plain_or_explained():
    explained = {stem(word) for row in ROWS for word in words_of(row)}
    known = PRODUCTS | PLAIN
    assert sorted(w for w in words_of_modules() - known if stem(w) not in explained) == []
    assert sorted(word for word in known if word not in words_of_modules() or stem(word) in explained) == []


def places_of(word: str) -> set[str]:
    """The files that make names of a word."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
        names = {token.string for token in tokens if token.type == tokenize.NAME} - PROMISED
        if any(part.lower() in (word, f"{word}s") for name in names for part in re.findall("[A-Za-z][a-z]*", name)):
            found.add(path.relative_to(SOURCES).as_posix())
    return found


@pytest.mark.parametrize("word", AT_HOME)
def test_a_word_that_could_mean_two_things_is_a_name_in_the_rooms_of_one(word: str):
    homes = AT_HOME[word]
    places = places_of(word)
    assert [place for place in sorted(places) if not place.startswith(homes)] == []
    assert [home for home in homes if not any(place.startswith(home) for place in places)] == []
    assert stem(word) in {stem(word) for row in ROWS for word in words_of(row)}
