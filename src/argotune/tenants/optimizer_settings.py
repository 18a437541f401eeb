"""Optimizer settings: what a tenant may set of each method, a model a method. Names are DSPy's; defaults are those of
"DSPy Optimizers" of the auto-optimization workflow where it has them.

None leaves a number to `max_training_iterations`, or to the size of the data. docs/optimizers.md says which default is
another one than DSPy's and why.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from argotune.tenants.policy_settings import PolicySettings

EmbedderName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+$")]
"""What `programs/embedder.py` opens by it: one word."""

Auto = Literal["light", "medium", "heavy"]
"""How much DSPy searches, in its own words."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)


class _Demonstrations(_Settings):
    """Of methods that bootstrap demonstrations."""

    max_bootstrapped_demos: int = Field(5, ge=0, le=64, description="demonstrations that the program answered itself")
    max_labeled_demos: int = Field(10, ge=0, le=64, description="demonstrations as they are labelled")


class BootstrapSettings(_Demonstrations):
    """dspy.BootstrapFewShot."""

    max_rounds: int = Field(1, ge=1, le=20, description="attempts at each example")

    @model_validator(mode="after")
    def _some_demonstration(self) -> BootstrapSettings:
        if self.max_bootstrapped_demos + self.max_labeled_demos < 1:
            raise ValueError("max_bootstrapped_demos and max_labeled_demos are both 0: no demonstration would be shown")
        return self


class RandomSearchSettings(_Demonstrations):
    """dspy.BootstrapFewShotWithRandomSearch."""

    max_bootstrapped_demos: int = Field(5, ge=1, le=64, description="demonstrations that the program answered itself")
    max_rounds: int = Field(1, ge=1, le=20, description="attempts at each example")
    num_candidate_programs: int | None = Field(
        None, ge=0, le=10_000, description="sets drawn by lot, beside the three that are always tried"
    )


class MiproSettings(_Demonstrations):
    """dspy.MIPROv2. With `auto`, DSPy itself sets candidates, trials and minibatches."""

    auto: Auto | None = None
    num_candidates: int = Field(
        10, ge=2, le=100, description="instructions and sets of demonstrations, two for each three trials at most"
    )
    init_temperature: float = Field(1.0, ge=0, le=2, description="at which the teacher writes instructions")
    num_trials: int | None = Field(None, ge=1, le=10_000, description="pairs of both that are measured")
    minibatch: bool | None = Field(None, description="measure trials on a part of dev; None: of more than 50 examples")
    minibatch_size: int = Field(35, ge=1, le=10_000)
    minibatch_full_eval_steps: int = Field(5, ge=1, le=1000, description="trials until the best is measured in full")

    @model_validator(mode="after")
    def _one_of_both(self) -> MiproSettings:
        if self.auto and (self.num_candidates != 10 or self.num_trials is not None or self.minibatch is not None):
            raise ValueError("`auto` sets num_candidates, num_trials and minibatch: set it or them")
        return self

    @model_validator(mode="after")
    def _bootstrapped_with_labeled(self) -> MiproSettings:
        if self.max_labeled_demos and not self.max_bootstrapped_demos:
            raise ValueError("labelled demonstrations are shown beside bootstrapped ones only: set both to 0, or none")
        return self


class SimbaSettings(_Settings):
    """dspy.SIMBA."""

    bsize: int = Field(32, ge=1, le=10_000, description="examples in a minibatch, at most those that there are")
    num_candidates: int = Field(4, ge=1, le=100, description="programs made in a step, beside the one it begins with")
    max_steps: int | None = Field(None, ge=1, le=1000)
    max_demos: int = Field(4, ge=0, le=64)


class GepaSettings(_Settings):
    """dspy.GEPA. Whatever is set here, there are at most `max_training_iterations` proposals."""

    auto: Auto | None = None
    max_metric_calls: int | None = Field(None, ge=1, le=10_000_000, description="answers that are scored in all")
    reflection_minibatch_size: int = Field(3, ge=1, le=1000, description="examples that a proposal is made of")

    @model_validator(mode="after")
    def _one_of_both(self) -> GepaSettings:
        if self.auto and self.max_metric_calls:
            raise ValueError("`auto` sets max_metric_calls: set one of both")
        return self


class CoproSettings(_Settings):
    """dspy.COPRO."""

    breadth: int | None = Field(None, ge=2, le=100, description="instructions in a round")
    depth: int | None = Field(None, ge=1, le=1000, description="rounds")
    init_temperature: float = Field(1.0, ge=0, le=2, description="at which the teacher writes instructions")


class LabeledSettings(_Settings):
    """dspy.LabeledFewShot."""

    k: int = Field(16, ge=1, le=200, description="demonstrations; one a label where there are more labels")


class NearestSettings(_Settings):
    """dspy.KNNFewShot."""

    k: int = Field(4, ge=1, le=200, description="training examples that a question is shown with")
    embedder: EmbedderName | None = Field(None, description="finds them; None: the tenant's `embedder`")


class StudentSettings(_Settings):
    """Linear models on sentence vectors; of the student in a cascade too."""

    tutor_queries: int = Field(
        200, ge=0, le=10_000, description="unlabelled requests that an LM program answers for it to learn from"
    )
    tutor_weight: float = Field(0.5, gt=0, le=1, description="what such an answer counts; a label of a person: 1")


