"""Config: the routing configuration of a tenant, and the names of what is tuned for them.

Values and validation only. Nothing here knows a store, a server or the clock.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from argotune.errors import ConfigInvalid, first_problem
from argotune.tenants.binding import TraceBinding
from argotune.tenants.degradation_rules import DegradationRules
from argotune.tenants.ids import check_tenant_id
from argotune.tenants.masking_rules import MaskingRules
from argotune.tenants.optimizer_settings import EmbedderName, OptimizerSettings
from argotune.tenants.remark_names import RemarkMeaning, RemarkName
from argotune.tenants.retention_rules import RetentionRules
from argotune.tenants.serving_rules import ServingRules

Modality = Literal["video", "image", "audio", "document", "text"]

MODALITIES: tuple[Modality, ...] = get_args(Modality)


Module = Literal["modality", "cross_modal", "routing", "workflow"]

MODULES: tuple[Module, ...] = get_args(Module)
"""The modules that ship with a step of the workflow each. A tenant's `programs` adds its own."""


USUAL_MODULES: tuple[Module, ...] = ("modality", "cross_modal", "routing")
"""Those that a tenant has from the start. Few trace orchestrated requests; whoever does names `workflow`."""


OPTIONAL_MODULES = ("enhancement",)
"""Those that ship without a step and a tenant names itself in `modules`. They run beside its own programs."""


MethodName = Literal[
    "bootstrap",
    "random_search",
    "mipro",
    "simba",
    "gepa",
    "copro",
    "labeled",
    "nearest",
    "student",
    "cascade",
    "policy",
    "ensemble",
    "portfolio",
]

METHODS: tuple[MethodName, ...] = get_args(MethodName)
"""The optimizers that ship. Their list lies in a room above, which this one does not import: a test compares both."""


OptimizerName = Literal["auto", MethodName]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=False, validate_assignment=True, allow_inf_nan=False)


def _not_empty(label: str) -> str:
    if not label.strip():
        raise ValueError("it is empty")
    return label


Label = Annotated[str, Field(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(_not_empty)]
"""An answer that a program may give: one line that is not empty."""


Text = Annotated[str, Field(pattern="")]
"""Any text in UTF-8: a pattern is not matched against lone surrogates, which no store and no server takes."""


def _once(names: list[str]) -> list[str]:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice!r} stands twice")
    return names


Labels = Annotated[list[Label], Field(min_length=1), AfterValidator(_once)]


class RewardWeights(_Config):
    """Weights of the reward (documentation "Optimization Module", AdvancedOptimizerConfig).

    A reward is what an example counts in training that was labelled by its outcome. Optimizers that draw examples to
    show look at it (bootstrap, random_search, mipro, labeled), and student and policy; simba, gepa, copro and nearest
    do not.
    """

    search_quality_weight: float = Field(0.4, ge=0, le=1)
    agent_success_weight: float = Field(0.3, ge=0, le=1)
    user_satisfaction_weight: float = Field(0.3, ge=0, le=1)
    processing_time_penalty: float = Field(0.1, ge=0, le=1)
    # With 4 s the documentation's own example (1.2 s) gives its 0.923.
    processing_time_scale_s: float = Field(4.0, gt=0, description="seconds at which the whole penalty is due")

    @model_validator(mode="after")
    def _some_weight(self) -> RewardWeights:
        if self.search_quality_weight + self.agent_success_weight + self.user_satisfaction_weight <= 0:
            raise ValueError("at least one weight must be above 0")
        return self


class SplitShares(_Config):
    """Shares of the queries that go to training, to choosing between candidates, and to the sealed test."""

    train: float = Field(0.5, gt=0, lt=1)
    dev: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.3, gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> SplitShares:
        if abs(self.train + self.dev + self.test - 1) > 1e-6:
            raise ValueError(f"train + dev + test must be 1, not {self.train + self.dev + self.test:g}")
        return self


class GateRules(_Config):
    """What a challenger must show before it may serve."""

    min_effect: float = Field(0.02, ge=0, le=1, description="smallest useful gain of the mean score")
    significance: float = Field(
        0.05, gt=0, lt=0.5, description="chance that any challenger without a gain is promoted, of a tenant in a year"
    )
    min_slice_examples: int = Field(8, ge=3, description="smaller slices are shown, not judged")
    slice_significance: float = Field(0.05, gt=0, lt=0.5, description="chance to find a slice worse that is not")
    max_unusable_share: float = Field(
        0.2, ge=0, le=1, description="while more answers of either version cannot be used, nothing is promoted"
    )
    unusable_significance: float = Field(
        0.05, ge=0, lt=0.5, description="level at which a challenger that gives more of them is rejected; 0: never"
    )


