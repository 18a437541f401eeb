"""Writes what the manifests repeat for every module and optimizer, from the tables in argotune.tenants.config.

    python workflows/sync.py        # `make sync-manifests`

A template stands in the manifest itself, in lines that begin with `#|`; what it becomes stands below, up to `#.`:

    #| - --status=<module>={{inputs.parameters.<name>}}
    - --status=modality={{inputs.parameters.modality}}
    - --status=cross_modal={{inputs.parameters.cross-modal}}
    #.

From its first line with <module>, <name> or <task> on, a template is repeated for each module and once for `own`: the
module as Python names it, as a parameter, and as a step. ` &&` at its end joins the repetitions. <modules> and
<optimizers> become the whole list. What Argo needs once stays written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from argotune.scheduling.watching import STEP_MODULES
from argotune.tenants.config import METHODS, MODULES

FOLDER = Path(__file__).parent
_BLOCK = re.compile(r"(?P<template>(?:^ *#\|.*\n)+)(?:^(?! *#).*\n)*?^(?P<end> *#\.\n)", re.M)
_REPEATED = re.compile(r"<(module|name|task)>")
_JOINT = " &&"


@dataclass(frozen=True)
class Names:
    """What ships: modules as Python names them, the steps that run them, and optimizers."""

    modules: Sequence[str]
    optimizers: Sequence[str]


SHIPPED = Names((*MODULES, "own"), METHODS)


def synced(text: str, names: Names = SHIPPED) -> str:
    """The manifest with every block written anew."""
    return _BLOCK.sub(lambda block: block["template"] + _written(block["template"], names) + block["end"], text)


def _written(template: str, names: Names) -> str:
    lines = [re.sub(r"^( *)#\| ?", r"\1", line) for line in template.splitlines()]
    lines = [line.replace("<modules>", ", ".join(names.modules)) for line in lines]
    lines = [line.replace("<optimizers>", ", ".join(names.optimizers)) for line in lines]
    first = next((number for number, line in enumerate(lines) if _REPEATED.search(line)), len(lines))
    written = [*lines[:first], *_repeated(lines[first:], names.modules)]
    if written[-1].endswith(_JOINT):
        written[-1] = written[-1].removesuffix(_JOINT)
    return "".join(f"{line}\n" for line in written)


def _repeated(lines: Sequence[str], modules: Sequence[str]) -> Iterator[str]:
    steps = {module: step for step, module in STEP_MODULES.items()}
    for module in modules:
        name = module.replace("_", "-")
        known = {"module": module, "name": name, "task": steps.get(module, name)}
        yield from (_REPEATED.sub(lambda found, known=known: known[found[1]], line) for line in lines)


def main() -> int:
    for path in sorted(FOLDER.rglob("*.yaml")):
        before = path.read_text(encoding="utf-8")
        if (after := synced(before)) != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(FOLDER)}: written anew\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
