"""People who say of a world's answers only that they are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from world import START, World, decision

from argotune.data.annotations import Annotation
from argotune.data.remarks import INCORRECT, VERDICT
from argotune.data.stream import Stream

N_REFUTED = 60
QUAGGAS = [f"quagga {n * 7919 % 9973} {'abcdefgh'[n % 8] * 5} {n * 104729 % 9967}" for n in range(N_REFUTED)]


def people_say(world: World, of: str = VERDICT, label: str = INCORRECT, kind: Any = "HUMAN") -> None:
    """Of answers to questions about quaggas, all of which were `video`."""
    spans = [decision("acme", f"f{n:015x}", QUAGGAS[n], "video", success=False) for n in range(N_REFUTED)]
    world.traces.record("acme", [replace(span, attributes=silent(span.attributes)) for span in spans])
    said = [Annotation(span.span_id, of, label, kind, "kim", START) for span in spans]
    world.traces.annotate(Stream("acme", "routing"), said)


def silent(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name != "routing.agent_success"}
