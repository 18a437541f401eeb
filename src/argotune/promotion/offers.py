"""Offers: versions that were tuned outside of the loop, by an application in its own process, and ask for a contest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from argotune.errors import Corrupt, NotFound
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Lineage, Version
from argotune.store.collections import Collection
from argotune.store.port import Store
from argotune.store.records import StoredValue, find, find_all, find_tagged, to_record

OFFERED = "offered"
"""As the optimizer of a plan and of a version: it was not trained in a run of the tenant."""


class OfferedVersion(StoredValue):
    """A version, and the masked questions that it was tuned and chosen on: none like them may judge it."""

    version: Version
    questions: tuple[str, ...]
    offered_at: datetime

    @property
    def sentence(self) -> str:
        """Where it comes from, for people."""
        return f"tuned by an application on {len(self.questions)} decisions that it has told of"

    def as_challenger(self, now: datetime, parent: str, run_id: str) -> Version:
        """The version as a run makes it a challenger."""
        made = {"parent": parent, "run_id": run_id, "created_at": now, "optimizer": OFFERED, "reason": self.sentence}
        lineage = Lineage(**{**self.version.lineage.model_dump(), **made})
        return self.version.model_copy(update={"lineage": lineage})


class Offers:
    """What was offered to a tenant. Of a program the last one waits; one that is in an open contest stays with it."""

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store, self._tenant_id = store, tenant_id

    def make(self, offered: OfferedVersion) -> None:
        """Offer a version in the place of what was offered before. Of two that are offered at once the later one
        waits. Raises what the store raises."""
        program, id = offered.version.program, offered.version.id
        contest = ContestBook(self._store, self._tenant_id).open(program)
        kept = {id, contest.challenger if contest else id}
        self._store.write(self._tenant_id, [to_record(Collection.OFFERS, id, offered)])
        before = [each for each in self._all(program) if _age(each) < _age(offered)]
        gone = [each.version.id for each in before if each.version.id not in kept]
        self._store.remove(self._tenant_id, Collection.OFFERS, gone)

    def last(self, program: str, signature_hash: str) -> OfferedVersion | None:
        """The last one for a program with this signature."""
        fit = [each for each in self._all(program) if each.version.signature_hash == signature_hash]
        return max(fit, key=_age, default=None)

    def waiting(self, program: str, signature_hash: str) -> OfferedVersion | None:
        """The last one, where it was in no contest yet."""
        last = self.last(program, signature_hash)
        return None if last is None or self._was_tried(last.version.id) else last

    def of(self, version: str) -> OfferedVersion | None:
        """The offer of a version, None for one that no application offered. Raises Corrupt."""
        found, _ = find(self._store, self._tenant_id, Collection.OFFERS, version, OfferedVersion)
        return found

    def mask(self, program: str, text: Callable[[str], str]) -> None:
        """Mask the questions again. Raises Conflict where one is offered anew meanwhile."""
        for each, tag in list(find_tagged(self._store, self._tenant_id, Collection.OFFERS, OfferedVersion)):
            masked = each.model_copy(update={"questions": tuple(map(text, each.questions))})
            if each.version.program == program and masked != each:
                record = to_record(Collection.OFFERS, each.version.id, masked)
                self._store.write(self._tenant_id, [record], {(record.collection, record.id): tag})

    def _all(self, program: str) -> list[OfferedVersion]:
        found = find_all(self._store, self._tenant_id, Collection.OFFERS, OfferedVersion)
        return [each for each in found if each.version.program == program]

    def _was_tried(self, version: str) -> bool:
        """A version is kept by a tenant when it becomes a challenger there; a damaged one was."""
        try:
            Registry(self._store, self._tenant_id).version(version)
        except NotFound:
            return False
        except Corrupt:
            return True
        return True


def _age(offered: OfferedVersion) -> tuple[datetime, str]:
    return offered.offered_at, offered.version.id
