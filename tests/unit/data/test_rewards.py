"""What a policy is rewarded with: the sums of the documentation, and what is not known left out of them."""

from __future__ import annotations

import itertools

import pytest
from factories import make_experience
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from argotune.data.rewards import OutcomeParts, parts_of, reward_range, shaped_reward
from argotune.tenants.policy_settings import RewardShaping

SHAPING = RewardShaping()


@pytest.mark.parametrize(
    "said", list(itertools.product([True, False], repeat=4)), ids=lambda said: "".join("-+"[part] for part in said)
)
def test_where_all_is_known_the_reward_is_the_sum_of_its_parts(said: tuple[bool, bool, bool, bool]):
    success, satisfied, fast, modality = said
    documented = (10 if success else -5) + 5 * satisfied + 2 * fast + 3 * modality
    assert shaped_reward(OutcomeParts(*said), SHAPING) == pytest.approx(documented)


@pytest.mark.parametrize(
    ("parts", "worth"),
    [
        (OutcomeParts(True, None, None, None), 20.0),
        (OutcomeParts(False, None, None, None), -5.0),
        (OutcomeParts(None, True, None, None), 20.0),
        (OutcomeParts(True, False, None, None), -5 + 25 * 15 / 20),
        (OutcomeParts(None, None, True, None), None),
        (OutcomeParts(None, None, None, None), None),
    ],
)
def test_what_nobody_said_counts_neither_for_nor_against(parts: OutcomeParts, worth: float | None):
    assert shaped_reward(parts, SHAPING) == (worth if worth is None else pytest.approx(worth))


def test_parts_without_any_weight_tell_nothing():
    assert shaped_reward(OutcomeParts(None, None, None, True), RewardShaping(modality=0)) is None


PART = st.none() | st.booleans()


@given(st.builds(OutcomeParts, PART, PART, PART, PART))
def test_a_reward_is_within_what_outcomes_can_be_worth(parts: OutcomeParts):
    least, most = reward_range(SHAPING)
    assert (least, most) == (-5, 20)
    worth = shaped_reward(parts, SHAPING)
    assert worth is None or least <= worth <= most


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ({"agent_success": None}, (None, None, None, None)),
        ({"user_satisfaction": 0.8, "processing_time_s": 1.0}, (True, True, True, None)),
        ({"user_satisfaction": 0.0, "processing_time_s": 0.0}, (True, False, True, None)),
        ({"agent_success": False, "user_satisfaction": 0.79, "processing_time_s": 1.01}, (False, False, False, None)),
        ({"modality": "video"}, (True, None, None, True)),
        ({"modality": "image"}, (True, None, None, False)),
        ({"modality": "image", "answers": {"agent": "finder"}}, (True, None, None, True)),
        ({"modality": "image", "answers": {"agent": "nobody"}}, (True, None, None, None)),
    ],
)
def test_parts_are_read_from_what_an_experience_says(said: dict[str, object], parts: tuple[bool | None, ...]):
    shaping = RewardShaping(agent_modalities={"finder": "image"})
    assert parts_of(make_experience(**said), shaping) == OutcomeParts(*parts)


def test_rewards_that_tell_nothing_apart_are_refused():
    with pytest.raises(ValidationError, match="no outcome would be better"):
        RewardShaping(success=0, satisfaction=0, modality=0)
