"""collect: new spans -> experiences -> labelled examples in train, dev and sealed test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from argotune.data.annotated_spans import Judged
from argotune.data.annotations import Annotation, strongest
from argotune.data.cursor import Cursor
from argotune.data.dataset import Dataset
from argotune.data.fields import Fields
from argotune.data.gathering import gather, own_spans, state_of
from argotune.data.gathering_steps import Given
from argotune.data.guards.masking import Mask
from argotune.data.label_rule import Labels
from argotune.data.live_quality import LiveScores
from argotune.data.questions import REFUTED_QUESTIONS
from argotune.data.remarks import Heard, heard
from argotune.data.settling import Gathered
from argotune.data.splitting import split_when_opened
from argotune.data.stored_examples import StoredExamples
from argotune.decisions.degradation import Degradations
from argotune.errors import ConfigInvalid
from argotune.labels.agreement import Agreement, compare
from argotune.labels.queue import QueueItem, hard_spans
from argotune.pipeline.label_state import annotation_names
from argotune.pipeline.live_scores import degradations_of, live_scores_of
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.preferences import what_won
from argotune.pipeline.remasking import mask_again
from argotune.pipeline.retention import HELD, Retention
from argotune.pipeline.span_reader import SpanReader
from argotune.programs import programs_of
from argotune.programs.program import Program
from argotune.runs.pass_figures import PassFigures

MIN_RECENT = 20
"""Of fewer labelled decisions nothing is said of how often they were right lately."""


@dataclass(frozen=True)
class Collected:
    """The datasets of a module's programs by name, the cursor up to which traces are in them, and the labels.

    `annotations` are those on a program's own spans, by its name, masked. All that follows in the pass goes by them.
    `degradations` say how the champions do by all that was scored until now.
    `labels` of answers called `label_names` lay on the module's spans before annotations were read: all of them are in
    the datasets, and later ones count as new. `labelled` experiences have one. `figures` are of what is new.
    """

    datasets: Mapping[str, Dataset]
    annotations: Mapping[str, Sequence[Annotation]]
    degradations: Degradations
    cursor: Cursor | None
    labels: int
    label_names: tuple[str, ...]
    labelled: int = 0
    figures: PassFigures = field(default_factory=PassFigures)


def collect(this: Pass, fields: Sequence[Fields]) -> Collected:
    """Read spans after the cursor, then the annotations of all kept experiences, old ones included.

    Those of all programs are read at once. Where the request has a `reach`, spans that started so long ago are read
    again, those before the cursor too: what is not known of them is taken in. What is kept is masked by the rules that
    the tenant has now.
    """
    _refuse_twins(this, fields)
    mask_again(this, fields)
    spans = SpanReader(this, fields)
    spans.read_new()
    if this.request.reach is not None:
        spans.read_again(max(this.now - this.request.reach, this.kept.oldest))
    names = annotation_names(this, fields)
    labels = this.ports.traces.count_labels(this.stream, names, spans.reading.read_since)
    beside = _beside(this, names, spans.counts)
    programs = {program.name: program for program in programs_of(this.config, this.module)}
    found = {f.program: _dataset(this, f, beside, programs) for f in fields}
    datasets = {program: dataset for program, (dataset, _, _) in found.items()}
    annotations = {program: own for program, (_, own, _) in found.items()}
    degradations = degradations_of(this, {program: live for program, (_, _, live) in found.items() if live})
    labelled = len({a.span_id for own in annotations.values() for a in own})
    passes = this.passes
    given = {"labels": labels - passes.settled_labels, "labelled": labelled - passes.settled_labelled}
    figures = replace(spans.figures, **{name: max(0, number) for name, number in given.items()})
    return Collected(datasets, annotations, degradations, spans.reading.cursor, labels, names, labelled, figures)


def _refuse_twins(this: Pass, fields: Sequence[Fields]) -> None:
    """Of two programs that no span tells apart each would learn from the other's decisions. Raises ConfigInvalid."""
    binding, bound = this.stream.binding, this.stream.bound
    if binding is None or bound is None:
        return
    asked = {own.asks for own in fields}
    for module, other in binding.programs.items():
        if module != this.module and bound.takes(other.span, other.signature):
            programs = programs_of(this.config, module)
            if any(program.fields.asks in asked for program in programs):
                raise ConfigInvalid(
                    f"traces.programs: {this.module!r} and {module!r} are both {bound.span} with the same fields: "
                    f"name the signature of {this.module!r}, or another class"
                )


