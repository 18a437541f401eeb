"""Workflows: what commands share that hand a run to Argo or follow one there."""

from __future__ import annotations

import re
import time
from argparse import Namespace
from collections.abc import Callable

from argotune.cli.output import note, say
from argotune.cli.streams import settle_out
from argotune.errors import ConfigInvalid, Unavailable
from argotune.scheduling.runner import WorkflowRunner
from argotune.scheduling.watching import Event, events, exit_code
from argotune.scheduling.workflow import Submission, Workflow, manifest, workflow_name
from argotune.settings import Settings, read_settings

POLL_S = 2.0


def add_namespace(parser) -> None:
    parser.add_argument("--namespace", help="of the workflows (env: KUBERNETES_NAMESPACE)")


def add_size(parser) -> None:
    parser.add_argument("--cpu", default="", help="CPU request of a module's pod, e.g. 500m (default: the template's)")
    parser.add_argument("--memory", default="", help="memory of a module's pod, e.g. 4Gi (default: the template's)")


def quantity(flag: str, text: str) -> str:
    if text and not re.fullmatch(r"[0-9]+(\.[0-9]+)?(m|k|[KMGT]i?)?", text):
        raise ConfigInvalid(f"{flag}: {text[:40]!r} is not an amount as Kubernetes writes it, e.g. 500m or 4Gi")
    return text


def opened(arguments: Namespace) -> tuple[Settings, WorkflowRunner]:
    from argotune.wiring import open_runner

    settings = read_settings(namespace=arguments.namespace)
    return settings, open_runner(settings)


def submit(runner: WorkflowRunner, submission: Submission) -> str:
    """The name of the new workflow. One that is there already is ours: the answer to the first attempt was lost."""
    from argotune.wiring import new_id

    name = workflow_name(submission.tenant_id, new_id())
    runner.submit(manifest(submission, name))
    return name


def say_submitted(settings: Settings, name: str) -> None:
    say(f"submitted {name}")
    if link := link_of(settings, name):
        say(link)


def link_of(settings: Settings, name: str) -> str | None:
    return f"{settings.argo_url.rstrip('/')}/workflows/{settings.namespace}/{name}" if settings.argo_url else None


def until_it_is_over(settings: Settings, runner: WorkflowRunner, name: str) -> int:
    """Show a run's steps as they change. Whoever stops watching does not stop the run."""
    goes_on = f"{name} goes on; to see it: argotune argo follow {name} --namespace {settings.namespace}"
    try:
        ended = watch(runner, name, _say_event, lambda: time.sleep(POLL_S))
    except KeyboardInterrupt:
        note(goes_on)
        return 130
    except Unavailable:
        note(goes_on)
        raise
    for link in ended.outputs.get("links", "").splitlines():
        say(link)
    return exit_code(ended)


def watch(runner: WorkflowRunner, name: str, tell: Callable[[Event], None], pause: Callable[[], None]) -> Workflow:
    """Tell every event of a workflow once, until it is over. Returns its end."""
    told: dict[str, Event] = {}
    while True:
        workflow = runner.workflow(name)
        for event in events(workflow):
            if told.get(event.name) != event:
                told[event.name] = event
                tell(event)
        if workflow.is_over:
            return workflow
        pause()


def _say_event(event: Event) -> None:
    from argotune.wiring import utc_now

    say(f"{event.at or utc_now():%H:%M:%S}  {event.name:<24}  {event.phase:<9}  {event.words}".rstrip())
    settle_out()  # whoever watches through a pipe sees it as it happens
