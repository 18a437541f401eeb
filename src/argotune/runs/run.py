"""Run: one pass of the pipeline for one program of one tenant, written down at every step to survive crashes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from argotune.decisions.degradation import LiveView
from argotune.decisions.races import Entrant, Race
from argotune.decisions.values import ModelingContext, Strategy, TrainingDecision
from argotune.promotion.verdicts import Comparison, Promoted, Verdict, Way
from argotune.runs.enhancement import EnhancementReport
from argotune.runs.sums import RunSummary
from argotune.runs.unified import UnifiedReport
from argotune.store.records import StoredValue
from argotune.store.sealing import canonical, digest
from argotune.synthetic.report import SyntheticReport


class RunState(StrEnum):
    """How far a run has come."""

    STARTED = "started"
    PLANNED = "planned"
    TRAINED = "trained"
    OPENED = "opened"
    COMPARED = "compared"
    JUDGED = "judged"
    REPORTED = "reported"
    SKIPPED = "skipped"


NEXT: dict[RunState, frozenset[RunState]] = {
    RunState.STARTED: frozenset({RunState.PLANNED, RunState.OPENED, RunState.SKIPPED}),
    RunState.PLANNED: frozenset({RunState.TRAINED, RunState.SKIPPED}),
    RunState.TRAINED: frozenset({RunState.OPENED, RunState.SKIPPED}),
    RunState.OPENED: frozenset({RunState.COMPARED, RunState.SKIPPED}),
    RunState.COMPARED: frozenset({RunState.JUDGED, RunState.SKIPPED}),
    RunState.JUDGED: frozenset({RunState.REPORTED}),
    RunState.REPORTED: frozenset(),
    RunState.SKIPPED: frozenset(),
}
"""Which state may follow which."""


class Plan(StoredValue):
    """What `decide` wants to be done. `synthetic_count` examples are made for training beside `train_ids`.

    `max_iterations` is the number of candidates that this optimizer tries at most, not what the config asks for.
    `settings` are those of the optimizers that the tenant has set to other values than the defaults. `entrants` are the
    methods that a portfolio tries, in order.
    `unlabelled` are spans of requests without a label, whose answers by an LM program may teach, or are scored by a
    rubric; by those of `unlabelled_dev` candidates are chosen. `experiences` are those of decisions that may teach by
    what came of them, `outcomes` how many of them say so and with which propensity they were decided. `refuted` and
    `refuted_dev` are spans of questions of which people have said only what is wrong. Where there are more examples
    than `max_examples`, the ids are of those that are read, and `known` says how many there are of each split.
    """

    optimizer: str
    reason: str
    seed: int
    max_iterations: int
    train_ids: tuple[str, ...]
    dev_ids: tuple[str, ...]
    test_ids: tuple[str, ...]
    data_hash: str
    strategy: Strategy = Strategy.PURE_REAL
    synthetic_count: int = 0
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    entrants: tuple[Entrant, ...] = ()
    enhancement: str = "auto"
    unified: str = "auto"
    unlabelled: tuple[str, ...] = ()
    unlabelled_dev: tuple[str, ...] = ()
    experiences: tuple[str, ...] = ()
    outcomes: int = 0
    refuted: tuple[str, ...] = ()
    refuted_dev: tuple[str, ...] = ()
    max_examples: int | None = None
    known: dict[str, int] = Field(default_factory=dict)

    def count_known(self, *splits: str) -> int:
        """How many examples of these splits there were, read or not."""
        return sum(self.known.get(split, len(getattr(self, f"{split}_ids"))) for split in splits)

    @property
    def lesson(self) -> str:
        """Equal for plans that would train the same challenger, seeds apart."""
        mixed = f" {self.strategy} {self.synthetic_count}" if self.strategy is not Strategy.PURE_REAL else ""
        set_by_tenant = f" {canonical(self.settings)}" if self.settings else ""
        enhanced = f" enhancement {self.enhancement}" if self.enhancement != "auto" else ""
        alone = f" unified {self.unified}" if self.unified != "auto" else ""
        tried = f" of {'+'.join(sorted(each.method for each in self.entrants))}" if self.entrants else ""
        wrong = [self.refuted, self.refuted_dev]
        known = f" refuted {digest(wrong)[:16]}" if any(wrong) else ""
        searched = f"{self.optimizer}{tried} {self.max_iterations} {self.data_hash}{mixed}{set_by_tenant}"
        read = f" within {self.max_examples}" if self.max_examples is not None else ""
        return f"{searched}{enhanced}{alone}{known}{read}"

    def with_renamed(self, renamed: Mapping[str, str]) -> Plan:
        """The plan with the new ids of examples; those that became one are named once."""
        ids = {name: _renamed(getattr(self, name), renamed) for name in ("train_ids", "dev_ids", "test_ids")}
        return self.model_copy(update=ids)


def _renamed(ids: Iterable[str], renamed: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(renamed.get(id, id) for id in ids))


class Skip(StoredValue):
    """Why a run ended early. An outcome, not an error."""

    reason: str


class Run(StoredValue):
    """The record of a run. Later fields are filled as it goes on. `is_cut_short`: an LM call was refused for want of
    budget, so it trained or measured less than it was to. `is_to_repeat`: what ended it says nothing of its data or
    its program, so a later pass may do the same again. `race` is what a portfolio tried. `contest` is the one that
    it opened, or gathered evidence for. `live` is how the champion did when it was decided whether to train. Of
    `lm_priced` calls the price is known."""

    id: str
    tenant_id: str
    module: str
    program: str
    state: RunState
    started_at: datetime
    group: str = ""
    forced: bool = False
    ended_at: datetime | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    context: ModelingContext | None = None
    decision: TrainingDecision | None = None
    live: LiveView | None = None
    plan: Plan | None = None
    skip: Skip | None = None
    is_to_repeat: bool = False
    synthetic: SyntheticReport | None = None
    enhancement: EnhancementReport | None = None
    unified: UnifiedReport | None = None
    champion: str | None = None
    champion_tag: str | None = None
    challenger: str | None = None
    race: Race | None = None
    contest: str | None = None
    comparison: Comparison | None = None
    verdict: Verdict | None = None
    lm_calls: int = 0
    lm_tokens: int = 0
    lm_reused: int = 0
    lm_priced: int = 0
    lm_nano_usd: int = 0
    is_cut_short: bool = False
    dataset_link: str | None = None
    comparison_link: str | None = None

    @property
    def is_over(self) -> bool:
        return not NEXT[self.state]

    @property
    def is_carried_out(self) -> bool:
        """Whether its plan was carried out, so that doing the same again would teach nothing."""
        return not self.is_cut_short and not self.is_to_repeat

    @property
    def trained_on(self) -> Strategy:
        """The data that the challenger was really trained on. The plan may have wanted synthetic examples that could
        not be made, or that showed no gain on dev."""
        if self.plan is None or self.challenger is None:
            return Strategy.SKIP
        if self.synthetic is None or not self.synthetic.is_used:
            return Strategy.PURE_REAL
        return Strategy.HYBRID if self.plan.train_ids else Strategy.SYNTHETIC

    @property
    def outcome(self) -> str:
        """`promoted`, `rejected`, `undecided`, `skipped` or `unfinished`."""
        if self.state is RunState.SKIPPED:
            return "skipped"
        return self.outcome_of_verdict if self.is_over else "unfinished"

    @property
    def outcome_of_verdict(self) -> str:
        """`promoted`, `rejected`, `undecided`, or `unfinished` before the gate has spoken."""
        return self.verdict.outcome if self.verdict else "unfinished"

    @property
    def way(self) -> Way | None:
        """How its challenger was promoted; None where it was not."""
        return self.verdict.way if isinstance(self.verdict, Promoted) else None

    @property
    def sentence(self) -> str:
        """What came of it, for people."""
        if self.skip:
            return f"skipped: {self.skip.reason}"
        return self.verdict.reason if self.verdict else f"unfinished, {self.state}"

    @property
    def summary(self) -> RunSummary:
        """What is told of it without its answers."""
        return RunSummary(
            id=self.id,
            program=self.program,
            module=self.module,
            group=self.group,
            started_at=self.started_at,
            ended_at=self.ended_at,
            outcome=self.outcome,
            sentence=self.sentence,
            challenger=self.challenger,
            lm_calls=self.lm_calls,
            lm_tokens=self.lm_tokens,
            lm_reused=self.lm_reused,
            lm_priced=self.lm_priced,
            lm_nano_usd=self.lm_nano_usd,
        )
