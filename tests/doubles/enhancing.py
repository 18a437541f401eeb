"""A router that knows what to do only where the query is spelled out, and an enhancement that spells it out."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import dspy
from scripted_lm import scripted_writer
from world import START, WORDS, World

from argotune.adapters.memory.store import MemoryStore
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.programs import programs_of
from argotune.promotion.champions import untuned
from argotune.promotion.registry import Registry
from argotune.promotion.versions import new_version
from argotune.store.port import Store
from argotune.tenants.config import LMChoice, RoutingConfigUnified

SPELLED_OUT = "wanted here: "


def asked(prompt: str) -> list[str]:
    """The fields that are to be filled in."""
    return re.findall(r"`(\w+)`", prompt.rpartition("Respond with a JSON object")[2])


def given(prompt: str, name: str) -> str:
    """An input of the question, "" where it is empty."""
    said = prompt.rpartition("[[ ## query ## ]]")
    return "".join(said[1:]).partition(f"[[ ## {name} ## ]]\n")[2].partition("\n")[0]


def by_words(query: str) -> str:
    """Which agent a query of `world.traffic` asks for."""
    return next((label for label, words in WORDS.items() if set(words.split()) & set(query.split())), "video")


def spells_out(prompt: str) -> str:
    """Says `video` unless the enhanced query names another; enhances every query by its words."""
    if "enhanced_query" in asked(prompt):
        query = given(prompt, "query")
        return json.dumps(
            {
                "enhanced_query": f"{SPELLED_OUT}{by_words(query)}",
                "entities": [{"text": query.split()[1], "label": "topic"}],
                "relationships": [],
                "intent": "find",
                "modality_signals": [],
            }
        )
    wanted = given(prompt, "enhanced_query").removeprefix(SPELLED_OUT)
    return json.dumps({"agent": wanted or "video", "confidence": 0.9})


@dataclass
class WritingRouter:
    """An LMSource whose LM writes by a script; each call is paid for."""

    write: Callable[[str], str] = spells_out
    prompts: list[str] = field(default_factory=list)

    def open(self, _choice: LMChoice, meter: Meter, _answers: KeptAnswers) -> LMs:
        def paid(prompt: str) -> str:
            with meter.call(100) as bill:
                bill.tokens = 10
            self.prompts.append(prompt)
            return self.write(prompt)

        lm, _ = scripted_writer(paid)
        return LMs(task=lm, teacher=None, adapter=dspy.JSONAdapter(), names={"task": "scripted/writer"})


def routed(write: Callable[[str], str] = spells_out, n: int = 160, **fields) -> tuple[World, RoutingConfigUnified]:
    """A tenant with so many labelled decisions whose LM writes."""
    world = World(store=MemoryStore(), lms=WritingRouter(write))
    config = world.tenant(**{"preferred_optimizer": "labeled", **fields})
    world.receive(n)
    return world, config


def promote(store: Store, config: RoutingConfigUnified, instructions: str) -> None:
    """The enhancement serves with other instructions than it was written with."""
    (program,) = programs_of(config, "enhancement")
    registry, written = Registry(store, config.tenant_id), untuned(program, START)
    state = copy.deepcopy(written.state)
    state["predictors"]["enhance"]["instructions"] = instructions
    version = registry.keep(new_version(program.name, program.signature_hash, state, written.lineage))
    registry.override(program.name, version.id, who="ann", reason="a test", now=START)
