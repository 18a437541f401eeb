"""Routing learner: what AdvancedRoutingOptimizer knows, when it trains, and what it answers. Nothing here waits for
anything but LMs; the face that the document shows is public_api/routing_optimizer.py.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

from pydantic import ValidationError

from argotune.data.dataset import data_hash
from argotune.data.examples import Example
from argotune.data.guards.masking import Mask
from argotune.data.rewards import reward
from argotune.errors import ArgotuneError, ConfigInvalid, NotFound, first_problem
from argotune.errors.lines import in_short
from argotune.promotion.versions import Version
from argotune.public_api.optimizer_config import AdvancedOptimizerConfig, OptimizerStages
from argotune.public_api.routing_experiences import ExperienceReplay, RoutingExperience, examples_of, success_rate
from argotune.public_api.routing_policy import PolicyAnswer, RoutingPolicy
from argotune.public_api.tuning import Tuned, settings_of_batches
from argotune.stats.exploration import epsilon_greedy
from argotune.stats.platt import Platt
from argotune.stats.wording import counted
from argotune.store.records import StoredValue
from argotune.store.sealing import digest

log = logging.getLogger(__name__)


class TrainingStep(StoredValue):
    """What the last training was and what came of it. `examples`: those that it learned from or was measured on."""

    optimizer: str
    examples: int
    is_used: bool
    score: float | None
    before: float | None
    why: str


class RoutingState(StoredValue):
    """All that an AdvancedRoutingOptimizer knows, as it is saved."""

    tenant_id: str
    agents: dict[str, str]
    experiences: tuple[RoutingExperience, ...] = ()
    total: int = 0
    training_step: int = 0
    epsilon: float
    policy: Version | None = None
    slope: float = 1.0
    offset: float = 0.0
    trained_at: int = 0
    lesson: str = ""
    success_rate: float | None = None
    last_training: TrainingStep | None = None
    updated_at: datetime | None = None


class RoutingLearner:
    """Experiences, a policy, and how sure one may be of it. Threads may share it."""

    def __init__(
        self,
        config: AdvancedOptimizerConfig,
        tenant_id: str,
        policy: RoutingPolicy,
        rng: Random,
        clock: Callable[[], datetime],
    ) -> None:
        self.config, self.stages = config, OptimizerStages(config)
        self.replay = ExperienceReplay(config.experience_replay_size)
        self._policy, self._rng, self._clock = policy, rng, clock
        self._changing, self._learning = threading.Lock(), threading.Lock()
        self.state = RoutingState(tenant_id=tenant_id, agents=dict(policy.agents), epsilon=config.exploration_epsilon)

    @property
    def is_ready(self) -> bool:
        """Whether a policy was trained for the agents of now."""
        return self._policy.is_usable(self.state.policy)

    def record(self, **told: object) -> RoutingExperience:
        """Keep one experience; no training begins. Raises ConfigInvalid."""
        try:
            experience = RoutingExperience.model_validate({**told, "at": self._clock()})
        except ValidationError as error:
            raise ConfigInvalid(first_problem(error)) from None
        self._policy.know(experience.chosen_agent)
        as_read = Mask(self._policy.config.masking).experience(experience.experience("routing"), self._policy.fields)
        worth = reward(as_read, self.config.reward)
        kept = experience.model_copy(update={"inputs": dict(as_read.inputs), "reward": worth or 0.0})
        self.replay.add(kept)
        self._change(updated_at=kept.at)
        return kept

    def is_training_due(self) -> bool:
        config, since = self.config, self.replay.total - self.state.trained_at
        if self.replay.total < config.min_experiences_for_training or not since:
            return False
        return since >= config.update_frequency or self._has_got_worse(since)

    def _has_got_worse(self, since: int) -> bool:
        """Whether those after the last training succeed clearly less often than those before it did."""
        before, now = self.state.success_rate, success_rate(self.replay.kept[-since:])
        if before is None or now is None or 2 * since < self.config.update_frequency:
            return False
        return before - now >= self.config.performance_degradation_threshold

    def train(self) -> TrainingStep:
        """Train now, one training at a time. Raises Unavailable and its like; then the policy stays as it is."""
        with self._learning:
            kept, total = self.replay.kept, self.replay.total
            examples = examples_of(kept, "routing", self.stages.holds_back)
            try:
                found = self._tuned(examples)
            except ArgotuneError as error:
                self._change(trained_at=total, last_training=_failed(len(examples), error))
                raise
            return self._learned(found, len(examples), kept, total)

    def _tuned(self, examples: Sequence[Example]) -> Tuned:
        if not examples:
            return Tuned(None, why="no experience succeeded, so nobody knows a right answer")
        state, stages = self.state, self.stages.stages(len(examples))
        lesson = digest([data_hash(examples), stages, list(self._policy.agents)])
        if lesson == state.lesson:
            return Tuned(None, why="nothing new to learn from")
        found = self._policy.tuned(
            examples,
            stages,
            state.policy,
            settings=settings_of_batches(self.config.batch_size),
            seed=state.training_step,
            now=self._clock(),
        )
        self._change(lesson=lesson)
        return found

    def _learned(self, found: Tuned, n: int, kept: Sequence[RoutingExperience], total: int) -> TrainingStep:
        config, step = self.config, self.state.training_step + 1
        pairs = [(x.routing_confidence, x.agent_success) for x in kept]
        platt = self._platt.taught(pairs, config.learning_rate, config.batch_size, Random(step))  # noqa: S311
        training = TrainingStep(
            optimizer=found.optimizer,
            examples=n,
            is_used=found.version is not None,
            score=found.score,
            before=found.before,
            why=found.why,
        )
        self._change(
            training_step=step,
            epsilon=max(config.min_epsilon, self.state.epsilon * config.epsilon_decay),
            policy=found.version or self._policy_without(found),
            slope=platt.slope,
            offset=platt.offset,
            trained_at=total,
            success_rate=success_rate(kept),
            last_training=training,
            updated_at=self._clock(),
        )
        log.info("routing policy of %s, training step %d: %s", self.state.tenant_id, step, found.why)
        return training

    def _policy_without(self, found: Tuned) -> Version | None:
        """What stays in use where nothing tuned was better: what is, or else the program as written where it answers
        held back examples right."""
        if self.is_ready or not found.before:
            return self.state.policy
        return self._policy.as_written(self._clock())

    @property
    def _platt(self) -> Platt:
        return Platt(self.state.slope, self.state.offset)

    def _change(self, **changes: Any) -> None:
        with self._changing:
            self.state = self.state.model_copy(update=changes)

    def recommended(self, inputs: Mapping[str, str]) -> PolicyAnswer:
        try:
            return self._by_policy(inputs) if self.is_ready else self._by_record("no policy is trained yet")
        except ArgotuneError as error:
            return self._by_record(f"the policy gives no answer ({in_short(error)})")

    def _by_policy(self, inputs: Mapping[str, str]) -> PolicyAnswer:
        """Raises ConfigInvalid without a usable answer, and what the LM's server raises."""
        policy = self.state.policy
        if policy is None:
            raise NotFound("no policy is trained yet")
        found, by = self._policy.answer(inputs, policy), _made_by(policy)
        confidence = self._platt.probability(found.confidence)
        return PolicyAnswer(found.agent, confidence, f"the policy ({by}) chose it; {self._told_of(found.agent)}")

    def _by_record(self, why: str) -> PolicyAnswer:
        rewards: dict[str, list[float]] = {}
        for experience in self.replay.kept:
            rewards.setdefault(experience.chosen_agent, []).append(experience.reward)
        if not rewards:
            return PolicyAnswer("", 0.0, f"{why}, and there is no experience")
        agent = max(rewards, key=lambda name: _shrunk(rewards[name]))
        return PolicyAnswer(agent, _shrunk(rewards[agent]), f"{why}; of all agents this one did best so far")

    def _told_of(self, agent: str) -> str:
        own = [experience.reward for experience in self.replay.kept if experience.chosen_agent == agent]
        mean = f" with a mean reward of {sum(own) / len(own):.2f}" if own else ""
        return f"{counted(len(own), 'kept experience')} of {agent}{mean}"

    def optimized(self, inputs: Mapping[str, str], baseline: Mapping[str, Any]) -> dict[str, object]:
        """Raises KeyError for a baseline without an agent where there is no policy."""
        if self.is_ready:
            greedy = self._by_policy(inputs)
        else:
            told = str(baseline.get("reasoning", ""))
            greedy = PolicyAnswer(baseline["recommended_agent"], float(baseline.get("confidence", 0.5)), told)
        self._policy.know(greedy.agent)
        chance, epsilon = self._rng.random(), self.state.epsilon
        agent, propensity = epsilon_greedy(greedy.agent, list(self._policy.agents), epsilon, chance)
        given = greedy if agent == greedy.agent else self._explored(agent)
        return {
            **baseline,
            "recommended_agent": agent,
            "confidence": given.confidence,
            "reasoning": given.reasoning,
            "optimized": self.is_ready,
            "exploration": chance < epsilon,
            "propensity": propensity,
        }

    def _explored(self, agent: str) -> PolicyAnswer:
        own = [experience.reward for experience in self.replay.kept if experience.chosen_agent == agent]
        return PolicyAnswer(agent, _shrunk(own), f"drawn at random to learn from it; {self._told_of(agent)}")

    @property
    def known(self) -> RoutingState:
        replay, agents = self.replay, dict(self._policy.agents)
        with self._changing:
            changes = {"experiences": tuple(replay.kept), "total": replay.total, "agents": agents}
            return self.state.model_copy(update=changes)

    def restore(self, found: RoutingState) -> None:
        """Go on from what was known. Raises ConfigInvalid where that is another tenant's; then nothing changes."""
        if found.tenant_id != self.state.tenant_id:
            raise ConfigInvalid(f"tenant_id: it is of {found.tenant_id!r}, this is {self.state.tenant_id!r}")
        for agent, about in found.agents.items():
            self._policy.know(agent, about)
        self.replay.restore(found.experiences, found.total)
        with self._changing:
            self.state = found.model_copy(update={"experiences": ()})


def _failed(n: int, error: ArgotuneError) -> TrainingStep:
    return TrainingStep(optimizer="", examples=n, is_used=False, score=None, before=None, why=str(error))


def _made_by(policy: Version) -> str:
    return policy.lineage.reason if policy.lineage.optimizer == "none" else policy.lineage.optimizer


def _shrunk(rewards: Sequence[float]) -> float:
    """The mean reward, as if one more of 0.5 were known: an agent that was met once is not taken to be perfect."""
    return (sum(rewards) + 0.5) / (len(rewards) + 1)
