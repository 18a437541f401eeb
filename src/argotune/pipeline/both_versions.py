"""Both versions: champion and challenger of a contest, asked the same questions.

What their metric makes of a prediction is kept beside the answers, for metrics that look at more than these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from argotune.data.examples import Example
from argotune.lm.effort import Effort
from argotune.lm.lack import Lack
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Pass
from argotune.programs.embedder import Embedders
from argotune.programs.evaluation import Asked, Scored, ask_side_by_side
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.contests import Contest
from argotune.promotion.pairs import Answer, Marks, are_equal
from argotune.promotion.versions import Version
from argotune.store.sealing import digest


@dataclass(frozen=True)
class ContestQuestion:
    """One question of a contest; `said` is the champion's answer where a trace has it, `took_s` how long that took by
    the trace, and `example` says what is right where that is known before it is asked. `is_measured`: the champion is
    asked what its answer costs though a trace has it."""

    id: str
    span_id: str
    inputs: Mapping[str, str]
    slices: Mapping[str, str]
    said: Mapping[str, str] | None = None
    example: Example | None = None
    took_s: float | None = None
    is_measured: bool = False


def labelled_question(example: Example) -> ContestQuestion:
    """The question of an example."""
    slices = dict(example.slices or {})
    return ContestQuestion(example.id, example.span_id or "", example.inputs, slices, example=example)


def label_digest(example: Example | None) -> str:
    """The digest of what is right, "" where nobody has said it."""
    return digest(dict(example.expected))[:16] if example else ""


class BothVersions:
    """The versions of a contest. `marks` are the scores that are known, by question and digest of its label; `faults`
    say why the metric gave none, by question."""

    def __init__(
        self,
        this: Pass,
        program: Program,
        contest: Contest,
        lms: LMs | None,
        embedders: Embedders,
        known: Sequence[Marks],
    ) -> None:
        self._this, self._program, self._contest = this, program, contest
        self._lms, self._embedders = lms, embedders
        self.marks = {(marks.question, marks.label): marks for marks in known}
        self.faults: dict[str, str] = {}

    def answers(self, questions: Sequence[ContestQuestion]) -> dict[str, tuple[Answer, Answer]]:
        """Both answers by question. The champion is asked where no trace has what it said, and again where that is not
        what the challenger says: an LM that changed under its name since would make a win of it."""
        unsaid, said = [q for q in questions if q.said is None], [q for q in questions if q.said is not None]
        found: dict[str, tuple[Answer, Answer]] = {}
        if unsaid:
            before, after = self.ask(unsaid)
            found |= {q.id: (_answer(a), _answer(b)) for q, a, b in zip(unsaid, before, after, strict=True)}
        if said:
            (after,) = self._asked([self.challenger], said).rows
            found |= {q.id: (self._said(q), _answer(b)) for q, b in zip(said, after, strict=True)}
        if differing := [q for q in said if not are_equal(*found[q.id])]:
            (again,) = self._asked([self._champion], differing).rows
            found |= {q.id: (_answer(a), found[q.id][1]) for q, a in zip(differing, again, strict=True)}
        return found | self._measured([q for q in said if q.is_measured and q not in differing], found)

    def _measured(
        self, questions: Sequence[ContestQuestion], found: Mapping[str, tuple[Answer, Answer]]
    ) -> dict[str, tuple[Answer, Answer]]:
        """What traces say, with what it takes to ask the champion for it."""
        if not questions:
            return {}
        (rows,) = self._asked([self._champion], questions).rows
        both = {q.id: (found[q.id], row.effort) for q, row in zip(questions, rows, strict=True)}
        return {id: (replace(said, effort=effort), after) for id, ((said, after), effort) in both.items()}

    def ask(self, questions: Sequence[ContestQuestion]) -> tuple[list[Scored], list[Scored]]:
        """What champion and challenger say, one after the other; scores by what is right become marks."""
        found = self._asked([self._champion, self.challenger], questions)
        self._mark(questions, found)
        before, after = found.rows
        return before, after

    def _asked(self, versions: Sequence[Version], questions: Sequence[ContestQuestion]) -> Asked:
        modules = [load(self._program, v.state, v.signature_hash, self._embedders) for v in versions]
        stopwatch = self._this.ports.stopwatch
        assert self._lms is not None
        return ask_side_by_side(
            modules, self._program, [q.example or q.inputs for q in questions], self._lms, stopwatch
        )

    def _mark(self, questions: Sequence[ContestQuestion], found: Asked) -> None:
        """Keep the scores of both versions by what is right. A champion that met silence has none."""
        for place, (question, before, after) in enumerate(zip(questions, *found.rows, strict=True)):
            if question.example is None or (before.lack and before.lack.is_silence):
                continue
            self.faults.pop(question.id, None)
            if place in found.faults:
                self.faults[question.id] = found.faults[place]
            else:
                marks = Marks(question.id, label_digest(question.example), before.score, after.score)
                self.marks[marks.question, marks.label] = marks

    def _said(self, question: ContestQuestion) -> Answer:
        said = {name: (question.said or {}).get(name, "") for name in self._program.fields.answers}
        lack = None if self._program.fields.allow(said) else Lack.OUTSIDE
        return Answer(said, lack, Effort(question.took_s, of="trace"))

    @cached_property
    def _champion(self) -> Version:
        return self._this.registry.version(self._contest.champion)

    @cached_property
    def challenger(self) -> Version:
        return self._this.registry.version(self._contest.challenger)


def _answer(row: Scored) -> Answer:
    return Answer(row.answers, row.lack, row.effort, row.fell_through)
