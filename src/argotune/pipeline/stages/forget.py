"""forget: drop what a tenant's config says is too old, whether or not the tenant still has passes.

What explains who serves stays: the last changes of each champion with their runs, the version that serves and the one
before it, every version that a kept run or contest names, and what is under way. So does every opening of examples that
there still are: they judge nobody any more.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from argotune.data.archive import ExperienceLog
from argotune.data.question_log import QuestionLog
from argotune.data.vector_log import VectorLog
from argotune.decisions.ledger import LedgerRow
from argotune.errors import ConfigInvalid, Conflict, Corrupt, NewerRecord, NotFound
from argotune.lm.kept_answers import forget_answers
from argotune.pipeline.retention import is_borne_out
from argotune.promotion.contests import Contest
from argotune.promotion.offers import OfferedVersion
from argotune.promotion.openings import Opening
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Champion, Change, Version
from argotune.runs.book import RunBook
from argotune.runs.run import Run
from argotune.runs.tallies import rounds
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Store
from argotune.store.records import StoredValue, find_all, find_renewable, from_text, to_record
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified

PER_ROUND = 100
"""Tenants that a round looks after: with one round an hour 2,400 a day, and what is kept is kept for months."""

IDLE = timedelta(days=7)
"""Experiences that are older than kept by so much are of a program that has no passes."""

D = TypeVar("D", bound=StoredValue)


class Forgotten(StoredValue):
    """Up to which tenant rounds have looked."""

    tenant_id: str = ""


def forget_some(store: Store, now: datetime, count: int = PER_ROUND) -> dict[str, int]:
    """Forget what is too old of the next `count` tenants on the list; the numbers of records by collection.

    Nothing is forgotten by a clock that the rounds of the last days do not bear out, nor where a newer release does it.
    A tenant that cannot be read is left out.
    """
    if not is_borne_out(now, rounds(store)):
        return {}
    try:
        configs, (last, tag) = Configs(store), _cursor(store)
    except NewerRecord:  # rounds of a newer release look after the tenants
        return {}
    ids = configs.tenant_ids()
    first = bisect.bisect_right(ids, last.tenant_id)
    chosen = [*ids[first:], *ids[:first]][:count]
    found: dict[str, int] = {}
    for tenant_id in chosen:
        with suppress(ConfigInvalid, Corrupt, NotFound):
            for collection, number in forget_old(store, configs.get(tenant_id), now).items():
                found[collection] = found.get(collection, 0) + number
    if chosen:
        record = to_record(Collection.FORGETTING, "cursor", Forgotten(tenant_id=chosen[-1]))
        with suppress(Conflict):  # another round has looked after some, too
            store.write(EVERYONE, [record], {(record.collection, record.id): tag})
    return found


def _cursor(store: Store) -> tuple[Forgotten, str | None]:
    known, tag = find_renewable(store, EVERYONE, Collection.FORGETTING, "cursor", Forgotten)
    return known or Forgotten(), tag


def forget_old(store: Store, config: RoutingConfigUnified, now: datetime) -> dict[str, int]:
    """Drop a tenant's records that are older than its `retention` says; the number of each collection."""
    tenant_id, rules = config.tenant_id, config.retention
    changes = Registry(store, tenant_id).forget_changes(rules.changes_kept)  # before it is asked what they name
    sums = RunBook(store, tenant_id).kept_sums()
    skipped, judged = (now - timedelta(days=days) for days in (rules.skipped_run_days, rules.run_days))
    moved = {change.run_id for change in find_all(store, tenant_id, Collection.HISTORY, Change)}
    shown = {found.latest.id for found in sums if found.latest}
    contests = [c for c in find_all(store, tenant_id, Collection.CONTESTS, Contest) if not _is_long_over(c, judged)]
    trains = {contest.id for contest in contests if contest.is_open}
    old_runs, kept_versions = list[str](), {id for c in contests for id in (c.champion, c.challenger)}
    for run in _runs(store, tenant_id):
        is_old = run.started_at < (skipped if run.outcome == "skipped" else judged)
        if run.is_over and is_old and run.id not in moved | shown | trains:
            old_runs.append(run.id)
        else:
            kept_versions |= {version for version in (run.champion, run.challenger) if version}
    kept_versions |= {found.challenger for found in sums if found.challenger}
    oldest = now - timedelta(days=config.example_retention_days)
    gone = {
        Collection.OFFERS: _old_offers(store, tenant_id, {c.challenger for c in contests if c.is_open}, oldest),
        Collection.RUNS: old_runs,
        Collection.SYNTHETIC: old_runs,
        Collection.VERSIONS: _old_versions(store, tenant_id, kept_versions, judged),
        Collection.OPENINGS: _old_openings(store, tenant_id, judged),
        **_old_contests(store, tenant_id, judged),
        Collection.LEDGER: _old(store, tenant_id, Collection.LEDGER, LedgerRow, lambda row: row.at < judged),
    }
    removed = {collection: store.remove(tenant_id, collection, ids) for collection, ids in gone.items() if ids}
    removed[Collection.HISTORY] = changes
    removed[Collection.ANSWERS] = forget_answers(store, tenant_id, (), now)
    removed[Collection.VECTORS] = VectorLog(store, tenant_id).forget(rules.vectors_kept, oldest)
    removed[Collection.EXPERIENCES] = sum(_forget_experiences(store, config, found.program, now) for found in sums)
    return {collection: number for collection, number in removed.items() if number}


