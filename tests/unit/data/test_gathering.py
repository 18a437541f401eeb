"""Gathering what is new gives what gathering everything gives, and reads no more than what is new."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import timedelta

import pytest
from examples_anew import examples_from
from factories import AGENTS, FIELDS, NOON, after, make_annotation, make_config, make_experience
from watched_store import FailsOnce, WatchedStore

from argotune.data import gathering_steps, question_log
from argotune.data.annotations import strongest
from argotune.data.archive import ExperienceLog
from argotune.data.dataset import ExampleSums
from argotune.data.examples import Example, Split, question_id
from argotune.data.experiences import Experience
from argotune.data.gathering import Gathered, gather, own_spans, state_of
from argotune.data.gathering_steps import Given, compared_text
from argotune.data.label_rule import Labels
from argotune.data.near_texts import NearTexts
from argotune.data.question_log import QuestionLog, Summary
from argotune.data.questions import Merged
from argotune.data.remarks import CORRECT, INCORRECT, VERDICT
from argotune.errors import Conflict, NewerRecord, Unavailable
from argotune.store import sealing
from argotune.store.port import Record

CONFIG = make_config(min_trace_confidence=0.0)
WORDS = ["alps", "budget", "chess", "comet", "glacier", "harbour", "museum", "robots", "tram", "violin", "whales"]


class Tenant:
    """One program's experiences, labels and promises."""

    def __init__(self) -> None:
        self.store = WatchedStore()
        self.log = ExperienceLog(self.store, "acme_corp")
        self.kept: dict[str, Experience] = {}
        self.annotations = {}
        self.promised: dict[str, Split] = {}
        self.now = NOON

    def ask(self, experiences: Iterable[Experience]) -> None:
        batch = list(experiences)
        self.log.append(batch, {})
        self.kept |= {x.span_id: x for x in batch}

    def gather(self, config=CONFIG) -> Gathered:
        questions, oldest = QuestionLog(self.store, "acme_corp", "routing"), self.now - timedelta(days=90)
        own = own_spans(self.log, questions, FIELDS, self.annotations)
        labels = self.labels(own)
        states = {id: state_of(id, labels, FIELDS) if id in own else "" for id in self.annotations}
        self.kept = {id: x for id, x in self.kept.items() if x.at >= oldest}
        return gather(self.log, questions, FIELDS, config, Given(labels, states, self.promised, oldest))

    def labels(self, own: Iterable[str]) -> Labels:
        believed = strongest(self.annotations[id] for id in own)
        return Labels(believed, believed)

    def stored(self) -> dict[str, Example]:
        return {example.id: example for example in self.log.examples("routing")}


def some_experiences(rng: random.Random, count: int, first: int, at_s: float = 0) -> list[Experience]:
    return [
        make_experience(
            " ".join(rng.choices(WORDS, k=rng.randint(2, 4))),
            span_id=f"{first + number:016x}",
            at=after(at_s + number),
            agent_success=rng.choice([True, True, False, None]),
        )
        for number in range(count)
    ]


