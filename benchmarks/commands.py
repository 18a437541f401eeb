"""CPU of one trigger check from process start to answer, and of importing everything the documented container does.

    python benchmarks/commands.py [--runs 7]

Needs a Phoenix and a tenant with traces, named by the usual environment variables and ARGOTUNE_TENANT.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

EVERYTHING = "import dspy, litellm, sklearn, pandas, optuna, gepa, redis, httpx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    tenant = os.environ["ARGOTUNE_TENANT"]
    check = [sys.executable, "-m", "argotune.cli", "trigger", "--tenant", tenant, "--module", "routing"]
    trigger_s = [_cpu_s(check) for _ in range(runs)]
    imports_s = [_cpu_s([sys.executable, "-c", EVERYTHING]) for _ in range(runs)]
    for name, values in (("trigger check", trigger_s), ("importing everything", imports_s)):
        print(f"{name}: median {statistics.median(values):.2f} s CPU, {min(values):.2f} to {max(values):.2f}")
    print(f"ratio of medians: {statistics.median(imports_s) / statistics.median(trigger_s):.1f}")


def _cpu_s(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    offline = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=offline)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
