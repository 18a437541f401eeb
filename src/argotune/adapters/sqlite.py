"""The Store port in one SQLite file: for a laptop, a demo, or one machine.

Text goes in and out as bytes, because a text may hold lone surrogates (a trace can carry any JSON string)
that the driver would refuse. Every write is one transaction that begins by taking the write lock, so that
what an expectation saw cannot change before it is acted on.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from argotune.errors import ArgotuneError, ConfigInvalid, Conflict, Corrupt, Unavailable
from argotune.store.port import ANY, Record

APPLICATION_ID = 0x4152474F
"""Marks a file as ours in its header: "ARGO"."""

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0

PAGE_BYTES = 1_000_000
"""A scan holds about this much at once, or one record where that is bigger."""

_TABLES = (
    """CREATE TABLE records (
    tenant TEXT NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (tenant, collection, id))""",
    """CREATE TABLE leases (
    tenant TEXT NOT NULL, name TEXT NOT NULL, holder TEXT NOT NULL, expires_s REAL NOT NULL, term_s REAL,
    PRIMARY KEY (tenant, name)) WITHOUT ROWID""",
)

_HAS_TERMS = "SELECT count(*) FROM pragma_table_info('leases') WHERE name = 'term_s'"
_ADD_TERMS = "ALTER TABLE leases ADD COLUMN term_s REAL"
"""0.1.0 made the table without it, and reads and writes one that has it."""

_READ = """SELECT document FROM records
WHERE tenant = CAST(? AS TEXT) AND collection = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"""

_TAG = """SELECT substr(document, 10, 64) FROM records
WHERE tenant = CAST(? AS TEXT) AND collection = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"""

_PAGE = """SELECT id, document FROM records
WHERE tenant = CAST(? AS TEXT) AND collection = CAST(? AS TEXT) AND id >= CAST(? AS TEXT) ORDER BY id"""

_WRITE = """INSERT INTO records (tenant, collection, id, document)
VALUES (CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))
ON CONFLICT (tenant, collection, id) DO UPDATE SET document = excluded.document"""

_REMOVE = """DELETE FROM records
WHERE tenant = CAST(? AS TEXT) AND collection = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"""

_REMOVE_ALL = "DELETE FROM records WHERE tenant = CAST(? AS TEXT) AND collection = CAST(? AS TEXT)"

# The clock of the database, in seconds to about 1 ms. `unixepoch('subsec')` needs SQLite 3.42; Debian 12 has 3.40.
# A lease with more than its whole term to go (clocks are set back by a second any day) was taken while the clock was
# ahead: it binds nobody. One without a term is of a release that kept none; nothing is leased for a day.
_HOLD = """INSERT INTO leases (tenant, name, holder, term_s, expires_s)
VALUES (CAST(?1 AS TEXT), CAST(?2 AS TEXT), CAST(?3 AS TEXT), ?4, (julianday('now') - 2440587.5) * 86400.0 + ?4)
ON CONFLICT (tenant, name) DO UPDATE SET holder = excluded.holder, term_s = excluded.term_s,
    expires_s = excluded.expires_s
