"""JSON over HTTP, as the adapters of Phoenix and MLflow speak it: limits, retries, errors in this package's words."""

from __future__ import annotations

import json
import math
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from argotune.adapters.reasons import KEY, lasting_reason, passing_reason
from argotune.adapters.retrying import USUAL, Passing, Patience, seconds_asked
from argotune.data.spans import Json
from argotune.errors import AccessDenied, ArgotuneError, BadAnswer, ConfigInvalid, NotFound, RateLimited, Unavailable
from argotune.errors.known_secrets import masked_json, remember_login
from argotune.errors.lines import one_line, told
from argotune.store.texts import storable
from argotune.tenants.ids import percent_encoded

if "httpx" not in sys.modules:
    # httpx imports its command line program, and with it rich, click and pygments: 0.15 s of CPU that nobody uses.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
import httpx

if sys.modules.get("httpx._main", httpx) is None:
    del sys.modules["httpx._main"]

Params = Mapping[str, str | int | Sequence[str]]
Body = Mapping[str, Json]

BODY_LIMIT = 20
"""A body may take this many times the time limit of its first byte."""

PIECE_LIMIT = 4
"""The same for a body that can be asked for in smaller pieces."""


KEEP_ALIVE_S = 2.0
"""Less than servers keep idle connections, so that they do not close one that we are about to use."""

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Not compressed: that costs Phoenix a fifth of its time, and a little could grow into more than our memory."""

ERROR_BYTES = 2**20
"""More than this is not read of an answer that tells of an error."""


class TooLarge(BadAnswer):
    """An answer was longer than its limit. Ask for less at once."""


class TooSlow(TooLarge):
    """An answer that may be asked for in pieces did not come in time. Ask for less; if that is no faster, stop."""


class ServerRefused(BadAnswer):
    """A server refused a request that its documentation allows. Check its version."""

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message)
        self.status, self.detail = status, detail


@dataclass(frozen=True)
class Product:
    """What a server is called in messages, and the variables of its address and of its key.

    `is_elsewhere` says of a path that was not found, and of the answer, whether something else than the product gave
    it: what may be missing is NotFound.
    """

    name: str
    address: str
    key: str
    is_elsewhere: Callable[[str, bytes], bool]


class JsonHttp:
    """JSON requests to one server. Safe to share between threads.

    Every method raises Unavailable (down, slow, 5xx), RateLimited (429), AccessDenied (401, 403), NotFound (404 of
    what may be missing), ConfigInvalid (another product there, or a certificate or proxy that is wrong),
    ServerRefused (other 4xx) or BadAnswer (cut off, not JSON); the first two when `patience` has run out. Headers, and
    a key in them, are never part of a message.
    """

    def __init__(
        self,
        product: Product,
        base_url: str,
        headers: Mapping[str, str],
        timeout_s: float = 30.0,
        patience: Patience = USUAL,
    ) -> None:
        self._product = product
        url = _checked_url(product, base_url)
        remember_login(base_url)
        self.base = f"{url.scheme}://{url.netloc.decode()}{url.path.rstrip('/')}"
        """The URL without a password, for links and messages."""
        self._timeout_s, self._patience = timeout_s, patience
        self._client = _client(product, url, {**_HEADERS, **headers}, timeout_s)
        weakref.finalize(self, self._client.close)

    def get(self, path: str, params: Params | None = None, max_bytes: int | None = None) -> Any:
        """The JSON at `path`. With `max_bytes`, raises TooLarge or TooSlow instead of reading on or waiting again."""
        return self._json(self._send(self._request("GET", path, params, max_bytes=max_bytes)), path)

    def post(self, path: str, body: Body, params: Params | None = None, *, can_repeat: bool = True) -> Any:
        """The JSON answer to a POST. `can_repeat=False`: not sent again when it may have been carried out."""
        return self._json(self._send(self._request("POST", path, params, body, can_repeat=can_repeat)), path)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def _request(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        body: Body | None = None,
        max_bytes: int | None = None,
        can_repeat: bool = True,
    ) -> _Request:
        content = None if body is None else _encoded(body)
        return _Request(f"{self._product.name}: {method} {path}", method, path, params, content, max_bytes, can_repeat)

    def _text_of(self, request: _Request) -> str:
        content = self._send(request)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise BadAnswer(f"{self._product.name}: {request.path}: the answer is not UTF-8") from error

    def _json(self, content: bytes, path: str) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            what = f"{self._product.name}: {path}"
            raise BadAnswer(f"{what}: the answer is not JSON: {content[:80]!r}") from error

    def _send(self, request: _Request) -> bytes:
        return self._patience.call(lambda: self._send_once(request))

    def _send_once(self, request: _Request) -> bytes:
        what = request.what
        try:
            with self._client.stream(
                request.method, request.path, params=request.params, content=request.content, headers=request.headers
            ) as response:
                content = self._read(response, request)
        except httpx.TimeoutException as error:
            message = f"{what}: no answer within {self._timeout_s:g} s"
            if isinstance(error, httpx.ReadTimeout):
                raise _too_slow(request, message) from error
            raise request.failed(Unavailable(message), isinstance(error, httpx.ConnectTimeout)) from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise request.failed(BadAnswer(f"{what}: the answer breaks off or is garbled")) from error
        except (UnicodeError, httpx.InvalidURL) as error:
            name = self._product.name
            raise BadAnswer(told(f"{what}: {name} gave out a value that no request can carry: {error!r}")) from error
        except httpx.TransportError as error:
            if reason := lasting_reason(error):
                raise _misset(self._product, self.base, reason) from None
            not_reached = Unavailable(f"{what} at {self.base}: {passing_reason(error)}")
            raise request.failed(not_reached, isinstance(error, httpx.ConnectError)) from error
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
        status, what, product = response.status_code, request.what, self._product
        if response.is_success:
            return
        if status == 429:
            raise request.failed(RateLimited(f"{what}: too many requests (429)"), True, response)
        if status >= 500:
            error = Unavailable(f"{what}: the server answers {status}: {_detail(content)}")
            raise request.failed(error, status == 503, response)
        if status in (401, 403):
            raise AccessDenied(f"{what}: {product.name} answers {status}; check {product.key} and its rights")
        if status == 404:
            raise self._missing(request, content)
        if status < 400:
            raise ConfigInvalid(f"{product.address}: {self.base} redirects to {response.headers.get('location')!r}")
        raise ServerRefused(f"{what}: {status}: {_detail(content)}", status, content.decode(errors="replace"))

    def _missing(self, request: _Request, content: bytes) -> ArgotuneError:
        product = self._product
        if not product.is_elsewhere(request.path, content):
            return NotFound(f"{request.what}: {_detail(content)}")
        what = f"{self.base} answers 404 for {request.path} ({one_line(_detail(content), 100)})"
        return ConfigInvalid(f"{product.address}: no {product.name} there: {what}; check host and path")


@dataclass(frozen=True)
class _Request:
    what: str
    method: str
    path: str
    params: Params | None
    content: bytes | None
    max_bytes: int | None
    can_repeat: bool

    @property
    def headers(self) -> Mapping[str, str]:
        """Those that are not of every request."""
        return {} if self.content is None else {"Content-Type": "application/json"}

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


def segment(id: str) -> str:
    """An id as one segment of a path."""
    return percent_encoded(id)


def storable_json(value: Any) -> Any:
    """A JSON value that every store takes: no NUL bytes, lone surrogates, or numbers that JSON does not have."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [storable_json(item) for item in value]
    if isinstance(value, Mapping):
        return {storable_json(key): storable_json(item) for key, item in value.items()}
    return value