class CascadeSettings(_Settings):
    """When the student of a cascade answers in place of its LM program."""

    by: Literal["auto", "accuracy", "agreement"] = Field(
        "auto", description="what must not be lost: labels tell accuracy, unlabelled requests agreement with the LM"
    )
    delta: float = Field(0.1, gt=0, lt=0.5, description="chance that a threshold is taken that loses more than allowed")
    tolerance: float = Field(0.0, ge=0, lt=1, description="accuracy that may be lost")
    max_other_answers: float = Field(
        0.05, gt=0, lt=1, description="share of requests that may be answered otherwise than by the LM"
    )
    min_labels: int = Field(20, ge=1, le=10_000, description="dev labels from which on `auto` goes by accuracy")
    agreement_queries: int = Field(
        200, ge=0, le=10_000, description="unlabelled requests on which agreement is measured"
    )
    unfamiliar_share: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of familiar questions that may be taken for unfamiliar; 0: none is",
    )
    landmarks: int = Field(
        1_000, ge=1, le=20_000, description="training questions by which others are known as familiar, at most"
    )


EnsemblePart = Literal["words", "entities", "lm", "weights"]


class EnsembleSettings(_Settings):
    """Lists of words, entities and an LM program that vote. Names are those of OptimizationConfig where it has them."""

    tunes: list[EnsemblePart] = Field(
        default=["words", "entities", "lm", "weights"],
        min_length=1,
        description="what is tuned; the rest stays as the champion has it, or else as it is set here",
    )
    words: dict[str, list[str]] = Field(
        default_factory=dict, description="answer -> words or phrases that speak for it, before any is learned"
    )
    entity_model: str | None = Field(
        None,
        pattern=r"^[\w.]+:[\w.]+$",
        max_length=200,
        description="package.module:name of a model like GLiNER's; None: the input `entities` is read",
    )
    entity_labels: list[str] = Field(default_factory=list, max_length=200, description="what the model is asked for")
    entity_threshold: float = Field(0.5, ge=0, le=1, description="score from which an entity counts, where not tuned")
    gliner_threshold_optimization: bool = Field(True, description="try scores from 0.1 to 0.9")
    gliner_label_optimization: bool = Field(True, description="drop labels that speak for no answer")
    gliner_threshold_step: float = Field(0.05, gt=0, le=0.8, description="from one score that is tried to the next")
    bootstrap: bool = Field(True, description="try the LM program with demonstrations by `optimizers.bootstrap` too")
    temperatures: list[Annotated[float, Field(ge=0, le=2)]] = Field(
        default=[0.0, 0.3, 0.7, 1.0], max_length=10, description="of the LM, where it writes"
    )
    chooses_by: Literal["metric", "accuracy", "precision", "recall", "f1"] = Field(
        "metric", description="what dev is to show: the program's metric, or one over the labels"
    )
    learning_rate: float = Field(0.1, gt=0, le=10, description="step by which the weights of votes are learned")
    momentum: float = Field(0.9, ge=0, lt=1, description="of these steps")
    weight_decay: float = Field(0.01, ge=0, le=10, description="pull of the weights towards each other")


Candidate = Literal[
    "student",
    "labeled",
    "nearest",
    "policy",
    "bootstrap",
    "random_search",
    "mipro",
    "gepa",
    "simba",
    "copro",
    "cascade",
]


class PortfolioSettings(_Settings):
    """Several methods, the best of which is kept."""

    candidates: list[Candidate] = Field(
        default=["student", "labeled", "nearest", "policy", "bootstrap", "mipro", "gepa", "simba", "cascade"],
        min_length=1,
        description="methods that are tried where they fit, the cheaper first",
    )
    nearest_k: list[Annotated[int, Field(ge=1, le=200)]] = Field(
        default=[2, 4, 8], max_length=10, description="neighbours that nearest is tried with, beside its own k"
    )


class OptimizerSettings(_Settings):
    """The section `optimizers` of a tenant's config."""

    bootstrap: BootstrapSettings = Field(default_factory=BootstrapSettings)
    random_search: RandomSearchSettings = Field(default_factory=RandomSearchSettings)
    mipro: MiproSettings = Field(default_factory=MiproSettings)
    simba: SimbaSettings = Field(default_factory=SimbaSettings)
    gepa: GepaSettings = Field(default_factory=GepaSettings)
    copro: CoproSettings = Field(default_factory=CoproSettings)
    labeled: LabeledSettings = Field(default_factory=LabeledSettings)
    nearest: NearestSettings = Field(default_factory=NearestSettings)
    student: StudentSettings = Field(default_factory=StudentSettings)
    cascade: CascadeSettings = Field(default_factory=CascadeSettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    ensemble: EnsembleSettings = Field(default_factory=EnsembleSettings)
    portfolio: PortfolioSettings = Field(default_factory=PortfolioSettings)

    def only(self, methods: set[str]) -> dict[str, JsonValue]:
        """What is set of these methods to another value than the default: JSON, and equal for equal settings."""
        found: dict[str, JsonValue] = self.model_dump(mode="json", include=methods, exclude_defaults=True)
        return {method: values for method, values in sorted(found.items()) if values}


def planned_settings(only: dict[str, JsonValue]) -> OptimizerSettings:
    """The settings of which `only` was kept with a plan; names that this release does not have are left out."""
    return OptimizerSettings.model_validate(only, extra="ignore")
