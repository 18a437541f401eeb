"""Executions: how a request was orchestrated, told from the tree of its trace in the words of docs/traces.md.

The root of a request is its decision. Which agents were asked, and how, is what the application says on the root
(`routing.pattern`, `routing.agent_sequence`), else what the tree below tells: agents whose times overlap were asked in
parallel, others one after another, and where something was judged between two of them it was conditional.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, pairwise

from argotune.data.field_types import as_text
from argotune.data.fields import Fields, meant
from argotune.data.openinference import HIDDEN, INPUTS, left_out, object_in
from argotune.data.span_format import UnusableSpan
from argotune.data.spans import MOST_TREE_SPANS, Json, Span, TreeSpan
from argotune.data.stream import Stream
from argotune.store.moments import AHEAD
from argotune.tenants.binding import ORCHESTRATION

PATTERN, SEQUENCE = "routing.pattern", "routing.agent_sequence"

SEQUENTIAL, PARALLEL, CONDITIONAL = PATTERNS = ("sequential", "parallel", "conditional")

OVERLAP = 0.1
"""Agents overlap by more than this share of the shorter one's time: the one before is still closing its span when the
next one begins."""

_JUDGES = ("GUARDRAIL", "EVALUATOR")
_ASKS = ("query", "question", "input", "request", "message")
"""What applications call what the user asked, in the input of a request."""


@dataclass(frozen=True)
class AskedAgent:
    """One agent at work."""

    agent: str
    started_at: datetime
    ended_at: datetime


def in_words_of_contract(span: Span, stream: Stream, fields: Fields, now: datetime) -> Span | UnusableSpan | None:
    """The root with what its tree tells as attributes `routing.*`, or the named reason why it tells nothing; None where
    it is another tenant's. Never raises on what an application sends."""
    is_ours = left_out(span, stream)
    if is_ours is not True:
        return is_ours or None
    if span.started_at > now + AHEAD:
        return UnusableSpan.FUTURE
    if span.ended_at is None:
        return UnusableSpan.UNENDED
    asked = _asked(span.attributes, fields)
    if isinstance(asked, UnusableSpan):
        return asked
    told = _orchestration(span, fields)
    if isinstance(told, UnusableSpan):
        return told
    took_s = max(0.0, (span.ended_at - span.started_at).total_seconds())
    known: dict[str, Json] = {"routing.program": ORCHESTRATION, "routing.processing_time": took_s, **asked, **told}
    if span.status == "ERROR":
        known["routing.agent_success"] = False
    return replace(span, attributes={**known, **_said(span.attributes)}, tree=())


