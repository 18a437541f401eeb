"""Sample queries and tenants. The queries were written for this project, one by one; see queries/README.md."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypedDict

from argotune.data.spans import Json
from argotune.settings import Settings
from argotune.store.sealing import digest
from argotune.tenants.config import MODULES, RoutingConfigUnified

TENANTS = ("acme_corp", "globex", "initech")
FUSION_SHARE = 0.35
PAGES = ("document",)
"""Modalities that this application has a search page for, which asks for an agent by a program of its own."""


class _FusionRow(TypedDict):
    """What would have been right of fusion."""

    needed: bool
    modalities: str
    strategy: str


class _QueryRow(TypedDict):
    """A query as queries/README.md has it."""

    query: str
    language: str
    modality: str
    context: str
    agent: str
    fusion: _FusionRow


@dataclass(frozen=True)
class SampleQuery:
    """One query and what the right decisions would have been."""

    tenant_id: str
    query: str
    language: str
    modality: str
    context: str
    agent: str
    needs_fusion: str
    fusion_modalities: str
    fusion_strategy: str

    def decisions(self, modules: Collection[str] = MODULES) -> dict[str, Mapping[str, str]]:
        """Program -> the right answers, for every program of these modules that is asked about this query.

        Fusion is asked about for a share only, and a modality's program where it has a page, as an application would
        that offers them on some of its pages.
        """
        fusion = {
            "needs_fusion": self.needs_fusion,
            "fusion_modalities": self.fusion_modalities,
            "fusion_strategy": self.fusion_strategy,
        }
        agent = {"agent": self.agent}
        asked: dict[str, Mapping[str, str]] = {"routing": agent}
        asked |= {f"modality.{self.modality}": agent} if self.modality in PAGES else {}
        asked |= {"cross_modal": fusion} if self.chance("fusion") < FUSION_SHARE else {}
        return {program: right for program, right in asked.items() if program.partition(".")[0] in modules}

    def inputs(self) -> dict[str, str]:
        """What this application knows of a query: it neither finds entities nor rewrites."""
        return {"query": self.query, "context": self.context}

    def chance(self, purpose: str) -> float:
        """A number in 0..1 that depends on the query's text alone, never on its label or outcome."""
        return int(digest([self.tenant_id, self.query, purpose])[:12], 16) / 16**12


def queries(tenant_id: str) -> list[SampleQuery]:
    """A tenant's sample queries, in the order they were written."""
    lines = files("argotune.cli.demo").joinpath("queries", f"{tenant_id}.jsonl").read_text("utf-8").splitlines()
    return [_query(tenant_id, json.loads(line)) for line in lines]


def _query(tenant_id: str, row: _QueryRow) -> SampleQuery:
    return SampleQuery(
        tenant_id=tenant_id,
        query=row["query"],
        language=row["language"],
        modality=row["modality"],
        context=row["context"],
        agent=row["agent"],
        needs_fusion="yes" if row["fusion"]["needed"] else "no",
        fusion_modalities=row["fusion"]["modalities"],
        fusion_strategy=row["fusion"]["strategy"],
    )


CONTENT = Path(str(files("argotune.cli.demo").joinpath("content")))
"""What the sample tenants' archives hold, a file for each tenant that has one (ARGOTUNE_CONTENT_DIR)."""

SYNTHETIC_BELOW = 12
"""Real training examples; at the default of 20 the embedded LM would write for minutes more."""

# An LM as small as this one teaches nobody, and reads a prompt of examples for half a second.
_OPTIMIZERS: Mapping[str, Json] = {
    "portfolio": {"candidates": ["student", "nearest", "cascade"], "nearest_k": []},
    "student": {"tutor_queries": 0},
}

_OF_ITS_OWN: Mapping[str, Mapping[str, Json]] = {
    "acme_corp": {
        "modules": ["routing", "modality"],
        "min_samples_for_optimization": 80,
        "preferred_optimizer": "cascade",
        # With 45 held-out labels nothing smaller can be shown of most students; the contest judges the whole anyway.
        "optimizers": {**_OPTIMIZERS, "cascade": {"by": "accuracy", "tolerance": 0.1}},
    },
    "globex": {"modules": ["routing"]},
    # Has just started: the few queries it has go to dev and test, and what trains is written from its archive.
    "initech": {
        "modules": ["routing"],
        "min_samples_for_optimization": 40,
        "split": {"train": 0.15, "dev": 0.35, "test": 0.5},
        "content": "file",
        "lm": {"teacher_model": "local/smollm2"},
        "preferred_optimizer": "nearest",
    },
}


def config(tenant_id: str) -> RoutingConfigUnified:
    """A demo tenant's config: the defaults, with the agents that its queries are about, and nothing left to chance."""
    default = RoutingConfigUnified(tenant_id=tenant_id)
    used = {query.agent for query in queries(tenant_id)}
    fields: dict[str, Json] = {
        "tenant_id": tenant_id,
        "agents": {agent: text for agent, text in default.agents.items() if agent in used},
        "decisions": {"exploration_share": 0, "synthetic_threshold": SYNTHETIC_BELOW},
        "optimizers": _OPTIMIZERS,
        **_OF_ITS_OWN.get(tenant_id, {}),
    }
    return RoutingConfigUnified.model_validate(fields)


def without_keys(settings: Settings) -> Settings:
    """The settings with the embedded LM and no other: whatever keys the environment holds, the demo pays nobody."""
    keys = dict.fromkeys(("teacher_model", "annotation_model", "task_key", "teacher_key", "annotation_key"))
    return settings.model_copy(update={"task_model": "local/smollm2", **keys})


def annotated_share(tenant_id: str) -> float:
    """Of the queries, drawn by their text: people label what was asked, whatever became of it."""
    return 0.85 if tenant_id == "initech" else 0.7
