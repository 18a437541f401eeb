"""Nothing in a goal but its query tells the answer, and what is made says of its content only what that holds.

A blind reader is given everything that a reader is given but the query. It has learned from half of the goals which
answers go with what it is given, with every number read as high or low; on the other half it may do no better than
whoever always gives the same answers, within the 99.9 % quantile of the binomial distribution.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import pytest
from scipy.stats import binom
from synthesis_bench import CONFIG, CONTENT, Bench, known_example

from argotune.programs import programs_of
from argotune.programs.cross_modal import INPUTS
from argotune.synthetic.augmentation import augmented
from argotune.synthetic.content import Content
from argotune.synthetic.generators import GENERATORS, Material
from argotune.synthetic.values import Augmentation, Fusion, Goal, Route, SyntheticDataResponse, parse_request

ONE_IN_A_THOUSAND = 0.999
BY_ID = {content.id: content for content in CONTENT}


def drawn(optimizer: str, count: int = 240) -> Iterator[Goal]:
    """Goals as they come, each with one of every augmentation that applies."""
    generator = GENERATORS[optimizer]
    material = Material(parse_request(optimizer=optimizer, count=count), CONFIG, CONTENT, random.Random(3))
    for _, goal in zip(range(count), generator.goals(material), strict=False):
        yield goal
        varied = (augmented(goal, "a query", kind, generator, material) for kind in Augmentation)
        yield from (found for found in varied if found)


def seen_by_the_blind(goal: Goal) -> tuple[str, str]:
    """The program asked, and its inputs with numbers as high or low: drawn digits are never the same."""
    text = str(sorted((name, value) for name, value in goal.inputs.items() if name != "query"))
    return goal.program, re.sub(r"\d*\.\d+", lambda number: "high" if float(number[0]) > 0.5 else "low", text)


def answers(goal: Goal) -> tuple[str, ...]:
    return tuple(goal.expected.values())


@pytest.mark.parametrize("optimizer", sorted(GENERATORS))
def test_a_reader_blind_to_the_query_stays_at_chance(optimizer: str):
    goals = list(drawn(optimizer))
    random.Random(5).shuffle(goals)
    half = len(goals) // 2
    learned: Mapping[tuple[str, str], Counter] = defaultdict(Counter)
    usual: Mapping[str, Counter] = defaultdict(Counter)
    for goal in goals[:half]:
        learned[seen_by_the_blind(goal)][answers(goal)] += 1
        usual[goal.program][answers(goal)] += 1
    tested = [goal for goal in goals[half:] if learned[seen_by_the_blind(goal)]]
    hits = sum(learned[seen_by_the_blind(g)].most_common(1)[0][0] == answers(g) for g in tested)
    by_one_answer = sum(usual[g.program].most_common(1)[0][0] == answers(g) for g in tested)
    assert len(tested) > 200
    assert hits <= binom.ppf(ONE_IN_A_THOUSAND, len(tested), by_one_answer / len(tested))


@pytest.mark.parametrize("optimizer", sorted(GENERATORS))
def test_the_inputs_beside_the_query_are_the_same_for_all_goals_of_a_program(optimizer: str):
    shown = defaultdict(set)
    for goal in drawn(optimizer):
        shown[goal.program].add(tuple(sorted(goal.inputs.items())))
    names = {program.name for program in programs_of(CONFIG, optimizer)}
    assert {name: len(inputs) for name, inputs in shown.items()} == dict.fromkeys(names, 1)


@pytest.mark.parametrize("optimizer", sorted(GENERATORS))
def test_no_goal_says_of_a_content_that_it_is_of_another_modality(optimizer: str):
    goals = list(drawn(optimizer))
    assert goals
    for goal in goals:
        parts = goal.parts or (goal.content,)
        assert all(part == BY_ID[part.id] for part in parts)
        assert sorted(goal.modality.split("+")) == sorted(part.modality for part in parts)
        assert all(part.title in goal.content.words for part in parts)


def test_both_contents_of_a_pair_are_shown_to_the_writer_however_long_they_are():
    long = [Content(m, m, f"{m} title", "word " * 800) for m in ("video", "image")]
    bench = Bench()
    bench.make("cross_modal", long, count=1, source_modality="video", target_modality="image")
    assert bench.prompts
    assert all("video title" in prompt and "image title" in prompt for prompt in bench.prompts)
    assert bench.prompts


def fused(query: str) -> SyntheticDataResponse:
    """One cross-modal example about a harbour film and a glacier photo, read by one who knows."""
    contents = [Content("f", "video", "Harbour film", ""), Content("p", "image", "Glacier photo", "")]
    bench, right = Bench(lambda *_: query), {"yes", "video+image", "score"}
    bench.lms.task.answer = lambda _inputs, labels, _demos: next(label for label in labels if label in right)
    wanted = {"source_modality": "video", "target_modality": "image", "fusion_strategy": "score"}
    return bench.make("cross_modal", contents, count=1, augmentations=(), **wanted)


@pytest.mark.parametrize(
    ("query", "relevance"),
    [
        ("harbour film", {"video": 1.0, "image": 0.0}),
        ("harbour film and glacier photo", {"video": 0.5, "image": 0.5}),
        ("glacier photo with whales, harbour", {"video": 0.25, "image": 0.5}),
    ],
)
def test_relevance_is_measured_on_the_query_and_the_contents(query: str, relevance: Mapping[str, float]):
    (made,) = fused(query).examples
    assert made.fusion == Fusion(needs_fusion=True, modalities="video+image", strategy="score", relevance=relevance)
    assert set(INPUTS) == set(made.inputs)


def test_a_question_that_is_content_is_not_shown_to_the_reader_with_its_label():
    asked = [f"clip of the {topic} at night with its old keeper" for topic in ("harbour", "glacier", "museum")]
    contents = [Content(q, "video", q, "", profile="traces", agent="video_search_agent") for q in asked]
    bench = Bench(lambda d, w, n: f"{w} {d} {n * 7919}")
    made = bench.make(contents=contents, known=[known_example(q, "train") for q in asked], count=3, augmentations=())
    assert made.count == 3
    for question in bench.lms.task.calls.asked:
        read, demos = question["state"]["inputs"]["query"], question["state"]["demos"]
        (source,) = (q for q in asked if q in read)
        assert sorted(d["query"] for d in demos) == sorted(q for q in asked if q != source)


def test_content_filed_under_an_agent_is_never_given_to_another_by_a_route():
    contents = [Content(str(n), "video", f"thing {n}", "", agent="video_search_agent") for n in range(4)]
    material = Material(parse_request(optimizer="routing", count=9), CONFIG, contents, random.Random(1))
    for _, goal in zip(range(30), GENERATORS["routing"].goals(material), strict=False):
        assert (goal.expected, goal.route) == (
            {"agent": "video_search_agent"},
            Route(type="direct", agents=("video_search_agent",)),
        )


def test_who_steps_in_is_named_only_where_one_other_agent_fits():
    request = parse_request(optimizer="routing", count=9, route_types=("fallback",))
    found = {}
    for others in (["sum"], ["sum", "report"]):
        config = CONFIG.model_copy(update={"agents": {"film": "finds films", **dict.fromkeys(others, "sums up")}})
        material = Material(request, config, CONTENT[:10], random.Random(1))
        goals = [goal for _, goal in zip(range(20), GENERATORS["routing"].goals(material), strict=False)]
        found[len(others)] = {g.route.fallback for g in goals if g.route.agents == ("film",)}
    assert found == {1: {"sum"}, 2: {None}}


def test_a_stored_route_with_a_drawn_error_is_read_without_it():
    stored = {"type": "fallback", "agents": ["a"], "fallback": "b", "on_error": "nothing was found"}
    assert Route.model_validate(stored) == Route(type="fallback", agents=("a",), fallback="b")
