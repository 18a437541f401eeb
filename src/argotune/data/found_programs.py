"""Found programs: what an application's modules are asked and answer, as far as a sample of their spans tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from argotune.data.field_types import as_text
from argotune.data.openinference import FILE, INPUTS, OF_PREDICT, OUTPUTS, object_in
from argotune.data.span_format import UnusableSpan
from argotune.data.spans import Json, Span

OF_DSPY = frozenset(
    [
        "Predict",
        "ChainOfThought",
        "ReAct",
        "ReActV2",
        "ProgramOfThought",
        "CodeAct",
        "MultiChainComparison",
        "BestOfN",
        "Refine",
        "RLM",
    ]
)
"""Classes of DSPy's own, which programs of any signature are of."""

UNNAMED = "StringSignature"
"""What DSPy calls each signature that is written as a text, and those that it derives from others."""

EXPLAINING = frozenset({"reasoning", "confidence", "trajectory"})
"""Outputs that explain an answer."""

BARE = "(a value by itself)"
"""Stands for the name of an answer that is given back by itself."""

WRAPPERS = frozenset({"input_args", "kwargs"})
"""What DSPy's own modules, and most people, call the inputs that `forward` takes by any name."""

MOST_LABELS = 12
"""An answer of more different texts is free text."""

LABEL_CHARS = 60
SAMPLES = 3
SAMPLE_CHARS = 70
MOST_FIELDS = 100


@dataclass(frozen=True)
class FoundField:
    """A field of a program. `type`: in the words of Python, as far as its values tell. `labels`: its texts, where they
    are few. `share`: of the decisions that have it. `samples` are masked."""

    name: str
    type: str
    share: float
    labels: tuple[str, ...]
    samples: tuple[str, ...]


