"""Experiences as steps of sessions, and which of them a bounded buffer keeps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from factories import AGENTS, FIELDS, after, make_experience
from hypothesis import given
from hypothesis import strategies as st

from argotune.data import experience_buffer
from argotune.data.episodes import LeftOut, Step, split_by_time, steps_of
from argotune.data.experience_buffer import BufferLimits, filled, newest
from argotune.data.experiences import Experience
from argotune.data.near_texts import NearTexts
from argotune.tenants.policy_settings import RewardShaping

SHAPING = RewardShaping()


def happened(number: int, query: str = "", **said: Any) -> Experience:
    return make_experience(query or f"question {number} of many", span_id=f"s{number}", at=after(number), **said)


def session(*successes: bool) -> list[Experience]:
    return [happened(n, agent_success=good, session="a") for n, good in enumerate(successes)]


@pytest.mark.parametrize(
    ("discount", "worths"),
    [(0.0, [0, 1, 1]), (1.0, [2 / 3, 1, 1]), (0.5, [0.75 / 1.75, 1, 1])],
)
def test_a_step_is_worth_the_discounted_mean_from_it_to_the_end_of_its_session(discount: float, worths: list[float]):
    found = steps_of(reversed(session(False, True, True)), FIELDS, SHAPING, discount).steps
    assert [step.experience.span_id for step in found] == ["s0", "s1", "s2"]
    assert [step.reward for step in found] == [0, 1, 1]
    assert [step.worth for step in found] == pytest.approx(worths)


def test_experiences_without_a_session_do_not_count_for_each_other():
    found = steps_of([replace(x, session=None) for x in session(False, True)], FIELDS, SHAPING, 0.9).steps
    assert [step.worth for step in found] == [0, 1]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"failure": "TypeError", "answers": {}}, LeftOut.FAILED),
        ({"answers": {"agent": "sold_agent"}}, LeftOut.OUTDATED),
        ({"agent_success": None}, LeftOut.SILENCE),
        ({"user_satisfaction": math.nan}, LeftOut.NOT_FINITE),
        ({"processing_time_s": math.inf}, LeftOut.NOT_FINITE),
        ({"confidence": math.nan}, LeftOut.NOT_FINITE),
        ({"propensity": 0.0}, LeftOut.PROPENSITY),
        ({"propensity": 1.5}, LeftOut.PROPENSITY),
        ({"propensity": math.nan}, LeftOut.PROPENSITY),
    ],
)
def test_one_experience_that_tells_nothing_is_counted_and_stops_no_other(said: dict[str, Any], why: LeftOut):
    found = steps_of([happened(1, **said), happened(2)], FIELDS, SHAPING, 0.9)
    assert [step.experience.span_id for step in found.steps] == ["s2"]
    assert found.left_out == {why: 1}


def steps(*experiences: Experience) -> list[Step]:
    return list(steps_of(experiences, FIELDS, SHAPING, 0.0).steps)


ROOMY = BufferLimits(size=100, max_answer_share=1.0, max_repeats=100)


def test_the_newest_are_kept_in_the_order_of_time():
    asked = [happened(n, "xyz"[n % 3] * (5 + n)) for n in range(12)]
    found = filled(steps(*asked), replace(ROOMY, size=4))
    assert [step.experience.span_id for step in found.steps] == ["s8", "s9", "s10", "s11"]
    assert found.older == 8
    assert {step.stands_for for step in found.steps} == {1.0}


def test_near_repeats_are_kept_a_few_times_and_stand_for_the_others():
    asked = [happened(n, "How far is the moon from here" + "?" * n) for n in range(6)]
    asked += [happened(6, "how far is the moon, from there"), happened(9, "who paints boats")]
    found = filled(steps(*asked), replace(ROOMY, max_repeats=2))
    assert [(step.experience.span_id, step.stands_for) for step in found.steps] == [("s5", 3.5), ("s6", 3.5), ("s9", 1)]
    assert found.repeated == 5


def test_nearly_the_same_is_looked_for_among_the_last_questions_and_the_very_same_among_all(monkeypatch):
    monkeypatch.setattr(experience_buffer, "NEAR_AMONG", 3)
    held = list[int]()
    monkeypatch.setattr(experience_buffer, "NearTexts", lambda: Watched(held))
    asked = [happened(0, "How far is the moon from here"), happened(1, "how far is the moon from there")]
    others = [happened(n, "".join(chr(97 + n) + letter for letter in "abcdefgh")) for n in range(2, 20)]
    same = happened(20, "How far is the moon from here")
    assert filled(steps(*asked), replace(ROOMY, max_repeats=1)).repeated == 1
    assert filled(steps(*asked, *others, same), replace(ROOMY, max_repeats=1)).repeated == 1, "the very same alone"
    assert max(held) == 6, "each question is compared with no more"


class Watched(NearTexts):
    """Says how many texts it has each time when it is asked for another."""

    def __init__(self, held: list[int]) -> None:
        super().__init__()
        self._told, self._added = held, 0

    def add(self, text: str, group: str, key: str = "") -> None:
        super().add(text, group, key)
        self._added += 1

    def groups_near(self, text: str) -> frozenset[str]:
        self._told.append(self._added)
        return super().groups_near(text)


def test_no_answer_takes_more_than_its_share_and_what_is_kept_of_it_stands_for_the_rest():
    asked = [happened(n, f"{'abc'[n % 3]}{n} {n * 7919} words", answers={"agent": AGENTS[n == 3]}) for n in range(20)]
    found = filled(steps(*asked), BufferLimits(size=10, max_answer_share=0.5, max_repeats=9))
    kept = [(step.experience.answers["agent"], step.stands_for) for step in found.steps]
    assert kept == [(AGENTS[1], 1.0)] + [(AGENTS[0], pytest.approx(19 / 5))] * 5
    assert found.of_one_answer == 14


@given(
    st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(["a b", "c d e", "f"])), max_size=60),
    st.integers(1, 20),
    st.floats(0.01, 1),
    st.integers(1, 5),
)
def test_a_buffer_keeps_its_limits_and_stands_for_all_that_it_looked_at(found, size, share, repeats):
    made = steps(*(happened(n, query, answers={"agent": agent}) for n, (agent, query) in enumerate(found)))
    limits = BufferLimits(size, share, repeats)
    buffer = filled(made, limits)
    assert len(buffer.steps) <= size
    assert list(buffer.steps) == sorted(buffer.steps, key=lambda step: step.experience.at)
    assert sum(step.stands_for for step in buffer.steps) == pytest.approx(len(made) - buffer.older)


def test_only_the_newest_are_held_however_many_come():
    asked = (happened(n * 37 % 101) for n in range(101))
    assert [x.at for x in newest(asked, 10)] == [after(n) for n in range(91, 101)]


@pytest.mark.parametrize(("n", "later"), [(1, 0), (2, 1), (10, 2), (11, 2)])
def test_validation_is_the_latest_part(n: int, later: int):
    first, last = split_by_time(steps(*(happened(k) for k in range(n))), 0.2)
    assert (len(first), len(last)) == (n - later, later)
    assert not last or max(s.experience.at for s in first) < min(s.experience.at for s in last)
