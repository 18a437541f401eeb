"""Factories: valid values that a test changes only where it cares."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from argotune.data.annotations import Annotation, LabelSource
from argotune.data.examples import Example
from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.spans import Span
from argotune.data.splitting import Split
from argotune.promotion.contests import Contest
from argotune.promotion.verdicts import Numbers, Objection, Promoted, Rejected, Verdict
from argotune.promotion.versions import Lineage, Version, version_id
from argotune.runs.run import Run, RunState
from argotune.scheduling.trigger_check import Conditions
from argotune.stats.interval import Interval
from argotune.stats.power import people_needed
from argotune.tenants.config import RoutingConfigUnified, parse_config

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=100)
AGENTS = ("video_search_agent", "image_search_agent", "summarizer_agent")
FIELDS = Fields("routing", ("query", "context"), {"agent": AGENTS})
FUSION = Fields("fusion", ("query",), {"needed": ("true", "false"), "strategy": ("score", "none")})


def after(seconds: float) -> datetime:
    """The moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def make_config(**overrides: Any) -> RoutingConfigUnified:
    return parse_config({"tenant_id": "acme_corp", "agents": {agent: agent for agent in AGENTS}, **overrides})


def make_attributes(**overrides: Any) -> dict[str, Any]:
    """Attributes of one good decision; names without their `routing.`."""
    values = {
        "tenant_id": "acme_corp",
        "program": "routing",
        "query": "footage of the moon landing",
        "context": "evening news",
        "chosen_agent": AGENTS[0],
        "confidence": 0.9,
        "search_quality": 0.8,
        "agent_success": True,
        "user_satisfaction": 0.7,
        "processing_time": 1.5,
    }
    return {f"routing.{name}": value for name, value in {**values, **overrides}.items()}


def make_span(**overrides: Any) -> Span:
    values = {
        "span_id": "00f067aa0ba902b7",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "name": "argotune.decision",
        "started_at": NOON,
        "ended_at": after(1.5),
        "attributes": make_attributes(),
    }
    return Span(**{**values, **overrides})


def make_experience(query: str = "footage of the moon landing", **overrides: Any) -> Experience:
    values = {
        "span_id": "00f067aa0ba902b7",
        "program": "routing",
        "inputs": {"query": query, "context": ""},
        "answers": {"agent": AGENTS[0]},
        "at": NOON,
        "confidence": 0.9,
        "agent_success": True,
    }
    return Experience(**{**values, **overrides})


def make_annotation(label: str = AGENTS[1], **overrides: Any) -> Annotation:
    values = {
        "span_id": "00f067aa0ba902b7",
        "name": "agent",
        "label": label,
        "kind": "HUMAN",
        "identifier": "anna",
        "updated_at": after(60),
    }
    return Annotation(**{**values, **overrides})


def make_example(query: str = "footage of the moon landing", **overrides: Any) -> Example:
    values = {
        "program": "routing",
        "inputs": {"query": query, "context": ""},
        "expected": {"agent": AGENTS[0]},
        "source": LabelSource.HUMAN,
        "weight": 1.0,
        "split": Split.TRAIN,
        "span_id": "00f067aa0ba902b7",
        "slices": {"label": AGENTS[0]},
    }
    return Example(**{**values, **overrides})


def make_version(instructions: str = "Choose the agent.", program: str = "routing", **lineage: Any) -> Version:
    state = {"kind": "plain", "predictors": {"answer": {"instructions": instructions, "demos": [], "decision": {}}}}
    values = {
        "parent": None,
        "data_hash": "",
        "optimizer": "none",
        "reason": "the program as written",
        "seed": 0,
        "lms": {},
        "packages": {},
        "run_id": None,
        "created_at": NOON,
    }
    return Version(
        id=version_id(program, "signature", state),
        program=program,
        signature_hash="signature",
        state=state,
        lineage=Lineage(**{**values, **lineage}),
    )


def make_conditions(**overrides: Any) -> Conditions:
    """Of an enabled module of which nothing is known and nothing was sent."""
    values = {
        "tenant_id": "acme_corp",
        "module": "routing",
        "is_enabled": True,
        "is_forced": False,
        "is_unfinished": False,
        "last_run_at": None,
        "period": timedelta(hours=1),
        "now": NOON,
        "traces": 0,
        "traces_needed": 100,
        "counted_up_to": 1000,
    }
    return Conditions(**{**values, **overrides})


def make_run(**overrides: Any) -> Run:
    values = {
        "id": "routing-pass-1",
        "tenant_id": "acme_corp",
        "module": "routing",
        "program": "routing",
        "state": RunState.STARTED,
        "started_at": NOON,
    }
    return Run(**{**values, **overrides})


def make_contest(**overrides: Any) -> Contest:
    """An open contest of routing that was opened at noon."""
    values = {
        "id": "routing-pass-1",
        "program": "routing",
        "module": "routing",
        "champion": "v1",
        "champion_tag": None,
        "challenger": "v2",
        "opened_at": NOON,
        "level": 0.0125,
        "seen_ids": ("seen",),
        "sealed_ids": ("sealed",),
    }
    return Contest(**{**values, **overrides})


def make_verdict(outcome: str = "promoted", reason: str = "better") -> Verdict:
    numbers = Numbers(
        n=40,
        champion_mean=0.5,
        challenger_mean=0.8,
        effect=0.3,
        interval=Interval(0.1, 0.5),
        p_value=0.002,
        level=0.03,
        wins=14,
        losses=2,
        slices=(),
        slice_level=0.01,
        labels=40,
        answers=80,
        differ=20,
        log_wealth=6.2,
    )
    return Promoted(reason, numbers) if outcome == "promoted" else Rejected(reason, Objection.NO_BETTER, numbers)


def labels_until_better(gain: float, disagreement: float, level: float, chance: float) -> int:
    """Labels until a bet has shown a gain, where people decide alone."""
    return people_needed(gain, disagreement, 1.0, 1.0, level, chance)
