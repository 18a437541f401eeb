"""Forgetting: what is too old goes, what explains or protects stays, and one wrong clock ends nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from factories import LATER, NOON, make_config, make_contest, make_experience, make_run, make_verdict, make_version
from watched_store import Meanwhile, WatchedStore

from argotune.adapters.memory.store import MemoryStore
from argotune.data.archive import ExperienceLog
from argotune.lm.kept_answers import KeptAnswers
from argotune.pipeline.stages.forget import Forgotten, forget_old, forget_some
from argotune.promotion.contests import ContestState
from argotune.promotion.openings import Opening
from argotune.promotion.pairs import Page
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Change
from argotune.runs.book import RunBook
from argotune.runs.run import Run, RunState
from argotune.runs.tallies import RoundRecord, keep_tally
from argotune.store import sealing
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record
from argotune.store.records import to_record
from argotune.tenants.catalog import Configs

DAY = timedelta(days=1)
SKIPPED = {"state": RunState.SKIPPED}
JUDGED = {"state": RunState.REPORTED, "verdict": make_verdict("rejected")}


def run(id: str, days_ago: float, **fields) -> Run:
    at = NOON - days_ago * DAY
    return make_run(id=id, started_at=at, ended_at=at if "state" in fields else None, **fields)


def ids(store: MemoryStore, collection: str) -> set[str]:
    return {record.id for record in store.scan("acme_corp", collection)}


def a_store() -> MemoryStore:
    """A tenant with runs, versions and openings of many ages. Of the old ones `promoted` moved a champion."""
    store = MemoryStore()
    Configs(store).save(make_config())
    registry = Registry(store, "acme_corp")
    versions = {name: make_version(name, created_at=NOON - 500 * DAY) for name in "abcd"}
    for version in versions.values():
        registry.keep(version)
    first, second = (versions[name].id for name in "ab")
    _, tag = registry.champion("routing")
    change = {"program": "routing", "how": "promoted", "who": "gate", "reason": "better", "at": NOON - 450 * DAY}
    registry.set_champion(Change(sequence=1, version=first, previous=None, run_id="promoted", **change), tag)
    registry.set_champion(Change(sequence=2, version=second, previous=first, **change), registry.champion("routing")[1])
    runs = [
        run("promoted", 450, **JUDGED, challenger=first),
        run("old-judged", 400, **JUDGED, challenger=versions["c"].id),
        run("judged", 200, **JUDGED, challenger=versions["d"].id, lm_calls=5),
        run("old-skipped", 100, **SKIPPED, lm_calls=2),
        run("skipped", 80, **SKIPPED),
        run("unfinished", 600),
        run("latest", 70, **SKIPPED),
    ]
    store.write("acme_corp", [RunBook.record_of(one) for one in runs])
    for name, example_ids in (("gone", ("x",)), ("seen", ("x", "kept"))):
        opening = Opening(program="routing", run_id=name, at=NOON - 400 * DAY, example_ids=example_ids)
        store.write("acme_corp", [to_record(Collection.OPENINGS, name, opening)])
    return store


def test_what_is_too_old_goes_and_what_explains_who_serves_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store()
    monkeypatch.setattr(ExperienceLog, "example_texts", lambda _self, _program, ids: "kept" in ids)
    before = keep_tally(store, "acme_corp", LATER)
    found = forget_old(store, make_config(), NOON)
    assert found == {"runs": 2, "versions": 1, "attempts": 1}
    assert ids(store, Collection.RUNS) == {"promoted", "judged", "skipped", "unfinished", "latest"}
    assert ids(store, Collection.OPENINGS) == {"seen"}
    assert keep_tally(store, "acme_corp", LATER) == before
    assert forget_old(store, make_config(), NOON) == {}


def with_contest(store: MemoryStore, id: str, ended_days_ago: float | None, versions: tuple[str, str]) -> None:
    ended = {"state": ContestState.NO_BETTER, "ended_at": NOON - (ended_days_ago or 0) * DAY, "spent": 0.001}
    contest = make_contest(
        id=id,
        opened_at=NOON - 450 * DAY,
        champion=versions[0],
        challenger=versions[1],
        **(ended if ended_days_ago is not None else {}),
    )
    page = Page(contest=id, number=0, at=contest.opened_at, pairs=())
    records = [to_record(Collection.CONTESTS, id, contest), to_record(Collection.SHADOW, f"{id}/000000", page)]
    store.write("acme_corp", records)


def test_contests_that_ended_long_ago_go_with_their_journals_and_others_keep_what_they_name() -> None:
    store = a_store()
    named = [make_version(name, created_at=NOON - 500 * DAY) for name in "wxyz"]
    for version in named:
        Registry(store, "acme_corp").keep(version)
    w, x, y, z = (version.id for version in named)
    with_contest(store, "old-judged", None, (w, x))
    with_contest(store, "contest-over", 100, (w, y))
    with_contest(store, "contest-long-over", 400, (w, z))
    found = forget_old(store, make_config(), NOON)
    assert found == {"runs": 1, "versions": 1, "attempts": 2, "contests": 1, "shadow": 1}
    assert ids(store, Collection.CONTESTS) == {"old-judged", "contest-over"}
    assert ids(store, Collection.SHADOW) == {"old-judged/000000", "contest-over/000000"}
    assert "old-judged" in ids(store, Collection.RUNS), "the run that trained a challenger under way"
    assert {w, x, y} == {w, x, y, z} & ids(store, Collection.VERSIONS)


def test_each_field_of_the_retention_changes_what_goes() -> None:
    longer = {"run_days": 700, "skipped_run_days": 700}
    assert forget_old(a_store(), make_config(retention=longer), NOON) == {}
    assert forget_old(a_store(), make_config(retention={**longer, "skipped_run_days": 75}), NOON) == {"runs": 2}
    assert forget_old(a_store(), make_config(retention={**longer, "run_days": 150}), NOON)["runs"] == 2


def test_what_only_a_change_named_that_is_kept_no_longer_goes_with_it() -> None:
    store = a_store()
    registry = Registry(store, "acme_corp")
    first, second = registry.history("routing")
    for number in range(3, 13):
        before, tag = registry.champion("routing")
        following = {"sequence": number, "version": f"v{number}", "previous": before.version}
        registry.set_champion(second.model_copy(update=following), tag)
    assert forget_old(store, make_config(retention={"changes_kept": 12}), NOON).get("history") is None
    assert {first.run_id} <= ids(store, Collection.RUNS)
    assert forget_old(store, make_config(retention={"changes_kept": 10}), NOON)["history"] == 2
    assert [change.sequence for change in registry.history("routing")] == [*range(3, 13)]
    assert first.run_id not in ids(store, Collection.RUNS)
    assert ids(store, Collection.VERSIONS) & {first.version, second.version} == {second.version}


def test_answers_of_a_run_that_nobody_takes_up_go_after_two_days_with_rounds() -> None:
    store = a_store()
    for question, days_ago in (("old", 2.1), ("new", 1.9)):
        KeptAnswers(store, "acme_corp", "run").keep(question, {"text": "x"}, (NOON - days_ago * DAY).isoformat())
    forget_old(store, make_config(), NOON)
    left = KeptAnswers(store, "acme_corp", "run")
    assert (left.find("old"), left.find("new")) == (None, {"text": "x"})


def test_a_tenant_without_passes_keeps_no_experience_for_longer_than_it_says() -> None:
    store = a_store()
    log = ExperienceLog(store, "acme_corp")
    spans = [make_experience(f"question {n}", span_id=f"{n}", at=NOON - n * DAY) for n in (200, 100, 80)]
    log.append(spans, {})
    gathered(store)
    assert forget_old(store, make_config(), NOON + DAY)["experiences"] == 4  # two with their examples
    assert [x.span_id for x in log.experiences("routing")] == ["80"]
    assert [e.span_id for e in log.examples("routing")] == ["80"]
    assert gathered(store).experiences == 1
    assert forget_old(store, make_config(example_retention_days=60), NOON + DAY)["experiences"] == 2


def gathered(store: MemoryStore):
    from factories import FIELDS

    from argotune.data.gathering import gather
    from argotune.data.gathering_steps import Given
    from argotune.data.label_rule import Labels
    from argotune.data.question_log import QuestionLog

    given = Given(Labels({}, {}), {}, {}, NOON - 999 * DAY)
    questions = QuestionLog(store, "acme_corp", "routing")
    return gather(ExperienceLog(store, "acme_corp"), questions, FIELDS, make_config(), given)


def hourly(*days: float) -> list[RoundRecord]:
    return [RoundRecord(name=f"{day}", started_at=NOON + day * DAY) for day in days]


def test_rounds_look_after_all_tenants_in_turn_and_pass_over_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    store, looked = MemoryStore(), []
    for number in range(5):
        Configs(store).save(make_config(tenant_id=f"t{number}", enable_auto_optimization=number % 2 == 0))
    store.write("t3", [Record(Collection.CONFIG, "routing", "{}")])
    store.write(EVERYONE, [to_record(Collection.ROUNDS, record.name, record) for record in hourly(*range(8))])

    def look(_store, config, _now: datetime) -> dict[str, int]:
        looked.append(config.tenant_id)
        return {"runs": 1}

    monkeypatch.setattr("argotune.pipeline.stages.forget.forget_old", look)
    assert [forget_some(store, NOON + 8 * DAY, count=2) for _ in range(3)] == [{"runs": 2}, {"runs": 1}, {"runs": 2}]
    assert looked == ["t0", "t1", "t2", "t4", "t0"]
    assert forget_some(store, NOON + 400 * DAY) == {}


def a_round_store(cursor: str) -> WatchedStore:
    store = WatchedStore()
    for number in range(3):
        Configs(store).save(make_config(tenant_id=f"t{number}"))
    store.write(EVERYONE, [to_record(Collection.ROUNDS, record.name, record) for record in hourly(*range(8))])
    store.write(EVERYONE, [Record(Collection.FORGETTING, "cursor", cursor)])
    return store


def test_a_damaged_note_of_whom_rounds_looked_after_is_not_written_over_by_who_was_overtaken() -> None:
    store = a_round_store("{}")
    other = to_record(Collection.FORGETTING, "cursor", Forgotten(tenant_id="t1"))
    store.before = Meanwhile(lambda: store.write(EVERYONE, [other]))
    forget_some(store, NOON + 8 * DAY, count=1)
    assert store.read(EVERYONE, Collection.FORGETTING, "cursor") == other.text
    store.write(EVERYONE, [Record(Collection.FORGETTING, "cursor", "{}")])
    forget_some(store, NOON + 8 * DAY, count=1)
    written = to_record(Collection.FORGETTING, "cursor", Forgotten(tenant_id="t0"))
    assert store.read(EVERYONE, Collection.FORGETTING, "cursor") == written.text


def test_where_a_newer_release_looks_after_tenants_an_older_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(sealing, "SCHEMA", sealing.SCHEMA + 1)
        text = to_record(Collection.FORGETTING, "cursor", Forgotten(tenant_id="t1")).text
    store = a_round_store(text)
    assert forget_some(store, NOON + 8 * DAY) == {}
    assert store.read(EVERYONE, Collection.FORGETTING, "cursor") == text
