"""The Store port in Redis: what an installation uses, as one server or as a cluster.

A collection of a tenant is the hash `argotune:{<tenant>}:<collection>` of id -> text. The braces put all keys of
a tenant into one slot, so that one script can change several of its collections in one step. Texts are bytes here,
because they may hold lone surrogates (a trace can carry any JSON string).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from redis import Redis, RedisCluster
from redis import exceptions as failures
from redis.backoff import NoBackoff
from redis.retry import Retry

from argotune.adapters.reasons import lasting_reason
from argotune.adapters.retrying import Passing, Patience
from argotune.errors import AccessDenied, ArgotuneError, BadAnswer, ConfigInvalid, Conflict, Corrupt, Unavailable
from argotune.errors.known_secrets import is_clean, remember
from argotune.errors.lines import told
from argotune.hosts import is_host
from argotune.store.collections import EVERYONE
from argotune.store.port import ANY, Record
from argotune.tenants.ids import key_part

TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0

PAGE_BYTES = 1_000_000
"""A scan asks for about this much at once."""

READ_AT_ONCE = 500
"""Named records of one request."""

REMOVED_AT_ONCE = 1_000

PATIENCE = Patience(retries=2, first_pause_s=0.2)
"""Of a call that may be made twice, when its connection broke."""

_EXPECT = """
local at = 2
for number = 1, tonumber(ARGV[1]) do
  local there = redis.call('HGET', KEYS[tonumber(ARGV[at])], ARGV[at + 1])
  local tag = there and string.sub(there, 10, 73) or 'nothing'
  if tag ~= ARGV[at + 2] then return UNMET end
  at = at + 3
end
"""
"""Arguments: number of expectations, then (index of key, id, tag) of each."""

_WRITE = f"""
for _, key in ipairs(KEYS) do
  redis.call('HLEN', key) -- a key of another type fails here, before anything is written
end
{_EXPECT.replace("UNMET", "number")}
while at < #ARGV do
  redis.call('HSET', KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2])
  at = at + 3
end
return 0
"""
"""After the expectations: (index of key, id, text) of each record. Answers the number of the first expectation that
is not met, or 0 when everything was stored."""

_REMOVE = f"""
{_EXPECT.replace("UNMET", "-number")}
if at > #ARGV then
  local n = redis.call('HLEN', KEYS[1])
  redis.call('UNLINK', KEYS[1])
  return n
