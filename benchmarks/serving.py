"""What serving adds to an answer: the champion's lookup in the local copy while it is refreshed in the background.

python benchmarks/serving.py [--lookups 200000]
"""

from __future__ import annotations

import argparse
import time

from argotune import wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.lm.port import LMs
from argotune.serving.client import Serving
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lookups", type=int, default=200_000)
    lookups = parser.parse_args().lookups
    store = MemoryStore()
    config = RoutingConfigUnified(tenant_id="bench")
    Configs(store).save(config)
    lms = LMs(task=None, teacher=None, adapter=None, names={})
    with Serving(store, config, lms, wiring.open_embedder, wiring.utc_now, refresh_s=0.2) as serving:
        took_ns = sorted(_lookup_ns(serving) for _ in range(lookups))
    for share in (0.5, 0.99, 0.999):
        print(f"champion lookup p{share * 100:g}: {took_ns[int(share * lookups)] / 1e6:.4f} ms")


def _lookup_ns(serving: Serving) -> int:
    started = time.perf_counter_ns()
    serving.champion("routing")
    return time.perf_counter_ns() - started


if __name__ == "__main__":
    main()