class ContestRules(_Config):
    """How long evidence is gathered on a challenger, and what of it is asked for (docs/decisions/0006-contests.md)."""

    max_labels: int = Field(400, ge=0, le=100_000, description="labels on drawn questions until it ends undecided")
    max_days: float = Field(30, gt=0, le=366, description="until it ends undecided")
    min_people_labels: int = Field(20, ge=0, le=100_000, description="labels of people without which none is promoted")
    overtaken_growth: float = Field(
        1.0,
        gt=0,
        description="it ends undecided when the training examples grew by this share and proof is not half way",
    )
    patience_days: float = Field(3, gt=0, le=366, description="an asked question without a label is passed over then")
    max_shadow_calls: int = Field(5000, ge=0, le=1_000_000, description="requests that the challenger answers at most")
    shadow_calls_per_pass: int = Field(500, ge=0, le=1_000_000, description="of these in one pass")
    lookback_days: float = Field(7, gt=0, le=366, description="requests before the contest that may be drawn")
    give_up_significance: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="chance to end a contest as no better though the gain is useful, or as too slow or costly wrongly",
    )
    max_latency_ratio: float | None = Field(
        3.0, ge=1, le=1000, description="seconds of an answer, in the champion's; more ends it as too slow; None: any"
    )
    max_cost_ratio: float | None = Field(
        10.0, ge=1, le=1000, description="cost of an answer, in the champion's; more ends it as too costly; None: any"
    )
    margin_if_cheaper: float = Field(
        0.01, ge=0, le=0.5, description="a much cheaper challenger may be worse by less than this; 0: it must be better"
    )
    cheaper_ratio: float = Field(
        0.5, gt=0, le=1, description="its answers cost at most so much of the champion's, in dollars or tokens"
    )
    short_answer_s: float = Field(1.0, gt=0, le=3600, description="an answer that takes less counts as so many seconds")
    cheap_answer_usd: float = Field(
        0.0001, gt=0, le=1000, description="one that costs less counts as so many US dollars"
    )
    cheap_answer_tokens: int = Field(
        500, ge=1, le=1_000_000, description="one of fewer tokens counts as so many, where no dollars are known"
    )
    curve_points: int = Field(200, ge=2, le=10_000, description="passes of which it is kept how it stood after them")


class BudgetLimits(_Config):
    """What one run may spend on LM calls."""

    max_lm_calls: int = Field(20_000, ge=1)
    max_lm_tokens: int = Field(20_000_000, ge=1)


class TrainingRules(_Config):
    """What one run may read."""

    max_examples: int = Field(5_000, ge=100, le=1_000_000, description="so many at most, the same share of each split")


class DecisionRules(_Config):
    """When training is worth its price, and on which data. Names of "Optimization Module" where it has them."""

    synthetic_threshold: int = Field(20, ge=0, description="fewer real training examples: synthetic ones make it up")
    hybrid_threshold: int = Field(50, ge=0, description="fewer real training examples: synthetic ones are mixed in")
    labeled_below: int = Field(10, ge=0, description="auto: so few examples all fit into the prompt")
    mipro_threshold: int = Field(50, ge=0, description="auto: instructions are searched from here on")
    gepa_threshold: int = Field(200, ge=0, description="auto: instructions are evolved above")
    simba_below: float = Field(0.6, ge=0, le=1, description="auto: a lower accuracy asks for SIMBA")
    performance_degradation_threshold: float = Field(0.1, gt=0, le=1)
    growth_share: float = Field(0.2, gt=0, description="growth of the training examples that is worth a training")
    stale_days: float = Field(7.0, gt=0, description="an older training is repeated")
    detectable_gain: float = Field(0.03, ge=0, le=1, description="train when this gain could be shown; 0: always")
    errors_less_by_doubling: float = Field(
        0.4, ge=0, le=1, description="share of the champion's errors that twice the training examples may take away"
    )
    detection_power: float = Field(0.6, gt=0, lt=1)
    look_again_hours: float = Field(24.0, gt=0, description="a run that has to be repeated is, after so long")
    exploration_share: float = Field(0.05, ge=0, le=1, description="decisions drawn at random, to learn from them")
    explored_optimizers: list[MethodName] = Field(default=["nearest", "labeled", "bootstrap"])
    use_meta_models: bool = True


