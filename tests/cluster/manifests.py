"""The project's own files as Kubernetes objects, in a namespace for tests and quicker to give up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED_IMAGE = "docker.io/cogniverse/optimization:0.1.0"
TEMPLATE = "tenant-auto-optimization"
DISPATCH = "auto-optimization-multi-tenant"
BACKOFF = {"duration": "5s", "factor": "2"}
SMALL = {"cpu": "100m", "memory": "256Mi"}
"""What a module's pod asks for, so that two cores hold several."""

Object = dict[str, Any]


def objects(path: str, namespace: str, image: str) -> list[Object]:
    """The objects of a file or folder of the project, moved to another namespace and image."""
    place = REPOSITORY / path
    files = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    return [found for file in files for found in yaml.safe_load_all(_moved(file.read_text("utf-8"), namespace, image))]


def _moved(text: str, namespace: str, image: str) -> str:
    text = re.sub(r"\b(namespace|name): cogniverse(?![-/\w])", rf"\1: {namespace}", text)
    return text.replace(".cogniverse.svc", f".{namespace}.svc").replace(SHIPPED_IMAGE, image)


def for_tests(found: Object) -> Object:
    """The object with short pauses between attempts and small requests; no round starts by itself."""
    if found["kind"] == "CronWorkflow":
        found["spec"]["suspend"] = True
    if found["kind"] == "WorkflowTemplate":
        for strategy in _retry_strategies(found):
            strategy["backoff"] = dict(BACKOFF)
        set_defaults(found, SMALL)
    if found["kind"] == "ConfigMap" and found["metadata"]["name"] == "argotune-settings":
        found["data"]["ARGOTUNE_LEASE_SECONDS"] = "15"
    return found


def set_defaults(template: Object, values: Mapping[str, str]) -> None:
    """Other defaults for parameters of a WorkflowTemplate, where it has them."""
    for parameter in template["spec"]["arguments"]["parameters"]:
        parameter["value"] = values.get(parameter["name"], parameter.get("value"))
        if parameter["value"] is None:
            del parameter["value"]


def renamed(template: Object, name: str) -> Object:
    """The template under another name. Its runs keep all labels."""
    return {**template, "metadata": {**template["metadata"], "name": name}}


def containers(template: Object) -> Iterator[Object]:
    """The containers of a WorkflowTemplate."""
    return (step["container"] for step in template["spec"]["templates"] if "container" in step)


def _retry_strategies(template: Object) -> Iterator[Object]:
    return (step["retryStrategy"] for step in template["spec"]["templates"] if "retryStrategy" in step)
