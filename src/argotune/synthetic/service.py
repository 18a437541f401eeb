"""Service: contents in, validated examples out, and a report of everything that was refused."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice

import dspy

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.guards.instructions import holds_instructions
from argotune.data.guards.masking import Mask
from argotune.data.near_texts import are_near, shingles_of
from argotune.data.splitting import Split, normalised
from argotune.errors import ConfigInvalid
from argotune.lm.port import LMs
from argotune.programs import programs_of
from argotune.programs.answering import answer
from argotune.programs.embedder import Embedders
from argotune.programs.evaluation import to_dspy
from argotune.programs.program import Program
from argotune.programs.retrieval import text_of
from argotune.programs.untraced import untraced
from argotune.synthetic.augmentation import augmented
from argotune.synthetic.content import MAX_TITLE_CHARS, Content
from argotune.synthetic.features import features_of
from argotune.synthetic.generation import Written, write
from argotune.synthetic.generators import GENERATORS, Material
from argotune.synthetic.mixing import SYNTHETIC_WEIGHT
from argotune.synthetic.report import SyntheticReport
from argotune.synthetic.shared_words import share_in
from argotune.synthetic.source import ContentSource
from argotune.synthetic.validation import HINTS, Recovered, Refused, Validation
from argotune.synthetic.values import (
    Augmentation,
    Fusion,
    Goal,
    SyntheticDataRequest,
    SyntheticDataResponse,
    SyntheticExample,
)
from argotune.tenants.config import RoutingConfigUnified

MAX_RETRIES = 3
GOALS_PER_EXAMPLE = 3
"""How many goals are tried for each example that is asked for, before what is there must do."""

READER_DEMOS = 4
READER_BY = "tfidf"


@dataclass(frozen=True)
class Means:
    """What synthesis works with. `has_room` says whether more may be spent.

    `known` are the real examples of the program, of all splits: the training ones show the reader what the tenant's
    labels mean, and no query is made near to any of them.
    """

    lms: LMs
    embedders: Embedders
    generator: dspy.Module
    known: Sequence[Example] = ()
    has_room: Callable[[], bool] = lambda: True
    progress: Callable[[int, int], None] = lambda _done, _all: None


@dataclass
class _SoFar:
    mask: Mask
    refused: Counter[str] = field(default_factory=Counter)
    goals: int = 0
    writes: int = 0


def make(
    request: SyntheticDataRequest, config: RoutingConfigUnified, source: ContentSource, means: Means
) -> SyntheticDataResponse:
    """Make examples for one module. Equal arguments and LM answers give equal examples.

    Each goal gets one try and three more, the reason of the last refusal told to the writer. Raises ConfigInvalid
    without an LM that writes, and what content source and LMs raise: an outage is never "no content".
    """
    if means.lms.teacher is None:
        raise ConfigInvalid("synthetic examples need an LM that writes: set lm.teacher_model or ARGOTUNE_TEACHER_MODEL")
    so_far = _SoFar(Mask(config.masking))
    contents = _contents(request, source, so_far)
    made = tuple(_Maker(request, config, contents, means, so_far).examples())
    report = SyntheticReport(
        asked=request.count,
        made=len(made),
        goals=so_far.goals,
        writes=so_far.writes,
        refused=dict(so_far.refused),
        masked=dict(so_far.mask.counts),
        why_none="" if so_far.goals else _nothing_to_aim_at(request, contents, so_far),
    )
    return SyntheticDataResponse(examples=made, report=report)


def _contents(request: SyntheticDataRequest, source: ContentSource, so_far: _SoFar) -> list[Content]:
    """Twice as many documents as examples, as some are refused, masked as the tenant's traces are."""
    sample = source.sample(request.tenant_id, 2 * request.count, request.modalities, request.profiles, request.seed)
    so_far.refused.update(sample.refused)
    usable = []
    for content in sample.contents:
        if holds_instructions(f"{content.title}\n{content.text}"):
            so_far.refused[Refused.CONTENT_INSTRUCTIONS] += 1
        else:
            usable.append(replace(content, title=so_far.mask.text(content.title), text=so_far.mask.text(content.text)))
    return usable


def _nothing_to_aim_at(request: SyntheticDataRequest, contents: Sequence[Content], so_far: _SoFar) -> str:
    if contents:
        return "no content of the right modalities, or no agent that fits any of it"
    refused = ", ".join(f"{count} x {reason}" for reason, count in sorted(so_far.refused.items()))
    return f"no content of {', '.join(request.modalities)}" + (f" that can be used ({refused})" if refused else "")