Rubric = Annotated[Text, Field(max_length=2_000), AfterValidator(_not_empty)]
"""What makes an answer in free text good, in words."""


class AnnotationRules(_Config):
    """Which spans people are asked about, and when an LM's labels may judge (docs/decisions/0003-labels.md)."""

    daily_limit: int = Field(50, ge=0, le=10_000, description="spans that are put before people a day; 0: none")
    random_share: float = Field(0.5, ge=0, le=1, description="share of them drawn by lot, for the dev and test splits")
    share_beside_contest: float = Field(
        0.2, ge=0, le=1, description="share of them that stays for other questions while a contest has disagreements"
    )
    confidence_threshold: float = Field(0.6, ge=0, le=1, description="decisions below it are worth a label")
    min_annotations_for_optimization: int = Field(50, ge=1, description="new labels that make a module due")
    annotator_model: Text | None = Field(None, description="None: the installation's; none there: no LM annotator")
    api_base: Text | None = Field(None, description="of the annotator's API")
    max_lm_calls: int = Field(500, ge=1, description="LM calls for annotation, of one module a day")
    min_agreement: float = Field(0.8, ge=0, le=1, description="with people, lower end, for the test split")
    min_kappa: float = Field(0.4, ge=-1, le=1, description="Cohen's kappa with people, lower end, for the test split")
    min_compared: int = Field(30, ge=2, description="labels of people that the annotator is compared with at least")
    remarks: dict[RemarkName, RemarkMeaning] = Field(
        default_factory=dict, max_length=100, description="what annotations of other names mean, such as thumbs"
    )
    rubrics: dict[str, Rubric] = Field(
        default_factory=dict,
        max_length=100,
        description="program -> what makes its answers good, for an LM to score by",
    )
    rubric_threshold: float = Field(0.5, gt=0, le=1, description="a rubric's scores from it on say that one is good")
    rubric_questions: int = Field(
        40, ge=0, le=10_000, description="requests without a right answer that a rubric lets teach, and let choose"
    )
    refuted_questions: int = Field(
        40,
        ge=0,
        le=10_000,
        description="questions that teach, and choose, by what people have said is wrong",
    )


class LMChoice(_Config):
    """Which LMs a tenant's programs run on. Keys come from the environment, never from here."""

    task_model: Text | None = Field(None, description="None: the installation's default")
    teacher_model: Text | None = Field(None, description="writes instructions; None: the installation's default")
    api_base: Text | None = None
    timeout_s: float = Field(60.0, gt=0, le=3600)
    max_retries: int = Field(3, ge=0, le=20)