def _said(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """What the application says itself goes before what is told by its trace."""
    return {name: value for name, value in attributes.items() if value is not None}


def _asked(attributes: Mapping[str, Json], fields: Fields) -> Mapping[str, Json] | UnusableSpan:
    """The program's inputs in the request's input: the fields of an object, of whatever usual name, or a bare text."""
    value = attributes.get(INPUTS)
    if attributes.get("routing.query") is not None or value is None:
        return {}
    if value == HIDDEN:
        return UnusableSpan.HIDDEN
    found = object_in(value) if isinstance(value, Mapping) or str(value).lstrip().startswith("{") else {"query": value}
    if isinstance(found, UnusableSpan):
        return found
    query = next((found[name] for name in _ASKS if isinstance(found.get(name), str)), None)
    if query is None:
        return UnusableSpan.OTHER_FIELDS
    others = {f"routing.{name}": found[name] for name in fields.inputs if name in found and name != "query"}
    return {"routing.query": query, **others}


def _orchestration(span: Span, fields: Fields) -> Mapping[str, Json] | UnusableSpan:
    """The answers, where the application does not say both."""
    pattern = span.attributes.get(PATTERN)
    if pattern is not None and span.attributes.get(SEQUENCE) is not None:
        return {}
    if len(span.tree) > MOST_TREE_SPANS:
        return UnusableSpan.TOO_MANY
    if _has_circle({span.span_id: span.parent_id, **{each.span_id: each.parent_id for each in span.tree}}):
        return UnusableSpan.CIRCLE
    tree = _below(span, {each: _agent_of(each, fields) for each in span.tree})
    if isinstance(tree, UnusableSpan):
        return tree
    agents = [agent for agent, _ in groupby(each.agent for each in tree.agents)]
    found = pattern if pattern is not None else tree.pattern
    return {PATTERN: found, SEQUENCE: as_text(agents)}


@dataclass(frozen=True)
class _Tree:
    """The agents below a root in the order of their times, and when something was judged outside of them."""

    agents: Sequence[AskedAgent]
    judged: Sequence[tuple[datetime, datetime]]

    @property
    def pattern(self) -> str:
        if any(self._is_between(*judged) for judged in self.judged):
            return CONDITIONAL
        return PARALLEL if any(_overlap(a, b) for a, b in self._neighbours) else SEQUENTIAL

    @property
    def _neighbours(self) -> Iterator[tuple[AskedAgent, AskedAgent]]:
        """Each with the next one, and with the one before it that ended last."""
        longest = self.agents[0]
        for before, after in pairwise(self.agents):
            longest = max(longest, before, key=lambda each: each.ended_at)
            yield longest, after

    def _is_between(self, start: datetime, end: datetime) -> bool:
        return any(a.ended_at <= start for a in self.agents) and any(a.started_at >= end for a in self.agents)


def _overlap(one: AskedAgent, other: AskedAgent) -> bool:
    both_s = (min(one.ended_at, other.ended_at) - max(one.started_at, other.started_at)).total_seconds()
    shorter_s = min((each.ended_at - each.started_at).total_seconds() for each in (one, other))
    return both_s > OVERLAP * shorter_s


def _agent_of(span: TreeSpan, fields: Fields) -> str | None:
    """The tenant's agent whose work a span is, by the name that the application gave the agent, else the span's."""
    if span.kind in _JUDGES:
        return None
    names = [name for name in (span.agent, span.name) if name]
    return next((found for name in names if (found := meant(name, fields.members[SEQUENCE.split(".")[1]]))), None)


def _below(root: Span, known: Mapping[TreeSpan, str | None]) -> _Tree | UnusableSpan:
    """What lies in an agent is its own business; an agent that only asks those of the tenant is passed through."""
    found, strangers, judged = list[TreeSpan](), list[TreeSpan](), list[TreeSpan]()
    children, waiting = _children(known), [root.span_id]
    while waiting:
        for each in children[waiting.pop()]:
            if known[each] is not None:
                found.append(each)
                continue
            waiting.append(each.span_id)
            if each.kind == "AGENT":
                strangers.append(each)
            elif each.kind in _JUDGES:
                judged.append(each)
    passed = _above(found, {each.span_id: each.parent_id for each in known})
    if any(each.span_id not in passed for each in strangers):
        return UnusableSpan.UNKNOWN_AGENT
    return _timed(found, known, judged) if found else UnusableSpan.NO_AGENT


def _children(spans: Mapping[TreeSpan, object]) -> defaultdict[str | None, list[TreeSpan]]:
    children: defaultdict[str | None, list[TreeSpan]] = defaultdict(list)
    for each in spans:
        children[each.parent_id].append(each)
    return children


def _above(found: Sequence[TreeSpan], parents: Mapping[str, str | None]) -> set[str]:
    """The ids of all spans in which the found ones lie."""
    passed: set[str] = set()
    for each in found:
        at = each.parent_id
        while at is not None and at in parents and at not in passed:
            passed.add(at)
            at = parents[at]
    return passed


def _timed(
    found: Sequence[TreeSpan], known: Mapping[TreeSpan, str | None], judged: Sequence[TreeSpan]
) -> _Tree | UnusableSpan:
    if any(each.ended_at is None for each in found):
        return UnusableSpan.UNENDED
    if any(each.ended_at < each.started_at for each in found if each.ended_at):
        return UnusableSpan.BACKWARDS
    ordered = sorted(found, key=lambda each: (each.started_at, each.span_id))
    agents = [AskedAgent(known[x] or "", x.started_at, x.ended_at) for x in ordered if x.ended_at]
    return _Tree(agents, [(each.started_at, each.ended_at) for each in judged if each.ended_at])


def _has_circle(parents: Mapping[str, str | None]) -> bool:
    """Whether a span lies in itself."""
    whole: set[str] = set()
    for id in parents:
        path: dict[str, None] = {}
        at: str | None = id
        while at is not None and at in parents and at not in whole:
            if at in path:
                return True
            path[at] = None
            at = parents[at]
        whole.update(path)
    return False