WHERE holder = excluded.holder OR expires_s <= excluded.expires_s - excluded.term_s
    OR expires_s > excluded.expires_s - excluded.term_s + coalesce(term_s, 86400.0) + 1.0"""

_RENEW = """UPDATE leases SET expires_s = (julianday('now') - 2440587.5) * 86400.0 + ?
WHERE tenant = CAST(? AS TEXT) AND name = CAST(? AS TEXT) AND holder = CAST(? AS TEXT)
AND expires_s > (julianday('now') - 2440587.5) * 86400.0"""

_HOLDER = """SELECT holder FROM leases
WHERE tenant = CAST(?1 AS TEXT) AND name = CAST(?2 AS TEXT)
AND expires_s > (julianday('now') - 2440587.5) * 86400.0
AND expires_s <= (julianday('now') - 2440587.5) * 86400.0 + coalesce(term_s, 86400.0) + 1.0"""

_LET_GO = """DELETE FROM leases
WHERE tenant = CAST(? AS TEXT) AND name = CAST(? AS TEXT) AND holder = CAST(? AS TEXT)"""


class SQLiteStore:
    """Many processes and threads may use one file; within a process its calls take turns on one connection.

    Raises ConfigInvalid for a file that is not ours or cannot be opened, Corrupt for a damaged one, and
    Unavailable when another process keeps the file locked for longer than `busy_timeout_s`.
    """

    def __init__(self, path: str | Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._path = Path(path)
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._closing: weakref.finalize[[], SQLiteStore] | None = None
        with self._connected():
            _living.add(self)

    @classmethod
    def from_url(cls, url: str) -> SQLiteStore:
        """`sqlite:///relative.db` or `sqlite:////absolute.db`; nothing in the path is decoded."""
        scheme, _, path = url.partition(":///")
        if scheme != "sqlite" or not path or path == ":memory:" or "?" in path or "\x00" in path:
            raise ConfigInvalid(
                f"CONFIG_STORE_URL: {url!r} is not of the form sqlite:///relative.db or sqlite:////abs.db"
            )
        return cls(path)

    def close(self) -> None:
        """Give the file back. A later call opens it again."""
        with self._lock:
            if self._closing is not None:
                self._closing()
            self._connection = None

    def read(self, tenant_id: str, collection: str, id: str) -> str | None:
        """See Store."""
        with self._connected() as connection:
            row = connection.execute(_READ, _raw(tenant_id, collection, id)).fetchone()
        return None if row is None else _text(row[0])

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]) -> dict[str, str]:
        """See Store."""
        found = {id: self.read(tenant_id, collection, id) for id in list(ids)}  # `ids` may be a scan of this store
        return {id: text for id, text in found.items() if text is not None}

    def scan(self, tenant_id: str, collection: str) -> Iterator[Record]:
        """See Store. Each id comes at most once; no lock is kept between pages."""
        start: bytes | None = b""
        while start is not None:
            page, start = self._page(tenant_id, collection, start)
            for id, text in page:
                yield Record(collection, _text(id), _text(text))

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        """See Store. Raises Conflict."""
        with self._transaction() as connection:
            _check(connection, tenant_id, expect)
            rows = (_raw(tenant_id, record.collection, record.id, record.text) for record in records)
            connection.executemany(_WRITE, rows)

    def remove(
        self,
        tenant_id: str,
        collection: str,
        ids: Iterable[str] | None = None,
        expect: Mapping[tuple[str, str], str | None] | None = None,
    ) -> int:
        """See Store. Raises Conflict."""
        with self._transaction() as connection:
            _check(connection, tenant_id, expect)
            if ids is None:
                return connection.execute(_REMOVE_ALL, _raw(tenant_id, collection)).rowcount
            return max(connection.executemany(_REMOVE, (_raw(tenant_id, collection, id) for id in ids)).rowcount, 0)

    def hold(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        with self._transaction() as connection:
            return connection.execute(_HOLD, (*_raw(tenant_id, name, holder), ttl_s)).rowcount == 1

    def renew(self, tenant_id: str, name: str, holder: str, ttl_s: float) -> bool:
        """See Store."""
        with self._transaction() as connection:
            return connection.execute(_RENEW, (ttl_s, *_raw(tenant_id, name, holder))).rowcount == 1

    def holder(self, tenant_id: str, name: str) -> str | None:
        """See Store."""
        with self._connected() as connection:
            row = connection.execute(_HOLDER, _raw(tenant_id, name)).fetchone()
        return None if row is None else _text(row[0])

    def let_go(self, tenant_id: str, name: str, holder: str) -> None:
        """See Store."""
        with self._transaction() as connection:
            connection.execute(_LET_GO, _raw(tenant_id, name, holder))

    def _page(self, tenant_id: str, collection: str, start: bytes) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """Rows from the id `start` on, and the id at which the next page starts, None after the last page."""
        page: list[tuple[bytes, bytes]] = []
        size = 0
        with self._connected() as connection:
            cursor = connection.execute(_PAGE, (*_raw(tenant_id, collection), start))
            for row in cursor:
                page.append(row)
                size += len(row[1])
                if size >= PAGE_BYTES:
                    cursor.close()  # ends the read transaction
                    return page, row[0] + b"\x00"  # the smallest id above this one
        return page, None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commits at the end of the block, rolls back when it raises."""
        with self._connected() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _open(self._path, self._busy_timeout_s)
                    self._closing = weakref.finalize(self, self._connection.close)
                yield self._connection
            except sqlite3.Error as error:
                raise _translated(error, self._path) from error

    def _start_over(self) -> None:
        """In a forked child: connections must not cross a fork, and a thread of the parent may hold the lock."""
        self._lock = threading.RLock()
        if self._closing is not None:
            self._closing.detach()
        _inherited.append(self._connection)
        self._connection = self._closing = None


_living: weakref.WeakSet[SQLiteStore] = weakref.WeakSet()
_inherited: list[sqlite3.Connection | None] = []
"""Connections of the parent process, kept so that they are not even closed."""


