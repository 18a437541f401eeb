"""A bound stream is the same on every adapter: the spans of an application that knows nothing of Argotune."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shop import FILES, PROGRAMS, read, spans_of, stream, told, under_other_ids

from argotune.adapters.memory.traces import MemoryTraces
from argotune.adapters.phoenix import reader
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.data.experiences import Experience
from argotune.data.spans import Ancestor, Span
from argotune.errors import Unavailable

BEGINNING = datetime(2026, 11, 1, tzinfo=UTC)
ADAPTERS = ["memory", pytest.param("phoenix", marks=pytest.mark.phoenix)]
Traces = MemoryTraces | PhoenixTraces


class Shop:
    """The shop's dumps in a project of their own, on one adapter."""

    def __init__(self, traces: Traces, project: str) -> None:
        self.traces, self.project = traces, project

    def send(self, spans: list[Span]) -> None:
        self.traces.record("", spans, stream("route", project=self.project).binding.place)

    def stream(self, program: str, **binding: Any):
        return stream(program, project=self.project, **binding)


@pytest.fixture(scope="module")
def shops(phoenix_url: str) -> Callable[[str], Shop]:
    made: dict[str, Shop] = {}

    def shop(adapter: str) -> Shop:
        if adapter not in made:
            traces = MemoryTraces() if adapter == "memory" else PhoenixTraces(PhoenixHttp(phoenix_url), "contract")
            made[adapter] = Shop(traces, f"shop {os.urandom(6).hex()}")
            made[adapter].send(under_other_ids(spans_of(*FILES), made[adapter].project))
        return made[adapter]

    return shop


@pytest.fixture(params=ADAPTERS)
def shop(request: pytest.FixtureRequest, shops) -> Shop:
    return shops(request.param)


@pytest.fixture
def alike() -> MemoryTraces:
    traces = MemoryTraces()
    traces.record("", spans_of(*FILES), stream("route").binding.place)
    return traces


def said(found: Any) -> list[Any]:
    """What was read, whatever its ids."""
    plain = [replace(x, span_id="") if isinstance(x, Experience) else x for x in found]
    return sorted(plain, key=repr)


