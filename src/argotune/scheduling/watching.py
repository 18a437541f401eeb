"""Watching: what there is to tell of a workflow while it goes on, how it ended, and what running it again asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from argotune.errors import ConfigInvalid, Conflict
from argotune.errors.lines import one_line
from argotune.scheduling.workflow import Node, Submission, Workflow
from argotune.tenants.config import MODULES

_STEPS = {"workflow": "orchestration"}
"""Steps with another name than their module: Argo itself calls something `workflow`."""

STEP_MODULES = {**{_STEPS.get(module, module.replace("_", "-")): module for module in MODULES}, "own-programs": "own"}
"""The WorkflowTemplate's tasks that optimize -> what they optimize."""

EXIT_CODES = (2, 4, 9, 75)
"""What a step ends with when it knows what to do about it, what must be corrected first; see argotune.errors."""

_FAILED = ("Failed", "Error")
_SILENT = ("Skipped", "Omitted")
_SHOWN_CHARS = 400
_EXECUTORS = re.compile(r"time=\S+ level=\w+ .*\bargo=true.*")


@dataclass(frozen=True)
class Event:
    """The present state of a step or of the whole workflow. `at` is None before it began."""

    name: str
    phase: str
    words: str
    at: datetime | None


def events(workflow: Workflow) -> Iterator[Event]:
    """What there is to tell now: steps in order of their start, then the workflow itself where it waits or is over.

    Of a step that waits for a limit there is no pod yet; of one that is tried again there is a pod for each attempt.
    """
    begun = {_step(node) for node in workflow.nodes if node.is_pod}
    for node in workflow.nodes:
        waits = node.type == "Retry" and node.phase == "Pending" and node.name not in begun
        if node.is_pod or waits or node.type == "Skipped":
            yield _event(node)
    if workflow.message or workflow.phase not in ("", "Running"):
        at = workflow.finished_at or workflow.created_at
        yield Event(workflow.name, workflow.phase, _last_words(workflow.message), at)


def _event(node: Node) -> Event:
    attempt = _attempt(node)
    name = _step(node) + (f" (attempt {attempt + 1})" if attempt else "")
    words = "" if node.phase in _SILENT else node.outcome or node.message
    return Event(name, node.phase, _last_words(words), node.finished_at or node.started_at)


def _step(node: Node) -> str:
    return node.name.partition("(")[0]


def _attempt(node: Node) -> int:
    number = node.name.partition("(")[2].rstrip(")")
    return int(number) if number.isdecimal() else 0


def _last_words(text: str) -> str:
    """The text on one line, without the executor's lines; of a long one the end, where a log says what went wrong."""
    line = one_line(_EXECUTORS.sub("", text))
    return line if len(line) <= _SHOWN_CHARS else f"...{line[3 - _SHOWN_CHARS :]}"


def is_executors(line: str) -> bool:
    """Whether Argo's executor wrote a line of a pod's log, and not our program."""
    return _EXECUTORS.match(line) is not None


def outcome_of(workflow: Workflow) -> str:
    """What its last step says of the whole; before that, or without it, the latest that was said."""
    said = [event.words for event in events(workflow) if event.words]
    return workflow.outputs.get("outcome") or (said[-1] if said else "")


def exit_code(workflow: Workflow) -> int:
    """What a command ends with that waited for the workflow: 0, the exit code of a step that failed, or 1."""
    if workflow.phase == "Succeeded":
        return 0
    last = {_step(node): node for node in sorted(workflow.nodes, key=_attempt) if node.is_pod}
    codes = {node.exit_code for node in last.values() if node.phase in _FAILED}
    return next((code for code in EXIT_CODES if code in codes), 1)


def again(workflow: Workflow, cpu: str = "", memory: str = "") -> list[Submission]:
    """What to submit to make up for a tenant's run: the arguments it had, for only the modules that did not finish.

    `cpu` and `memory` go before those it had. Raises Conflict while it is not over or when it has succeeded,
    ConfigInvalid when it is no tenant's run or was asked for with an argument that cannot be asked for again.
    """
    if not workflow.tenant_id:
        raise ConfigInvalid(f"workflow: {workflow.name!r} is not the run of a tenant")
    if workflow.unread:
        raise ConfigInvalid(f"workflow: {workflow.name!r} was asked for with {workflow.unread[0]}: submit a new run")
    if not workflow.is_over:
        raise Conflict(f"workflow: {workflow.name!r} is not over; follow or stop it first")
    if workflow.phase == "Succeeded":
        raise Conflict(f"workflow: {workflow.name!r} has succeeded; nothing is left to be made up for")
    steps = {node.name: node.phase for node in workflow.nodes if node.name in STEP_MODULES}
    finished = [name for name, phase in steps.items() if phase == "Succeeded"]
    open_steps = [name for name, phase in steps.items() if phase not in ("Succeeded", *_SILENT)]
    asked = workflow.submission
    asked = replace(asked, cpu=cpu or asked.cpu, memory=memory or asked.memory)
    if not finished or not open_steps:
        return [asked]
    return [replace(asked, modules=STEP_MODULES[name]) for name in sorted(open_steps)]