def _after_fork() -> None:
    for store in tuple(_living):
        store._start_over()


os.register_at_fork(after_in_child=_after_fork)


def _raw(*texts: str) -> tuple[bytes, ...]:
    return tuple(text.encode("utf-8", "surrogatepass") for text in texts)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # a damaged record: it does not match its hash
        return raw.decode("utf-8", "replace")


def _check(connection: sqlite3.Connection, tenant_id: str, expect: Mapping[tuple[str, str], str | None] | None) -> None:
    for (collection, id), tag in (expect or {}).items():
        if tag not in (ANY, _tag(connection, tenant_id, collection, id)):
            raise Conflict(f"{collection} {id!r} of tenant {tenant_id!r} was changed by somebody else first")


def _tag(connection: sqlite3.Connection, tenant_id: str, collection: str, id: str) -> str | None:
    row = connection.execute(_TAG, _raw(tenant_id, collection, id)).fetchone()
    return None if row is None else _text(row[0])


def _open(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigInvalid(
            f"CONFIG_STORE_URL: the folder of {str(path)!r} cannot be made: {error.strerror}"
        ) from error
    if path.exists() and not path.is_file():  # SQLite takes a device for a file that cannot be read just now
        raise ConfigInvalid(f"CONFIG_STORE_URL: {str(path)!r} is no ordinary file")
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    with ExitStack() as when_it_fails:
        when_it_fails.callback(connection.close)
        connection.text_factory = bytes
        _make_ready(connection, path, busy_timeout_s)
        when_it_fails.pop_all()
    return connection


def _make_ready(connection: sqlite3.Connection, path: Path, busy_timeout_s: float) -> None:
    """Create the tables in an empty file. Nothing is written into a file that is not ours."""
    with connection:
        connection.execute("BEGIN")  # one look: another process may be creating the tables
        is_new = _check_ours(connection, path)
    _use_wal(connection, path, busy_timeout_s)
    # In WAL mode NORMAL leaves no damage and a killed process loses nothing. A power cut may undo the last
    # commits, as a whole each: the next run finds a state that was true a moment ago and goes on from there.
    # FULL would pay an fsync for every LM answer that is kept.
    connection.execute("PRAGMA synchronous = NORMAL")
    if is_new:
        _create(connection, path)
    if not connection.execute(_HAS_TERMS).fetchone()[0]:
        _add_terms(connection)


def _check_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is still empty. Raises ConfigInvalid when it belongs to something else."""
    application_id, version, tables = (
        connection.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema")
    )
    if (application_id, version, tables) == (0, 0, 0):
        return True
    if application_id != APPLICATION_ID:
        raise ConfigInvalid(f"CONFIG_STORE_URL: {str(path)!r} is a database of another application")
    if version != SCHEMA_VERSION:
        raise ConfigInvalid(
            f"CONFIG_STORE_URL: {str(path)!r} has schema {version} of another release, this one has {SCHEMA_VERSION}"
        )
    return False


def _use_wal(connection: sqlite3.Connection, path: Path, busy_timeout_s: float) -> None:
    """Changing the journal needs the file for a moment, and SQLite does not wait for it by itself."""
    deadline_s = time.monotonic() + busy_timeout_s
    mode = None
    while mode is None:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
    if mode != b"wal":
        raise ConfigInvalid(f"CONFIG_STORE_URL: {str(path)!r} is on a file system where SQLite cannot keep a WAL")


def _create(connection: sqlite3.Connection, path: Path) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _check_ours(connection, path):  # another process may have been faster
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _add_terms(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute(_HAS_TERMS).fetchone()[0]:  # another process may have been faster
            connection.execute(_ADD_TERMS)


_PASSING = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another process",
    sqlite3.SQLITE_FULL: "is on a disk that is full",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
    sqlite3.SQLITE_PROTOCOL: "is locked by another process",
    sqlite3.SQLITE_NOMEM: "does not fit into memory",
}
_REFUSED = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database",
    sqlite3.SQLITE_PERM: "may not be written",
    sqlite3.SQLITE_READONLY: "may not be written",
}


def _translated(error: sqlite3.Error, path: Path) -> ArgotuneError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _PASSING:
        return Unavailable(f"store: {str(path)!r} {_PASSING[code]}")
    if code in _REFUSED:
        return ConfigInvalid(f"CONFIG_STORE_URL: {str(path)!r} {_REFUSED[code]}")
    return Corrupt(f"store: {str(path)!r} is damaged: {error}")