@pytest.mark.parametrize("since", [None, BEGINNING], ids=["by rows", "first read"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_is_read_alike_everywhere(shop: Shop, alike: MemoryTraces, program: str, since) -> None:
    found = list(read(shop.traces, shop.stream(program), since))
    assert said(found) == said(read(alike, stream(program), since))
    assert any(isinstance(x, Experience) for x in found) or program == "look"


@pytest.mark.parametrize(
    "binding",
    [
        {"tenant_key": "metadata.tenant"},
        {"tenant_key": "metadata.tenant", "tenant_value": "globex"},
        {"tenant_key": "metadata.cost", "tenant_value": "1.5"},
        {"tenant_key": "user.id", "tenant_value": "kim"},
        {"tenant_key": "session.id"},
        {"tenant_key": "tenant.id"},
        {"tenant_key": "enduser.id", "tenant_value": "x' or name == \"y"},
        {"tenant_key": "metadata.it's", "tenant_value": "x' or name == \"y"},
        {"leave_out_tags": ["prod", "demos"]},
        {"needs_session": True},
    ],
)
def test_what_a_binding_says_means_the_same_everywhere(shop: Shop, alike: MemoryTraces, binding: dict) -> None:
    for since in (None, BEGINNING):
        found = list(read(shop.traces, shop.stream("route", **binding), since))
        assert said(found) == said(read(alike, stream("route", **binding), since))
    counted = [
        traces.count_after(of, None, 100, since)
        for traces, of in ((shop.traces, shop.stream("route", **binding)), (alike, stream("route", **binding)))
        for since in (None, BEGINNING)
    ]
    assert len(set(counted)) == 1


def test_reading_goes_on_behind_the_cursor_and_counts_what_is_left(shop: Shop) -> None:
    of = shop.stream("pipeline")
    found = list(shop.traces.spans_after(of, None))
    third = found[2].cursor
    assert [x.span.span_id for x in shop.traces.spans_after(of, third)] == [x.span.span_id for x in found[3:]]
    assert (shop.traces.count_after(of, third, 10), shop.traces.count_after(of, third, 2)) == (len(found) - 3, 2)
    *_, last = shop.traces.spans_after(of, None, BEGINNING)
    assert shop.traces.holds(of, last.cursor)
    assert list(shop.traces.spans_after(of, last.cursor)) == []
    early = min(x.span.started_at for x in found)
    assert shop.traces.count_after(of, None, 10, until=early + timedelta(microseconds=1)) == 1


def test_annotations_lie_on_decisions_of_the_bound_project(shop: Shop, make_annotation) -> None:
    of = shop.stream("pipeline")
    first, second = (x.span.span_id for x in list(shop.traces.spans_after(of, None))[:2])
    shop.traces.annotate(of, [make_annotation(first, "billing", "intent"), make_annotation(second, "other", "intent")])
    found = {a.span_id: a.label for a in shop.traces.annotations(of, ["intent"], BEGINNING)}
    assert found == {first: "billing", second: "other"}
    assert shop.traces.count_labels(of, ["intent"]) == 2
    assert list(shop.traces.annotations(shop.stream("agent"), ["intent"], BEGINNING)) == []
    assert shop.traces.newest({"acme": of.binding.place})["acme"].year == 2026


def below_and_above(shop: Shop, program: str) -> tuple[str, list[Span]]:
    """A decision of the shop and all spans of its trace, as they were sent."""
    sent = under_other_ids(spans_of(*FILES), shop.project)
    ids = [each.span.span_id for each in shop.traces.spans_after(shop.stream(program), None)]
    trace = {span.span_id: span.trace_id for span in sent}
    alone = next(id for id in ids if [trace[other] for other in ids].count(trace[id]) == 1)
    return alone, [span for span in sent if span.trace_id == trace[alone]]


def test_what_is_said_inside_a_decision_or_of_its_root_is_said_of_the_decision(shop: Shop, make_annotation) -> None:
    decision, trace = below_and_above(shop, "route")
    inner = next(span for span in trace if span.parent_id == decision)
    anywhere = shop.stream("route")
    shop.traces.annotate(anywhere, [make_annotation(inner.span_id, "no", "helpful")])
    assert {a.span_id for a in shop.traces.annotations(anywhere, ["helpful"], BEGINNING)} == {decision}
    application = under_other_ids(spans_of("07_below_application_span"), shop.project)
    root = next(span for span in application if span.parent_id is None)
    below = next(span for span in application if span.parent_id == root.span_id)
    shop.traces.annotate(anywhere, [make_annotation(root.span_id, "yes", "resolved")])
    found = {a.span_id: a.label for a in shop.traces.annotations(anywhere, ["resolved"], BEGINNING)}
    assert found == {below.span_id: "yes"}


@pytest.mark.phoenix
def test_what_is_said_of_a_whole_trace_is_said_of_its_one_decision(shops, phoenix_url: str) -> None:
    shop = shops("phoenix")
    decision, trace = below_and_above(shop, "answer")
    said = {"trace_id": trace[0].trace_id, "name": "csat", "annotator_kind": "HUMAN", "result": {"score": 0.5}}
    PhoenixHttp(phoenix_url).post("v1/trace_annotations", {"data": [said]}, {"sync": "true"})
    (found,) = shop.traces.annotations(shop.stream("answer"), ["csat"], BEGINNING)
    assert (found.span_id, found.score, found.label) == (decision, 0.5, "")


PIPELINE = "480ce1ac7a13af8b11ca09d9f53e3ac4"
"""A trace that begins with a decision of `pipeline`."""


def in_sessions(shop: Shop, *sessions: str) -> Shop:
    """A new project with one trace of the shop in each of these sessions."""
    new = Shop(shop.traces, f"sessions {os.urandom(6).hex()}")
    for number, session in enumerate(sessions):
        root, *below = (s for s in spans_of("06_session_user_metadata_tags") if s.trace_id == PIPELINE)
        root = replace(root, attributes={**root.attributes, "session.id": session})
        new.send(under_other_ids([root, *below], f"{new.project} {number}"))
    return new


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("is_by_pages", [False, True])
def test_what_is_said_of_a_session_is_said_of_all_decisions_in_it(
    adapter: str, is_by_pages: bool, shops, make_annotation, phoenix_url: str, bad_server
) -> None:
    one, other = (f"it's {os.urandom(6).hex()}" for _ in range(2))
    shop = in_sessions(shops(adapter), one, one, other)
    of = shop.stream("pipeline")
    first, second, third = (x.span.span_id for x in shop.traces.spans_after(of, None))
    traces = shop.traces
    if isinstance(traces, MemoryTraces):
        said = [replace(make_annotation(id, "good", "csat's"), is_of_session=True) for id in (first, third)]
        traces.annotate(of, [replace(said[0], score=0.5), replace(said[1], name="other")])
    else:
        body = {
            "session_id": one,
            "name": "csat's",
            "annotator_kind": "HUMAN",
            "result": {"label": "good", "score": 0.5},
        }
        also = {**body, "session_id": other, "name": "other"}
        PhoenixHttp(phoenix_url).post("v1/session_annotations", {"data": [body, also]}, {"sync": "true"})
        if is_by_pages:
            bad_server.behind, bad_server.applies = phoenix_url, lambda path: path.startswith("/v1/spans?")
            bad_server.script[0].status = 503
            traces = PhoenixTraces(PhoenixHttp(bad_server.url), "contract")
    traces.annotate(of, [replace(make_annotation(first, "bad", "csat's"), identifier="kim")])
    found = {(a.span_id, a.label, a.score, a.is_of_session) for a in traces.annotations(of, ["csat's"], BEGINNING)}
    assert found == {(first, "bad", None, False), (first, "good", 0.5, True), (second, "good", 0.5, True)}
    assert traces.count_labels(of, ["csat's"]) == 1
    assert list(traces.annotations(of, ["csat's"], datetime(2027, 1, 1, tzinfo=UTC))) == []


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_what_is_above_a_span_is_waited_for(adapter: str, shops, request: pytest.FixtureRequest) -> None:
    shop = Shop(shops(adapter).traces, f"late {os.urandom(6).hex()}")
    spans = under_other_ids(spans_of("13_nested_same_signature_bestofn"), shop.project)
    root = next(span for span in spans if span.name == "Outer.forward")
    shop.send([span for span in spans if span is not root])
    clock = "clock" if adapter == "memory" else "_clock"
    usual, end = getattr(shop.traces, clock), max(span.ended_at for span in spans)
    request.addfinalizer(lambda: setattr(shop.traces, clock, usual))
    setattr(shop.traces, clock, lambda: end + timedelta(minutes=9))
    of = shop.stream("twice")
    for since in (None, BEGINNING):
        assert told(read(shop.traces, of, since)) == {"read": 1}
    cursors = [list(shop.traces.spans_after(of, None, since))[-1].cursor for since in (None, BEGINNING)]
    shop.send([root])
    for cursor in cursors:
        late = {x.span.span_id: x.span.above for x in shop.traces.spans_after(of, cursor)}
        assert [above[0].name for above in late.values() if above] == ["Outer.forward"]
        assert shop.traces.holds(of, cursor)


@pytest.mark.phoenix
def test_what_was_given_behind_a_span_that_waits_is_not_given_again(shops, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(shops("phoenix").traces, f"waiting {os.urandom(6).hex()}")
    first, second = (under_other_ids(spans_of("13_nested_same_signature_bestofn"), f"{shop.project} {n}") for n in "12")
    root = next(span for span in first if span.name == "Outer.forward")
    shop.send([span for span in first if span is not root])
    shop.send(second)
    monkeypatch.setattr(shop.traces, "_clock", lambda: root.ended_at + timedelta(minutes=9))
    of = shop.stream("twice")
    before = list(shop.traces.spans_after(of, None, BEGINNING))
    assert shop.traces.holds(of, before[-1].cursor)
    shop.send([root])
    late = list(shop.traces.spans_after(of, before[-1].cursor))
    every = [x.span.span_id for x in shop.traces.spans_after(of, None)]
    assert late
    assert sorted(x.span.span_id for x in [*before, *late]) == sorted(every)
    assert list(shop.traces.spans_after(of, late[-1].cursor)) == []


@pytest.mark.phoenix
def test_counting_asks_for_no_more_than_it_needs(shops, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, asked = shops("phoenix"), []
    post = PhoenixHttp.post_for_text
    monkeypatch.setattr(
        PhoenixHttp, "post_for_text", lambda http, path, body, *of: asked.append(body) or post(http, path, body, *of)
    )
    monkeypatch.setattr(reader, "PAGE_ROWS", 1)
    of = shop.stream("route")
    starts = sorted(x.span.started_at for x in shop.traces.spans_after(of, None))
    asked.clear()
    assert shop.traces.count_after(of, None, 1, BEGINNING) == 1
    ends = [body["end_time"] for body in asked if "start_time" in body]
    assert ends
    assert max(map(datetime.fromisoformat, ends)) < starts[-1]
    asked.clear()
    shop.traces.count_after(of, None, 100, until=starts[1])
    assert {datetime.fromisoformat(body["end_time"]) <= starts[1] for body in asked if "start_time" in body} == {True}


@pytest.mark.phoenix
def test_long_fields_cost_none_of_the_others(shops) -> None:
    shop = Shop(shops("phoenix").traces, f"long {os.urandom(6).hex()}")
    (agent,) = (s for s in spans_of("04_react_one_tool") if s.name == "ReAct.forward")
    told_long = agent.attributes["output.value"].replace("I should look it up.", "I think. " * 200_000)
    spans = [replace(agent, attributes={**agent.attributes, "output.value": told_long})]
    shop.send(under_other_ids(spans, shop.project))
    for since in (None, BEGINNING):
        (found,) = shop.traces.spans_after(shop.stream("agent"), None, since)
        assert len(found.span.attributes["output.value"]) < 50_000
        assert told(read(shop.traces, shop.stream("agent"), since)) == {"read": 1}


@pytest.mark.slow
@pytest.mark.phoenix
def test_without_the_query_route_what_is_said_beside_comes_by_pages(
    shops, bad_server, phoenix_url: str, make_annotation
) -> None:
    bad_server.behind, bad_server.applies = phoenix_url, lambda path: path.startswith("/v1/spans?")
    bad_server.script[0].status = 503
    shop = shops("phoenix")
    decision, trace = below_and_above(shop, "pipeline")
    inner = next(span for span in trace if span.parent_id == decision)
    of = shop.stream("pipeline")
    shop.traces.annotate(of, [make_annotation(inner.span_id, "no", "polite")])
    traces = PhoenixTraces(PhoenixHttp(bad_server.url), "contract")
    assert [a.span_id for a in traces.annotations(of, ["polite"], BEGINNING)] == [decision]


@pytest.mark.slow
@pytest.mark.phoenix
def test_without_the_query_route_what_is_above_comes_by_pages(shops, bad_server, phoenix_url: str) -> None:
    bad_server.behind, bad_server.applies = phoenix_url, lambda path: path.startswith("/v1/spans?")
    bad_server.script[0].status = 503
    shop = shops("phoenix")
    traces = PhoenixTraces(PhoenixHttp(bad_server.url), "contract")
    of = shop.stream("route", tenant_key="tenant.id")
    plain = stream("answer", project=shop.project)
    found = [list(read(source, plain, BEGINNING)) for source in (traces, shop.traces)]
    assert said(found[0]) == said(found[1])
    above = {a.name: a for x in traces.spans_after(plain, None) for a in x.span.above}
    assert above["RewriteThenClassify.forward"] == Ancestor("RewriteThenClassify.forward", "CHAIN", {})
    with pytest.raises(Unavailable):
        list(traces.spans_after(of, None))
