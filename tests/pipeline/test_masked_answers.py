"""Answers in free text are masked where they are kept or published, and judged as they were said."""

from __future__ import annotations

import sys

import dspy
import pytest
import replies
from replies import pairs, passed, politer, replying
from world import World

from argotune.data.annotations import Annotation
from argotune.data.stream import Stream
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.pairs import Pair
from argotune.store.collections import Collection
from argotune.tenants.config import RoutingConfigUnified
from argotune.tenants.masking_rules import MaskingRules

PRIVATE, OTHER = "anna.schmidt@example.com", "bo.jensen@example.com"


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch):
    """Versions that name a mail address in each reply, by other addresses."""
    monkeypatch.setattr(replies, "CURT", f"No. Ask {PRIVATE}: ")
    monkeypatch.setattr(replies, "POLITE", f"Dear customer, ask {OTHER}: ")
    return lambda **fields: replying(monkeypatch, **fields)


def journal(world: World) -> list[Pair]:
    (contest,) = ContestBook(world.store, "acme").contests("replies")
    return ContestBook(world.store, "acme").pairs(contest.id)


def kept(world: World) -> str:
    records = world.store.scan("acme", Collection.SHADOW)
    return "\n".join([*(record.text for record in records), str(world.tracker.__dict__)])


def people_say(world: World, config: RoutingConfigUnified):
    given = [
        Annotation(s.item.span_id, replies.PREFERENCE, politer(s), "HUMAN", "kim", world.now) for s in pairs(world)
    ]
    world.traces.annotate(Stream("acme", "replies"), given)
    return passed(world, config)


def test_a_journal_and_what_is_published_at_the_end_hold_placeholders(writing):
    world, config = writing()
    passed(world, config)
    run = people_say(world, config)
    assert run.outcome == "promoted", run.sentence
    assert world.tracker.runs
    assert "<EMAIL>" in kept(world)
    assert PRIVATE not in kept(world)
    assert OTHER not in kept(world)


def test_answers_that_differ_in_what_is_masked_alone_differ(writing, monkeypatch):
    monkeypatch.setattr(replies, "CURT", f"Dear customer, ask {PRIVATE}: ")
    world, config = writing()
    passed(world, config)
    alike = [pair for pair in journal(world) if pair.champion.answers == pair.challenger.answers]
    differing = {pair.span_id for pair in alike if not pair.is_equal}
    assert differing
    assert differing >= {span.item.span_id for span in pairs(world)} > set(), "placeholders are what people see"


def test_journals_of_before_are_masked_by_the_rules_of_now(writing):
    world, config = writing(masking={"enabled": False})
    passed(world, config)
    before = {pair.span_id: pair.is_equal for pair in journal(world)}
    assert PRIVATE in kept(world)
    passed(world, config.model_copy(update={"masking": MaskingRules()}))
    assert PRIVATE not in kept(world)
    after = {pair.span_id: pair.is_equal for pair in journal(world)}
    assert after.items() >= before.items()


def test_what_an_lm_wrote_into_a_version_is_masked(writing, monkeypatch):
    world, config = writing(preferred_optimizer="bootstrap")
    any_reply = (dspy.Predict("message -> reply"), lambda _example, _prediction: 1.0)
    monkeypatch.setattr(sys.modules["reply_programs"], "replies", lambda _config: any_reply)
    said = [Annotation(f"{n:016x}", "reply", "We look into it.", "HUMAN", "kim", world.now) for n in range(120)]
    world.traces.annotate(Stream("acme", "replies"), said)
    run = passed(world, config)
    states = "\n".join(record.text for record in world.store.scan("acme", Collection.VERSIONS))
    assert "augmented" in states, run.sentence
    assert PRIVATE not in states
    assert OTHER not in states
    assert run.counts["masked in a version: email"] > 0
