"""The HTTP client of the Phoenix adapters: key, time limits, retries, and errors in this package's words."""

from __future__ import annotations

import email.utils
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

from argotune.errors import AccessDenied, ArgotuneError, BadAnswer, ConfigInvalid, NotFound, RateLimited, Unavailable

if "httpx" not in sys.modules:
    # httpx imports its command line program, and with it rich, click and pygments: 0.15 s of CPU that nobody uses.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
import httpx

if sys.modules.get("httpx._main", httpx) is None:
    del sys.modules["httpx._main"]

Params = Mapping[str, str | int | Sequence[str]]
Body = Mapping[str, Any]

LONGEST_PAUSE_S = 30.0
BODY_LIMIT = 20
"""A body may take this many times the time limit of its first byte."""


class TooLarge(BadAnswer):
    """An answer was longer than its limit, or took too long to come. Ask for less at once."""


class Refused(BadAnswer):
    """Phoenix refused a request that its documentation allows. Check that its version is 20 or later."""

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message)
        self.status, self.detail = status, detail


class PhoenixHttp:
    """JSON requests to one Phoenix server. Safe to share between threads.

    Every method raises Unavailable (down, slow, 5xx), RateLimited (429), AccessDenied (401, 403), NotFound (404),
    Refused (other 4xx) or BadAnswer (cut off, not JSON); the first two after `retries` further attempts. The key
    is never part of a message.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 4,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.url = _checked_url(base_url)
        self._timeout_s, self._retries, self._sleep, self._jitter = timeout_s, retries, sleep, jitter
        is_tls = self.url.scheme == "https"
        # Certificates are loaded (0.15 s of CPU) only where there is TLS; proxies are not asked about this machine.
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Accept": "application/json", **_headers(api_key)},
            timeout=timeout_s,
            verify=is_tls,
            trust_env=self.url.host not in ("localhost", "127.0.0.1", "::1"),
        )

    def get(self, path: str, params: Params | None = None, max_bytes: int | None = None) -> Any:
        """The JSON at `path`. With `max_bytes`, raises TooLarge instead of reading on or waiting again."""
        return _json(self._send("GET", path, params, None, max_bytes, True), path)

    def post(self, path: str, body: Body, params: Params | None = None, *, can_repeat: bool = True) -> Any:
        """The JSON answer to a POST. `can_repeat=False`: not sent again when it may have been carried out."""
        return _json(self._send("POST", path, params, body, None, can_repeat), path)

    def post_for_text(self, path: str, body: Body, params: Params, max_bytes: int) -> str:
        """The answer to a POST as text, JSON in parts where there is a choice. Raises TooLarge like `get`."""
        return _text(self._send("POST", path, params, body, max_bytes, True), path)

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

    def graphql(self, query: str, variables: Body) -> Mapping[str, Any]:
        """The data of a GraphQL query."""
        answer = self.post("graphql", {"query": query, "variables": variables})
        if isinstance(answer, dict) and answer.get("errors"):
            detail = str(answer["errors"])[:300]
            raise Refused(f"Phoenix: graphql: {detail}", 200, detail)
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise BadAnswer("Phoenix: graphql: the answer has no data")
        return answer["data"]

    def project_id(self, name: str) -> str | None:
        """The id of a project, which stands for its name in paths: names may hold a slash."""
        data = self.graphql("query($n: String!) { getProjectByName(name: $n) { id } }", {"n": name})
        project = data.get("getProjectByName")
        return str(project["id"]) if project else None

    def version(self) -> str:
        """The server's version; the key is tried too."""
        self.get("v1/projects", {"limit": 1})
        path = "arize_phoenix_version"
        return _text(self._send("GET", path, None, None, 1000, True), path).strip()

    def is_ready(self) -> bool:
        """Whether the server and its database answer."""
        try:
            self._send("GET", "readyz", None, None, None, True)
        except ArgotuneError:
            return False
        return True

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def __enter__(self) -> PhoenixHttp:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None):
        self.close()

    def _send(
        self, method: str, path: str, params: Params | None, body: Body | None, max_bytes: int | None, can_repeat: bool
    ) -> bytes:
        what = f"Phoenix: {method} {path}"
        for attempt in range(self._retries + 1):
            try:
                return self._send_once(method, path, params, body, max_bytes, what)
            except _Passing as passing:
                is_last = attempt == self._retries
                if is_last or not (can_repeat or passing.was_not_done):
                    raise passing.error from passing.__cause__
                self._sleep(self._pause_s(attempt, passing.retry_after_s))
        raise AssertionError("unreachable")

    def _pause_s(self, attempt: int, retry_after_s: float | None) -> float:
        pause_s = min(0.5 * 2**attempt, LONGEST_PAUSE_S) * (0.5 + self._jitter() / 2)
        return pause_s if retry_after_s is None else min(max(retry_after_s, 0.0), LONGEST_PAUSE_S) + pause_s / 4

    def _send_once(
        self, method: str, path: str, params: Params | None, body: Body | None, max_bytes: int | None, what: str
    ) -> bytes:
        content = None if body is None else _encoded(body)
        headers = {"Content-Type": "application/json"} if body is not None else None
        try:
            with self._client.stream(method, path, params=params, content=content, headers=headers) as response:
                return self._read(response, max_bytes, what)
        except httpx.TimeoutException as error:
            message = f"{what}: no answer within {self._timeout_s:g} s"
            if max_bytes is not None and isinstance(error, httpx.ReadTimeout):
                raise TooLarge(message) from error
            raise _Passing(Unavailable(message), isinstance(error, httpx.ConnectTimeout)) from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise _Passing(BadAnswer(f"{what}: the answer breaks off or is garbled"), False) from error
        except httpx.TransportError as error:
            reason = f"{what} at {self._where}: {type(error).__name__}"
            raise _Passing(Unavailable(reason), isinstance(error, httpx.ConnectError)) from error

    def _read(self, response: httpx.Response, max_bytes: int | None, what: str) -> bytes:
        deadline, parts, length = time.monotonic() + BODY_LIMIT * self._timeout_s, [], 0
        for part in response.iter_bytes():
            length += len(part)
            parts.append(part)
            if max_bytes is not None and length > max_bytes and response.is_success:
                raise TooLarge(f"{what}: the answer is longer than {max_bytes} bytes")
            if time.monotonic() > deadline:
                raise _Passing(Unavailable(f"{what}: the answer took longer than {deadline:g} s"), False)
        self._check_status(response, b"".join(parts[:1]) if not response.is_success else b"", what)
        return b"".join(parts)

    def _check_status(self, response: httpx.Response, start: bytes, what: str) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status == 429:
            raise _Passing(RateLimited(f"{what}: too many requests (429)"), True, _retry_after_s(response))
        if status >= 500:
            error = Unavailable(f"{what}: the server answers {status}: {_detail(start)}")
            raise _Passing(error, status == 503, _retry_after_s(response))
        if status in (401, 403):
            raise AccessDenied(f"{what}: Phoenix answers {status}; check PHOENIX_API_KEY and its rights")
        if status == 404:
            raise NotFound(f"{what}: {_detail(start)}")
        if status < 400:
            raise ConfigInvalid(f"PHOENIX_ENDPOINT: {self._where} redirects to {response.headers.get('location')!r}")
        raise Refused(f"{what}: {status}: {_detail(start)}", status, start.decode(errors="replace"))

    @property
    def _where(self) -> str:
        return f"{self.url.scheme}://{self.url.netloc.decode()}"


