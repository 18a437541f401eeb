"""The command lines of manifests, as a shell would pass them, and our own parsers for them."""

from __future__ import annotations

import contextlib
import io
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from deploy.manifest_rules import PLACEHOLDER, containers_of, is_ours
from deploy.strict_schema import Object

from argotune.cli.commands.aggregate import aggregate_parser
from argotune.cli.commands.rounds import discover_parser
from argotune.cli.commands.run import optimization_parser
from argotune.cli.commands.trigger import trigger_parser
from argotune.cli.parser import build_parser

SCRIPTS = {
    "scripts/auto_optimization_trigger.py": trigger_parser,
    "scripts/run_module_optimization.py": optimization_parser,
    "scripts/aggregate_results.py": aggregate_parser,
    "scripts/discover_tenants.py": discover_parser,
}
PLAIN_ID = "workflow.parameters.tenant-id"
ENCODED_ID = "=sprig.b64enc(workflow.parameters['tenant-id'])"
STATUSES = ["Succeeded", "Skipped", "Failed", "Error"]
GLOBAL_SAMPLES = {
    "workflow.name": ["auto-opt-acme-corp-cca8c794-62wf4"],
    "workflow.namespace": ["cogniverse"],
    "workflow.uid": ["8f1f0a54-4f3c-4b5e-9b39-0c1d2a6f5c77"],
}


def refusal(words: list[str], repository: Path) -> str:
    """What our parser says against a command line; "" when it takes it."""
    program, *rest = words
    if program == "python" and rest[0] in SCRIPTS and (repository / rest[0]).is_file():
        parser, rest = SCRIPTS[rest[0]](), rest[1:]
    elif program == "argotune":
        parser = build_parser()
    else:
        return f"{words[:2]}: no command of ours"
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            parser.parse_args(rest)
        except SystemExit:
            return said.getvalue()
    return ""


def command_lines(objects: list[Object]) -> list[list[str]]:
    """Of every container of ours, once for each value that a placeholder may have."""
    return [
        line
        for found in objects
        for container, samples in _with_samples(found)
        if is_ours(container)
        for line in _filled([*container["command"], *container.get("args", [])], samples)
    ]


def _with_samples(found: Object) -> Iterator[tuple[Object, dict[str, list[str]]]]:
    if found["kind"] != "WorkflowTemplate":
        yield from ((container, {}) for container in containers_of(found))
        return
    for template in found["spec"]["templates"]:
        if "container" in template:
            yield template["container"], _samples(found, template)


def _filled(words: list[str], samples: dict[str, list[str]]) -> Iterator[list[str]]:
    used = [samples[name] for word in words for name in PLACEHOLDER.findall(word)]
    for turn in range(max(map(len, used), default=1)):
        yield [PLACEHOLDER.sub(lambda m, turn=turn: samples[m[1]][turn % len(samples[m[1]])], word) for word in words]


def _samples(found: Object, template: Object) -> dict[str, list[str]]:
    """Values of every placeholder that a template's command may use."""
    parameters = found["spec"]["arguments"]["parameters"]
    named = {f"workflow.parameters.{p['name']}": p.get("enum") or [p.get("value", "Größe/ä -x")] for p in parameters}
    encoded = {ENCODED_ID: [b64encode(sample.encode()).decode() for sample in named.get(PLAIN_ID, [])]}
    return GLOBAL_SAMPLES | named | encoded | _input_samples(found, template)


def _input_samples(found: Object, template: Object) -> dict[str, list[str]]:
    """What the tasks that call the template pass to it."""
    samples: dict[str, list[str]] = {}
    tasks = [task for other in found["spec"]["templates"] for task in other.get("dag", {}).get("tasks", [])]
    for task in (task for task in tasks if task["template"] == template["name"]):
        for passed in task.get("arguments", {}).get("parameters", []):
            is_status = re.fullmatch(r"\{\{tasks\..+\.status\}\}", passed["value"])
            values = STATUSES if is_status else [passed["value"]]
            samples.setdefault(f"inputs.parameters.{passed['name']}", []).extend(values)
    return samples
