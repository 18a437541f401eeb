"""collect: new spans -> experiences -> labelled examples in train, dev and sealed test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from argotune.data.annotations import Annotation, strongest
from argotune.data.archive import ExperienceLog
from argotune.data.dataset import Dataset
from argotune.data.examples import Labels
from argotune.data.experiences import Fields
from argotune.data.gathering import Given, gather, own_spans, state_of
from argotune.data.guards.masking import Mask
from argotune.data.question_log import Judged, QuestionLog
from argotune.labels.agreement import Agreement, compare
from argotune.labels.queue import AnnotationQueue, QueueItem, hard_spans
from argotune.pipeline.ports import Ports
from argotune.pipeline.remasking import mask_again
from argotune.pipeline.retention import HELD, Retention, retention
from argotune.pipeline.span_reader import SpanReader
from argotune.runs.book import RunBook
from argotune.tenants.config import RoutingConfigUnified

MIN_RECENT = 20
"""Of fewer labelled decisions nothing is said of how often they were right lately."""


@dataclass(frozen=True)
class Collected:
    """The datasets of a module's programs by name, the row id up to which traces are in them, and the labels.

    `labels` of answers called `label_names` lay on the module's spans before annotations were read: all of them are in
    the datasets, and later ones count as new.
    """

    datasets: Mapping[str, Dataset]
    row_id: int
    labels: int
    label_names: tuple[str, ...]


def collect(
    ports: Ports,
    config: RoutingConfigUnified,
    module: str,
    fields: Sequence[Fields],
    reach: timedelta | None = None,
) -> Collected:
    """Read spans after the cursor, then the annotations of all kept experiences, old ones included.

    With a `reach`, spans that started so long ago are read again, those before the cursor too: what is not known of
    them is taken in. What is kept is masked by the rules that the tenant has now.
    """
    mask_again(ports.store, config, module, fields)
    spans = SpanReader(ports, config, module, fields)
    spans.read_new()
    if reach is not None:
        spans.read_again(max(ports.clock() - reach, retention(spans.marker, config, ports.clock()).oldest))
    names = tuple(dict.fromkeys(name for f in fields for name in f.answers))
    labels = ports.traces.count_labels(config.tenant_id, module, names, spans.marker.read_since)
    kept = retention(spans.marker, config, ports.clock())
    datasets = {f.program: _dataset(ports, config, module, f, spans.counts, kept) for f in fields}
    return Collected(datasets, spans.marker.row_id, labels, names)


def _dataset(
    ports: Ports,
    config: RoutingConfigUnified,
    module: str,
    fields: Fields,
    spans: Mapping[str, int],
    kept: Retention,
) -> Dataset:
    """What the program's experiences and labels come to. Reads those experiences of which something is new."""
    log = ExperienceLog(ports.store, config.tenant_id)
    questions = QuestionLog(ports.store, config.tenant_id, fields.program)
    read = list(ports.traces.annotations(config.tenant_id, module, list(fields.answers), kept.oldest))
    own, mask = own_spans(log, questions, fields, {a.span_id for a in read}), Mask(config.masking)
    annotations = [mask.annotation(annotation, fields) for annotation in read if annotation.span_id in own]
    queued = {item.span_id: item for item in AnnotationQueue(ports.store, config.tenant_id).items(fields.program)}
    hard = hard_spans(queued.values())
    annotators = compare(annotations, fields, config.annotation, hard)
    labels = _believed(annotations, annotators.values())
    states = {a.span_id: state_of(a.span_id, labels, fields) if a.span_id in own else "" for a in read}
    promised = {span_id: item.split for span_id, item in queued.items()}
    oldest = datetime.min.replace(tzinfo=UTC) if kept.is_held else kept.oldest
    found = gather(log, questions, fields, config, Given(labels, states, promised, oldest))
    counts = {
        "experiences": found.experiences,
        "examples": found.sums.count(),
        **spans,
        **{f"masked in labels: {kind}": n for kind, n in mask.counts.items()},
        **found.counts,
        **({"expired": found.expired} if found.expired else {}),
        **({HELD: 1} if kept.is_held else {}),
        **_label_counts(queued.values(), list(annotators.values())),
    }
    history = RunBook(ports.store, config.tenant_id).marker(module)[0].history.get(fields.program)
    accuracy, recent = _accuracies(found.judged, history.last_at if history else None, hard)
    load = partial(log.examples, fields.program)
    return Dataset(fields.program, found.sums, load, counts, accuracy, recent)


def _believed(annotations: Sequence[Annotation], annotators: Iterable[Agreement]) -> Labels:
    """The labels to believe, and those on the test split: an LM's only where it was shown to agree with people."""
    believed = strongest(annotations)
    distrusted = {annotator.identifier for annotator in annotators if not annotator.is_trusted}
    if not distrusted:
        return Labels(believed, believed)
    trusted = strongest(a for a in annotations if a.kind != "LLM" or a.identifier not in distrusted)
    return Labels(believed, trusted)


def _label_counts(queued: Iterable[QueueItem], annotators: Sequence[Agreement]) -> dict[str, int]:
    """What the run's record says of labelling, nothing where there is none."""
    counts = {
        "queue: waiting for a label": sum(item.is_waiting for item in queued),
        "annotator: compared with people": sum(annotator.compared for annotator in annotators),
        "annotator: agreed with people": sum(annotator.agreed for annotator in annotators),
    }
    return {what: count for what, count in counts.items() if count}


def _accuracies(
    judged: Mapping[str, Judged], since: datetime | None, hard: frozenset[str]
) -> tuple[float | None, float | None]:
    """How often decisions met a trusted label, in all and since then. Spans that were labelled because they looked
    wrong are left out."""
    fair = [found for span_id, found in judged.items() if span_id not in hard]
    recent = [found.is_hit for found in fair if since is not None and found.at > since]
    return _mean([found.is_hit for found in fair]), _mean(recent) if len(recent) >= MIN_RECENT else None


def _mean(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None