class _Passing(Exception):
    """A failure that another attempt may overcome."""

    def __init__(self, error: ArgotuneError, was_not_done: bool, retry_after_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.was_not_done, self.retry_after_s = error, was_not_done, retry_after_s


def rows(answer: Any, path: str) -> list[Mapping[str, Any]]:
    """The rows of a list answer. Raises BadAnswer when there is no list of objects under `data`."""
    found = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadAnswer(f"Phoenix: {path}: `data` is not a list of objects")
    return found


def segment(id: str) -> str:
    """An id as one segment of a path."""
    return quote(id, safe="")


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ConfigInvalid(f"PHOENIX_ENDPOINT: {base_url[:200]!r} is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigInvalid(f"PHOENIX_ENDPOINT: {base_url[:200]!r} is not an http or https URL")
    return url


def _headers(api_key: str | None) -> dict[str, str]:
    if api_key is None:
        return {}
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key or not api_key:
        raise ConfigInvalid("PHOENIX_API_KEY is empty or holds a character that no key has")
    return {"Authorization": f"Bearer {api_key}"}


def _encoded(body: Body) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _text(content: bytes, path: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadAnswer(f"Phoenix: {path}: the answer is not UTF-8") from error


def _json(content: bytes, path: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"Phoenix: {path}: the answer is not JSON: {content[:80]!r}") from error


def _detail(start: bytes) -> str:
    return " ".join(start[:300].decode(errors="replace").split()) or "no reason given"


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if value.strip().isdigit():
        return float(value)
    try:
        return (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
