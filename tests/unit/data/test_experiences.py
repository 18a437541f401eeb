"""Reading spans and what experiences are worth."""

from __future__ import annotations

import math

import pytest
from factories import AGENTS, FIELDS, NOON, make_attributes, make_experience, make_span
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.experiences import Experience, query_of
from argotune.data.fields import Fields
from argotune.data.rewards import reward
from argotune.data.span_format import MAX_TEXT_CHARS, UnusableSpan, read_span
from argotune.store.sealing import canonical
from argotune.tenants.config import RewardWeights

FREE = Fields("routing", ("text",), {"summary": None})
TEXT = st.text(st.characters(exclude_categories=()))
"""Any text at all: NUL and lone surrogates too."""
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just(10**400)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
NAMES = st.sampled_from(
    [*make_attributes(), "routing.agent", "input.value", "routing.propensity", "routing.language", "session.id"]
)


def read(fields: Fields = FIELDS, **overrides: object) -> Experience | UnusableSpan:
    return read_span(make_span(attributes=make_attributes(**overrides)), "acme_corp", {"routing": fields})


def test_a_good_span_is_read_in_full() -> None:
    read_back = read(language="de", program_version="abc", propensity=0.25, modality="video")
    assert read_back == Experience(
        span_id="00f067aa0ba902b7",
        program="routing",
        inputs={"query": "footage of the moon landing", "context": "evening news"},
        answers={"agent": AGENTS[0]},
        at=NOON,
        confidence=0.9,
        search_quality=0.8,
        agent_success=True,
        user_satisfaction=0.7,
        processing_time_s=1.5,
        program_version="abc",
        propensity=0.25,
        modality="video",
        language="de",
    )


@pytest.mark.parametrize(
    ("reason", "overrides"),
    [
        (UnusableSpan.OTHER_TENANT, {"tenant_id": "globex"}),
        (UnusableSpan.OTHER_TENANT, {"tenant_id": ["acme_corp"]}),
        (UnusableSpan.NO_PROGRAM, {"program": None}),
        (UnusableSpan.NO_PROGRAM, {"program": 7}),
        (UnusableSpan.UNKNOWN_PROGRAM, {"program": "fusion"}),
        (UnusableSpan.NO_INPUT, {"query": None}),
        (UnusableSpan.NO_INPUT, {"query": " \x00\n"}),
        (UnusableSpan.NO_OUTPUT, {"chosen_agent": None}),
        (UnusableSpan.NO_OUTPUT, {"chosen_agent": " "}),
        (UnusableSpan.UNKNOWN_LABEL, {"chosen_agent": "root_shell"}),
        (UnusableSpan.WRONG_TYPE, {"query": 5}),
        (UnusableSpan.WRONG_TYPE, {"chosen_agent": True}),
        (UnusableSpan.WRONG_TYPE, {"context": [10**5000]}),
        (UnusableSpan.WRONG_TYPE, {"confidence": "0.9"}),
        (UnusableSpan.WRONG_TYPE, {"confidence": True}),
        (UnusableSpan.WRONG_TYPE, {"agent_success": 1}),
        (UnusableSpan.WRONG_TYPE, {"language": {"code": "de"}}),
        (UnusableSpan.OUT_OF_RANGE, {"confidence": 1.01}),
        (UnusableSpan.OUT_OF_RANGE, {"search_quality": -0.1}),
        (UnusableSpan.OUT_OF_RANGE, {"user_satisfaction": math.nan}),
        (UnusableSpan.OUT_OF_RANGE, {"processing_time": math.inf}),
        (UnusableSpan.OUT_OF_RANGE, {"processing_time": 10**400}),
        (UnusableSpan.TOO_LONG, {"query": "x" * (MAX_TEXT_CHARS + 1)}),
        (UnusableSpan.TOO_LONG, {"context": ["x" * MAX_TEXT_CHARS]}),
    ],
)
def test_a_span_that_cannot_be_used_says_why(reason: UnusableSpan, overrides: dict[str, object]) -> None:
    assert read(**overrides) is reason


