"""A small bandit of agents: queries that one agent is right for, and a logger that prefers another one."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.data.experiences import Experience
from argotune.optimizers.policy import learn_policy
from argotune.optimizers.policy_material import PolicyTask
from argotune.programs import programs_of
from argotune.programs.policy import Policy, policy_state
from argotune.programs.program import dspy_example
from argotune.tenants.config import RoutingConfigUnified
from argotune.tenants.policy_settings import PolicySettings

AGENTS = {"video": "finds videos", "text": "finds papers", "audio": "finds songs"}
CONFIG = RoutingConfigUnified(tenant_id="acme", agents=AGENTS)
ROUTING = programs_of(CONFIG, "routing")[0]
WORDS = {"video": ("clip", "film", "footage"), "text": ("paper", "article", "essay"), "audio": ("song", "podcast")}
THINGS = ("bees", "cats", "taxes", "jazz", "rome", "soup", "chess", "rain", "trains", "wine", "deserts", "clocks")
START = datetime(2026, 1, 1, tzinfo=UTC)
FAST = PolicySettings(num_epochs=30, learning_rate=0.01, hidden_size=8, max_repeats=100)
LISTENER = {"audio": 0.8, "video": 0.1, "text": 0.1}
"""How often the logger chooses whom, whatever is asked."""


def inputs(query: str) -> dict[str, str]:
    return {"query": query, "entities": "", "relationships": "", "enhanced_query": ""}


def asked(number: int) -> tuple[str, str]:
    """A query and its right agent."""
    rng = random.Random(number)
    right = rng.choice(list(AGENTS))
    return f"{rng.choice(WORDS[right])} of {rng.choice(THINGS)} and {rng.choice(THINGS)}", right


def log(n: int, seed: int = 1, logger: Mapping[str, float] = LISTENER, **said: Any) -> list[Experience]:
    """Decisions of the logger, one a minute; it succeeds where it was right."""
    return [replace(_decided(seed * 100_000 + k, k, logger), **said) for k in range(n)]


def _decided(number: int, minute: int, logger: Mapping[str, float]) -> Experience:
    rng, (query, right) = random.Random(-number), asked(number)
    agent = rng.choices(list(logger), list(logger.values()))[0]
    return Experience(
        span_id=f"s{number}",
        program="routing",
        inputs=inputs(query),
        answers={"agent": agent},
        at=START + timedelta(minutes=minute),
        confidence=round(rng.random(), 3),
        agent_success=agent == right,
        propensity=logger[agent],
        modality=right,
    )


def labelled(n: int, seed: int = 7) -> list[Any]:
    return [
        dspy_example({**inputs(q), "agent": a}, inputs(q)) for q, a in map(asked, range(seed * 1000, seed * 1000 + n))
    ]


def to_learn(experiences: list[Experience], n_labels: int = 0, n_dev: int = 0, **changes: Any) -> PolicyTask:
    settings = FAST.model_copy(update=changes)
    examples, dev = labelled(n_labels), labelled(n_dev, seed=9)
    return PolicyTask(ROUTING, experiences, examples, [1.0] * n_labels, dev, HashedEmbedder(), settings, seed=3)


def accuracy(policy: Policy, n: int = 200) -> float:
    """On queries that it has not seen."""
    questions = [asked(900_000 + k) for k in range(n)]
    chances = policy.chances(policy.reader.rows([inputs(query) for query, _ in questions]))
    said = [policy.answers.choices[code][0] for code in chances.argmax(axis=1)]
    return sum(answer == right for answer, (_, right) in zip(said, questions, strict=True)) / n


def learned_by(settings: PolicySettings) -> str:
    """What is learned with these settings from sessions of all kinds of outcomes and a few labels."""
    repeated = [
        replace(x, inputs=inputs(f"clip of bees and bees number {n % 3}")) for n, x in enumerate(log(40, seed=5))
    ]
    told = [
        replace(x, session=f"s{n // 3}", user_satisfaction=(n % 10) / 10, processing_time_s=n % 4, modality="video")
        for n, x in enumerate(log(120) + repeated)
    ]
    task = to_learn(told, n_labels=10, n_dev=10)
    return json.dumps(policy_state(learn_policy(replace(task, settings=settings))))


SHORT = {"num_epochs": 3, "hidden_size": 4, "learning_rate": 0.01, "experience_buffer_size": 100}
"""To learn in a moment."""
LONG = {**SHORT, "num_epochs": 400, "learning_rate": 0.3}
OTHER_SETTINGS: dict[str, Any] = {
    "experience_buffer_size": 50,
    "max_answer_share": 0.2,
    "max_repeats": 1,
    "priority_exponent": 0.0,
    "importance_exponent": 1.0,
    "batch_size": 16,
    "learning_rate": 0.002,
    "discount_factor": 0.1,
    "exploration_rate": 0.4,
    "num_epochs": 2,
    "gradient_accumulation_steps": 2,
    "gradient_clip": 0.01,
    "validation_split": 0.5,
    "hidden_size": 5,
    "dropout": 0.5,
    "estimator": "clipped",
    "weight_cap": 1.5,
    "label_weight": 0.0,
    "rewards.success": 1.0,
    "rewards.failure": -1.0,
    "rewards.satisfaction": 50.0,
    "rewards.latency": 50.0,
    "rewards.modality": 50.0,
    "rewards.satisfied_from": 0.3,
    "rewards.fast_below_s": 2.5,
    "rewards.agent_modalities": {"audio": "video"},
}
"""Of each setting but the patience another value than the default."""