def check(tenant: Tenant, found: Gathered, before: dict[str, Example]) -> None:
    """Sums, examples and counts are those of gathering everything; no known example has moved."""
    examples = tenant.stored()
    assert found.sums == ExampleSums.of(examples.values())
    assert found.experiences == len(tenant.kept)
    forgotten = found.counts.get(Merged.FORGOTTEN, 0)
    assert found.sums.count() + sum(found.counts.values()) - forgotten == found.experiences
    assert all(examples[id].split is example.split for id, example in before.items() if id in examples)
    labels = tenant.labels(id for id in tenant.annotations if id in tenant.kept)
    whole = examples_from(tenant.kept.values(), labels.believed, FIELDS, CONFIG, list(examples.values()))
    again = {example.id: example for example in whole.examples}
    assert {id: again[id] for id in examples} == examples
    assert found.refuted == whole.refuted
    if Merged.BRIDGED not in found.counts:
        log = QuestionLog(tenant.store, "acme_corp", "routing")
        assert log.summary()
        rows = log.rows(again.keys() - examples.keys())
        assert {row.place for row in rows.values()} <= {Split.TEST}, "said to be right, which judges nothing"
    for example in examples.values():
        others = {compared_text(other): other.split for other in examples.values() if other.id != example.id}
        assert NearTexts(others).groups_near(compared_text(example)) <= {example.split}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_new_the_examples_are_those_of_all_experiences(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(gathering_steps, "AT_ONCE", (7, 400)[seed % 2])
    rng, tenant = random.Random(seed), Tenant()
    before: dict[str, Example] = {}
    for step in range(6):
        tenant.ask(some_experiences(rng, rng.randint(0, 40), 100 * step, at_s=86400 * 20 * step))
        for span_id in rng.sample(sorted(tenant.kept), min(5, len(tenant.kept))):
            tenant.annotations[span_id] = make_annotation(rng.choice(AGENTS), span_id=span_id)
        for verdict in (INCORRECT, CORRECT):
            for span_id in rng.sample(sorted(tenant.kept), min(9, len(tenant.kept))):
                tenant.annotations[span_id] = make_annotation(verdict, span_id=span_id, name=VERDICT)
        if tenant.annotations and rng.random() < 0.5:
            tenant.annotations.pop(rng.choice(sorted(tenant.annotations)))
        tenant.now = NOON + timedelta(days=20 * step + 1)
        check(tenant, tenant.gather(), before)
        before = tenant.stored()


def test_a_pass_with_nothing_new_reads_a_few_records_and_writes_nothing() -> None:
    tenant, rng = Tenant(), random.Random(1)
    tenant.ask(some_experiences(rng, 1500, 0))
    first = tenant.gather()
    tenant.store.calls.clear()
    assert (tenant.gather().sums, tenant.store.count("write")) == (first.sums, 0)
    assert tenant.store.records("read", "scan") < 10


def test_what_a_pass_reads_grows_with_what_is_new() -> None:
    read = []
    for old in (500, 2000):
        tenant, rng = Tenant(), random.Random(1)
        tenant.ask(make_experience(f"{n} {rng.random()}", span_id=f"{n:016x}") for n in range(old))
        tenant.gather()
        tenant.ask(make_experience(f"new {n}", span_id=f"f{n:015x}", at=after(5)) for n in range(10))
        tenant.store.calls.clear()
        assert tenant.gather().experiences == old + 10
        read.append(tenant.store.records("read", "scan"))
    assert read[0] < 50
    assert read[1] < read[0] + 10


def test_a_step_reads_its_records_together() -> None:
    calls = []
    for steps in (2, 5):
        tenant, rng = Tenant(), random.Random(1)
        tenant.ask(make_experience(f"{n} {rng.random()}", span_id=f"{n:016x}") for n in range(400 * steps))
        tenant.store.calls.clear()
        assert tenant.gather().experiences == 400 * steps
        calls.append(tenant.store.count("read"))
    assert (calls[1] - calls[0]) / 3 <= 6


def test_many_labels_take_as_much_writing_as_there_are_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering_steps, "AT_ONCE", 10)
    sizes = []
    for count in (300, 1200):
        tenant, written = Tenant(), list[int]()
        tenant.ask(make_experience(f"{n} {n * n}", span_id=f"{n:016x}") for n in range(count))
        tenant.annotations = {id: make_annotation(span_id=id) for id in tenant.kept}
        write = tenant.store.write

        def counted(tenant_id, records, expect=None, write=write, written=written) -> None:
            written += [len(record.text) for record in records if record.id.startswith("annotated")]
            write(tenant_id, records, expect)

        tenant.store.write = counted
        tenant.gather()
        sizes.append(sum(written))
        assert QuestionLog(tenant.store, "acme_corp", "routing").annotated().states.keys() == tenant.annotations.keys()
        kept = [record.id for record in tenant.store.scan("acme_corp", "gathered.routing")]
        assert [id for id in kept if id.startswith("annotated")] == ["annotated"], "the changes are in the whole"
    assert sizes[1] < 4.4 * sizes[0]


def test_a_change_of_annotated_spans_that_is_damaged_is_made_anew() -> None:
    tenant = Tenant()
    tenant.ask(some_experiences(random.Random(1), 40, 0))
    for id in sorted(tenant.kept)[:20]:
        tenant.annotations[id] = make_annotation(span_id=id)
    found = tenant.gather()
    tenant.store.write("acme_corp", [Record("gathered.routing", "annotated/0", "{}")])
    for _ in range(2):
        again = tenant.gather()
        assert (again.judged, again.refuted, again.sums) == (found.judged, found.refuted, found.sums)
    assert tenant.store.read("acme_corp", "gathered.routing", "annotated/0") is None


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
def test_a_crash_at_any_write_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    monkeypatch.setattr(question_log, "WRITE_AT_ONCE", 20)
    tenant, rng = Tenant(), random.Random(3)
    tenant.ask(some_experiences(rng, 60, 0))
    tenant.gather()
    before = tenant.stored()
    tenant.ask(some_experiences(rng, 60, 100, at_s=100))
    tenant.store.before = FailsOnce(Unavailable("store: gone"), lambda call: call.verb == "write", fails_at)
    with pytest.raises(Unavailable):
        tenant.gather()
    check(tenant, tenant.gather(), before)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fails_at", range(1, 8))
def test_a_crash_between_the_steps_of_a_gathering_counts_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, fails_at: int, when: str
) -> None:
    monkeypatch.setattr(gathering_steps, "AT_ONCE", 10)
    whole, crashed = Tenant(), Tenant()
    for tenant in (whole, crashed):
        rng = random.Random(3)
        tenant.ask(some_experiences(rng, 60, 0))
        tenant.annotations = {f"{n:016x}": make_annotation(AGENTS[n % 3], span_id=f"{n:016x}") for n in range(0, 60, 4)}
    setattr(crashed.store, when, FailsOnce(Unavailable("store: gone"), lambda call: call.verb == "write", fails_at))
    with pytest.raises(Unavailable):
        crashed.gather()
    assert (crashed.gather(), crashed.stored()) == (whole.gather(), whole.stored())
    for tenant in (whole, crashed):  # all of it is too old, and new rules ask for everything anew
        tenant.now = NOON + timedelta(days=91)
        tenant.ask([make_experience("new", at=tenant.now)])
    crashed.store.before = crashed.store.after = FailsOnce(
        Unavailable("store: gone"), lambda call: call.verb == "write", fails_at
    )
    with pytest.raises(Unavailable):
        crashed.gather()
    assert (crashed.gather().sums, crashed.stored()) == (whole.gather().sums, whole.stored())
    assert [x.span_id for x in crashed.log.experiences("routing")] == [make_experience().span_id]


