"""Service: contents in, validated examples out, and a report of everything that was refused."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice

import dspy

from argotune.annotations import LabelSource
from argotune.content import Content
from argotune.errors import ConfigInvalid
from argotune.examples import Example
from argotune.instructions import holds_instructions
from argotune.masking import Mask
from argotune.ports import ContentSource, Embedder, LMs
from argotune.programs import programs_of
from argotune.programs.answering import answer
from argotune.programs.evaluation import to_dspy
from argotune.programs.program import Program
from argotune.programs.retrieval import RetrievedDemos
from argotune.splitting import Split
from argotune.synthesis import SyntheticReport
from argotune.synthetic.augmentation import augmented
from argotune.synthetic.features import features_of
from argotune.synthetic.generation import Written, write
from argotune.synthetic.generators import GENERATORS
from argotune.synthetic.mixing import SYNTHETIC_WEIGHT
from argotune.synthetic.validation import HINTS, Recovered, Refused, Validation
from argotune.synthetic.values import Augmentation, Goal, SyntheticDataRequest, SyntheticDataResponse, SyntheticExample
from argotune.tenants import RoutingConfigUnified

MAX_RETRIES = 3
GOALS_PER_EXAMPLE = 3
"""How many goals are tried for each example that is asked for, before what is there must do."""

READER_DEMOS = 4


@dataclass(frozen=True)
class Means:
    """What synthesis works with. `has_room` says whether more may be spent.

    `known` are the real examples of the program, of all splits: the training ones show the reader what the tenant's
    labels mean, and no query is made near to any of them.
    """

    lms: LMs
    embedder: Callable[[], Embedder]
    generator: dspy.Module
    known: Sequence[Example] = ()
    has_room: Callable[[], bool] = lambda: True
    progress: Callable[[int, int], None] = lambda _done, _all: None


@dataclass
class _Tally:
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
    tally = _Tally(Mask(config.masking))
    contents = _contents(request, source, tally)
    work = _Work(request, config, means, tally)
    made = tuple(work.examples(contents))
    report = SyntheticReport(
        asked=request.count,
        made=len(made),
        goals=tally.goals,
        writes=tally.writes,
        refused=dict(tally.refused),
        masked=dict(tally.mask.counts),
        why_none="" if tally.goals else _nothing_to_aim_at(request, contents, tally),
    )
    return SyntheticDataResponse(examples=made, report=report)


def _contents(request: SyntheticDataRequest, source: ContentSource, tally: _Tally) -> list[Content]:
    """Twice as many documents as examples, as some are refused, masked as the tenant's traces are."""
    sample = source.sample(request.tenant_id, 2 * request.count, request.modalities, request.profiles, request.seed)
    tally.refused.update(sample.refused)
    usable = []
    for content in sample.contents:
        if holds_instructions(f"{content.title}\n{content.text}"):
            tally.refused[Refused.CONTENT_INSTRUCTIONS] += 1
        else:
            usable.append(replace(content, title=tally.mask.text(content.title), text=tally.mask.text(content.text)))
    return usable


def _nothing_to_aim_at(request: SyntheticDataRequest, contents: Sequence[Content], tally: _Tally) -> str:
    if contents:
        return "no content of the right modalities, or no agent that fits any of it"
    refused = ", ".join(f"{count} x {reason}" for reason, count in sorted(tally.refused.items()))
    return f"no content of {', '.join(request.modalities)}" + (f" that can be used ({refused})" if refused else "")


class _Work:
    """One request on its way: goals, queries, checks."""

    def __init__(
        self, request: SyntheticDataRequest, config: RoutingConfigUnified, means: Means, tally: _Tally
    ) -> None:
        self._request, self._config, self._means, self._tally = request, config, means, tally
        self._generator = GENERATORS[request.optimizer]
        self._chance = random.Random(request.seed)  # noqa: S311 - nothing secret
        self._validation = Validation(means.known, request.quality_threshold)
        self._readers = _readers(request, config, means)
        self._kinds: Iterator[Augmentation] = cycle(request.augmentations)

    def examples(self, contents: Sequence[Content]) -> Iterator[SyntheticExample]:
        """At most as many as are asked for."""
        return islice(self._reached(self._goals(contents)), self._request.count)

    def _goals(self, contents: Sequence[Content]) -> Iterator[Goal]:
        asked = (self._request, self._config, contents, self._chance)
        return islice(self._generator.goals(*asked), GOALS_PER_EXAMPLE * self._request.count)

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
        varied = augmented(goal, example.query, kind, self._generator, self._request, self._config, self._chance)
        if varied and varied.program in self._readers and (another := self._try(varied)):
            yield another

    def _try(self, goal: Goal) -> SyntheticExample | None:
        """The example, or None when four tries were refused."""
        self._tally.goals += 1
        hint = ""
        for _ in range(1 + MAX_RETRIES):
            if not self._means.has_room():
                return None
            self._tally.writes += 1
            lms = self._means.lms
            written = _masked(write(self._means.generator, goal, hint, lms.teacher, lms.adapter), self._tally.mask)
            found = self._judged(written, goal)
            if isinstance(found, Recovered):
                return self._accepted(written, goal, found)
            self._tally.refused[found] += 1
            hint = HINTS[found]
        return None

    def _judged(self, written: Written, goal: Goal) -> Recovered | Refused:
        refused = self._validation.refuse(written.query, goal)
        if refused:
            return refused
        found = self._readers[goal.program].read({**goal.inputs, "query": written.query})
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
            fusion=goal.fusion,
            route=goal.route,
        )


def _masked(written: Written, mask: Mask) -> Written:
    """A writer may invent personal data too."""
    return replace(written, query=mask.text(written.query), expected_result=mask.text(written.expected_result))


class _Reader:
    """The tenant's program as it was written, asked of the task LM with the nearest real training examples.

    It sees the query and what the labels are for, never the content, and it is another call than the writer's.
    """

    def __init__(self, program: Program, means: Means) -> None:
        self._program, self._lms = program, means.lms
        shown = [to_dspy(e) for e in means.known if e.program == program.name and e.split is Split.TRAIN]
        module = program.build()
        self._module = RetrievedDemos(module, shown, READER_DEMOS, means.embedder()) if shown else module

    def read(self, inputs: Mapping[str, str]) -> Recovered:
        answers, confidence = answer(self._module, self._program, inputs, self._lms)
        return Recovered(answers, confidence or 0.0)


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
