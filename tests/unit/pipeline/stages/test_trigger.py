"""What the trigger counts, what it waits for and what it says, on stores and traces in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from factories import NOON, make_annotation, make_conditions, make_config, make_span
from marked import mark
from watched_store import Fails, WatchedStore

from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.cursor import Cursor, Reading
from argotune.data.stream import Stream
from argotune.decisions.values import Awaited, CutShort
from argotune.errors import Conflict, ProjectMissing, Unavailable
from argotune.pipeline.intake import BEGUN_ANEW, begun_anew, is_lost, since_of
from argotune.pipeline.stages.trigger import note_first_look, trigger, without_traces
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import ModuleState, PassState
from argotune.scheduling.trigger_check import Conditions
from argotune.tenants.config import RoutingConfigUnified

GONE = Cursor("999:gone")
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
CONFIG = make_config(optimization_interval_seconds=7200)
ASKED = make_conditions(period=2 * HOUR, labels_needed=50)


@dataclass
class Sent:
    """A store, and the traces of a tenant, among them spans of another module, and those of another tenant."""

    store: WatchedStore = field(default_factory=WatchedStore)
    traces: MemoryTraces = field(default_factory=MemoryTraces)
    n: int = 0

    def __post_init__(self) -> None:
        self.traces.record("acme_corp", [])

    def send(self, n: int, *, ago: timedelta = HOUR, labelled: int = 0, module: str = "routing") -> list[str]:
        """The ids of n new spans of the module that started so long ago, the first ones with a label."""
        ids = [f"{number:016x}" for number in range(self.n, self.n + n)]
        self.n += n
        at = NOON - ago
        spans = [make_span(span_id=id, name=f"cogniverse.{module}", started_at=at, ended_at=at) for id in ids]
        self.traces.record("acme_corp", [*spans, replace(spans[0], span_id=f"p{self.n}", name="cogniverse.profiles")])
        self.traces.annotate(Stream("acme_corp", "routing"), [make_annotation(span_id=id) for id in ids[:labelled]])
        self.traces.record("globex", [make_span(span_id=ids[0], name="cogniverse.routing", started_at=at)])
        return ids

    def behind(self, id: str) -> Cursor | None:
        """The cursor behind a span."""
        found = self.traces.spans_after(Stream("acme_corp", "routing"), None)
        return next(read.cursor for read in found if read.span.span_id == id)

    def marked(self, **fields: Any) -> Sent:
        mark(self.store, "acme_corp", **fields)
        return self

    @property
    def state(self) -> ModuleState:
        return ModuleBook(self.store, "acme_corp", "routing").state

    def look(self, config: RoutingConfigUnified = CONFIG, *, forced: bool = False, **reach: Any) -> Conditions:
        return trigger(self.state, self.traces, config, "routing", forced=forced, now=NOON, **reach)


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_a_module_that_nobody_knows_waits_for_its_first_traces(sent: Sent):
    assert sent.look() == without_traces(sent.state, CONFIG, "routing", forced=False, now=NOON) == ASKED


@pytest.mark.parametrize("look", [lambda sent, **of: sent.look(**of), lambda sent, **of: of_none(sent, **of)])
def test_what_the_config_and_the_records_say_is_in_the_conditions(sent: Sent, look: Any):
    sent.marked(pass_id="one", last_run_at=NOON - HOUR, again_at=NOON + HOUR)
    config = make_config(
        enable_auto_optimization=False,
        optimization_interval_seconds=60,
        min_samples_for_optimization=1500,
        annotation={"min_annotations_for_optimization": 7},
    )
    assert look(sent, config=config, forced=True) == replace(
        ASKED,
        is_enabled=False,
        is_forced=True,
        is_unfinished=True,
        last_run_at=NOON - HOUR,
        again_at=NOON + HOUR,
        period=timedelta(minutes=1),
        traces_needed=1500,
        counted_up_to=1500,
        labels_needed=7,
    )


def of_none(sent: Sent, *, config: RoutingConfigUnified = CONFIG, forced: bool = False) -> Conditions:
    return without_traces(sent.state, config, "routing", forced=forced, now=NOON)


def test_an_outage_is_never_no_traces(sent: Sent):
    sent.traces.fail_with = Unavailable("down")
    with pytest.raises(Unavailable):
        sent.look()
    with pytest.raises(ProjectMissing):
        trigger(sent.state, MemoryTraces(), CONFIG, "routing", forced=False, now=NOON)


# Which traces count


def test_before_the_first_pass_those_of_the_lookback_count_and_the_older_ones_are_told(sent: Sent):
    sent.send(1, ago=24 * HOUR + SECOND)
    sent.send(2, ago=24 * HOUR)
    sent.send(4)
    assert sent.look() == replace(ASKED, traces=6, older=1)
    assert sent.look(make_config(phoenix_lookback_hours=24.1)).older == 0
    sent.marked(first_look_at=NOON - 2 * HOUR)
    assert (sent.look().traces, sent.look().older) == (7, 0)


def test_after_a_pass_all_behind_the_cursor_count_however_old(sent: Sent):
    read = sent.send(5)
    sent.send(4, ago=99 * HOUR)
    sent.marked(settled_cursor=sent.behind(read[-1]), read_since=NOON - 24 * HOUR)
    assert (sent.look().traces, sent.look().older) == (4, 0)


def test_counting_stops_at_what_is_needed_and_a_thousand_at_least(sent: Sent):
    sent.send(1003)
    sent.send(1002, ago=99 * HOUR)
    assert (sent.look().traces, sent.look().older) == (1000, 1000)
    found = sent.look(make_config(min_samples_for_optimization=1002))
    assert (found.traces, found.older) == (1002, 1002)


@pytest.mark.parametrize(
    ("reach", "found"),
    [(None, 4), (24 * HOUR, 4), (29 * HOUR, 6), (30 * HOUR, 9), (99 * HOUR, 9)],
    ids=lambda value: str(value),
)
def test_a_longer_reach_counts_what_was_passed_over_behind_it(sent: Sent, reach: timedelta | None, found: int):
    sent.send(3, ago=30 * HOUR)
    sent.send(2, ago=29 * HOUR)
    read = sent.send(5, ago=24 * HOUR)
    sent.send(4)
    sent.marked(settled_cursor=sent.behind(read[-1]), read_since=NOON - 24 * HOUR)
    assert sent.look(reach=reach).traces == found


def test_a_reach_adds_nothing_before_the_first_pass_or_where_nothing_was_passed_over(sent: Sent):
    old = sent.send(3, ago=30 * HOUR)
    sent.send(4)
    assert sent.look(reach=99 * HOUR).traces == 4
    sent.marked(read_since=NOON - 24 * HOUR)
    assert sent.look(reach=99 * HOUR).traces == 4
    sent.marked(settled_cursor=sent.behind(old[-1]), read_since=None)
    assert sent.look(reach=99 * HOUR).traces == 4


def test_what_is_counted_twice_stops_at_what_is_needed_too(sent: Sent):
    sent.send(700, ago=30 * HOUR)
    read = sent.send(1)
    sent.send(600)
    sent.marked(settled_cursor=sent.behind(read[0]), read_since=NOON - 24 * HOUR)
    assert sent.look(reach=99 * HOUR).traces == 1000


@pytest.mark.parametrize(
    ("known", "labels"),
    [
        ({}, 0),
        ({"label_names": ("agent",)}, 9),
        ({"label_names": ("agent",), "settled_labels": 4}, 5),
        ({"label_names": ("agent",), "settled_labels": 10}, 0),
        ({"label_names": ("strategy",)}, 0),
        ({"label_names": ("agent",), "read_since": NOON - 24 * HOUR}, 7),
    ],
)
def test_labels_count_that_were_given_since_the_last_pass_on_what_is_read(sent: Sent, known, labels: int):
    sent.send(2, ago=30 * HOUR, labelled=2)
    sent.send(12, labelled=7)
    sent.send(3, labelled=3, module="profiles")
    assert sent.marked(**known).look().labels == labels


# Another database, and clocks that were wrong


def test_a_database_with_the_last_span_read_is_the_same(sent: Sent):
    read = sent.send(1)
    assert sent.marked(cursor=sent.behind(read[0])).look().notes == ()


def test_another_database_is_told_and_counted_from_the_last_pass_on(sent: Sent):
    sent.send(3, ago=99 * HOUR)
    sent.send(2, ago=30 * HOUR, labelled=1)
    read = {"cursor": GONE, "settled_cursor": GONE, "last_run_at": NOON - 20 * HOUR}
    sent.marked(**read, settled_labels=3, label_names=("agent",))
    known = replace(ASKED, last_run_at=NOON - 20 * HOUR, notes=(BEGUN_ANEW,))
    assert sent.look() == replace(known, traces=2, older=3, labels=1)


def test_a_last_run_in_the_future_is_told_beside_another_database_and_puts_nothing_off(sent: Sent):
    ahead = NOON + timedelta(days=700)
    sent.marked(cursor=GONE, last_run_at=ahead, again_at=ahead + HOUR)
    found = sent.look()
    told = "the last run is dated 2028-01-31, in the future: not believed"
    assert found == replace(ASKED, again_at=NOON, notes=(told, BEGUN_ANEW))
    assert of_none(sent) == replace(ASKED, again_at=NOON, notes=(told,))
    sent.marked(again_at=None)
    assert sent.look().again_at is None


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=5)])
def test_clocks_that_differ_by_little_are_believed(sent: Sent, ahead: timedelta):
    sent.marked(last_run_at=NOON + ahead)
    assert sent.look() == replace(ASKED, last_run_at=NOON + ahead)


# What an open contest waits for


LABELS = Awaited(labels=3, wants_requests=False, told="open: 3 labels are missing")
REQUESTS = Awaited(labels=0, wants_requests=True, told="open: more requests are wanted")
NOTHING = Awaited(labels=0, wants_requests=False, told="open: nothing is missing")


@pytest.mark.parametrize(
    ("waiting", "traces", "labels"),
    [
        ({}, 100, 50),
        ({"routing": LABELS}, 100, 1),
        ({"routing": REQUESTS}, 1, 50),
        ({"routing": NOTHING}, 100, 50),
        ({"routing": LABELS, "other": REQUESTS}, 1, 1),
    ],
)
def test_one_label_or_trace_that_a_contest_waits_for_is_enough(sent: Sent, waiting, traces: int, labels: int):
    found = sent.marked(waiting=waiting).look()
    assert (found.traces_needed, found.labels_needed, found.counted_up_to) == (traces, labels, 1000)
    assert found.contests == tuple(f"{name}: {waiting[name].told}" for name in sorted(waiting))
    assert set(found.contests) <= set(found.remarks)


def test_a_label_on_what_a_contest_waits_for_makes_its_module_due(sent: Sent):
    sent.send(3, labelled=1)
    sent.marked(label_names=("agent",), waiting={"routing": NOTHING})
    assert not sent.look().is_due
    assert sent.marked(waiting={"routing": LABELS}).look().is_due


def test_a_request_that_a_contest_may_draw_makes_its_module_due(sent: Sent):
    sent.send(1)
    sent.marked(waiting={"routing": LABELS})
    assert not sent.look().is_due
    assert sent.marked(waiting={"routing": REQUESTS}).look().is_due


@pytest.mark.parametrize(("calls", "is_raised"), [(20_000, False), (19_999, True)])
def test_a_raised_budget_of_any_program_is_news(sent: Sent, calls: int, is_raised: bool):
    same = CutShort(lesson="a", max_lm_calls=20_000, max_lm_tokens=20_000_000)
    sent.marked(cut_short={"a": same.model_copy(update={"max_lm_calls": calls}), "b": same})
    assert sent.look().is_budget_raised is is_raised


# The first look


def first_look(sent: Sent) -> datetime | None:
    note_first_look(ModuleBook(sent.store, "acme_corp", "routing"), NOON)
    return sent.state.passes.first_look_at


@pytest.mark.parametrize(
    ("known", "kept"),
    [
        ({}, NOON),
        ({"first_look_at": NOON - HOUR}, NOON - HOUR),
        ({"first_look_at": NOON + HOUR}, NOON),
        ({"settled_cursor": "5:a"}, None),
    ],
)
def test_the_first_look_is_remembered_until_something_is_settled(sent: Sent, known, kept: datetime | None):
    assert first_look(sent.marked(**known)) == kept


def test_somebody_who_looks_first_meanwhile_is_let_do_it(sent: Sent):
    sent.store.before = Fails(("write",), Conflict("somebody else"))
    assert first_look(sent) is None


# Reading, by the same rules


@pytest.mark.parametrize(
    ("passes", "since"),
    [
        ({}, NOON - 24 * HOUR),
        ({"first_look_at": NOON - HOUR}, NOON - 25 * HOUR),
        ({"first_look_at": NOON + HOUR}, NOON - 24 * HOUR),
        ({"settled_cursor": "1:a"}, None),
    ],
)
def test_the_lookback_reaches_back_from_the_first_look_until_something_is_settled(passes, since: datetime | None):
    assert since_of(PassState(**passes), CONFIG, NOON) == since


@pytest.mark.parametrize(
    ("cursor", "lost"), [(None, False), ("2:known", False), ("1:known", True), ("2:gone", True), ("of another", True)]
)
def test_a_cursor_is_lost_where_the_last_span_read_is_gone_or_elsewhere(cursor: Cursor | None, lost: bool):
    traces = MemoryTraces()
    traces.record("acme_corp", [make_span(span_id=id) for id in ("first", "known")])
    assert is_lost(traces, Stream("acme_corp", "routing"), cursor) is lost


@pytest.mark.parametrize(("ran_at", "looked"), [(NOON - HOUR, NOON - HOUR), (None, NOON), (NOON + HOUR, NOON)])
def test_what_is_begun_anew_keeps_all_but_what_was_of_the_database(ran_at: datetime | None, looked: datetime):
    kept = PassState(pass_id="one", last_run_at=ran_at, label_names=("agent",), settled_group="g", again_at=NOON)
    of_database = {"settled_cursor": Cursor("1:x"), "settled_labels": 1, "first_look_at": NOON - 99 * HOUR}
    clocks = Reading(newest_at=NOON, doubted_at=NOON - HOUR)
    read = {"cursor": Cursor("1:x"), "unusable": {"a": 1}, "read_since": NOON, "passed_over": 1}
    found = begun_anew(kept.model_copy(update=of_database), clocks.model_copy(update=read), NOON)
    assert found == (kept.model_copy(update={"first_look_at": looked}), clocks)