def key_header(product: Product, scheme: str, key: str) -> dict[str, str]:
    """The header that carries a key. Raises ConfigInvalid for what can be none, which it does not show."""
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise ConfigInvalid(f"{product.key} is empty or holds a character that no key has")
    return {"Authorization": f"{scheme} {key}"}


def _checked_url(product: Product, base_url: str) -> httpx.URL:
    shown = base_url.rpartition("@")[2][:200]
    try:
        url = httpx.URL(base_url)
        url.host  # noqa: B018 - it is decoded when it is asked for
    except (httpx.InvalidURL, UnicodeError):
        raise ConfigInvalid(f"{product.address}: {shown!r} is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigInvalid(f"{product.address}: {shown!r} is not an http or https URL")
    return url


def _client(product: Product, url: httpx.URL, headers: Mapping[str, str], timeout_s: float) -> httpx.Client:
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
        raise _misset(product, url.host, lasting_reason(error) or f"{type(error).__name__}: {error}") from None


def _misset(product: Product, where: str, reason: str) -> ConfigInvalid:
    return ConfigInvalid(told(f"{product.address}: {where}: {reason.replace(KEY, product.key)}", 400))


def _encoded(body: Body) -> bytes:
    return masked_json(body, partial(json.dumps, ensure_ascii=False, allow_nan=False)).encode("utf-8", "replace")


def _detail(start: bytes) -> str:
    return told(start.decode(errors="replace")) or "no reason given"
