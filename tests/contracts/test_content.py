"""The contract of ContentSource, run on every adapter."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest
from factories import NOON
from vespa_server import VespaServer, running

from argotune.adapters.files import FileContent
from argotune.adapters.memory.content import MemoryContent
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.vespa import VespaAccess, VespaContent
from argotune.data.archive import ExperienceLog
from argotune.data.experiences import Experience
from argotune.data.splitting import Split, split_of_key
from argotune.errors import BadAnswer, ConfigInvalid
from argotune.settings import VespaLayout
from argotune.store.sealing import digest
from argotune.synthetic.content import read_content
from argotune.synthetic.source import ContentSource
from argotune.synthetic.trace_content import TraceContent
from argotune.tenants.config import RoutingConfigUnified, SplitShares
from argotune.tenants.ids import slug

ACME, OTHER, HOSTILE = "acme", "acme corp", '../acme" or true or "{tenant}'
Rows = Mapping[str, Sequence[Mapping[str, str]]]


def row(number: int, modality: str, tenant: str = ACME) -> dict[str, str]:
    """The id is for sources that have one; the text says whose it is."""
    return {"id": f"{number}", "modality": modality, "title": f"{tenant} title {number}", "text": ""}


ROWS: Rows = {
    ACME: [row(n, ("video", "image")[n % 2]) for n in range(40)] + [row(90, "audio")],
    OTHER: [row(n, "video", OTHER) for n in range(5)],
    HOSTILE: [row(n, "video", HOSTILE) for n in range(3)],
}


def memory(rows: Rows, _tmp: Path, _stack: ExitStack) -> Callable[[str], ContentSource]:
    source = MemoryContent({tenant: [read_content(r) for r in given] for tenant, given in rows.items()})
    return lambda _tenant_id: source


def jsonl(rows: Rows, folder: Path, _stack: ExitStack) -> Callable[[str], ContentSource]:
    for tenant, given in rows.items():
        lines = "\n".join(json.dumps(r) for r in given)
        (folder / f"{slug(tenant)}.jsonl").write_text(f"\n{lines}\n", "utf-8")
    return lambda _tenant_id: FileContent(folder)


def sqlite(rows: Rows, folder: Path, _stack: ExitStack) -> Callable[[str], ContentSource]:
    for tenant, given in rows.items():
        with closing(sqlite3.connect(folder / f"{slug(tenant)}.sqlite")) as database:
            database.execute("CREATE TABLE content (id TEXT, modality TEXT, title TEXT, text TEXT, more BLOB)")
            database.executemany("INSERT INTO content VALUES (:id, :modality, :title, :text, NULL)", given)
            database.commit()
    return lambda _tenant_id: FileContent(folder)


def traces(rows: Rows, _tmp: Path, _stack: ExitStack) -> Callable[[str], ContentSource]:
    store = MemoryStore()
    for tenant, given in rows.items():
        experiences = [
            Experience(r["title"], "routing", {"query": r["title"]}, {"agent": "a"}, NOON, modality=r["modality"])
            for r in given
        ]
        ExperienceLog(store, tenant).append(experiences, {})
    all_train = SplitShares(train=1 - 2e-9, dev=1e-9, test=1e-9)
    config = {t: RoutingConfigUnified(tenant_id=t, modules=["routing"], split=all_train) for t in rows}
    return lambda tenant_id: TraceContent(store, config[tenant_id])


def documents(rows: Rows, namespace: Callable[[str], str]) -> list[tuple[str, dict[str, str]]]:
    return [
        (namespace(tenant), {**{k: v for k, v in r.items() if k != "id"}, "key": r["id"], "tenant_id": tenant})
        for tenant, given in rows.items()
        for r in given
    ]


def vespa_search(rows: Rows, _tmp: Path, stack: ExitStack) -> Callable[[str], ContentSource]:
    server = stack.enter_context(running(VespaServer(documents(rows, lambda _tenant: "content"))))
    return lambda _tenant_id: VespaContent(VespaAccess(server.url), VespaLayout())


def vespa_visit(rows: Rows, _tmp: Path, stack: ExitStack) -> Callable[[str], ContentSource]:
    from urllib.parse import quote

    server = stack.enter_context(running(VespaServer(documents(rows, lambda t: f"ns-{quote(t, safe='')}"))))
    return lambda _tenant_id: VespaContent(VespaAccess(server.url), VespaLayout(namespace="ns-{tenant}"))


ADAPTERS = {f.__name__: f for f in (memory, jsonl, sqlite, traces, vespa_search, vespa_visit)}


@pytest.fixture(params=ADAPTERS)
def source_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], ContentSource]]:
    with ExitStack() as stack:
        yield ADAPTERS[request.param](ROWS, tmp_path, stack)


def test_a_sample_is_spread_evenly_over_the_modalities(source_of: Callable[[str], ContentSource]) -> None:
    found = source_of(ACME).sample(ACME, 9, ("video", "image", "audio", "text")).contents
    assert sorted(c.modality for c in found) == ["audio", "image", "image", "image", "image", *["video"] * 4]
    assert len({c.id for c in found}) == 9


def test_equal_seeds_draw_equal_contents_and_other_seeds_others(source_of: Callable[[str], ContentSource]) -> None:
    def drawn(seed: int) -> list[str]:
        return [c.words for c in source_of(ACME).sample(ACME, 6, ("video", "image"), seed=seed).contents]

    assert drawn(1) == drawn(1)
    assert len({tuple(drawn(seed)) for seed in range(4)}) == 4


def test_only_the_asked_modalities_and_profiles_are_given(source_of: Callable[[str], ContentSource]) -> None:
    source = source_of(ACME)
    assert {c.modality for c in source.sample(ACME, 100, ("image",)).contents} == {"image"}
    assert source.sample(ACME, 100, ("text",)).contents == ()
    assert source.sample(ACME, 100, ("image",), ("no such profile",)).contents == ()


def test_all_that_there_is_is_given_where_less_is_there_than_asked(source_of: Callable[[str], ContentSource]) -> None:
    source = source_of(ACME)
    assert len(source.sample(ACME, 1000, ("video", "image", "audio")).contents) == 41
    assert [source.count(ACME, (m,)) for m in ("video", "image", "audio", "text")] == [20, 20, 1, 0]


@pytest.mark.parametrize("tenant_id", ROWS)
def test_a_tenant_gets_its_own_content_only(source_of: Callable[[str], ContentSource], tenant_id: str) -> None:
    found = source_of(tenant_id).sample(tenant_id, 1000, ("video", "image", "audio")).contents
    assert sorted(c.title for c in found) == sorted(r["title"] for r in ROWS[tenant_id])


def test_a_tenant_without_content_has_none(source_of: Callable[[str], ContentSource]) -> None:
    assert source_of(ACME).sample("nobody", 5, ("video",)).contents == ()
    assert source_of(ACME).count("nobody", ("video",)) == 0


def test_a_source_says_what_is_there(source_of: Callable[[str], ContentSource]) -> None:
    assert source_of(ACME).ping()


def test_rows_that_cannot_be_used_are_counted_by_reason(tmp_path: Path) -> None:
    bad = ['{"id"', "[]", '{"id": "1"}', '{"id": "1", "modality": "smell", "text": "x"}', '{"modality": "text"}']
    bad += ['{"id": 7, "modality": "text", "text": "x"}', '{"id": "1", "modality": "text", "text": " "}', "[" * 5000]
    (tmp_path / "acme.jsonl").write_text("\n".join([*bad, json.dumps(row(1, "text"))]), "utf-8")
    found = FileContent(tmp_path).sample(ACME, 5, ("text",))
    assert [c.id for c in found.contents] == ["1"]
    assert found.refused == {
        "document is not an object": 3,
        "document of an unknown modality": 2,
        "document without an id": 1,
        "a document's field is no text": 1,
        "document without title and text": 1,
    }


def test_a_folder_that_is_not_there_or_a_wrong_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="ARGOTUNE_CONTENT_DIR"):
        FileContent(tmp_path / "nowhere").sample(ACME, 5, ("text",))
    (tmp_path / "acme.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(BadAnswer, match=r"acme\.sqlite"):
        FileContent(tmp_path).count(ACME, ("text",))
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as database:
        database.execute("CREATE TABLE content (id TEXT)")
    with pytest.raises(ConfigInvalid, match="modality, text"):
        FileContent(tmp_path).count("other", ("text",))


def test_traces_give_no_question_of_dev_and_test_and_file_others_under_their_label() -> None:
    store, shares = MemoryStore(), SplitShares()
    queries = [digest(n)[:24] for n in range(60)]
    log = ExperienceLog(store, ACME)
    experiences = [
        Experience(q, "routing", {"query": q}, {"agent": "a"}, NOON + timedelta(seconds=n), agent_success=n % 2 == 0)
        for n, q in enumerate(queries)
    ]
    log.append(experiences, {})
    source = TraceContent(store, RoutingConfigUnified(tenant_id=ACME, modules=["routing"], split=shares))
    found = source.sample(ACME, 1000, ("text",)).contents
    sealed = {q for q in queries if split_of_key(q, shares) is not Split.TRAIN}
    assert found
    assert sealed
    assert not sealed & {c.title for c in found}
