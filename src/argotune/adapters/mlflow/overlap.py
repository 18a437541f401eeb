"""MLflow's cursor. MLflow tells no order of arrival, so an overlap is read again, and what was seen in it is kept.

A trace has the time at which it began and arrives when it ended, or later. So reading goes on some time before the
newest trace that was read; the ids of those that were read since then are in the cursor, each by 48 bits of its hash:
among 10,000 known and 10,000 new ones a new one is taken for known with a chance of 4 in 10 million.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections import deque
from dataclasses import dataclass, field

from argotune.data.cursor import Cursor

_KIND = "mlflow"
_HASH_BYTES = 6
_HASH_CHARS = 8

MOST_KNOWN = 10_000
"""Traces of the overlap that are kept in a cursor, 8 characters each. Where there are more, the overlap is shorter."""


@dataclass(frozen=True)
class Overlap:
    """How far an experiment was read: all that began before `from_ms`, and since then those whose hashes are `known`.

    `last` is the id of one that was read, by which another database is noticed.
    """

    experiment_id: str
    from_ms: int
    last: str
    known: frozenset[str] = frozenset()

    def knows(self, id: str) -> bool:
        """Whether this was read."""
        return hashed(id) in self.known


def overlap_of(cursor: str) -> Overlap | None:
    """The place that a cursor names, None for one that another trace source gave."""
    kind, experiment_id, from_ms, last, known = [*cursor.split(":", 4), "", "", "", ""][:5]
    if kind != _KIND or not experiment_id or not (from_ms.isascii() and from_ms.isdecimal()) or not last:
        return None
    try:
        is_whole = len(urlsafe_b64decode(known)) % _HASH_BYTES == 0
    except (NotBase64, ValueError):
        return None
    hashes = (known[start : start + _HASH_CHARS] for start in range(0, len(known), _HASH_CHARS))
    return Overlap(experiment_id, int(from_ms), last, frozenset(hashes)) if is_whole else None


@dataclass
class Track:
    """What has been read of an experiment, in order of time, as far back as an overlap reaches."""

    experiment_id: str
    overlap_ms: int
    now_ms: int
    _seen: deque[tuple[int, str]] = field(default_factory=deque)
    _newest_ms: int = 0
    _forgotten_ms: int = 0
    _last: str = ""

    def add(self, at_ms: int, id: str) -> None:
        """This was read. One that is dated in the future moves nothing on: what comes until then would be missed."""
        self._seen.append((at_ms, hashed(id)))
        self._last = id
        self._newest_ms = max(self._newest_ms, min(at_ms, self.now_ms))
        while self._seen[0][0] < self._newest_ms - self.overlap_ms or len(self._seen) > MOST_KNOWN:
            self._forgotten_ms = self._seen.popleft()[0]

    @property
    def cursor(self) -> Cursor:
        """Behind all that was read."""
        from_ms = max(self._newest_ms - self.overlap_ms, self._forgotten_ms, 0)
        known = "".join(hash for at_ms, hash in self._seen if at_ms >= from_ms)
        return Cursor(f"{_KIND}:{self.experiment_id}:{from_ms}:{self._last}:{known}")


def hashed(id: str) -> str:
    """48 bits of a hash, in 8 characters."""
    return urlsafe_b64encode(hashlib.sha256(id.encode()).digest()[:_HASH_BYTES]).decode()
