"""The HTTP client of the Phoenix adapters: key, time limits, retries, and errors in this package's words."""

from __future__ import annotations

import json
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

from argotune.adapters.reasons import KEY, lasting_reason, passing_reason
from argotune.adapters.retrying import USUAL, Passing, Patience, seconds_asked
from argotune.errors import AccessDenied, ArgotuneError, BadAnswer, ConfigInvalid, NotFound, RateLimited, Unavailable
from argotune.errors.known_secrets import masked_json, remember, remember_login
from argotune.errors.lines import one_line, told
from argotune.tenants.ids import percent_encoded

if "httpx" not in sys.modules:
    # httpx imports its command line program, and with it rich, click and pygments: 0.15 s of CPU that nobody uses.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
import httpx

if sys.modules.get("httpx._main", httpx) is None:
    del sys.modules["httpx._main"]

Params = Mapping[str, str | int | Sequence[str]]
Body = Mapping[str, Any]

BODY_LIMIT = 20
"""A body may take this many times the time limit of its first byte."""

PIECE_LIMIT = 4
"""The same for a body that can be asked for in smaller pieces."""


KEEP_ALIVE_S = 2.0
"""Less than Phoenix keeps idle connections, so that it does not close one that we are about to use."""

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Not compressed: that costs Phoenix a fifth of its time, and a little could grow into more than our memory."""

ALWAYS_THERE = ("graphql", "v1/projects", "v1/spans", "v1/datasets/upload", "arize_phoenix_version")
"""Paths that name nothing which could be missing: where they are not found, something else than Phoenix answers."""

ERROR_BYTES = 2**20
"""More than this is not read of an answer that tells of an error."""


class TooLarge(BadAnswer):
    """An answer was longer than its limit. Ask for less at once."""


class TooSlow(TooLarge):
    """An answer that may be asked for in pieces did not come in time. Ask for less; if that is no faster, stop."""


class PhoenixRefused(BadAnswer):
    """Phoenix refused a request that its documentation allows. Check that its version is 20 or later."""

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message)
        self.status, self.detail = status, detail


class PhoenixHttp:
    """JSON requests to one Phoenix server. Safe to share between threads.

    Every method raises Unavailable (down, slow, 5xx), RateLimited (429), AccessDenied (401, 403), NotFound (404 of
    what may be missing), ConfigInvalid (no Phoenix there, or a certificate or proxy that is wrong),
    PhoenixRefused (other 4xx) or BadAnswer (cut off, not JSON); the first two when `patience` has run out. The key is
    never part of a message.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        patience: Patience = USUAL,
    ) -> None:
        url = _checked_url(base_url)
        remember(api_key)
        remember_login(base_url)
        self.base = f"{url.scheme}://{url.netloc.decode()}{url.path.rstrip('/')}"
        """The URL without a password, for links and messages."""
        self._timeout_s, self._patience = timeout_s, patience
        self._client = _client(url, {**_HEADERS, **_headers(api_key)}, timeout_s)
        weakref.finalize(self, self._client.close)

    def get(self, path: str, params: Params | None = None, max_bytes: int | None = None) -> Any:
        """The JSON at `path`. With `max_bytes`, raises TooLarge or TooSlow instead of reading on or waiting again."""
        return _json(self._send(_Request("GET", path, params, max_bytes=max_bytes)), path)

    def post(self, path: str, body: Body, params: Params | None = None, *, can_repeat: bool = True) -> Any:
        """The JSON answer to a POST. `can_repeat=False`: not sent again when it may have been carried out."""
        return _json(self._send(_Request("POST", path, params, body, can_repeat=can_repeat)), path)

    def post_for_text(self, path: str, body: Body, params: Params, max_bytes: int) -> str:
        """The answer to a POST as text, JSON in parts where there is a choice. Raises TooLarge, TooSlow."""
        return _text(self._send(_Request("POST", path, params, body, max_bytes)), path)

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
            raise PhoenixRefused(f"Phoenix: graphql: {detail}", 200, detail)
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
        path = "arize_phoenix_version"
        return _text(self._send(_Request("GET", path, max_bytes=1000)), path).strip()

    def is_ready(self) -> bool:
        """Whether the server and its database answer."""
        try:
            self._send(_Request("GET", "readyz"))
        except ArgotuneError:
            return False
        return True

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def __enter__(self) -> PhoenixHttp:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, request: _Request) -> bytes:
        return self._patience.call(lambda: self._send_once(request))

    def _send_once(self, request: _Request) -> bytes:
        what = request.what
        try:
            with self._client.stream(request.method, request.path, **request.arguments) as response:
                content = self._read(response, request)
        except httpx.TimeoutException as error:
            message = f"{what}: no answer within {self._timeout_s:g} s"
            if isinstance(error, httpx.ReadTimeout):
                raise _too_slow(request, message) from error
            raise request.failed(Unavailable(message), isinstance(error, httpx.ConnectTimeout)) from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise request.failed(BadAnswer(f"{what}: the answer breaks off or is garbled")) from error
        except (UnicodeError, httpx.InvalidURL) as error:
            raise BadAnswer(told(f"{what}: Phoenix gave out a value that no request can carry: {error!r}")) from error
        except httpx.TransportError as error:
            if reason := lasting_reason(error):
                raise ConfigInvalid(told(f"PHOENIX_ENDPOINT: {self.base}: {_named(reason)}", 400)) from None
            not_reached = Unavailable(f"{what} at {self.base}: {passing_reason(error)}")
            raise request.failed(not_reached, isinstance(error, httpx.ConnectError)) from error
        if response.status_code == 404 and request.path in ALWAYS_THERE:
            what = f"{self.base} answers 404 for {request.path} ({one_line(_detail(content), 100)})"
            raise ConfigInvalid(f"PHOENIX_ENDPOINT: no Phoenix there: {what}; check host and path")
        self._check_status(response, content, request)
        return content

    def _read(self, response: httpx.Response, request: _Request) -> bytes:
        max_bytes = request.max_bytes if response.is_success else ERROR_BYTES
        limit_s = (BODY_LIMIT if request.max_bytes is None else PIECE_LIMIT) * self._timeout_s
        deadline, parts, length = time.monotonic() + limit_s, [], 0
        for part in response.iter_bytes():
            parts.append(part)
            length += len(part)
            if max_bytes is not None and length > max_bytes:
                raise TooLarge(f"{request.what}: the answer is longer than {max_bytes} bytes")
            if time.monotonic() > deadline:
                raise _too_slow(request, f"{request.what}: the answer took longer than {limit_s:g} s")
        return b"".join(parts)

    def _check_status(self, response: httpx.Response, content: bytes, request: _Request) -> None:
        status, what = response.status_code, request.what
        if response.is_success:
            return
        if status == 429:
            raise request.failed(RateLimited(f"{what}: too many requests (429)"), True, response)
        if status >= 500:
            error = Unavailable(f"{what}: the server answers {status}: {_detail(content)}")
            raise request.failed(error, status == 503, response)
        if status in (401, 403):
            raise AccessDenied(f"{what}: Phoenix answers {status}; check PHOENIX_API_KEY and its rights")
        if status == 404:
            raise NotFound(f"{what}: {_detail(content)}")
        if status < 400:
            raise ConfigInvalid(f"PHOENIX_ENDPOINT: {self.base} redirects to {response.headers.get('location')!r}")
        raise PhoenixRefused(f"{what}: {status}: {_detail(content)}", status, content.decode(errors="replace"))


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    params: Params | None = None
    body: Body | None = None
    max_bytes: int | None = None
    can_repeat: bool = True

    @property
    def what(self) -> str:
        return f"Phoenix: {self.method} {self.path}"

    @property
    def arguments(self) -> dict[str, Any]:
        """What httpx is told apart from method and URL."""
        if self.body is None:
            return {"params": self.params}
        return {"params": self.params, "content": _encoded(self.body), "headers": {"Content-Type": "application/json"}}

    def failed(
        self, error: ArgotuneError, was_not_done: bool = False, response: httpx.Response | None = None
    ) -> Exception:
        """What to raise for a failure that may pass: the error itself where sending again might do it twice."""
        if not (self.can_repeat or was_not_done):
            return error
        return Passing(error, seconds_asked(response.headers.get("retry-after")) if response is not None else None)


