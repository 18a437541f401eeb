"""Agreement: how far an LM's labels meet those of people, and whether they may judge on the test split.

One judgement for each identifier under which LM annotations are found, ours or anybody's. Counted on spans that have
both labels; no time, no network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import Field

from argotune.data.annotations import Annotation, strongest
from argotune.data.fields import Fields
from argotune.stats.interval import Interval
from argotune.stats.paired import cohen_kappa, kappa_interval, wilson_interval
from argotune.stats.wording import counted, each_counted, percent, percent_between
from argotune.store.records import StoredValue
from argotune.tenants.config import AnnotationRules

SEED = 20260

COMPARED_ENOUGH = 5
"""On so many times `min_compared` spans an LM is compared with people; more would only cost."""


class Agreement(StoredValue):
    """What comparing one annotator with people gave. Shares are in 0..1, intervals hold with 95 % confidence.

    `kappa` is None where it is not defined: people and the annotator gave one and the same label. `labels` are all the
    labels of the annotator. `is_compared`: on as many spans as the rules ask. `obstacle` says why it is not trusted on
    the test split, "" when it is.
    """

    identifier: str
    labels: int
    compared: int
    agreed: int
    share: Interval
    kappa: float | None
    kappa_interval: Interval | None
    is_compared: bool
    obstacle: str

    @property
    def is_trusted(self) -> bool:
        return not self.obstacle

    @property
    def is_refuted(self) -> bool:
        """Whether it was compared often enough, and did not stand the comparison."""
        return not self.is_trusted and self.is_compared

    @property
    def sentence(self) -> str:
        """For people."""
        compared = f", {self.told}" if self.compared else ""
        return f"{counted(self.labels, 'label')}{compared}; {self._standing}"

    @property
    def told(self) -> str:
        """What comparing gave, for people."""
        if not self.compared:
            return "compared with nobody"
        kappa = "not defined"
        if self.kappa is not None and self.kappa_interval is not None:
            low, high = self.kappa_interval.low, self.kappa_interval.high
            kappa = f"{self.kappa:.2f} ({low:.2f} to {high:.2f})"
        return (
            f"agrees with people on {self.agreed} of {self.compared}, "
            f"{percent(self.agreed / self.compared)} ({percent_between(self.share)}), kappa {kappa}"
        )

    @property
    def _standing(self) -> str:
        return "counts on the test split" if self.is_trusted else f"not used on the test split: {self.obstacle}"


class RubricReport(StoredValue):
    """How the scores of an LM by a program's rubric meet what people said. `judge` names the LM, `terms` what the
    scores and their comparison go by: a report of other terms says nothing.

    `off` says why there is none, `stopped` why it ended early. `scores` in 0..1 are those that are compared, by what
    they are of; `unscored` got none on the day of the report, for why in `lacks`.
    """

    terms: str = ""
    judge: str = ""
    off: str = ""
    stopped: str = ""
    asked: int = 0
    verdicts: Agreement | None = None
    preferences: Agreement | None = None
    scores: dict[str, float] = Field(default_factory=dict)
    lacks: dict[str, int] = Field(default_factory=dict)
    unscored: tuple[str, ...] = ()

    @property
    def obstacle(self) -> str:
        """Why its scores do not count in training, "" where they do: one comparison is enough, none may speak against
        them."""
        kinds = self._kinds
        if self.off or not kinds:
            return self.off or "compared with nobody yet"
        if refuted := [f"{name}: {kind.obstacle}" for name, kind in kinds.items() if kind.is_refuted]:
            return refuted[0]
        lacking = [f"{name}: {kind.obstacle}" for name, kind in kinds.items() if not kind.is_trusted]
        return "; ".join(lacking) if len(lacking) == len(kinds) else ""

    @property
    def sentence(self) -> str:
        """For people."""
        if not self.judge or not self._kinds:
            return f"rubric: training does not go by it: {self.obstacle}"
        kinds = [f"{name}: {kind.told}" for name, kind in self._kinds.items()]
        unscored = f", no score for {len(self.unscored)} ({each_counted(self.lacks)})" if self.unscored else ""
        stopped = f", then stopped: {self.stopped}" if self.stopped else ""
        standing = f"training does not go by it: {self.obstacle}" if self.obstacle else "training goes by it"
        asked = f"asked about {counted(self.asked, 'answer')}{unscored}{stopped}"
        return "; ".join((f"rubric by {self.judge}: {asked}", *kinds, standing))

    @property
    def _kinds(self) -> Mapping[str, Agreement]:
        """Both comparisons, none before both were made."""
        if not (self.verdicts and self.preferences):
            return {}
        return {"verdicts": self.verdicts, "preferences": self.preferences}


class AnnotatorReport(StoredValue):
    """What the last look at the labels of a program gave, and at its rubric where it has one.

    `annotator` names the LM that was used, "" for none. `off` says why there was none, `stopped` why it ended early.
    `garbage` answers became no labels, by reason in `lacks`; `unlabelled` are the spans that were asked about on the
    day of `at` and have none for that.
    """

    program: str
    at: datetime
    agreements: tuple[Agreement, ...]
    annotator: str = ""
    off: str = ""
    stopped: str = ""
    asked: int = 0
    labelled: int = 0
    garbage: int = 0
    lacks: dict[str, int] = Field(default_factory=dict)
    unlabelled: tuple[str, ...] = ()
    rubric: RubricReport | None = None

    @property
    def sentences(self) -> list[str]:
        """For people: what the annotator did, then how each one stands."""
        told = [f"{agreement.identifier}: {agreement.sentence}" for agreement in self.agreements]
        told += [self.rubric.sentence] if self.rubric else []
        if self.off:
            return [f"no LM annotator: {self.off}", *told]
        no_labels = counted(self.garbage, "answer was no label", "answers were no labels")
        garbage = f", {no_labels} ({each_counted(self.lacks)})" if self.garbage else ""
        stopped = f", then stopped: {self.stopped}" if self.stopped else ""
        return [
            f"{self.annotator}: asked about {counted(self.asked, 'span')}, {self.labelled} labelled{garbage}{stopped}",
            *told,
        ]


def compare(
    annotations: Iterable[Annotation], fields: Fields, rules: AnnotationRules, left_out: frozenset[str] = frozenset()
) -> dict[str, Agreement]:
    """How each LM annotator of a program agrees with people, by identifier.

    `left_out` are spans that were chosen because they are hard, on which anybody agrees less. Labels that are
    incomplete or outside the closed sets are no labels. All answers of a span must be equal to agree. Answers in free
    text are not compared, as two right ones need not be equal, so an LM's never count on the test split; where people
    say which of two answers is better, that is compared, on all spans, as only a contest asks it.
    """
    fields, left_out = fields.compared, frozenset() if fields.by_preference else left_out
    people: list[Annotation] = []
    by_annotator: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        if annotation.kind == "HUMAN":
            people.append(annotation)
        elif annotation.kind == "LLM":
            by_annotator[annotation.identifier].append(annotation)
    is_comparable = bool(by_annotator) and all(fields.answers.values())
    right = labels_by_span(people, fields) if is_comparable else {}
    return {
        name: _judged(name, labels_by_span(own, fields), right, rules, left_out) for name, own in by_annotator.items()
    }


def labels_by_span(annotations: Iterable[Annotation], fields: Fields) -> dict[str, str]:
    """As `answers_by_span`, all answers as one text."""
    found = answers_by_span(annotations, fields)
    return {id: "; ".join(given[name] for name in fields.answers) for id, given in found.items()}


def answers_by_span(annotations: Iterable[Annotation], fields: Fields) -> dict[str, dict[str, str]]:
    """Span id -> the strongest of its labels by answer, where they are complete and allowed."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for (span_id, name), annotation in strongest(annotations).items():
        if name in fields.answers and (label := fields.meant(name, annotation.label)):
            found[span_id][name] = label
    return {id: given for id, given in found.items() if len(given) == len(fields.answers)}


