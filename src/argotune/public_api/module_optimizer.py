"""Module optimizer: what the documented optimizers of one module share. They run the pipeline's own passes for a tenant
and tell what came of them; what was trained lies as JSON in a folder too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import NotRequired, TypedDict

from argotune import wiring
from argotune.data.annotations import LabelSource
from argotune.data.archive import ExperienceLog
from argotune.data.examples import Example, question_id
from argotune.data.experiences import Experience
from argotune.data.field_types import as_text
from argotune.data.splitting import split_when_opened
from argotune.decisions.lessons import Lessons
from argotune.decisions.values import Strategy, TrainingHistory
from argotune.errors import NotFound
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.asked import Overrides
from argotune.pipeline.passes import run_module
from argotune.pipeline.ports import Ports
from argotune.programs import programs_of
from argotune.programs.answering import ProgramAnswer, answer
from argotune.programs.program import Program
from argotune.promotion.champions import serving_version
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import ContestState
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Version
from argotune.public_api.routing_experiences import HELD_BACK
from argotune.public_api.routing_policy import UNLIMITED
from argotune.public_api.saved_files import read_saved, save
from argotune.public_api.tuning import Tuned, Workbench, loaded, tuned
from argotune.runs.module_book import ModuleBook
from argotune.runs.run import Run
from argotune.settings import read_settings
from argotune.synthetic.source import ContentSource
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified

MIPRO_FROM = 50
"""Examples from which on mipro is tuned beside bootstrap ("Modality-Specific DSPy Module Training")."""


class TrainedModule(TypedDict):
    """What came of one program, under the documented keys. `reason` is there where nothing was trained."""

    trained: bool
    strategy: str
    examples_count: int
    expected_improvement: float
    training_result: dict[str, object] | None
    reason: NotRequired[str]


class Trainings(TypedDict):
    """How often a program was trained and promoted, when last, and the last gain in score."""

    training_count: int
    last_training: str | None
    promotions: int
    last_gain: float | None


class ModuleSummary(Trainings):
    """The trainings of a tenant's module of one program."""

    tenant_id: str


@dataclass(frozen=True)
class ModuleResult:
    """What came of one program. `reason` is why nothing was trained: a word for it, and a sentence."""

    is_trained: bool
    strategy: Strategy
    examples: int
    expected_gain: float
    training: Mapping[str, object] | None = None
    reason: str = ""

    def as_json(self) -> TrainedModule:
        """Under the documented keys."""
        found: TrainedModule = {
            "trained": self.is_trained,
            "strategy": self.strategy.name,
            "examples_count": self.examples,
            "expected_improvement": self.expected_gain,
            "training_result": dict(self.training) if self.training else None,
        }
        return found if self.is_trained else {**found, "reason": self.reason}


class ModuleOptimizer:
    """One module of a tenant. Nothing is opened before it is needed: by default what the environment names."""

    def __init__(
        self, module: str, tenant_id: str, model_dir: Path, content: ContentSource | None, ports: Ports | None
    ) -> None:
        self.module, self.tenant_id, self.model_dir = module, tenant_id, model_dir
        self._content, self._given_ports = content, ports

    @cached_property
    def _ports(self) -> Ports:
        ports, content = self._given_ports or wiring.open_ports(read_settings()), self._content
        return replace(ports, content=lambda _config: content) if content is not None else ports

    @property
    def config(self) -> RoutingConfigUnified:
        """The tenant's. Raises NotFound."""
        return Configs(self._ports.store).get(self.tenant_id)

    @property
    def _config_or_default(self) -> RoutingConfigUnified:
        try:
            return self.config
        except NotFound:
            return RoutingConfigUnified(tenant_id=self.tenant_id)

    def _program(self, config: RoutingConfigUnified, name: str) -> Program:
        return next(program for program in programs_of(config, self.module) if program.name == name)

    # By the pipeline

    def passed(
        self, only: Sequence[str], lookback_hours: float, min_confidence: float, *, is_forced: bool
    ) -> dict[str, ModuleResult]:
        """A pass over the module, due or not, and what came of each program; () are all of them. Raises NotFound for an
        unknown tenant, ConfigInvalid, Conflict while another pass is at work, and what the ports raise."""
        overrides = Overrides(lookback_hours=lookback_hours, min_confidence=min_confidence)
        reach = timedelta(hours=lookback_hours)
        request = Request(is_forced=True, is_training_forced=is_forced, reach=reach, only=tuple(only))
        report = run_module(self._ports, overrides.over(self.config), self.module, request)
        if report.failure is not None:
            raise report.failure
        for run in report.runs:
            self._keep(run)
        return {run.program: _result_of(run) for run in report.runs}

    def _keep(self, run: Run) -> None:
        if run.plan and run.challenger:
            save(self._file(run.program), self._registry.version(run.challenger))

    def trainings(self, program: str) -> Trainings:
        """Those of a program, under the documented keys."""
        known = ModuleBook(self._ports.store, self.tenant_id, self.module).read(Lessons).history
        history = known.get(program) or TrainingHistory()
        return {
            "training_count": history.trainings,
            "last_training": history.last_at.isoformat() if history.last_at else None,
            "promotions": history.promotions,
            "last_gain": history.last_gain,
        }

    # By examples at hand

    def trained_on(
        self,
        name: str,
        training_data: Sequence[Mapping[str, object]],
        expected: Callable[[Mapping[str, object]], Mapping[str, object]],
    ) -> ModuleResult:
        """Tune one program on labelled queries; what is better than what it has is kept. `expected` are the answers
        that a row says are right. Rows that lack one, or name one that the tenant does not have, are counted."""
        config, ports = self._config_or_default, self._ports
        program = self._program(config, name)
        examples = {example.id: example for example in _examples(program, training_data, expected)}
        unusable = len(training_data) - len(examples)
        if not examples:
            reason = f"insufficient_data: of {len(training_data)} rows none has a query and a right answer"
            return ModuleResult(False, Strategy.SKIP, 0, 0.0, {"status": "skipped", "unusable": unusable}, reason)
        meter = Meter(config.budget)
        lms = ports.lms.open(config.lm, meter, NothingKept())
        bench = Workbench(lms, meter, ports.embedders(), ports.clock(), max_iterations=config.max_training_iterations)
        found = tuned(program, list(examples.values()), _methods(len(examples)), self._in_use(program), bench)
        if found.version is not None:
            save(self._file(name), found.version)
        return _result_of_tuning(found, len(examples), unusable)

    # What is trained

    def answered(self, name: str, inputs: Mapping[str, str]) -> tuple[Version, ProgramAnswer] | None:
        """What the champion of a program says, or else what was trained last, unless a contest or a person has found
        against it; None where nothing is trained, or it gives no usable answer. Raises what the LM's server raises."""
        config, ports = self._config_or_default, self._ports
        program = self._program(config, name)
        version = self._in_use(program)
        if version is None:
            return None
        module = loaded(program, version, ports.embedders())
        asked = {field: inputs.get(field, "") for field in program.fields.inputs}
        found = answer(module, program, asked, ports.lms.open(config.lm, Meter(UNLIMITED), NothingKept()))
        return None if found.lack else (version, found)

    def _in_use(self, program: Program) -> Version | None:
        champion = serving_version(self._registry, program, self._ports.clock())
        if champion.tag is not None and champion.set_aside is None:
            return champion.version
        try:
            saved = read_saved(self._file(program.name), Version)
        except NotFound:
            return None
        return saved if saved.signature_hash == program.signature_hash and not self._is_refuted(saved) else None

    def _is_refuted(self, version: Version) -> bool:
        """Whether it lost a contest, or was rolled back."""
        contests = ContestBook(self._ports.store, self.tenant_id).contests(version.program)
        fine = (ContestState.OPEN, ContestState.PROMOTED)
        lost = any(contest.challenger == version.id and contest.state not in fine for contest in contests)
        return lost or self._registry.bar(version.id) is not None

    def experiences(self, name: str) -> Iterator[Experience]:
        """What passes have read of a program."""
        return ExperienceLog(self._ports.store, self.tenant_id).experiences(name)

    @property
    def _registry(self) -> Registry:
        return Registry(self._ports.store, self.tenant_id)

    def _file(self, program: str) -> Path:
        """`video_routing_module.json` of modality.video, `cross_modal_routing_module.json` of cross_modal."""
        return self.model_dir / f"{program.rpartition('.')[2]}_routing_module.json"