def _too_slow(request: _Request, message: str) -> Exception:
    """TooSlow where less can be asked for, else something that another attempt may overcome."""
    return request.failed(Unavailable(message)) if request.max_bytes is None else TooSlow(message)


def rows(answer: Any, path: str) -> list[Mapping[str, Any]]:
    """The rows of a list answer. Raises BadAnswer when there is no list of objects under `data`."""
    found = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadAnswer(f"Phoenix: {path}: `data` is not a list of objects")
    return found


def segment(id: str) -> str:
    """An id as one segment of a path."""
    return percent_encoded(id)


def _checked_url(base_url: str) -> httpx.URL:
    shown = base_url.rpartition("@")[2][:200]
    try:
        url = httpx.URL(base_url)
        url.host  # noqa: B018 - it is decoded when it is asked for
    except (httpx.InvalidURL, UnicodeError):
        raise ConfigInvalid(f"PHOENIX_ENDPOINT: {shown!r} is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigInvalid(f"PHOENIX_ENDPOINT: {shown!r} is not an http or https URL")
    return url


def _client(url: httpx.URL, headers: Mapping[str, str], timeout_s: float) -> httpx.Client:
    """Certificates are loaded (0.15 s of CPU) only where there is TLS; proxies are not asked about this machine.

    httpx reads proxies and certificates named by the environment here, and raises what it likes.
    """
    try:
        return httpx.Client(
            base_url=url,
            headers=dict(headers),
            timeout=timeout_s,
            limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S),
            verify=url.scheme == "https",
            trust_env=url.host not in ("localhost", "127.0.0.1", "::1"),
        )
    except (ValueError, TypeError, ImportError, OSError, httpx.InvalidURL) as error:
        reason = lasting_reason(error) or f"{type(error).__name__}: {error}"
        raise ConfigInvalid(told(f"PHOENIX_ENDPOINT: {url.host}: {_named(reason)}", 400)) from None


def _named(reason: str) -> str:
    return reason.replace(KEY, "PHOENIX_API_KEY")


def _headers(api_key: str | None) -> dict[str, str]:
    if api_key is None:
        return {}
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key or not api_key:
        raise ConfigInvalid("PHOENIX_API_KEY is empty or holds a character that no key has")
    return {"Authorization": f"Bearer {api_key}"}


def _encoded(body: Body) -> bytes:
    return masked_json(body, partial(json.dumps, ensure_ascii=False, allow_nan=False)).encode("utf-8", "replace")


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
    return told(start.decode(errors="replace")) or "no reason given"