@pytest.mark.parametrize("name", ["routing.session_id", "session.id"])
def test_decisions_of_one_session_share_a_digest_that_does_not_tell_its_name(name: str) -> None:
    def session(said: object) -> str | None:
        found = read_span(make_span(attributes=make_attributes() | {name: said}), "acme_corp", {"routing": FIELDS})
        assert isinstance(found, Experience)
        return found.session

    assert session("anna@example.com") == session("anna@example.com") != session("bert")
    assert "anna" not in str(session("anna@example.com"))
    assert [session(said) for said in (None, "", 7, ["x"])] == [None] * 4


def test_nesting_beyond_reason_is_a_wrong_type() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert read(context=deep) is UnusableSpan.WRONG_TYPE


def test_aliases_are_read_when_the_preferred_attribute_is_absent() -> None:
    attributes = make_attributes(query=None, chosen_agent=None, agent=AGENTS[2]) | {"input.value": "where is it"}
    found = read_span(make_span(attributes=attributes), "acme_corp", {"routing": FIELDS})
    assert isinstance(found, Experience)
    assert (found.query, found.answers) == ("where is it", {"agent": AGENTS[2]})


def test_a_span_that_names_no_tenant_belongs_to_the_project_it_lies_in() -> None:
    assert isinstance(read(tenant_id=None), Experience)


def test_structured_inputs_become_json_text() -> None:
    found = read(context=[{"text": "Größe", "label": "topic"}])
    assert isinstance(found, Experience)
    assert found.inputs["context"] == '[{"label": "topic", "text": "Größe"}]'


def test_a_program_without_query_is_asked_by_the_values_of_its_inputs() -> None:
    assert query_of({"b": "two", "a": "one"}) == "one\ntwo"


@given(st.dictionaries(NAMES, JSON))
def test_any_attributes_are_read_or_refused_and_never_raise(attributes: dict[str, object]) -> None:
    for given_attributes in (attributes, make_attributes() | attributes, make_attributes(text="x") | attributes):
        span = make_span(attributes=given_attributes)
        for fields in (FIELDS, FREE):
            found = read_span(span, "acme_corp", {"routing": fields})
            if isinstance(found, Experience):
                canonical([found.inputs, found.answers, found.language, found.modality]).encode()
                assert 0.0 <= (reward(found, RewardWeights()) or 0.0) <= 1.0


SHARES = st.none() | st.floats(0, 1)


@given(
    SHARES,
    st.none() | st.booleans(),
    SHARES,
    st.none() | st.floats(0, 1e308),
    st.builds(
        RewardWeights,
        search_quality_weight=st.floats(0.01, 1),
        agent_success_weight=st.floats(0, 1),
        user_satisfaction_weight=st.floats(0, 1),
        processing_time_penalty=st.floats(0, 1),
    ),
)
def test_reward_stays_between_0_and_1(
    quality: float | None,
    success: bool | None,
    satisfaction: float | None,
    time_s: float | None,
    weights: RewardWeights,
) -> None:
    experience = make_experience(
        search_quality=quality, agent_success=success, user_satisfaction=satisfaction, processing_time_s=time_s
    )
    worth = reward(experience, weights)
    assert worth is None or 0.0 <= worth <= 1.0


def outcome(quality: float | None, success: bool | None, satisfaction: float | None, time_s: float) -> float | None:
    experience = make_experience(
        search_quality=quality, agent_success=success, user_satisfaction=satisfaction, processing_time_s=time_s
    )
    return reward(experience, RewardWeights())


def test_reward_meets_the_documented_examples() -> None:
    assert f"{outcome(0.92, True, 0.95, 1.2):.3f}" == "0.923"
    assert outcome(0.95, True, 0.92, 0.5) == pytest.approx(0.4 * 0.95 + 0.3 + 0.3 * 0.92 - 0.1 * 0.5 / 4)
    assert (outcome(0.95, True, 0.92, 0.5) or 0) > 0.85
    assert (outcome(0.4, False, 0.3, 5.0) or 1) < 0.4


def test_a_silent_user_counts_neither_for_nor_against() -> None:
    assert outcome(0.6, None, None, 0.0) == pytest.approx(0.6)
    assert outcome(None, None, None, 3.0) is None