def test_a_change_of_rules_that_is_broken_off_keeps_the_splits_and_forgets_what_nobody_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering_steps, "AT_ONCE", 10)
    for fails_at in range(1, 20):
        tenant = Tenant()
        tenant.ask(some_experiences(random.Random(4), 60, 0))
        tenant.gather()
        before = tenant.stored()
        gone = next(iter(before))
        span_ids = [x.span_id for x in tenant.kept.values() if question_id("routing", x.inputs) == gone]
        tenant.store.remove("acme_corp", "experiences.routing", span_ids)
        tenant.kept = {id: x for id, x in tenant.kept.items() if id not in span_ids}
        tenant.store.before = FailsOnce(Unavailable("store: gone"), lambda call: call.verb == "write", fails_at)
        config = make_config(min_trace_confidence=0.01)
        try:
            found = tenant.gather(config)
        except Unavailable:
            found = tenant.gather(config)
        assert tenant.stored() == {id: example for id, example in before.items() if id != gone}
        assert found.sums == ExampleSums.of(tenant.stored().values())
        assert tenant.gather(config).sums == found.sums


def test_changed_rules_and_damage_make_everything_anew() -> None:
    tenant, rng = Tenant(), random.Random(4)
    tenant.ask(some_experiences(rng, 50, 0))
    tenant.gather()
    strict = tenant.gather(make_config(min_trace_confidence=0.95))
    assert strict.sums.count() == 0 < strict.counts["outcome: confidence below min_trace_confidence"]
    before = tenant.gather()
    tenant.store.write("acme_corp", [question_log.Record("gathered.routing", "summary", "{}")])
    assert tenant.gather().sums == before.sums


def test_a_store_of_an_earlier_release_keeps_its_splits() -> None:
    tenant, rng = Tenant(), random.Random(5)
    tenant.ask(some_experiences(rng, 50, 0))
    tenant.gather()
    before = tenant.stored()
    for collection in ("gathered.routing", "fresh.routing"):
        tenant.store.remove("acme_corp", collection)
    tenant.gather()
    assert tenant.stored() == before


def test_a_promised_split_is_kept_when_the_label_comes() -> None:
    for split in Split:
        tenant = Tenant()
        tenant.ask(some_experiences(random.Random(6), 5, 50))
        tenant.gather()
        tenant.ask([make_experience("does the tram go to the museum", agent_success=None)])
        tenant.gather()
        span_id = make_experience().span_id
        tenant.promised[span_id] = split
        tenant.annotations[span_id] = make_annotation()
        tenant.gather()
        assert [e.split for e in tenant.stored().values() if e.span_id == span_id] == [split]


@pytest.mark.parametrize("begins", ["summary", "annotated", "asked/"])
def test_what_a_newer_release_gathered_is_left_to_it(monkeypatch: pytest.MonkeyPatch, begins: str) -> None:
    tenant, (span_id, *_) = Tenant(), (x.span_id for x in some_experiences(random.Random(1), 20, 0))
    tenant.ask(some_experiences(random.Random(1), 20, 0))
    tenant.annotations[span_id] = make_annotation(span_id=span_id)
    tenant.gather()
    before = [r for r in tenant.store.scan("acme_corp", "gathered.routing") if r.id.startswith(begins)]
    with monkeypatch.context() as newer:
        newer.setattr(sealing, "SCHEMA", sealing.SCHEMA + 1)
        stored = [(record, json.loads(record.text)) for record in before]
        after = [Record(r.collection, r.id, sealing.seal(told["kind"], told["body"])) for r, told in stored]
    tenant.store.write("acme_corp", after)
    tenant.ask(some_experiences(random.Random(1), 20, 100))
    with pytest.raises(NewerRecord):
        tenant.gather()
    assert after
    assert [tenant.store.read("acme_corp", r.collection, r.id) for r in after] == [r.text for r in after]


def test_a_damaged_summary_that_somebody_else_made_anew_is_not_written_over() -> None:
    store = WatchedStore()
    store.write("acme_corp", [Record("gathered.routing", "summary", "{}")])
    late, quick = (QuestionLog(store, "acme_corp", "routing") for _ in range(2))
    assert (late.summary(), quick.summary()) == (None, None)
    quick.commit(Summary(edition="quick"))
    with pytest.raises(Conflict):
        late.commit(Summary(edition="late"))
    assert late.summary() == Summary(edition="quick")