@dataclass(frozen=True)
class FoundProgram:
    """The decisions of one class; of a class of DSPy's own, of one signature, or of one set of fields where no
    signature has a name. `left_out`: decisions of which nothing can be read, by why. `changed`: decisions of this
    signature with other fields than the newest have."""

    span: str
    signature: str | None
    decisions: int
    failures: int
    changed: int
    left_out: Mapping[str, int]
    inputs: tuple[FoundField, ...]
    answers: tuple[FoundField, ...]
    oldest: datetime
    newest: datetime

    @property
    def title(self) -> str:
        """The class, with the signature where there is one that tells."""
        return f"{self.span} ({self.signature})" if self.signature and self.is_of_dspy else self.span

    @property
    def is_of_dspy(self) -> bool:
        """Whether other programs may be of this class too."""
        return self.span in OF_DSPY

    @property
    def asks(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names of its inputs and answers."""
        return frozenset(f.name for f in self.inputs), frozenset(f.name for f in self.answers)


def class_of(span: Span) -> str:
    """The class of a module's span, without `.forward`."""
    return span.name.rpartition(".")[0]


class ProgramSorter:
    """Sorts decisions, the newest first, into programs, keeping little. `shown` is what may be shown of a text."""

    def __init__(self, shown: Callable[[str], str]) -> None:
        self._shown = shown
        self._found: dict[tuple[str, str | None, frozenset[str]], _Growing] = {}

    def add(self, span: Span) -> None:
        """One more decision."""
        given, said = _given(span), _said(span)
        name = class_of(span)
        signature = span.signature if name in OF_DSPY and span.signature != UNNAMED else None
        is_alone = name not in OF_DSPY or signature is not None
        asked = frozenset() if is_alone or isinstance(given, UnusableSpan) else frozenset(given)
        self._found.setdefault((name, signature, asked), _Growing(span, signature)).add(span, given, said)

    def programs(self) -> list[FoundProgram]:
        """The programs, those with the most decisions first."""
        found = [growing.program(self._shown) for growing in self._found.values()]
        return sorted(found, key=lambda program: (-program.decisions, program.title))


Said = Mapping[str, Json] | UnusableSpan


class _Growing:
    """One program while its decisions are read."""

    def __init__(self, first: Span, signature: str | None) -> None:
        self._span, self._signature = class_of(first), signature
        self._oldest = self._newest = first.started_at
        self._decisions = self._failures = self._changed = 0
        self._left_out: Counter[str] = Counter()
        self._inputs, self._answers = _GrowingFields(), _GrowingFields()

    def add(self, span: Span, given: Said, said: Said) -> None:
        self._decisions += 1
        self._oldest = min(self._oldest, span.started_at)
        self._newest = max(self._newest, span.started_at)
        has_failed = span.status == "ERROR"
        self._failures += has_failed
        unread = [each for each in (given, None if has_failed else said) if isinstance(each, UnusableSpan)]
        if unread:
            self._left_out[str(unread[0])] += 1
        if isinstance(given, UnusableSpan):
            return
        if self._is_other(given):
            self._changed += 1
            return
        self._inputs.add(given)
        if not has_failed and not isinstance(said, UnusableSpan):
            self._answers.add(said)

    def _is_other(self, given: Mapping[str, Json]) -> bool:
        """Of a signature each input is always there."""
        return self._signature is not None and bool(self._inputs.rows) and set(given) != set(self._inputs.names)

    def program(self, shown: Callable[[str], str]) -> FoundProgram:
        return FoundProgram(
            self._span,
            self._signature,
            self._decisions,
            self._failures,
            self._changed,
            dict(self._left_out),
            self._inputs.fields(shown),
            self._answers.fields(shown),
            self._oldest,
            self._newest,
        )


class _GrowingFields:
    def __init__(self) -> None:
        self.rows = 0
        self._values: dict[str, _GrowingField] = {}

    @property
    def names(self) -> Iterable[str]:
        return self._values.keys()

    def add(self, row: Mapping[str, Json]) -> None:
        self.rows += 1
        for name, value in row.items():
            if name in self._values or len(self._values) < MOST_FIELDS:
                self._values.setdefault(name, _GrowingField()).add(value)

    def fields(self, shown: Callable[[str], str]) -> tuple[FoundField, ...]:
        return tuple(growing.field(name, self.rows, shown) for name, growing in self._values.items())


class _GrowingField:
    def __init__(self) -> None:
        self._count, self._types = 0, Counter[str]()
        self._texts: Counter[str] | None = Counter()
        self._samples: list[str] = []

    def add(self, value: Json) -> None:
        self._count += 1
        self._types[type_name(value)] += 1
        text = as_text(value)
        sample = text[: SAMPLE_CHARS * 20]
        if len(self._samples) < SAMPLES and sample not in self._samples:
            self._samples.append(sample)
        if self._texts is not None:
            self._texts[text[: LABEL_CHARS + 1]] += 1
            if len(text) > LABEL_CHARS or len(self._texts) > MOST_LABELS:
                self._texts = None

    def field(self, name: str, rows: int, shown: Callable[[str], str]) -> FoundField:
        return FoundField(
            name,
            " | ".join(sorted(_told(self._types), key=lambda t: (t == "None", -self._types[t], t))),
            self._count / rows if rows else 0.0,
            tuple(sorted(map(shown, self._labels()))),
            tuple(cut(shown(sample)) for sample in self._samples),
        )

    def _labels(self) -> list[str]:
        """Texts that come again and again."""
        is_text = set(self._types) <= {"str", "None"}
        if not is_text or not self._texts or len(self._texts) * 2 > self._count:
            return []
        return list(self._texts)


def _told(types: Iterable[str]) -> set[str]:
    """Without that of an empty list or object where others say what is in one."""
    found = set(types)
    return {t for t in found if not any(other.startswith((f"{t}[", f"{t} of ")) for other in found)}


def type_name(value: Json) -> str:
    """The type that a JSON value is of, in the words of Python."""
    if isinstance(value, list | tuple):
        kinds = sorted({type_name(part) for part in value[:20]})
        return f"list[{' | '.join(kinds)}]" if kinds else "list"
    if isinstance(value, Mapping):
        return "object of " + ", ".join(sorted(str(name)[:40] for name in list(value)[:8])) if value else "object"
    return "None" if value is None else type(value).__name__


def cut(text: str, length: int = SAMPLE_CHARS) -> str:
    """One line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _given(span: Span) -> Said:
    found = object_in(span.attributes.get(INPUTS))
    if isinstance(found, UnusableSpan):
        return found
    if any(isinstance(value, str) and FILE in value for value in found.values()):
        return UnusableSpan.FILE
    inner = next(iter(found.values())) if len(found) == 1 else None
    if isinstance(inner, Mapping) and WRAPPERS.intersection(found):
        found = inner
    return {name: value for name, value in found.items() if name not in OF_PREDICT}


def _said(span: Span) -> Said:
    found = object_in(span.attributes.get(OUTPUTS), only=BARE)
    if isinstance(found, UnusableSpan):
        return found
    return {name: value for name, value in found.items() if name not in EXPLAINING}
