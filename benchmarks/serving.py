"""What serving adds to an answer: a champion's lookup while the local copy is refreshed, and a decision without its LM.

python benchmarks/serving.py [--lookups 200000] [--decisions 2000]

The LM is made up in the process and answers at once, so a decision's time is DSPy's and ours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

from argotune import wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.lm.port import LMs
from argotune.serving.client import Serving
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified


class Instant:
    """An LM that scores labels: always the first one."""

    supports_decision_requests = True
    model = "instant"

    def __init__(self) -> None:
        self.kwargs: dict[str, Any] = {}
        self.history: list[Any] = []
        self.callbacks: list[Any] = []

    def __call__(self, _state: Mapping[str, Any], questions: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _first(list(question["criteria"])) for name, question in questions.items()}

    def copy(self, **_kwargs: Any) -> Instant:
        return self


def _first(labels: list[str]) -> dict[str, Any]:
    return {"choice": labels[0], "confidence": 1.0, "probabilities": dict.fromkeys(labels, 0.0) | {labels[0]: 1.0}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lookups", type=int, default=200_000)
    parser.add_argument("--decisions", type=int, default=2_000)
    arguments = parser.parse_args()
    store = MemoryStore()
    config = RoutingConfigUnified(tenant_id="bench")
    Configs(store).save(config)
    lms = LMs(task=Instant(), teacher=None, adapter=None, names={})
    with Serving(store, config, lms, wiring.open_embedders(read_settings()), wiring.utc_now, refresh_s=0.2) as serving:
        _say("champion lookup", arguments.lookups, lambda: serving.champion("routing"))
        _say("decision", arguments.decisions, lambda: serving.decide("routing", query="find the keynote"))


def _say(what: str, count: int, call: Callable[[], object]) -> None:
    """Percentiles of the wall time of so many calls, and what one takes of the CPU."""
    cpu_ns = time.process_time_ns()
    took_ns = sorted(_took_ns(call) for _ in range(count))
    cpu_ns = time.process_time_ns() - cpu_ns
    for share in (0.5, 0.99, 0.999):
        print(f"{what} p{share * 100:g}: {took_ns[int(share * count)] / 1e6:.4f} ms")
    print(f"{what} CPU: {cpu_ns / count / 1e6:.4f} ms")


def _took_ns(call: Callable[[], object]) -> int:
    started = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - started


if __name__ == "__main__":
    main()