end
return redis.call('HDEL', KEYS[1], unpack(ARGV, at))
"""
"""After the expectations: the ids to remove of the first key, none for all. Answers how many were there, or the number
of the first expectation that is not met, below 0."""

_HOLD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"

_LET_GO = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """What a store URL says. `tls` are arguments of the client, taken over from the query of a rediss URL."""

    host: str
    port: int
    database: int
    username: str | None
    password: str | None
    is_cluster: bool
    tls: Mapping[str, str | bool]


class RedisStore:
    """Many processes and threads may use one server; threads share the client's pool of connections.

    Raises AccessDenied for refused credentials, Unavailable when the server is down, loading, full or read-only,
    ConfigInvalid when it is not of the kind that the URL says. No message holds the password. A cluster is looked up
    when the store is opened, a single server at the first call.
    """

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        self._address = address
        remember(address.password)
        self._client: Any = self._once(lambda: _connect(address, timeout_s))

    @classmethod
    def from_url(cls, url: str, timeout_s: float = TIMEOUT_S) -> RedisStore:
        """`redis[s]://[[user]:password@]host[:port][/database]`; a cluster with `?cluster=true` or `redis[s]+cluster:`.

        A rediss URL may name `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` and `ssl_cert_reqs` in its query.
        """
        return cls(parse_address(url), timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        """See Store."""
        text = self._again(lambda: self._client.hget(_key(tenant_id, collection), _raw(id)))
        return None if text is None else _text(text)

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        """See Store. In requests of READ_AT_ONCE."""
        key, names, found = _key(tenant_id, collection), iter(ids), dict[str, str]()
        while some := list(islice(names, READ_AT_ONCE)):
            texts = self._again(partial(self._client.hmget, key, [_raw(id) for id in some]))
            found.update((id, _text(text)) for id, text in zip(some, texts, strict=True) if text is not None)
        return found

    def scan(self, tenant_id: str, collection: str) -> Iterator[Record]:
        """See Store. Remembers the ids, never the records: Redis may name an id twice while a hash grows."""
        key, seen = _key(tenant_id, collection), set[bytes]()
        cursor, count = 0, 10
        while True:
            cursor, page = self._again(partial(self._client.hscan, key, cursor, count=count))
            for id in page.keys() - seen:
                yield Record(collection, _text(id), _text(page[id]))
            seen.update(page)
            if cursor == 0:
                return
            size = sum(map(len, page.values()))
            count = min(max(count * PAGE_BYTES // max(size, 1), 1), count * 4, 1_000)

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        """See Store. Raises Conflict.

        With an expectation about what it writes it is sent once: had the answer to a first attempt been lost, a second
        would see its own work and report a conflict. Unavailable then leaves open whether the records were stored.
        """
        expected = _expected(expect)
        written = [(record.collection, record.id, record.text) for record in records]
        collections = list(dict.fromkeys(collection for collection, _, _ in (*expected, *written)))
        if not collections:
            return
        index = {collection: number for number, collection in enumerate(collections, start=1)}
        arguments = [(index[c], _raw(id), _raw(text)) for c, id, text in (*expected, *written)]
        keys = [_key(tenant_id, collection) for collection in collections]
        flat = [part for argument in arguments for part in argument]
        is_of_its_own = {(c, id) for c, id, _ in expected} & {(c, id) for c, id, _ in written}
        call = self._once if is_of_its_own else self._again
        unmet = call(lambda: self._client.eval(_WRITE, len(keys), *keys, len(expected), *flat))
        if unmet:
            raise _conflict(tenant_id, expected[unmet - 1])

    def remove(
        self,
        tenant_id: str,
        collection: str,
        ids: Iterable[str] | None = None,
        expect: Mapping[tuple[str, str], str | None] | None = None,
    ) -> int:
        """See Store. Named records go in steps of REMOVED_AT_ONCE. Raises Conflict."""
        expected = _expected(expect)
        if ids is None:
            return self._remove(tenant_id, collection, expected, [])
        names, removed = map(_raw, ids), 0
        while some := list(islice(names, REMOVED_AT_ONCE)):
            removed += self._remove(tenant_id, collection, expected, some)
        return removed

    def _remove(
        self, tenant_id: str, collection: str, expected: Sequence[tuple[str, str, str]], ids: Sequence[bytes]
    ) -> int:
        """All records where no ids are given."""
        collections = list(dict.fromkeys((collection, *(c for c, _, _ in expected))))
        keys = [_key(tenant_id, name) for name in collections]
        flat = [part for c, id, tag in expected for part in (collections.index(c) + 1, _raw(id), _raw(tag))]
        found: int = self._once(lambda: self._client.eval(_REMOVE, len(keys), *keys, len(expected), *flat, *ids))
        if found < 0:
            raise _conflict(tenant_id, expected[-found - 1])
        return found

    def hold(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        key, ttl_ms = _key(tenant_id, "lease", name), max(round(ttl_s * 1000), 1)
        return bool(self._again(lambda: self._client.eval(_HOLD, 1, key, _raw(holder), ttl_ms)) == 1)

    def renew(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        key, ttl_ms = _key(tenant_id, "lease", name), max(round(ttl_s * 1000), 1)
        return bool(self._again(lambda: self._client.eval(_RENEW, 1, key, _raw(holder), ttl_ms)) == 1)

    def holder(self, tenant_id: str, name: str) -> str | None:
        """See Store."""
        found = self._again(lambda: self._client.get(_key(tenant_id, "lease", name)))
        return None if found is None else _text(found)

    def let_go(self, tenant_id: str, name: str, holder: str) -> None:
        """See Store."""
        self._again(lambda: self._client.eval(_LET_GO, 1, _key(tenant_id, "lease", name), _raw(holder)))

    def _again(self, call: Callable[[], T]) -> T:
        """A call that changes nothing when it is made twice, made again when the connection broke."""

        def once() -> T:
            try:
                return self._once(call)
            except Unavailable as error:
                if isinstance(error.__cause__, failures.ConnectionError):
                    raise Passing(error) from error.__cause__
                raise

        return PATIENCE.call(once)

    def _once(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (failures.RedisError, failures.RedisClusterException, OSError, ValueError) as error:
            raise _translated(error, self._address) from (error if is_clean(error) else None)


def _expected(expect: Mapping[tuple[str, str], str | None] | None) -> list[tuple[str, str, str]]:
    return [(*place, "nothing" if tag is None else tag) for place, tag in (expect or {}).items() if tag != ANY]


def _conflict(tenant_id: str, unmet: tuple[str, str, str]) -> Conflict:
    collection, id, _ = unmet
    return Conflict(f"{collection} {id!r} of tenant {tenant_id!r} was changed by somebody else first")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # a damaged record: it does not match its hash
        return raw.decode("utf-8", "replace")


def _key(tenant_id: str, *parts: str) -> str:
    tenant = EVERYONE if tenant_id == EVERYONE else key_part(tenant_id)
    return ":".join((f"argotune:{{{tenant}}}", *map(key_part, parts)))


_SCHEMES = ("redis", "rediss", "redis+cluster", "rediss+cluster")
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")


def parse_address(url: str) -> Address:
    """The address in a store URL. Raises ConfigInvalid, whose message holds no part of the URL."""
    try:
        return _parse(url)
    except ValueError:
        # A password with an unescaped / or # ends up in the port, the path or the message: none of them is shown.
        raise ConfigInvalid(
            "CONFIG_STORE_URL: not of the form redis[s]://[[user]:password@]host[:port][/database][?cluster=true]; "
            "special characters in the password must be percent-encoded"
        ) from None


def _parse(url: str) -> Address:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    cluster = options.pop("cluster", "false").lower()
    database = int(parts.path.removeprefix("/") or 0)
    is_cluster = parts.scheme.endswith("+cluster") or cluster in ("true", "1", "yes")
    is_tls = parts.scheme.startswith("rediss")
    host = unquote(parts.hostname or "")
    if (
        parts.scheme not in _SCHEMES
        or not is_host(host)
        or parts.port == 0
        or parts.fragment
        or cluster not in ("true", "1", "yes", "false", "0", "no")
        or database < 0
        or (is_cluster and database)
        or not options.keys() <= set(_TLS if is_tls else ())
    ):
        raise ValueError
    user, password = (unquote(text) if text else None for text in (parts.username, parts.password))
    return Address(host, parts.port or 6379, database, user, password, is_cluster, {**options, "ssl": is_tls})


def _connect(address: Address, timeout_s: float) -> Any:
    shared: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "username": address.username,
        "password": address.password,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(timeout_s, CONNECT_TIMEOUT_S),
        "socket_keepalive": True,
        "protocol": 2,  # all that is needed here, and every server and proxy speaks it
        "retry": Retry(NoBackoff(), 0),  # what may be sent twice is decided in this file
        **address.tls,
    }
    return RedisCluster(**shared) if address.is_cluster else Redis(db=address.database, **shared)


_DENIED = (
    failures.AuthenticationError,
    failures.AuthorizationError,
    failures.NoPermissionError,
    failures.AuthenticationWrongNumberOfArgsError,
)
_PASSING = (failures.ClusterDownError, failures.OutOfMemoryError, failures.ReadOnlyError, failures.TryAgainError)
_PASSING_CODES = ("BUSY ", "MISCONF ", "NOREPLICAS ")
"""What the client has no class for."""


def _translated(error: Exception, address: Address) -> ArgotuneError:
    cause = _root(error)
    said = told(f"{address.host}:{address.port}: {cause}")
    if isinstance(cause, _DENIED):
        return AccessDenied(f"CONFIG_STORE_URL: Redis at {said}")
    if isinstance(cause, failures.MovedError):
        return ConfigInvalid(
            f"CONFIG_STORE_URL: Redis at {address.host}:{address.port} is a cluster: add ?cluster=true"
        )
    if not isinstance(cause, failures.ResponseError) and (reason := lasting_reason(error) or _setting(cause)):
        named = reason.replace("SSL_CERT_FILE", "ssl_ca_certs")
        return ConfigInvalid(told(f"CONFIG_STORE_URL: Redis at {address.host}:{address.port}: {named}", 400))
    if isinstance(cause, _PASSING) or not isinstance(cause, failures.ResponseError):
        return Unavailable(f"store: Redis at {said}")
    return _of_answer(str(cause), said)


def _setting(cause: BaseException) -> str | None:
    """What the client says of its own arguments is no class of its own."""
    is_one = type(cause) in (failures.RedisError, failures.DataError) or isinstance(cause, ValueError)
    return str(cause) if is_one else None


def _of_answer(answer: str, said: str) -> ArgotuneError:
    if "cluster support disabled" in answer:
        return ConfigInvalid(f"CONFIG_STORE_URL: Redis at {said}: leave out the cluster option")
    if "DB index" in answer:
        return ConfigInvalid(f"CONFIG_STORE_URL: Redis at {said}: there is no such database")
    if "WRONGTYPE" in answer:
        return Corrupt(f"store: a key of ours holds something else in Redis at {said}")
    if answer.startswith(_PASSING_CODES):
        return Unavailable(f"store: Redis at {said}")
    return BadAnswer(f"store: Redis at {said}")


def _root(error: Exception) -> BaseException:
    """The client of a cluster wraps what a node said, more than once."""
    cause: BaseException = error
    while isinstance(cause, failures.RedisClusterException) and (inner := cause.__cause__ or cause.__context__):
        cause = inner
    return cause
