"""Commands on contests: contests, contest show, contest stop, contest reset."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from argotune.cli.flags import Commands, add_json, add_store, add_tenant_flag, command, some_text
from argotune.cli.open import store_of
from argotune.cli.output import note, say, say_json, table
from argotune.cli.who import who_of
from argotune.pipeline.operations.asked import Deed
from argotune.runs.reports import unreadable_words
from argotune.stats.wording import chance, counted, points

if TYPE_CHECKING:
    from argotune.pipeline.operations.contests import ContestStory, TenantContest, YearOfTenant
    from argotune.promotion.contests import Contest
    from argotune.promotion.verdicts import Numbers

SHOWN_SPANS = 10
"""Spans that wait, named in the text; the JSON has all."""


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    listed = command(commands, "contests", _contests, "open contests, and those that ended within 30 days")
    add_tenant_flag(listed, required=False)
    contest = commands.add_parser("contest", help="one contest: show, stop; and reset what a year may spend")
    verbs = contest.add_subparsers(dest="verb", required=True, metavar="VERB")
    shown = command(verbs, "show", _show, "how a contest stands: numbers, what it waits for, what it still takes")
    stopped = command(verbs, "stop", _stop, "end an open contest without a verdict; its labels become training data")
    for parser in (shown, stopped):
        parser.add_argument("contest", type=some_text, help="its id, as `argotune contests` lists it")
        add_tenant_flag(parser, required=False)
    reset = command(verbs, "reset", _reset, "let a new year begin for what a tenant's contests may spend")
    add_tenant_flag(reset)
    for parser in (stopped, reset):
        parser.add_argument("--reason", required=True, help="kept with it")
        parser.add_argument("--who", default=None, help="kept with it (default: the user's login name)")
    for parser in (listed, shown, stopped, reset):
        add_store(parser)
    for parser in (listed, shown):
        add_json(parser)


def _contests(arguments: Namespace) -> None:
    from argotune.pipeline.operations.contests import list_contests
    from argotune.wiring import utc_now

    found = list_contests(store_of(arguments), utc_now(), arguments.tenant_id)
    if words := unreadable_words(found.left_out):
        note(words)
    if arguments.json:
        contests = [{"tenant_id": each.tenant_id, **each.contest.as_json()} for each in found.contests]
        return say_json({"contests": contests, "significance": [_year_json(year) for year in found.years]})
    table(["TENANT", "PROGRAM", "CONTEST", "OPENED", "HOW IT STANDS"], [_row(each) for each in found.contests])
    for year in found.years:
        say(f"{year.tenant_id}: {_year_told(year)}")


def _row(found: TenantContest) -> list[str]:
    contest = found.contest
    return [found.tenant_id, contest.program, contest.id, _minute(contest.opened_at), contest.sentence]


def _year_told(year: YearOfTenant) -> str:
    told = (
        f"of a year's significance of {chance(year.significance)} contests hold or have spent {chance(year.used)}, "
        f"the next may spend {chance(year.next_level)}"
    )
    shares = year.shares
    return told + (f"; set back {_minute(shares.since)} by {shares.who}: {shares.why}" if shares.since else "")


def _year_json(year: YearOfTenant) -> dict[str, object]:
    told = year.shares.model_dump(mode="json", include={"since", "who", "why"})
    numbers = {"significance": year.significance, "used": year.used, "next_level": year.next_level}
    return {"tenant_id": year.tenant_id, **numbers, **told}


def _show(arguments: Namespace) -> None:
    from argotune.pipeline.operations.contests import show_contest

    story = show_contest(store_of(arguments), arguments.contest, arguments.tenant_id)
    if arguments.json:
        return say_json(_story_json(story))
    for line in _lines(story):
        say(line)


def _story_json(story: ContestStory) -> dict[str, object]:
    told = asdict(story.numbers) if story.numbers else None
    contest = story.contest.as_json()
    return {"tenant_id": story.tenant_id, **contest, "numbers": told, "left_out": dict(story.left_out)}


def _lines(story: ContestStory) -> Iterator[str]:
    contest, numbers = story.contest, story.numbers
    yield f"contest   {contest.id} of {story.tenant_id} {contest.program}"
    yield f"stands    {contest.sentence}"
    yield f"between   champion {contest.champion}, challenger {contest.challenger}"
    yield f"opened    {_minute(contest.opened_at)} with {counted(len(contest.sealed_ids), 'sealed example')}"
    if contest.ended_at:
        by = f" by {contest.who}" if contest.who else ""
        yield f"ended     {_minute(contest.ended_at)}{by}, spent {chance(contest.spent or 0.0)}"
    yield from _numbers(numbers) if numbers else ()
    yield f"answers   {contest.answers} of both, {contest.differ} differ"
    level = f"level {chance(contest.level)}"
    yield f"wealth    {_wealth(contest.log_wealth)}, {1 / contest.level:.4g} are asked for a promotion ({level})"
    yield from _ahead(contest)
    yield from (f"left out  {n} x {why}" for why, n in sorted(story.left_out.items()))


def _numbers(numbers: Numbers) -> Iterator[str]:
    low, high = points(numbers.interval.low), points(numbers.interval.high)
    yield f"gain      {points(numbers.effect)} points, {low} to {high} at any time"
    yield f"labels    {numbers.labels:,} of people, {numbers.wins} won and {numbers.losses} lost"
    if numbers.not_worse:
        yield numbers.not_worse.sentence
    yield from (f"effort    {ratio.sentence}" for ratio in (numbers.latency, numbers.cost, numbers.saving) if ratio)


def _ahead(contest: Contest) -> Iterator[str]:
    if contest.wait:
        more = f" and {len(contest.wait) - SHOWN_SPANS} more" if len(contest.wait) > SHOWN_SPANS else ""
        spans = ", ".join(contest.wait[:SHOWN_SPANS])
        yield f"waits     for labels of {counted(len(contest.wait), 'span')}: {spans}{more}"
    if contest.is_open and contest.outlook:
        yield f"takes     {contest.outlook.sentence}"


def _wealth(log_wealth: float) -> str:
    """What one coin has become; of more than a float can tell its logarithm."""
    return f"{math.exp(log_wealth):.4g}" if log_wealth < 700 else f"e^{log_wealth:.4g}"


def _stop(arguments: Namespace) -> None:
    from argotune.pipeline.operations.contests import stop_contest
    from argotune.wiring import utc_now

    deed = Deed(who_of(arguments), arguments.reason)
    found = stop_contest(store_of(arguments), arguments.contest, deed, utc_now(), arguments.tenant_id)
    say(f"{found.tenant_id} {found.contest.program}: {found.contest.sentence}")


def _reset(arguments: Namespace) -> None:
    from argotune.pipeline.operations.contests import reset_significance
    from argotune.wiring import utc_now

    deed = Deed(who_of(arguments), arguments.reason)
    year = reset_significance(store_of(arguments), arguments.tenant_id, deed, utc_now())
    say(f"{year.tenant_id}: {_year_told(year)}")


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