def disputed(annotations: Iterable[Annotation], fields: Fields, refuted: Collection[str]) -> frozenset[str]:
    """Spans on which a person says something else than another person, or than an LM that is not refuted."""
    by_annotator: dict[tuple[str, str], list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        if annotation.kind == "HUMAN" or (annotation.kind == "LLM" and annotation.identifier not in refuted):
            by_annotator[annotation.kind, annotation.identifier].append(annotation)
    said: dict[str, set[str]] = defaultdict(set)
    for own in by_annotator.values():
        for span_id, answers in labels_by_span(own, fields).items():
            said[span_id].add(answers)
    by_people = {a.span_id for (kind, _), own in by_annotator.items() if kind == "HUMAN" for a in own}
    return frozenset(span_id for span_id, answers in said.items() if len(answers) > 1 and span_id in by_people)


def _judged(
    identifier: str,
    given: Mapping[str, str],
    right: Mapping[str, str],
    rules: AnnotationRules,
    left_out: frozenset[str],
) -> Agreement:
    pairs = [(given[id], right[id]) for id in sorted(given.keys() & right.keys() - left_out)]
    return agreement_on(pairs, identifier, len(given), rules)


def agreement_on(pairs: Sequence[tuple[str, str]], identifier: str, labels: int, rules: AnnotationRules) -> Agreement:
    """What pairs of an annotator's label and people's say of it, who gave so many `labels` in all."""
    agreed = sum(a == b for a, b in pairs)
    share = wilson_interval(agreed, len(pairs))
    kappa, interval = cohen_kappa(pairs), kappa_interval(pairs, SEED) if pairs else None
    return Agreement(
        identifier=identifier,
        labels=labels,
        compared=len(pairs),
        agreed=agreed,
        share=share,
        kappa=kappa,
        kappa_interval=interval,
        is_compared=len(pairs) >= rules.min_compared,
        obstacle=_obstacle(pairs, share, kappa, interval, rules),
    )


def _obstacle(
    pairs: Sequence[tuple[str, str]],
    share: Interval,
    kappa: float | None,
    interval: Interval | None,
    rules: AnnotationRules,
) -> str:
    """Why its labels may not judge: the first of the rules that objects. Lower ends count, so luck does not."""
    if len(pairs) < rules.min_compared:
        return f"compared with people on {counted(len(pairs), 'span')}, {rules.min_compared} are asked"
    if len({label for label, _ in pairs}) == 1:
        return f"it always says {pairs[0][0][:60]!r}"
    if kappa is None or interval is None or interval.low < rules.min_kappa:
        low = 0.0 if interval is None else interval.low
        return f"kappa may be as low as {low:.2f}, {rules.min_kappa:.2f} is asked"
    if share.low < rules.min_agreement:
        return f"agreement may be as low as {percent(share.low)}, {percent(rules.min_agreement)} is asked"
    return ""
