"""The HTTP client of the Phoenix adapters: its key, pages and GraphQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from argotune.adapters.json_http import Body, JsonHttp, Params, Product, ServerRefused, key_header
from argotune.adapters.retrying import USUAL, Patience
from argotune.errors import ArgotuneError, BadAnswer
from argotune.errors.known_secrets import remember
from argotune.errors.lines import told

ALWAYS_THERE = ("graphql", "v1/projects", "v1/spans", "v1/datasets/upload", "arize_phoenix_version")
"""Paths that name nothing which could be missing: where they are not found, something else than Phoenix answers."""

PHOENIX = Product("Phoenix", "PHOENIX_ENDPOINT", "PHOENIX_API_KEY", lambda path, _answer: path in ALWAYS_THERE)


class PhoenixHttp(JsonHttp):
    """JSON requests to one Phoenix server; raises what JsonHttp raises."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        patience: Patience = USUAL,
    ) -> None:
        remember(api_key)
        headers = {} if api_key is None else key_header(PHOENIX, "Bearer", api_key)
        super().__init__(PHOENIX, base_url, headers, timeout_s, patience)

    def post_for_text(self, path: str, body: Body, params: Params, max_bytes: int) -> str:
        """The answer to a POST as text, JSON in parts where there is a choice. Raises TooLarge, TooSlow."""
        return self._text_of(self._request("POST", path, params, body, max_bytes))

    def pages(self, path: str, params: Params, limit: int) -> Iterator[Mapping[str, Any]]:
        """All rows of a paged list, `limit` of them per request."""
        cursor: str | None = None
        while True:
            answer = self.get(path, {**params, "limit": limit, **({"cursor": cursor} if cursor else {})})
            yield from rows(answer, path)
            last, cursor = cursor, answer.get("next_cursor")
            if not cursor:
                return
            if cursor == last:
                raise BadAnswer(f"Phoenix: GET {path}: next_cursor {cursor!r} leads to itself")

    def graphql(self, field: str, query: str, variables: Body) -> Any:
        """One field of the data of a GraphQL query; None where Phoenix says that there is no such thing."""
        answer = self.post("graphql", {"query": query, "variables": variables})
        if isinstance(answer, dict) and answer.get("errors"):
            detail = told(str(answer["errors"]))
            raise ServerRefused(f"Phoenix: graphql: {detail}", 200, detail)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict) or field not in data:
            raise BadAnswer(f"Phoenix: graphql: the answer has no {field}")
        return data[field]

    def project_id(self, name: str) -> str | None:
        """The id of a project, which stands for its name in paths: names may hold a slash."""
        query = "query($name: String!) { getProjectByName(name: $name) { id } }"
        project = self.graphql("getProjectByName", query, {"name": name})
        if project is None:
            return None
        id = project.get("id") if isinstance(project, dict) else None
        if not isinstance(id, str):
            raise BadAnswer("Phoenix: graphql: a project has no id")
        return id

    def version(self) -> str:
        """The server's version; the key is tried too."""
        self.get("v1/projects", {"limit": 1})
        return self._text_of(self._request("GET", "arize_phoenix_version", max_bytes=1000)).strip()

    def is_ready(self) -> bool:
        """Whether the server and its database answer."""
        try:
            self._send(self._request("GET", "readyz"))
        except ArgotuneError:
            return False
        return True


def rows(answer: Any, path: str) -> list[Mapping[str, Any]]:
    """The rows of a list answer. Raises BadAnswer when there is no list of objects under `data`."""
    found = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadAnswer(f"Phoenix: {path}: `data` is not a list of objects")
    return found
