"""Workflows: what commands share that hand a run to Argo or follow one there."""

from __future__ import annotations

import argparse
import time
from argparse import Namespace

from argotune.cli.output import note, say
from argotune.cli.streams import settle_out
from argotune.errors import Unavailable
from argotune.pipeline.operations.on_argo import link_of, watch_run
from argotune.scheduling.runner import WorkflowRunner
from argotune.scheduling.watching import Event, exit_code
from argotune.settings import Settings, read_settings

POLL_S = 2.0


def add_namespace(parser: argparse._ActionsContainer) -> None:
    """--namespace."""
    parser.add_argument("--namespace", help="of the workflows (env: KUBERNETES_NAMESPACE)")


def add_size(parser: argparse._ActionsContainer) -> None:
    """--cpu and --memory."""
    parser.add_argument("--cpu", default="", help="CPU request of a module's pod, e.g. 500m (default: the template's)")
    parser.add_argument("--memory", default="", help="memory of a module's pod, e.g. 4Gi (default: the template's)")


def opened(arguments: Namespace) -> tuple[Settings, WorkflowRunner]:
    """The cluster that a command works on."""
    from argotune.wiring import open_runner

    settings = read_settings(namespace=arguments.namespace)
    return settings, open_runner(settings)


def say_submitted(settings: Settings, name: str) -> None:
    """The name of a new workflow, and where to look at it."""
    say(f"submitted {name}")
    if link := link_of(settings, name):
        say(link)


def until_it_is_over(settings: Settings, runner: WorkflowRunner, name: str) -> int:
    """Show a run's steps as they change. Whoever stops watching does not stop the run."""
    goes_on = f"{name} goes on; to see it: argotune argo follow {name} --namespace {settings.namespace}"
    try:
        ended = watch_run(runner, name, _say_event, lambda: time.sleep(POLL_S))
    except KeyboardInterrupt:
        note(goes_on)
        return 130
    except Unavailable:
        note(goes_on)
        raise
    for link in ended.outputs.get("links", "").splitlines():
        say(link)
    return exit_code(ended)


def _say_event(event: Event) -> None:
    from argotune.wiring import utc_now

    say(f"{event.at or utc_now():%H:%M:%S}  {event.name:<24}  {event.phase:<9}  {event.words}".rstrip())
    settle_out()  # whoever watches through a pipe sees it as it happens
