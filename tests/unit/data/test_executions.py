"""Executions: how a request was orchestrated, told from the tree of its trace."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from factories import after, make_config, make_span

from argotune.data.executions import in_words_of_contract
from argotune.data.experiences import Experience
from argotune.data.span_format import UnusableSpan, read_span
from argotune.data.spans import Span, TreeSpan
from argotune.data.stream import Stream, stream_of
from argotune.programs.workflow import workflow_fields

CONFIG = make_config(modules=["workflow"], agents={"video": "", "text": "", "sum": ""})
FIELDS = workflow_fields(CONFIG)
ROOT = "r"


def below(id: str, start: float, end: float | None, name: str = "", *, kind: str = "AGENT", of: str = ROOT) -> TreeSpan:
    return TreeSpan(id, of, name or id, kind, after(start), None if end is None else after(end))


def root(*tree: TreeSpan, status: str = "OK", **fields: Any) -> Span:
    said = {"input.value": "films on bees", **fields.pop("attributes", {})}
    values = {"span_id": ROOT, "name": "cogniverse.workflow", "ended_at": after(60), "attributes": said}
    return make_span(**{**values, "tree": tree, "status": status, **fields})


def read(span: Span, stream: Stream = Stream("acme_corp", "workflow")) -> Experience | UnusableSpan | None:  # noqa: B008
    told = in_words_of_contract(span, stream, FIELDS, after(3600))
    return read_span(told, "acme_corp", {"workflow": FIELDS}) if isinstance(told, Span) else told


def plan(*tree: TreeSpan, **fields: Any) -> tuple[str, str]:
    found = read(root(*tree, **fields))
    assert isinstance(found, Experience), found
    return found.answers["pattern"], found.answers["agent_sequence"]


A, B, C = below("video", 0, 10), below("text", 11, 20), below("sum", 21, 30)
BESIDE = replace(B, started_at=after(1))
SUPERVISOR = below("s", 0, 50, "supervisor")


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ([A], ("sequential", '["video"]')),
        ([B, A], ("sequential", '["video", "text"]')),
        ([A, BESIDE], ("parallel", '["text", "video"]')),
        ([A, replace(B, started_at=after(9.5))], ("sequential", '["video", "text"]')),  # still closing its span
        ([A, BESIDE, C], ("parallel", '["sum", "text", "video"]')),
        ([A, replace(A, span_id="again", started_at=after(12), ended_at=after(13))], ("sequential", '["video"]')),
        ([A, below("e", 10, 11, kind="EVALUATOR"), B], ("conditional", '["video", "text"]')),
        ([A, B, below("e", 40, 41, kind="GUARDRAIL")], ("sequential", '["video", "text"]')),  # of the whole answer
        ([SUPERVISOR, replace(A, parent_id="s"), replace(B, parent_id="s")], ("sequential", '["video", "text"]')),
        ([A, replace(B, parent_id="video"), C], ("sequential", '["video", "sum"]')),  # what an agent asks is its own
        ([below("x", 0, 5, "video", kind="CHAIN"), C], ("sequential", '["video", "sum"]')),  # a node of a graph
        ([replace(A, name="run", agent="video")], ("sequential", '["video"]')),
    ],
)
def test_pattern_and_agents_are_told_by_the_times_and_places_of_spans(
    tree: list[TreeSpan], told: tuple[str, str]
) -> None:
    assert plan(*tree) == told


def test_what_the_application_says_goes_before_its_tree() -> None:
    assert plan(A, B, attributes={"routing.pattern": "conditional"}) == ("conditional", '["video", "text"]')
    both = {"routing.pattern": "parallel", "routing.agent_sequence": "text, sum"}
    assert plan(A, B, attributes=both) == ("parallel", '["sum", "text"]')


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (root(replace(A, parent_id="text"), replace(B, parent_id="video")), UnusableSpan.CIRCLE),
        (root(A, parent_id="video"), UnusableSpan.CIRCLE),
        (root(A, below("who", 11, 12)), UnusableSpan.UNKNOWN_AGENT),
        (root(), UnusableSpan.NO_AGENT),
        (root(replace(A, parent_id="gone")), UnusableSpan.NO_AGENT),
        (root(below("video", 0, None)), UnusableSpan.UNENDED),
        (root(A, ended_at=None), UnusableSpan.UNENDED),
        (root(below("video", 5, 4)), UnusableSpan.BACKWARDS),
        (root(*(below(f"{n}", n, n + 1, "video") for n in range(10_000))), UnusableSpan.TOO_MANY),
        (root(A, attributes={"input.value": "__REDACTED__"}), UnusableSpan.HIDDEN),
        (root(A, attributes={"input.value": '{"messages": []}'}), UnusableSpan.OTHER_FIELDS),
        (root(A, attributes={"input.value": '{"query": '}), UnusableSpan.CUT_OFF),
        (root(A, attributes={"input.value": " "}), UnusableSpan.NO_INPUT),
        (root(A, attributes={"routing.tenant_id": "globex"}), UnusableSpan.OTHER_TENANT),
        (root(A, attributes={"routing.pattern": "all at once"}), UnusableSpan.UNKNOWN_LABEL),
        (root(A, started_at=after(9e5)), UnusableSpan.FUTURE),
    ],
)
def test_what_cannot_be_read_is_counted_under_its_reason(span: Span, reason: UnusableSpan) -> None:
    assert read(span) == reason


def test_a_chain_of_a_thousand_spans_is_read_in_a_moment() -> None:
    chain = [below(f"{n}", n, 2000, "step", kind="CHAIN", of=f"{n - 1}" if n else ROOT) for n in range(999)]
    began_s = time.perf_counter()
    assert plan(*chain, replace(A, parent_id="998")) == ("sequential", '["video"]')
    assert time.perf_counter() - began_s < 1


def test_inputs_and_outcome_are_told_by_the_root() -> None:
    said = {"input.value": '{"query": "films", "entities": ["bees"], "user": 7}', "routing.user_satisfaction": 0.9}
    found = read(root(A, attributes=said, status="ERROR"))
    assert isinstance(found, Experience)
    assert found.inputs == {"query": "films", "entities": '["bees"]', "available_agents": ""}
    assert (found.agent_success, found.user_satisfaction, found.processing_time_s) == (False, 0.9, 60)


def test_of_a_bound_project_the_root_is_known_by_its_name_and_the_tenant_by_its_key() -> None:
    binding = {"project": "shop", "tenant_key": "user.id", "programs": {"workflow": {"span": "handle request"}}}
    stream = stream_of(CONFIG.model_copy(update={"traces": make_config(traces=binding).traces}), "workflow")
    assert stream.span_names("x") == ("handle request",)
    ours = root(A, name="handle request", attributes={"user.id": "acme_corp"})
    assert isinstance(read(ours, stream), Experience)
    assert read(replace(ours, attributes={**ours.attributes, "user.id": "globex"}), stream) is None
    tagged = replace(ours, attributes={**ours.attributes, "tag.tags": ["evaluation"]})
    assert read(tagged, stream) == UnusableSpan.TAGGED
