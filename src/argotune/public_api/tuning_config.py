"""OptimizationConfig of "Optimization Module", and the settings of the optimizer `ensemble` that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic import ValidationError

from argotune.errors import ConfigInvalid, first_problem
from argotune.public_api.field_rules import check_counts, check_shares, is_number, refuse
from argotune.tenants.optimizer_settings import (
    BootstrapSettings,
    EnsemblePart,
    EnsembleSettings,
    OptimizerSettings,
)

METRICS = ("accuracy", "precision", "recall", "f1")

_COUNTS = ("min_samples_for_optimization", "max_history_size")
_SHARES = ("performance_degradation_threshold", "min_accuracy", "min_precision", "min_recall")
_POSITIVE = ("optimization_interval_seconds", "max_acceptable_latency_ms")
_SWITCHES = ("dspy_enabled", "gliner_threshold_optimization", "gliner_label_optimization")


@dataclass
class OptimizationConfig:
    """What a RoutingOptimizer goes by. Names and defaults are those of the document.

    From `min_samples_for_optimization` tracked decisions on, an optimization is due when the last one is
    `optimization_interval_seconds` ago; and after half as many new ones where accuracy has fallen by
    `performance_degradation_threshold` below the baseline, or is below a `min_...`, or answers take longer than
    `max_acceptable_latency_ms` on average. `learning_rate`, `momentum` and `weight_decay` are of the weights of votes
    (optimizers/vote_weights.py). `dspy_enabled`: the LM is tried with demonstrations by BootstrapFewShot, as many as
    `dspy_max_...` say; candidates are chosen by `dspy_metric`. `gliner_...`: which scores and labels of entities are
    tried. The newest `max_history_size` decisions are kept; files lie in `checkpoint_dir` and `metrics_export_dir`, in
    a folder for each tenant.
    """

    min_samples_for_optimization: int = 100
    optimization_interval_seconds: int = 3600
    performance_degradation_threshold: float = 0.1

    min_accuracy: float = 0.8
    min_precision: float = 0.75
    min_recall: float = 0.75
    max_acceptable_latency_ms: float = 100

    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.01

    dspy_enabled: bool = True
    dspy_max_bootstrapped_demos: int = 10
    dspy_max_labeled_demos: int = 50
    dspy_metric: str = "f1"

    gliner_threshold_optimization: bool = True
    gliner_label_optimization: bool = True
    gliner_threshold_step: float = 0.05

    max_history_size: int = 10000
    checkpoint_dir: Path = Path("outputs/routing_checkpoints")
    metrics_export_dir: Path = Path("outputs/routing_metrics")

    def __post_init__(self) -> None:
        """Raises ConfigInvalid that names the field and its value."""
        check_counts(self, _COUNTS)
        check_shares(self, _SHARES)
        for name in _POSITIVE:
            value = getattr(self, name)
            refuse(self, name, not is_number(value) or value <= 0, "above 0")
        for name in _SWITCHES:
            refuse(self, name, not isinstance(getattr(self, name), bool), "True or False")
        refuse(self, "dspy_metric", self.dspy_metric not in METRICS, f"one of {', '.join(METRICS)}")
        self.checkpoint_dir, self.metrics_export_dir = Path(self.checkpoint_dir), Path(self.metrics_export_dir)
        self.optimizer_settings(("words",), {}, ())

    def optimizer_settings(
        self, tunes: Sequence[EnsemblePart], words: Mapping[str, Sequence[str]], labels: Sequence[str]
    ) -> OptimizerSettings:
        """A tenant's section `optimizers` by which these parts are tuned. Raises ConfigInvalid that names the field."""
        same = {field.name for field in fields(self)} & EnsembleSettings.model_fields.keys()
        try:
            demos = BootstrapSettings(
                max_bootstrapped_demos=self.dspy_max_bootstrapped_demos, max_labeled_demos=self.dspy_max_labeled_demos
            )
            ensemble = EnsembleSettings.model_validate(
                {
                    **{name: getattr(self, name) for name in same},
                    "tunes": list(tunes),
                    "words": {label: list(of) for label, of in words.items()},
                    "entity_labels": list(labels),
                    "bootstrap": self.dspy_enabled,
                    "chooses_by": self.dspy_metric,
                }
            )
        except ValidationError as error:
            raise ConfigInvalid(first_problem(error)) from None
        return OptimizerSettings(bootstrap=demos, ensemble=ensemble)