class _Maker:
    """One request on its way: goals, queries, checks."""

    def __init__(
        self,
        request: SyntheticDataRequest,
        config: RoutingConfigUnified,
        contents: Sequence[Content],
        means: Means,
        so_far: _SoFar,
    ) -> None:
        self._request, self._means, self._so_far = request, means, so_far
        self._generator = GENERATORS[request.optimizer]
        chance = random.Random(request.seed)  # noqa: S311 - nothing secret
        self._material = Material(request, config, contents, chance)
        self._validation = Validation(means.known, request.quality_threshold)
        self._readers = _readers(request, config, means)
        self._kinds: Iterator[Augmentation] = cycle(request.augmentations)

    def examples(self) -> Iterator[SyntheticExample]:
        """At most as many as are asked for."""
        goals = islice(self._generator.goals(self._material), GOALS_PER_EXAMPLE * self._request.count)
        return islice(self._reached(goals), self._request.count)

    def _reached(self, goals: Iterator[Goal]) -> Iterator[SyntheticExample]:
        made = 0
        for goal in goals:
            if goal.program not in self._readers:
                continue
            for example in self._with_variation(goal):
                made += 1
                self._means.progress(made, self._request.count)
                yield example
            if not self._means.has_room():
                return

    def _with_variation(self, goal: Goal) -> Iterator[SyntheticExample]:
        example = self._try(goal)
        if example is None:
            return
        yield example
        if not self._request.augmentations:
            return
        kind = next(self._kinds)
        varied = augmented(goal, example.query, kind, self._generator, self._material)
        if varied and varied.program in self._readers and (another := self._try(varied)):
            yield another

    def _try(self, goal: Goal) -> SyntheticExample | None:
        """The example, or None when four tries were refused or nobody answered."""
        self._so_far.goals += 1
        hint = ""
        for _ in range(1 + MAX_RETRIES):
            if not self._means.has_room():
                return None
            self._so_far.writes += 1
            lms = self._means.lms
            written = _masked(write(self._means.generator, goal, hint, lms.teacher, lms.adapter), self._so_far.mask)
            found = self._judged(written, goal)
            if isinstance(found, Recovered):
                return self._accepted(written, goal, found)
            self._so_far.refused[found] += 1
            if found is Refused.UNANSWERED:
                return None  # it was asked as often as it pays: the same question would get the same silence
            hint = HINTS[found]
        return None

    def _judged(self, written: Written, goal: Goal) -> Recovered | Refused:
        if written.lack and written.lack.is_silence:
            return Refused.UNANSWERED
        refused = self._validation.refuse(written.query, goal)
        if refused:
            return refused
        found = self._readers[goal.program].read({**goal.inputs, "query": written.query}, goal.content)
        return self._validation.refuse_label(found, goal) or found

    def _accepted(self, written: Written, goal: Goal, found: Recovered) -> SyntheticExample:
        self._validation.remember(written.query)
        return SyntheticExample(
            program=goal.program,
            query=written.query,
            modality=goal.modality,
            inputs={**goal.inputs, "query": written.query},
            expected=dict(goal.expected),
            confidence=found.confidence,
            expected_result=written.expected_result,
            features=features_of(written.query),
            content_id=goal.content.id,
            augmentation=goal.augmentation,
            fusion=_measured(goal, written.query),
            route=goal.route,
        )


def _measured(goal: Goal, query: str) -> Fusion | None:
    """With the relevance of the contents that the query was written about."""
    relevance = {part.modality: share_in(query, part.words) for part in goal.parts}
    return goal.fusion and goal.fusion.model_copy(update={"relevance": relevance})


def _masked(written: Written, mask: Mask) -> Written:
    """A writer may invent personal data too."""
    return replace(written, query=mask.text(written.query), expected_result=mask.text(written.expected_result))


class _Reader:
    """The tenant's program as it was written, asked of the task LM with the nearest real training examples.

    It sees the query and what the labels are for, never the content, and it is another call than the writer's. Content
    may be a real question itself: that one, and those near to it, are not among its examples, as they have the label.
    """

    def __init__(self, program: Program, means: Means) -> None:
        self._program, self._lms, self._module = program, means.lms, program.build()
        shown = [e for e in means.known if e.program == program.name and e.split is Split.TRAIN]
        self._shown = [to_dspy(program, example) for example in shown]
        self._questions = [query_of(example.inputs) for example in shown]
        self._embedder = means.embedders.neighbours(READER_BY)
        if shown:
            self._embedder.fit([text_of(example.inputs().toDict()) for example in self._shown])

    def read(self, inputs: Mapping[str, str], content: Content) -> Recovered:
        for predictor in self._module.predictors():
            predictor.demos = list(reversed(self._nearest(inputs, content)))
        with untraced():
            found = answer(self._module, self._program, inputs, self._lms)
        return Recovered(found.answers, found.confidence or 0.0)

    def _nearest(self, inputs: Mapping[str, str], content: Content) -> list[dspy.Example]:
        if not self._shown:
            return []
        own = [_shingles(text) for text in (content.title, content.words)]
        found = self._embedder.neighbours(text_of(inputs), len(self._shown))
        others = (n for n in found if not any(are_near(_shingles(self._questions[n]), text) for text in own))
        return [self._shown[number] for number in islice(others, READER_DEMOS)]


def _shingles(text: str) -> frozenset[str]:
    """Of no more than a content's title holds, as a long question is cut to it."""
    return frozenset(shingles_of(normalised(text[:MAX_TITLE_CHARS])))


def _readers(request: SyntheticDataRequest, config: RoutingConfigUnified, means: Means) -> dict[str, _Reader]:
    programs = programs_of(config, request.optimizer)
    wanted = {f"modality.{modality}" for modality in request.modalities}
    return {p.name: _Reader(p, means) for p in programs if p.module != "modality" or p.name in wanted}


def as_example(made: SyntheticExample) -> Example:
    """A made example as the loop knows examples: for training only, marked as synthetic for ever. Weighed by mixing."""
    return Example(
        program=made.program,
        inputs=made.inputs,
        expected=made.expected,
        source=LabelSource.SYNTHETIC,
        weight=SYNTHETIC_WEIGHT,
        split=Split.TRAIN,
        slices={"modality": made.modality},
    )
