"""unify: have a challenger learn from what came of the tenant's other module, where dev shows that it helps.

Routing learns from orchestrated requests: one that went well is an example of its first agent, as heavy as its reward.
Orchestration learns from routed ones: how often each agent did its job stands in its instructions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import dspy

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.gathering import near_examples
from argotune.data.splitting import Split, Splitter, normalised
from argotune.data.stored_examples import StoredExamples
from argotune.errors import BudgetSpent, Unanswered
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.recipe import Recipe
from argotune.programs import programs_of
from argotune.programs.program import Program
from argotune.programs.signatures import asked_signature
from argotune.programs.state import asks_lm_alone
from argotune.programs.workflow import agents_in
from argotune.promotion.versions import Version
from argotune.runs.unified import UnifiedReport
from argotune.stats.wording import counted, percent
from argotune.tenants.config import RoutingConfigUnified

OTHER_MODULE = {"routing": "workflow", "workflow": "routing"}

LEAST_OUTCOMES = 5
"""Of fewer decisions nothing is said of an agent."""


@dataclass(frozen=True)
class Unifying:
    """The challenger as it goes on, and what was found; no `report` where there is no other module to learn from."""

    version: Version | None
    report: UnifiedReport | None = None


def unify(this: Pass, recipe: Recipe, version: Version | None, taught: Sequence[Example]) -> Unifying:
    """The challenger, with what the other module taught it where that helps. `taught` are the examples that it learned
    from, dev apart.

    Where the budget ends meanwhile, or LMs do not answer, it stays as it is. Raises Unavailable and its like.
    """
    other = other_module(this.config, recipe.program)
    if version is None or other is None:
        return Unifying(version)
    work = _Taught(this, recipe, version, taught)
    try:
        return work.outcome(other)
    except (BudgetSpent, Unanswered) as error:
        why = f"the comparison was not finished: {error}"
        return Unifying(version, UnifiedReport(of=other, is_used=False, why=why))


def other_module(config: RoutingConfigUnified, program: Program) -> str | None:
    """The module of the tenant whose outcomes a program may learn from, None where there is none."""
    other = OTHER_MODULE.get(program.module)
    is_wanted = config.unified == "auto" and other in config.modules
    return other if is_wanted and not {program.module, other} & config.programs.keys() else None


@dataclass(frozen=True)
class _Taught:
    this: Pass
    recipe: Recipe
    version: Version
    taught: Sequence[Example]

    def outcome(self, other: str) -> Unifying:
        """Compared are programs that learned nothing from dev, as train does; used is the challenger."""
        shared = list(self._shared(other)) if other == "workflow" else []
        record = self._record() if other == "routing" else ""
        if why := self._obstacle(is_anything=bool(shared or record)):
            return Unifying(self.version, UnifiedReport(of=other, is_used=False, why=why))
        bare = self.recipe.apart_from_dev(self.version, self.taught)
        with_ = self.recipe.compiled([*self.taught, *shared]) if shared else _told(bare, record)
        trial = self.recipe.trial(bare, with_, self._progress)
        if trial.gain <= 0:
            why = f"{trial.told('them')}, no gain"
            return Unifying(self.version, UnifiedReport(of=other, is_used=False, why=why, trial=trial))
        better = with_ if self.recipe.optimizer.chooses else self._taught_by_dev(shared, record)
        ids = tuple(example.span_id or "" for example in shared)
        report = UnifiedReport(of=other, is_used=True, why=trial.told("them"), trial=trial, example_ids=ids)
        return Unifying(self.recipe.reworked(self.version, better, f"with outcomes of {other}"), report)

    def _obstacle(self, *, is_anything: bool) -> str:
        """Why nothing needs to be compared, "" where something does."""
        least, optimizer = self.this.config.gate.min_slice_examples, self.recipe.optimizer
        if not is_anything:
            return "none of them says anything new"
        if not asks_lm_alone(self.version.state):
            return "the challenger answers without an LM where it can, and is taught in its own way"
        if len(self.recipe.dev) < least:
            return f"{counted(len(self.recipe.dev), 'dev example')} cannot show whether they help, {least} are needed"
        if len(self.taught) < optimizer.min_examples:
            return f"{counted(len(self.taught), 'training example')} of its own, too few for {optimizer.name}"
        return ""

    @property
    def _program(self) -> Program:
        return self.recipe.program

    def _shared(self, other: str) -> Iterator[Example]:
        """Training examples of orchestrated requests as such of routing. One whose question routing has an example of
        counts there alone, and none is near to what chooses or judges. `span_id` holds the id of what it came from."""
        this, fields, shared = self.this, self._program.fields, set[str]()
        near = near_examples(this.archive, this.questions(self._program.name), fields)
        splitter = Splitter(this.config.split, near=near)
        for example in self._training_examples(other):
            query, agents = query_of(example.inputs), agents_in(example.expected.get("agent_sequence", ""))
            if splitter.is_known(query) or splitter.preview(query) is not Split.TRAIN:
                continue
            is_right = bool(agents) and example.weight > 0 and fields.allow({"agent": agents[0]})
            if is_right and normalised(query) not in shared:
                shared.add(normalised(query))
                inputs = fields.asked({**example.inputs, "query": query})
                right = {"agent": agents[0]}
                made = replace(example, program=self._program.name, inputs=inputs, expected=right, span_id=example.id)
                yield replace(made, source=LabelSource.OUTCOME, slices=None)

    def _training_examples(self, other: str) -> Iterator[Example]:
        """Those of the other module, as many as a run reads."""
        this = self.this
        for program in programs_of(this.config, other):
            stored = StoredExamples(this.archive, this.questions(program.name), program.fields)
            yield from stored.of(stored.readable(this.config.training.max_examples)[Split.TRAIN])

    def _record(self) -> str:
        """How often each agent did its job when a request was routed to it, for an LM that plans; each decision counts
        once."""
        asked, succeeded = Counter[str](), Counter[str]()
        for experience in self.this.archive.experiences("routing"):
            agent = experience.answers.get("agent")
            if agent in self.this.config.agents and experience.agent_success is not None:
                asked[agent] += 1
                succeeded[agent] += experience.agent_success
        lines = [
            f"- {agent}: {percent(succeeded[agent] / n)} of {n} requests"
            for agent, n in sorted(asked.items())
            if n >= LEAST_OUTCOMES
        ]
        return "\n".join(["How often each agent did its job when it was asked alone:", *lines]) if lines else ""

    def _taught_by_dev(self, shared: Sequence[Example], record: str) -> dspy.Module:
        """What learned from dev too, as the optimizer does not choose by it."""
        if not shared:
            return _told(self.recipe.loaded(self.version), record)
        return self.recipe.compiled([*self.taught, *self.recipe.dev, *shared])

    def _progress(self, done: int, total: int) -> None:
        self.this.ports.progress(f"{self._program.name}: outcomes of the other module on dev", done, total)


def _told(module: dspy.Module, record: str) -> dspy.Module:
    """A copy of the module with the record in its instructions."""
    told: dspy.Module = module.deepcopy()
    for predictor in told.predictors():
        signature = asked_signature(predictor)
        predictor.signature = signature.with_instructions(f"{signature.instructions}\n{record}")
    return told