class RoutingConfigUnified(_Config):
    """A tenant's whole configuration. Field names and defaults follow "Auto-Optimization Workflow Documentation"."""

    tenant_id: str
    enable_auto_optimization: bool = True
    optimization_interval_seconds: int = Field(3600, ge=0, le=10 * 366 * 86400)
    min_samples_for_optimization: int = Field(100, ge=1, le=10_000_000)
    preferred_optimizer: OptimizerName = "auto"
    max_training_iterations: int = Field(100, ge=1, le=10_000, description="candidate programs that a search tries")
    use_synthetic_data: bool = True
    synthetic_data_ratio: float = Field(0.3, ge=0, le=1)
    synthetic_quality_threshold: float = Field(0.5, ge=0, le=1, description="how sure the independent reader must be")
    content: Literal["traces", "file", "vespa"] = Field(
        "traces", description="what synthetic queries are about; where files and Vespa are, the installation says"
    )
    phoenix_lookback_hours: float = Field(24, gt=0, le=24 * 3660)
    min_trace_confidence: float = Field(0.7, ge=0, le=1)
    example_retention_days: float = Field(90, gt=0, le=36600, description="older experiences are forgotten")

    agents: dict[Label, Text] = Field(
        default_factory=lambda: {
            "video_search_agent": "finds videos and scenes in them",
            "image_search_agent": "finds photos, charts and pictures",
            "audio_search_agent": "finds podcasts, songs and recordings",
            "document_search_agent": "finds papers, contracts and other texts",
            "summarizer_agent": "sums up what was found in a few sentences",
            "detailed_report_agent": "writes an in-depth analysis or comparison",
        },
        min_length=2,
        max_length=100,
        description="label -> what the agent is for; the closed set that programs answer from",
    )
    fusion_modalities: Labels = Field(
        default=["video+document", "video+image", "video+audio", "audio+document", "image+document"]
    )
    fusion_strategies: Labels = Field(default=["score", "temporal", "semantic", "hierarchical"])
    modules: Annotated[list[str], AfterValidator(_once)] = Field(
        default_factory=lambda: list[str](USUAL_MODULES), min_length=1
    )
    shared: bool = Field(False, description="consents to pooled programs and may start from them (`argotune pool`)")
    enhancement: Literal["auto", "off", "on"] = Field("auto", description="of queries; auto: where dev shows a gain")
    unified: Literal["auto", "off"] = Field(
        "auto", description="routing and workflow learn from each other's outcomes; auto: where dev shows a gain"
    )
    programs: dict[str, str] = Field(
        default_factory=dict, description='own programs: module name -> "package.module:name" of a module or a factory'
    )
    traces: TraceBinding | None = Field(None, description="where traces are; None: as docs/traces.md asks for them")
    reward: RewardWeights = Field(default_factory=RewardWeights)
    split: SplitShares = Field(default_factory=SplitShares)
    gate: GateRules = Field(default_factory=GateRules)
    contest: ContestRules = Field(default_factory=ContestRules)
    budget: BudgetLimits = Field(default_factory=BudgetLimits)
    training: TrainingRules = Field(default_factory=TrainingRules)
    decisions: DecisionRules = Field(default_factory=DecisionRules)
    degradation: DegradationRules = Field(default_factory=DegradationRules)
    optimizers: OptimizerSettings = Field(default_factory=OptimizerSettings)
    lm: LMChoice = Field(default_factory=LMChoice)
    embedder: EmbedderName | None = Field(None, description="makes vectors of texts; None: the installation's")
    masking: MaskingRules = Field(default_factory=MaskingRules)
    annotation: AnnotationRules = Field(default_factory=AnnotationRules)
    serving: ServingRules = Field(default_factory=ServingRules)
    retention: RetentionRules = Field(default_factory=RetentionRules)

    @field_validator("tenant_id")
    @classmethod
    def _usable_id(cls, tenant_id: str) -> str:
        try:
            return check_tenant_id(tenant_id)
        except ConfigInvalid as error:
            raise ValueError(str(error)) from error

    @field_validator("programs")
    @classmethod
    def _import_paths(cls, programs: dict[str, str]) -> dict[str, str]:
        for name, path in programs.items():
            if name in (*MODULES, "all", "own") or not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
                raise ValueError(f"{name!r} is a shipped module, `all`, `own`, or not a lower-case identifier")
            if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", path):
                raise ValueError(f"{path!r} is not of the form package.module:name")
        return programs

    @model_validator(mode="after")
    def _known_modules(self) -> RoutingConfigUnified:
        shipped = (*MODULES, *OPTIONAL_MODULES)
        unknown = [m for m in self.modules if m not in shipped and m not in self.programs]
        if unknown:
            raise ValueError(f"modules: {unknown} are neither shipped ({', '.join(shipped)}) nor in `programs`")
        return self

    @model_validator(mode="after")
    def _rubrics_of_programs(self) -> RoutingConfigUnified:
        if unknown := [name for name in self.annotation.rubrics if name.split(".")[0] not in self.programs]:
            raise ValueError(f"annotation.rubrics: {unknown[0][:60]!r} is none of the tenant's `programs`")
        return self

    @model_validator(mode="after")
    def _bound_modules(self) -> RoutingConfigUnified:
        bound = self.traces.programs if self.traces else {}
        if "modality" in bound:
            raise ValueError("traces.programs: 'modality' has a program for each modality; a span's class tells none")
        if unknown := [m for m in bound if m not in MODULES and m not in self.programs]:
            raise ValueError(f"traces.programs: {unknown} are neither shipped ({', '.join(MODULES)}) nor in `programs`")
        return self


def parse_config(data: Any) -> RoutingConfigUnified:
    """Validate untrusted data. Raises ConfigInvalid whose one line names the field and the value."""
    try:
        return RoutingConfigUnified.model_validate(data)
    except ValidationError as error:
        raise ConfigInvalid(first_problem(error)) from None


def stored_config(data: Any) -> RoutingConfigUnified:
    """The config that this or a later release has stored; fields that are not known here are left out.

    Raises ConfigInvalid as `parse_config`.
    """
    try:
        return RoutingConfigUnified.model_validate(data, extra="ignore")
    except ValidationError as error:
        raise ConfigInvalid(first_problem(error)) from None
