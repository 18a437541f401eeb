"""AdvancedOptimizerConfig of "Optimization Module", and which optimizers follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from argotune.optimizers import OPTIMIZERS
from argotune.public_api.field_rules import check_counts, check_shares, is_number, refuse
from argotune.tenants.config import RewardWeights

ADAPTIVE = "adaptive"
_SHARES = (
    *("search_quality_weight", "agent_success_weight", "user_satisfaction_weight", "processing_time_penalty"),
    *("exploration_epsilon", "epsilon_decay", "min_epsilon", "performance_degradation_threshold"),
)
_COUNTS = (
    *("batch_size", "experience_replay_size", "update_frequency", "min_experiences_for_training"),
    *("bootstrap_threshold", "simba_threshold", "mipro_threshold", "gepa_threshold"),
)


@dataclass
class AdvancedOptimizerConfig:
    """What an AdvancedRoutingOptimizer goes by. Names and defaults are those of the document.

    `learning_rate` and `batch_size` are of the calibration of confidences (stats/platt.py); `batch_size` is also what
    simba and mipro look at at a time, and how many of the newest experiences are held against those before them.
    `experience_replay_size` experiences are kept. `update_frequency`: experiences from one training to the next, from
    `min_experiences_for_training` on; a success rate that fell by `performance_degradation_threshold` trains at once.
    `optimizer_strategy`: `adaptive`, or an optimizer that is used from its threshold on; `force_optimizer` is always
    used. `enable_multi_stage`: bootstrap is tuned beside the optimizer that was chosen, and the better one kept. From
    `bootstrap_threshold` examples on some are held back to tell which is better. An `exploration_epsilon` is multiplied
    by `epsilon_decay` after each training, down to `min_epsilon`.
    """

    learning_rate: float = 0.001
    batch_size: int = 32
    experience_replay_size: int = 1000
    update_frequency: int = 10

    optimizer_strategy: str = ADAPTIVE
    force_optimizer: str | None = None
    enable_multi_stage: bool = True

    bootstrap_threshold: int = 20
    simba_threshold: int = 50
    mipro_threshold: int = 100
    gepa_threshold: int = 200

    search_quality_weight: float = 0.4
    agent_success_weight: float = 0.3
    user_satisfaction_weight: float = 0.3
    processing_time_penalty: float = 0.1

    exploration_epsilon: float = 0.1
    epsilon_decay: float = 0.995
    min_epsilon: float = 0.05

    min_experiences_for_training: int = 50

    performance_degradation_threshold: float = 0.1
    experience_file: str = "routing_experiences.json"

    def __post_init__(self) -> None:
        """Raises ConfigInvalid that names the field and its value."""
        check_shares(self, _SHARES)
        check_counts(self, _COUNTS)
        rate = self.learning_rate
        refuse(self, "learning_rate", not is_number(rate) or not 0 < rate <= 1, "above 0, at most 1")
        is_known = self.optimizer_strategy in (ADAPTIVE, *OPTIMIZERS)
        refuse(self, "optimizer_strategy", not is_known, f"one of {ADAPTIVE}, {', '.join(OPTIMIZERS)}")
        is_known = self.force_optimizer in (None, *OPTIMIZERS)
        refuse(self, "force_optimizer", not is_known, f"None or one of {', '.join(OPTIMIZERS)}")
        is_name = re.fullmatch(r"[^/\\\0]*[^/\\\0.][^/\\\0]*", str(self.experience_file)) is not None
        refuse(self, "experience_file", not is_name, "a file's name")
        refuse(self, "min_epsilon", self.min_epsilon > self.exploration_epsilon, "at most exploration_epsilon")
        refuse(self, "agent_success_weight", not self._has_weight, "above 0, or one of the other weights")

    @property
    def _has_weight(self) -> bool:
        return self.search_quality_weight + self.agent_success_weight + self.user_satisfaction_weight > 0

    @property
    def reward(self) -> RewardWeights:
        """The weights of a reward."""
        names = [field.name for field in fields(self) if field.name in RewardWeights.model_fields]
        return RewardWeights(**{name: getattr(self, name) for name in names})


class OptimizerStages:
    """Which optimizers tune a policy, by the number of examples ("Multi-Stage Optimizer Selection")."""

    def __init__(self, config: AdvancedOptimizerConfig) -> None:
        self._config = config

    def get_optimization_info(self, dataset_size: int) -> dict[str, Any]:
        """What so many examples are tuned by: `primary_optimizer`, all `stages` that are tuned and compared, and
        whether examples are `held_back` to compare them; `reason` says why in a sentence."""
        primary, reason = self._primary(dataset_size)
        return {
            "primary_optimizer": primary,
            "dataset_size": dataset_size,
            "stages": self.stages(dataset_size),
            "held_back": self.holds_back(dataset_size),
            "reason": reason,
        }

    def stages(self, dataset_size: int) -> list[str]:
        """The optimizers that are tried, the one that was chosen last."""
        primary, _ = self._primary(dataset_size)
        is_compared = self._config.enable_multi_stage and self.holds_back(dataset_size)
        return list(dict.fromkeys(["bootstrap", primary] if is_compared else [primary]))

    def holds_back(self, dataset_size: int) -> bool:
        """Whether there are enough examples to keep some from training."""
        return dataset_size >= self._config.bootstrap_threshold

    def _primary(self, size: int) -> tuple[str, str]:
        config = self._config
        if config.force_optimizer:
            return config.force_optimizer, "force_optimizer names it"
        thresholds = {"gepa": config.gepa_threshold, "mipro": config.mipro_threshold, "simba": config.simba_threshold}
        wished = config.optimizer_strategy
        if wished != ADAPTIVE and size >= thresholds.get(wished, 0):
            return wished, "optimizer_strategy names it"
        for name, threshold in thresholds.items():
            if size >= threshold:
                return name, f"{size} examples, {threshold} or more"
        return "bootstrap", f"{size} examples, fewer than {config.simba_threshold}"