@dataclass(frozen=True)
class _Beside:
    """What lies beside the experiences of a module: what was said of its spans, and which spans wait to be labelled;
    what became of the spans that were read, and from when on experiences are kept."""

    annotations: Sequence[Annotation]
    queued: Sequence[QueueItem]
    spans: Mapping[str, int]
    kept: Retention


def _beside(this: Pass, names: Sequence[str], spans: Mapping[str, int]) -> _Beside:
    kept = this.kept
    annotations = this.ports.traces.annotations(this.stream, names, kept.oldest)
    return _Beside(list(annotations), this.queue.items(), spans, kept)


def _dataset(
    this: Pass, fields: Fields, beside: _Beside, programs: Mapping[str, Program]
) -> tuple[Dataset, Sequence[Annotation], LiveScores | None]:
    """What the program's experiences and labels come to, the annotations on them, and what its champion's answers
    scored. Reads those experiences of which something is new."""
    config, log, questions = this.config, this.archive, this.questions(fields.program)
    told, kept = heard(beside.annotations, fields, config.annotation.remarks), beside.kept
    queued = {item.span_id: item for item in beside.queued if item.program == fields.program}
    read = [*told.annotations, *what_won(this.contests, fields, told.annotations, queued)]
    own, mask = own_spans(log, questions, fields, {a.span_id for a in read}), Mask(config.masking)
    annotations = [mask.annotation(annotation, fields) for annotation in read if annotation.span_id in own]
    hard = hard_spans(queued.values())
    annotators = compare(annotations, fields, config.annotation, hard)
    labels = _believed(annotations, annotators.values())
    states = {a.span_id: state_of(a.span_id, labels, fields) if a.span_id in own else "" for a in read}
    promised = {span_id: item.split for span_id, item in queued.items()}
    oldest = datetime.min.replace(tzinfo=UTC) if kept.is_held else kept.oldest
    live = live_scores_of(this, programs[fields.program], labels, queued, len(programs))
    found = gather(log, questions, fields, config, Given(labels, states, promised, oldest), live)
    counts = _counts(found, beside, mask, told) | _label_counts(queued.values(), list(annotators.values()))
    history = this.lessons.history.get(fields.program)
    accuracy, recent = _accuracies(found.judged, history.last_at if history else None, hard)
    dataset = Dataset(
        program=fields.program,
        sums=found.sums,
        stored=StoredExamples(log, this.questions(fields.program), fields),
        counts=counts,
        accuracy=accuracy,
        recent_accuracy=recent,
        released={id: split_when_opened(id, config.split) for id in sorted(this.contests.opened(fields.program))},
        refuted=found.refuted,
        most=config.training.max_examples,
    )
    return dataset, annotations, live


def _counts(found: Gathered, beside: _Beside, mask: Mask, told: Heard) -> dict[str, int]:
    """What was taken in, and what of it was changed, unread or forgotten."""
    return {
        "experiences": found.experiences,
        "examples": found.sums.count(),
        **beside.spans,
        **{f"masked in labels: {kind}": n for kind, n in mask.counts.items()},
        **told.unread,
        **found.counts,
        **({REFUTED_QUESTIONS: len(found.refuted)} if found.refuted else {}),
        **({"expired": found.expired} if found.expired else {}),
        **({HELD: 1} if beside.kept.is_held else {}),
    }


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
