"""Writing into Phoenix: spans are sent until they can be read back, and looked for by their ids."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

from argotune.adapters.json_http import ServerRefused, segment
from argotune.adapters.phoenix.annotations import SPAN_IDS_AT_ONCE
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.query import Query, read_whole
from argotune.adapters.phoenix.reader import QueryRoutes
from argotune.adapters.phoenix.spans import body_of, span_of_row
from argotune.data.spans import Span
from argotune.errors import ProjectMissing, RateLimited, Unavailable
from argotune.stats.wording import counted

WRITE_ROWS = 500


ARRIVAL_LIMIT_S = 20.0


ARRIVAL_POLL_S = 0.25


SENDINGS = 4
"""How often spans are sent that do not arrive: Phoenix drops what it takes while its database is locked."""


class SpanWriter:
    """Sends spans to projects of one Phoenix server. Raises what PhoenixHttp raises."""

    def __init__(self, http: PhoenixHttp, routes: QueryRoutes, sleep: Callable[[float], None] = time.sleep) -> None:
        self._http, self._routes, self._sleep = http, routes, sleep

    def send(self, name: str, spans: Sequence[Span]) -> None:
        """Send spans to a project, 500 at a time, and wait for them; the project is made when it is missing."""
        path = f"v1/projects/{segment(self._made_project(name))}/spans"
        for start in range(0, len(spans), WRITE_ROWS):
            self._deliver(name, path, {span.span_id: span for span in spans[start : start + WRITE_ROWS]})

    def _made_project(self, name: str) -> str:
        project_id = self._http.project_id(name)
        if project_id is not None:
            return project_id
        try:
            self._http.post("v1/projects", {"name": name}, can_repeat=False)
        except Unavailable:
            # Somebody else may have made it just now, which Phoenix answers with 500.
            project_id = self._http.project_id(name)
            if project_id is None:
                raise
            return project_id
        return self._made_project(name)

    def _send_unknown(self, path: str, spans: Mapping[str, Span]) -> None:
        """Send spans, without those that Phoenix says it has: it takes all or none."""
        try:
            self._http.post(path, {"data": [body_of(span) for span in spans.values()]})
        except ServerRefused as refused:
            known = _duplicates(refused)
            if not known:
                raise
            unknown = {id: span for id, span in spans.items() if id not in known}
            if unknown:
                self._send_unknown(path, unknown)

    def _deliver(self, name: str, path: str, batch: Mapping[str, Span]) -> None:
        missing = batch
        for _ in range(SENDINGS):
            self._send_unknown(path, missing)
            missing = self._missing_after_waiting(name, missing)
            if not missing:
                return
        raise Unavailable(
            f"Phoenix: {counted(len(missing), 'span')}, e.g. {min(missing)!r}, did not arrive in project {name!r}"
        )

    def _missing_after_waiting(self, name: str, spans: Mapping[str, Span]) -> dict[str, Span]:
        """The spans that are still not there when none has arrived for a while."""
        missing, waited_s = dict(spans), 0.0
        while missing and waited_s <= ARRIVAL_LIMIT_S:
            found = self.present(name, set(missing))
            missing = {id: span for id, span in missing.items() if id not in found}
            waited_s = 0.0 if found else waited_s + ARRIVAL_POLL_S
            self._sleep(ARRIVAL_POLL_S if missing else 0.0)
        return missing

    def present(self, name: str, span_ids: set[str]) -> set[str]:
        """Those of the span ids that are in a project."""
        if self._routes.is_worth_asking(name):
            try:
                return self._found_at_once(name, span_ids)
            except RateLimited:
                raise
            except Unavailable as error:
                self._routes.leave(name, error)
        return self._found_by_pages(name, span_ids)

    def _found_at_once(self, name: str, span_ids: set[str]) -> set[str]:
        query = Query(name, f"span_id in {sorted(span_ids)!r}", {"status": "status_code"})
        table = read_whole(self._http, query, f"{len(span_ids)} span ids")
        return {str(row["span_id"]) for row in table}

    def _found_by_pages(self, name: str, span_ids: set[str]) -> set[str]:
        project_id = self._http.project_id(name)
        if project_id is None:
            raise project_missing(name)
        path, wanted, found = f"v1/projects/{segment(project_id)}/spans", sorted(span_ids), set[str]()
        for start in range(0, len(wanted), SPAN_IDS_AT_ONCE):
            pages = self._http.pages(path, {"span_id": wanted[start : start + SPAN_IDS_AT_ONCE]}, SPAN_IDS_AT_ONCE)
            found |= {span_of_row(row).span_id for row in pages}
        return found


def project_missing(name: str) -> ProjectMissing:
    """What there is to say where a project is not there."""
    return ProjectMissing(
        f"Phoenix has no project {name!r}: check PHOENIX_PROJECT_PREFIX and the tenant id, and that spans are sent"
    )


def _duplicates(refused: ServerRefused) -> set[str]:
    """The span ids that Phoenix names as known; none when it refused for another reason."""
    try:
        detail = json.loads(refused.detail)
        return set() if detail["invalid_spans"] else {span["span_id"] for span in detail["duplicate_spans"]}
    except (ValueError, KeyError, TypeError):
        return set()
