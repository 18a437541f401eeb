"""A program for test_parallel_changes.py: forks COUNT processes that run a command of their own at the same moment.

    parallel_changes.py COUNT ARGUMENT...

`{n}` in an argument is the number of the process. Prints the exit codes. Fifty interpreters would spend most of the
time on their imports and hardly ever meet.
"""

from __future__ import annotations

import os
import sys

from argotune.cli import main
from argotune.cli.commands import tenants  # noqa: F401 - imported before the fork


def run(number: int, start: int, arguments: list[str]) -> int:
    os.read(start, 1)  # until the parent closes the other end
    return main([argument.replace("{n}", str(number)) for argument in arguments])


def race(count: int, arguments: list[str]) -> list[int]:
    start, go = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            os.close(go)
            os._exit(run(number, start, arguments))
        children.append(child)
    os.close(go)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    codes = race(int(sys.argv[1]), sys.argv[2:])
    sys.stdout.write(f"codes {codes}\n")
