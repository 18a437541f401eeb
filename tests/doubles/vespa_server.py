"""A server that answers as Vespa documents it: the query API, /document/v1 visits, and their errors.

Shapes after docs.vespa.ai: "Query API reference", "Default JSON result format", "/document/v1 API reference". It stands
for no Vespa: what a real one does beyond these pages is not tested here.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import Quiet, answering

FULL = {"coverage": 100, "documents": 3, "full": True, "nodes": 1, "results": 1, "resultsFull": 1}


@dataclass
class VespaServer:
    """Documents as (namespace, fields); `scripted` (status, body) is answered to everything instead."""

    documents: Sequence[tuple[str, Mapping[str, Any]]] = ()
    scripted: tuple[int, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    coverage: Mapping[str, Any] = field(default_factory=lambda: FULL)
    tenant_field: str = "tenant_id"
    asked: list[tuple[str, Mapping[str, Any], Mapping[str, str]]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        self.asked.append((path, body, headers))
        time.sleep(self.wait_s)
        if self.scripted:
            return self.scripted
        return self._search(body) if path == "/search/" else self._visit(path, body)

    def _search(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        found = [d for d in self.documents if self._matches(d[1], body)]
        page = found[body.get("offset", 0) :][: body["hits"]]
        children = [
            {
                "id": f"index:content/0/{n}",
                "relevance": 0.0,
                "source": "content",
                "fields": {"sddocname": "content", "documentid": _id(*d), **d[1]},
            }
            for n, d in enumerate(page)
        ]
        root: dict[str, Any] = {
            "id": "toplevel",
            "relevance": 1.0,
            "fields": {"totalCount": len(found)},
            "coverage": dict(self.coverage),
        }
        return 200, {"root": root | ({"children": children} if children else {})}

    def _matches(self, fields: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
        """`contains` on an indexed text finds each of its words."""
        if "@tenant" not in body["yql"]:
            return True
        wanted = set(str(body["tenant"]).split())
        return wanted <= set(str(fields.get(self.tenant_field)).split()) and fields.get("modality") == body["modality"]

    def _visit(self, path: str, query: Mapping[str, Any]) -> tuple[int, Any]:
        found = re.fullmatch(r"/document/v1/([^/]*)/content/docid/", path)
        if found is None:
            return 404, {"pathId": path, "message": f"Nothing at '{path}'. Available paths are: ..."}
        namespace, modality = unquote(found[1]), re.search(r'== "(\w+)"', query["selection"])
        own = [d for d in self.documents if d[0] == namespace and d[1].get("modality") == modality[1]]
        start, size = int(query.get("continuation", "0")), 2
        page = [{"id": _id(*d), "fields": dict(d[1])} for d in own[start : start + size]]
        more = {"continuation": str(start + size)} if start + size < len(own) else {}
        return 200, {"pathId": path, "documents": page, "documentCount": len(page), **more}


def _id(namespace: str, fields: Mapping[str, Any]) -> str:
    return f"id:{namespace}:content::{fields.get('key')}"


def failed(status: int, code: int, summary: str, message: str) -> tuple[int, Any]:
    """An error of the query API."""
    error = {"code": code, "summary": summary, "source": "content", "message": message}
    return status, {"root": {"id": "toplevel", "relevance": 1.0, "fields": {"totalCount": 0}, "errors": [error]}}


@contextmanager
def running(server: VespaServer) -> Iterator[VespaServer]:
    """The server on loopback, until the end."""

    def answer(request: Quiet, body: bytes) -> tuple[int, Any, Mapping[str, str]]:
        parts = urlsplit(request.path)
        if request.command == "GET":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        else:
            asked = json.loads(gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body)
        return *server.answer(parts.path, asked, dict(request.headers)), server.headers

    with answering(answer) as server.url:
        yield server
