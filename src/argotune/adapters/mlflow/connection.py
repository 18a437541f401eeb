"""The HTTP client of the MLflow adapters: credentials, its major version, experiments and pages."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from argotune.adapters.json_http import Body, JsonHttp, Product, ServerRefused, key_header
from argotune.adapters.retrying import USUAL, Patience
from argotune.data.spans import Json
from argotune.errors import BadAnswer, ConfigInvalid, NotFound, Unavailable
from argotune.errors.known_secrets import remember
from argotune.errors.lines import told

MAJOR = "3"
"""Traces and datasets of MLflow 2 have other routes and shapes."""

V2, V3 = "api/2.0/mlflow", "api/3.0/mlflow"

TRACES = f"{V3}/traces/search"


@dataclass(frozen=True)
class Credentials:
    """What a server asks for: a name with a password, or a token; neither where it is open."""

    username: str | None = None
    password: str | None = None
    token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The header that carries them. Raises ConfigInvalid for half a pair, or for what can be no token."""
        remember(self.password)
        remember(self.token)
        if self.token is not None:
            return key_header(MLFLOW, "Bearer", self.token)
        if self.username is None and self.password is None:
            return {}
        if self.username is None or self.password is None:
            raise ConfigInvalid("MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD: one is set without the other")
        pair = b64encode(f"{self.username}:{self.password}".encode()).decode()
        remember(pair)
        return {"Authorization": f"Basic {pair}"}


def _is_no_answer_of_mlflow(_path: str, answer: bytes) -> bool:
    """MLflow names an error code where it misses what was asked for, and answers HTML where it has no such route."""
    return _error_code(answer.decode(errors="replace")) is None


MLFLOW = Product(
    "MLflow",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN",
    _is_no_answer_of_mlflow,
)


class MlflowHttp(JsonHttp):
    """JSON requests to one MLflow server; raises what JsonHttp raises, and ConfigInvalid for another major version."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials = Credentials(),
        timeout_s: float = 30.0,
        patience: Patience = USUAL,
    ) -> None:
        super().__init__(MLFLOW, base_url, credentials.headers, timeout_s, patience)
        self._checked: str | None = None
        self._lock = threading.Lock()

    def patch(self, path: str, body: Body) -> Any:
        """The JSON answer to a PATCH."""
        return self._json(self._send(self._request("PATCH", path, None, body)), path)

    def put(self, path: str, body: Body) -> None:
        """Store JSON at a path."""
        self._send(self._request("PUT", path, None, body))

    def version(self) -> str:
        """The server's version, asked for once; the credentials are tried too. Raises ConfigInvalid for another major
        version than 3."""
        with self._lock:
            if self._checked is None:
                self._checked = self._version()
            return self._checked

    def experiment_id(self, name: str) -> str | None:
        """The id of an experiment, None where there is none. Raises ConfigInvalid for a deleted one."""
        self.version()
        path = f"{V2}/experiments/get-by-name"
        try:
            found = member(self.get(path, {"experiment_name": name}), "experiment", path)
        except NotFound:
            return None
        if found.get("lifecycle_stage") != "active":
            raise ConfigInvalid(told(f"MLflow: experiment {name!r} is deleted: restore it, or delete it for good"))
        return text(found, "experiment_id", path)

    def made_experiment(self, name: str) -> str:
        """The id of an experiment, which is made where it is missing."""
        known = self.experiment_id(name)
        if known is not None:
            return known
        path = f"{V2}/experiments/create"
        try:
            return text(self.post(path, {"name": name}, can_repeat=False), "experiment_id", path)
        except (ServerRefused, Unavailable) as error:
            if isinstance(error, ServerRefused) and not is_there_already(error):
                raise
            known = self.experiment_id(name)  # somebody else made it just now, or the answer was lost
            if known is None:
                raise
            return known

    def pages(self, path: str, body: Body, rows: str, limit: int) -> Iterator[list[Mapping[str, Any]]]:
        """All pages of a search, each of at most `limit` objects that lie under `rows`."""
        self.version()
        token: str | None = None
        while True:
            answer = self.post(path, {**body, "max_results": limit, **({"page_token": token} if token else {})})
            found = objects(answer, rows, path)
            yield found
            last, token = token, answer.get("next_page_token")
            if not token or not found:
                return
            if token == last:
                raise BadAnswer(f"MLflow: {path}: next_page_token {token!r} leads to itself")

    def _version(self) -> str:
        """`/version` is open to all, so a route that is not is asked first."""
        self.post(f"{V2}/experiments/search", {"max_results": 1})
        version = self._text_of(self._request("GET", "version", max_bytes=1000)).strip()
        if version.partition(".")[0] != MAJOR:
            what = f"{self.base} is MLflow {version[:40]!r}"
            raise ConfigInvalid(f"MLFLOW_TRACKING_URI: {what}; traces and datasets are read from MLflow {MAJOR} only")
        return version


@contextmanager
def documented(what: str) -> Iterator[None]:
    """Raises BadAnswer where something that MLflow gave cannot be read, named in the message."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise BadAnswer(told(f"MLflow: {what} is not as documented: {error!r}")) from error


def traces_of(experiment_id: str, order: Literal["ASC", "DESC"]) -> Body:
    """What a search is told for the traces of an experiment, by the time at which they began."""
    location: Json = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    return {"locations": [location], "order_by": [f"timestamp_ms {order}"]}


def is_there_already(refused: ServerRefused) -> bool:
    """Whether what was to be made is there."""
    return _error_code(refused.detail) == "RESOURCE_ALREADY_EXISTS"


def objects(answer: Any, name: str, path: str) -> list[Mapping[str, Any]]:
    """The objects under a name, which MLflow leaves out where there are none. Raises BadAnswer."""
    found = answer.get(name, []) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadAnswer(f"MLflow: {path}: `{name}` is not a list of objects")
    return found


def member(answer: Any, name: str, path: str) -> Mapping[str, Any]:
    """The object under a name. Raises BadAnswer."""
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise BadAnswer(f"MLflow: {path}: `{name}` is not an object")
    return found


def text(row: Any, name: str, path: str) -> str:
    """The text under a name. Raises BadAnswer."""
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, str) or not value:
        raise BadAnswer(f"MLflow: {path}: there is no {name}")
    return value


def _error_code(answer: str) -> str | None:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    code = found.get("error_code") if isinstance(found, dict) else None
    return code if isinstance(code, str) else None
