"""What Vespa's answers and errors mean. Against answers as documented, not against a Vespa: none can run here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from vespa_server import FULL, VespaServer, failed, running

from argotune.adapters import vespa
from argotune.adapters.vespa import PAGE, VespaAccess, VespaContent
from argotune.errors import AccessDenied, ArgotuneError, BadAnswer, ConfigInvalid, RateLimited, Unavailable
from argotune.settings import VespaLayout

TOKEN = "vespa_cloud_secret"
SEARCH, VISIT = VespaLayout(), VespaLayout(namespace="{tenant}")


def content(server: VespaServer, layout: VespaLayout = SEARCH, timeout_s: float = 5.0) -> VespaContent:
    return VespaContent(VespaAccess(server.url, token=TOKEN, timeout_s=timeout_s), layout)


def document(key: int, tenant: str = "acme", **fields: Any) -> tuple[str, dict[str, Any]]:
    return tenant, {"key": key, "tenant_id": tenant, "modality": "video", "title": f"t{key}", "text": "x", **fields}


@pytest.mark.parametrize(
    ("layout", "scripted", "error", "says"),
    [
        (SEARCH, failed(400, 3, "Illegal query", "unknown field"), ConfigInvalid, "Illegal query: unknown field"),
        (SEARCH, failed(504, 12, "Timed out", "timed out after 500 ms"), Unavailable, "Timed out"),
        (SEARCH, failed(503, 0, "Overload", "rejected"), Unavailable, "Overload"),
        (SEARCH, failed(200, 12, "Timed out", "content node 2"), Unavailable, "content node 2"),
        (SEARCH, (401, {"message": "Unauthorized"}), AccessDenied, "Unauthorized"),
        (SEARCH, (403, {"code": 403, "message": "Forbidden"}), AccessDenied, "Forbidden"),
        (SEARCH, (404, {"message": "no such handler"}), ConfigInvalid, "no such handler"),
        (SEARCH, (500, b"<html>oops"), Unavailable, "HTTP 500"),
        (SEARCH, (200, b"<html>a proxy"), BadAnswer, "not as documented"),
        (SEARCH, (200, {"something": "else"}), BadAnswer, "not as documented"),
        (VISIT, (400, {"pathId": "/document/v1/", "message": "Unknown selection"}), ConfigInvalid, "Unknown selection"),
        (VISIT, (404, {"pathId": "/document/v1/", "message": "No cluster"}), ConfigInvalid, "No cluster"),
        (VISIT, (403, {"message": "Forbidden"}), AccessDenied, "Forbidden"),
        (VISIT, (503, {"pathId": "/", "message": "no nodes"}), Unavailable, "no nodes"),
        (VISIT, (500, b"broken"), Unavailable, "HTTP 500"),
        (VISIT, (200, {"pathId": "/"}), BadAnswer, "not as documented"),
    ],
)
def test_an_error_of_vespa_is_one_of_ours_in_one_line(
    layout: VespaLayout, scripted: Any, error: type[ArgotuneError], says: str
) -> None:
    with running(VespaServer(scripted=scripted)) as server, pytest.raises(error, match=says) as raised:
        content(server, layout).sample("acme", 5, ("video",))
    assert type(raised.value) is error
    assert TOKEN not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("layout", [SEARCH, VISIT], ids=["search", "visit"])
@pytest.mark.parametrize(
    ("status", "headers", "error", "pauses"),
    [
        (429, {}, RateLimited, [0.25, 0.5]),
        (429, {"Retry-After": "9"}, RateLimited, [9.0, 9.0]),
        (503, {}, Unavailable, [0.25, 0.5]),
        (504, {}, Unavailable, []),
        (400, {}, ConfigInvalid, []),
    ],
)
def test_what_may_pass_is_asked_again_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
    layout: VespaLayout,
    status: int,
    headers: dict[str, str],
    error: type[ArgotuneError],
    pauses: list[float],
) -> None:
    made: list[float] = []
    patience = replace(vespa.PATIENCE, sleep=made.append, chance=lambda: 0.0)
    monkeypatch.setattr(vespa, "PATIENCE", patience)
    with running(VespaServer(scripted=(status, {"message": "no"}), headers=headers)) as server:
        with pytest.raises(error):
            content(server, layout).sample("acme", 5, ("video",))
        assert (made, len(server.asked)) == (pauses, 1 + len(pauses))


def test_a_server_that_is_not_there_or_too_slow_is_unavailable() -> None:
    gone = VespaContent(VespaAccess("http://127.0.0.1:9", timeout_s=1.0), SEARCH)
    with pytest.raises(Unavailable, match="does not answer"):
        gone.ping()
    with running(VespaServer(wait_s=0.5)) as server, pytest.raises(Unavailable, match="does not answer"):
        content(server, timeout_s=0.1).ping()


@pytest.mark.parametrize(
    ("degraded", "is_refused"),
    [({"timeout": True}, True), ({"non-ideal-state": True, "match-phase": True}, True), ({"match-phase": True}, False)],
)
def test_an_answer_for_a_part_of_the_documents_is_no_answer(degraded: dict[str, bool], is_refused: bool) -> None:
    coverage = {**FULL, "coverage": 43, "full": False, "degraded": {"timeout": False, **degraded}}
    with running(VespaServer([document(1)], coverage=coverage)) as server:
        if is_refused:
            with pytest.raises(Unavailable, match="43 %"):
                content(server).sample("acme", 5, ("video",))
        else:
            assert len(content(server).sample("acme", 5, ("video",)).contents) == 1


def test_search_pages_until_a_page_is_not_full() -> None:
    with running(VespaServer([document(n) for n in range(2 * PAGE + 1)])) as server:
        assert len(content(server).sample("acme", 10_000, ("video",)).contents) == 2 * PAGE + 1
        assert [body["offset"] for _, body, _ in server.asked] == [0, PAGE, 2 * PAGE]


def test_visits_follow_continuations() -> None:
    with running(VespaServer([document(n) for n in range(5)])) as server:
        assert len(content(server, VISIT).sample("acme", 10, ("video",)).contents) == 5
        assert [query.get("continuation") for _, query, _ in server.asked] == [None, "2", "4"]


def test_the_token_is_sent_and_a_tenants_id_is_no_part_of_the_query() -> None:
    hostile = 'x" or true or "'
    with running(VespaServer([document(1)])) as server:
        assert content(server).sample(hostile, 5, ("video",)).contents == ()
        _, body, headers = server.asked[0]
    assert hostile not in body["yql"]
    assert body["tenant"] == hostile
    assert {k.lower(): v for k, v in headers.items()}["authorization"] == f"Bearer {TOKEN}"


def test_a_document_of_another_tenant_is_counted_and_not_given() -> None:
    with running(VespaServer([document(1, "acme"), document(2, "acme corp")])) as server:
        found = content(server).sample("acme", 5, ("video",))
    assert [c.title for c in found.contents] == ["t1"]
    assert found.refused == {"document of another tenant": 1}


def test_fields_have_the_names_that_the_application_gave_them() -> None:
    layout = VespaLayout(tenant_field="owner", fields={"title": "video_title", "text": "transcript"})
    with running(VespaServer([document(1, owner="acme", video_title="Tour", transcript="of Lisbon")])) as server:
        server.tenant_field = "owner"
        (found,) = content(server, layout).sample("acme", 5, ("video",)).contents
    assert (found.words, found.profile) == ("Tour. of Lisbon", "content")


def test_a_certificate_that_cannot_be_read_is_named(tmp_path) -> None:
    access = VespaAccess("https://127.0.0.1:9", certificate=tmp_path / "none.pem", timeout_s=1.0)
    with pytest.raises(ConfigInvalid, match=r"none\.pem"):
        VespaContent(access, SEARCH).ping()
