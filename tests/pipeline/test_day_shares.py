"""A tenant's contests share its daily limit of questions, whichever module's pass asks first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import make_contest, make_experience, make_run
from world import START, World

from argotune.data.cursor import Reading
from argotune.data.splitting import Split
from argotune.decisions.outlook import Outlook
from argotune.labels.queue import AnnotationQueue, QueueItem
from argotune.labels.selection import Reason
from argotune.pipeline.day_shares import day_shares
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.stages.annotate import annotate
from argotune.programs import programs_of
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Contest
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook


def contest(program: str, module: str, waiting: int, needed: int) -> Contest:
    about = {"id": f"{program}-pass-1", "program": program, "module": module, "opened_at": START, "level": 0.01}
    outlook = Outlook(gain=0.03, labels=needed, answers=10 * needed)
    return make_contest(**about, wait=tuple(f"{program}-{number}" for number in range(waiting)), outlook=outlook)


def tenant(*contests: Contest, limit: int = 20) -> World:
    """Two modules that had traces, of a program each, and their open contests."""
    world = World()
    world.tenant(modules=["routing", "cross_modal", "modality"], annotation={"daily_limit": limit})
    for module in ("routing", "cross_modal"):
        ModuleBook(world.store, "acme", module).change(Reading, cursor="1")
        RunBook(world.store, "acme").keep(make_run(id=f"{module}-1", tenant_id="acme", module=module, program=module))
    book = ContestBook(world.store, "acme")
    for each in contests:
        world.store.write("acme", list(book.opening(each, book.shares())))
    return world


def share(world: World, module: str) -> int:
    config = world.tenant(modules=["routing", "cross_modal", "modality"], annotation={"daily_limit": 20})
    return day_shares(Pass(world.ports, config, module), [module])[module]


def test_without_contests_modules_share_alike():
    world = tenant()
    assert (share(world, "routing"), share(world, "cross_modal")) == (10, 10)


@pytest.mark.parametrize(("needed", "shares"), [((30, 90), (18, 2)), ((90, 30), (2, 18))])
def test_the_contest_that_is_nearest_to_its_verdict_has_the_day(needed: tuple[int, int], shares: tuple[int, int]):
    world = tenant(contest("routing", "routing", 50, needed[0]), contest("cross_modal", "cross_modal", 50, needed[1]))
    assert (share(world, "routing"), share(world, "cross_modal")) == shares


def test_what_a_contest_was_given_today_stays_its_own_when_it_was_labelled():
    world = tenant(contest("routing", "routing", 12, 30), contest("cross_modal", "cross_modal", 50, 90))
    before = share(world, "routing")
    asked = [
        QueueItem(
            span_id=f"routing-done-{n}", program="routing", module="routing", split=Split.TRAIN, reason=Reason.DIFFER,
            probability=1.0, queued_at=START, done_at=START + timedelta(minutes=1), contest="routing-pass-1",
        )
        for n in range(6)
    ]  # fmt: skip
    AnnotationQueue(world.store, "acme").add(asked, START.date(), 20)
    assert (before, share(world, "routing")) == (12, 18)


def test_questions_that_wait_for_other_reasons_hold_up_no_disagreement():
    """People see disagreements first, so what nobody has answered yet takes no place of theirs."""
    world = tenant(contest("routing", "routing", 5, 30))
    config = world.tenant(modules=["routing"], annotation={"daily_limit": 20})
    this = Pass(world.ports, config, "routing")
    found = [make_experience(f"question {n}", span_id=f"routing-{n}", at=START) for n in range(5)]
    others = [make_experience(f"other words {n}", span_id=f"other-{n}", at=START) for n in range(20)]
    this.archive.replace_experiences([*found, *others])
    waits = [
        QueueItem(
            span_id=each.span_id, program="routing", module="routing", split=Split.TRAIN, reason=Reason.UNSURE,
            probability=1.0, queued_at=START - timedelta(days=1),
        )
        for each in others
    ]  # fmt: skip
    AnnotationQueue(world.store, "acme").add(waits, START.date() - timedelta(days=1), 20)
    annotate(this, programs_of(config, "routing"), {"routing": ()})
    items = [item for item in AnnotationQueue(world.store, "acme").items() if item.is_waiting]
    assert [item.span_id for item in items[:5]] == [f"routing-{n}" for n in range(5)]
    assert len(items) == 25