def _runs(store: Store, tenant_id: str) -> Iterator[Run]:
    """All that can be read; a damaged one is left for somebody to look at."""
    for record in store.scan(tenant_id, Collection.RUNS):
        with suppress(Corrupt):
            yield from_text(Run, record.text)


def _old(store: Store, tenant_id: str, collection: str, kind: type[D], is_old: Callable[[D], bool]) -> list[str]:
    """The ids of records that are old."""
    found = []
    for record in store.scan(tenant_id, collection):
        with suppress(Corrupt):
            if is_old(from_text(kind, record.text)):
                found.append(record.id)
    return found


def _old_versions(store: Store, tenant_id: str, kept: set[str], before: datetime) -> list[str]:
    served = {id for c in find_all(store, tenant_id, Collection.CHAMPIONS, Champion) for id in (c.version, c.previous)}
    moved = {id for c in find_all(store, tenant_id, Collection.HISTORY, Change) for id in (c.version, c.previous)}
    needed = kept | served | moved

    def is_old(version: Version) -> bool:
        return version.lineage.created_at < before and version.id not in needed

    return _old(store, tenant_id, Collection.VERSIONS, Version, is_old)


def _is_long_over(contest: Contest, before: datetime) -> bool:
    return contest.ended_at is not None and contest.ended_at < before


def _old_contests(store: Store, tenant_id: str, before: datetime) -> dict[str, list[str]]:
    """Contests that have ended, and before them their journals, which nothing else names."""
    old = _old(store, tenant_id, Collection.CONTESTS, Contest, lambda contest: _is_long_over(contest, before))
    pages = [r.id for r in store.scan(tenant_id, Collection.SHADOW) if r.id.rpartition("/")[0] in old]
    return {Collection.SHADOW: pages, Collection.CONTESTS: old}


def _old_offers(store: Store, tenant_id: str, in_contest: set[str], before: datetime) -> list[str]:
    """They hold questions, which are kept as long as those of traces."""

    def is_old(offered: OfferedVersion) -> bool:
        return offered.offered_at < before and offered.version.id not in in_contest

    return _old(store, tenant_id, Collection.OFFERS, OfferedVersion, is_old)


def _old_openings(store: Store, tenant_id: str, before: datetime) -> list[str]:
    log = ExperienceLog(store, tenant_id)

    def is_old(opening: Opening) -> bool:
        return opening.at < before and not log.example_texts(opening.program, opening.example_ids)

    return _old(store, tenant_id, Collection.OPENINGS, Opening, is_old)


def _forget_experiences(store: Store, config: RoutingConfigUnified, program: str, now: datetime) -> int:
    """Of a program that has had no pass for long, which would have forgotten them; the next one gathers anew."""
    log, questions = ExperienceLog(store, config.tenant_id), QuestionLog(store, config.tenant_id, program)
    oldest, summary = now - timedelta(days=config.example_retention_days), questions.summary()
    overdue = (oldest - IDLE).date().isoformat()
    if summary is None or min(summary.days, default=overdue) >= overdue:
        return 0
    old = {experience.span_id for experience in log.experiences(program) if experience.at < oldest}
    examples = [example.id for example in log.each_example(program) if example.span_id in old]
    questions.clear()
    collections = log.collections(program, sorted(old), examples)
    return sum(store.remove(config.tenant_id, name, ids) for name, ids in collections.items() if ids)