def _result_of(run: Run) -> ModuleResult:
    decision, plan = run.decision, run.plan
    gain = (decision.expected_gain if decision else None) or 0.0
    if plan is None or run.challenger is None:
        return ModuleResult(False, Strategy.SKIP, 0, gain, reason=f"{_word_for(run)}: {run.sentence}")
    made = run.synthetic.made if run.synthetic and run.synthetic.is_used else 0
    numbers = run.verdict.numbers if run.verdict else None
    training = {
        "status": "success",
        "validation_accuracy": numbers.challenger_mean if numbers else None,
        "optimizer": plan.optimizer,
        "version": run.challenger,
        "outcome": run.outcome,
        "sentence": run.sentence,
    }
    return ModuleResult(True, run.trained_on, len(plan.train_ids) + len(plan.dev_ids) + made, gain, training)


def _word_for(run: Run) -> str:
    if run.skip is None:
        return "contest_under_way"
    return "insufficient_benefit" if run.plan is None else "training_failed"


def _result_of_tuning(found: Tuned, n: int, unusable: int) -> ModuleResult:
    training = {
        "status": "success" if found.version else "no_improvement",
        "validation_accuracy": found.score,
        "optimizer": found.optimizer,
        "version": found.version.id if found.version else None,
        "outcome": "kept" if found.version else "set aside",
        "sentence": found.why,
        "unusable": unusable,
    }
    gain = (found.score or 0.0) - (found.before or 0.0)
    word = "insufficient_benefit" if found.optimizer else "insufficient_data"
    reason = "" if found.version else f"{word}: {found.why}"
    return ModuleResult(found.version is not None, Strategy.PURE_REAL, n, gain, training, reason)


def _methods(n: int) -> list[str]:
    return ["bootstrap", "mipro"] if n >= MIPRO_FROM else ["bootstrap"]


def _examples(
    program: Program,
    rows: Sequence[Mapping[str, object]],
    expected: Callable[[Mapping[str, object]], Mapping[str, object]],
) -> Iterator[Example]:
    """Of the rows that have a query and a right answer; later ones replace earlier ones of the same question."""
    for row in rows:
        given = {name: as_text(row[name]) for name in program.fields.inputs if row.get(name) not in (None, [], ())}
        told = {name: as_text(label) for name, label in expected(row).items() if label not in (None, [], ())}
        right = {name: program.fields.meant(name, label) for name, label in told.items()}
        known = {name: label for name, label in right.items() if label is not None}
        if not given.get("query", "").strip() or known.keys() != program.fields.answers.keys():
            continue
        inputs = program.fields.asked(given)
        split = split_when_opened(question_id(program.name, inputs), HELD_BACK)
        yield Example(program.name, inputs, program.fields.in_one_order(known), LabelSource.HUMAN, 1.0, split)
