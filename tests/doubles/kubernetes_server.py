"""A server that answers as the Kubernetes API does for workflows and pods: what ArgoRunner asks, and its errors.

Shapes after kubernetes.io, "API concepts" and "Common definitions: Status". Nothing runs here, and a stopped workflow
fails at once. What a real API server does beyond these pages is tested on a cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import Quiet, answering

Body = Mapping[str, Any]


@dataclass
class KubernetesServer:
    """Workflows by name; `scripted` (status, text) answers come first, one a request. `page_objects` bounds a page."""

    scripted: list[tuple[int, str]] = field(default_factory=list)
    page_objects: int = 2
    workflows: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> tuple[int, str]:
        self.asked.append(f"{method} {path}")
        if self.scripted:
            return self.scripted.pop(0)
        status, answer = self._answer(method, urlsplit(path).path, parse_qs(urlsplit(path).query), headers, body)
        return status, json.dumps(answer)

    def _answer(self, method: str, path: str, query: Mapping[str, list[str]], headers: Any, body: Any) -> Any:
        kind, _, name = path.partition("/namespaces/")[2].partition("/")[2].partition("/")
        name = unquote(name)
        if kind == "pods":
            return 200, {"metadata": {}, "items": []}
        if method == "POST":
            return self._create(body)
        if not name:
            return 200, self._page(query, "PartialObjectMetadataList" in headers["Accept"])
        if name not in self.workflows:
            return _status(404, f'workflows.argoproj.io "{name}" not found')
        if method == "PATCH" and body["spec"]["shutdown"] == "Stop":
            self.workflows[name]["status"] = {"phase": "Failed", "message": "Stopped with strategy 'Stop'"}
            self.workflows[name]["metadata"]["labels"]["workflows.argoproj.io/completed"] = "true"
        return 200, self.workflows[name]

    def _create(self, body: dict[str, Any]) -> tuple[int, Body]:
        name = body["metadata"]["name"]
        if name in self.workflows:
            return _status(409, f'workflows.argoproj.io "{name}" already exists')
        body["metadata"]["creationTimestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.workflows[name] = body
        return 201, body

    def _page(self, query: Mapping[str, list[str]], is_metadata_only: bool) -> Body:
        wanted = query.get("labelSelector", [""])[0].split(",")
        found = [w for w in self.workflows.values() if all(_fits(w["metadata"]["labels"], s) for s in wanted)]
        start = int(query.get("continue", ["0"])[0])
        page, rest = found[start : start + self.page_objects], found[start + self.page_objects :]
        items = [{"metadata": w["metadata"]} for w in page] if is_metadata_only else page
        return {
            "metadata": {"continue": str(start + self.page_objects)} if rest else {},
            "items": items or (None if is_metadata_only else []),
        }


def _fits(labels: Mapping[str, str], selector: str) -> bool:
    """Equality-based selectors: `key=value`, `key!=value`, `key` and `!key`."""
    key, how, value = re.fullmatch(r"(!?[^=!]+)(!?=)?(.*)", selector).groups()
    if how is None:
        return (key.removeprefix("!") in labels) != key.startswith("!")
    return (labels.get(key) == value) == (how == "=")


def _status(code: int, message: str) -> tuple[int, Body]:
    return code, {"kind": "Status", "status": "Failure", "message": message, "code": code}


@contextmanager
def serving(server: KubernetesServer) -> Iterator[KubernetesServer]:
    """On a loopback port while the block runs."""

    def answer(request: Quiet, body: bytes) -> tuple[int, bytes]:
        given = json.loads(body) if body else None
        status, text = server.answer(request.command, request.path, request.headers, given)
        return status, text.encode()

    with answering(answer) as server.url:
        yield server
