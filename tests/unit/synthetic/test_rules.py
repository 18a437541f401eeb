"""Rules of synthesis that need no LM: how many, what weight, which words, which features, which agents."""

from __future__ import annotations

import json
import random
from collections import Counter
from importlib.resources import files

import pytest
from factories import AGENTS

from argotune.cli.demo import sample
from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.guards.instructions import holds_instructions
from argotune.data.splitting import Split
from argotune.decisions.values import Strategy
from argotune.optimizers.task import TrainingTask, demo_pool
from argotune.synthetic.content import Content, read_content, sample_of
from argotune.synthetic.features import features_of
from argotune.synthetic.mixing import MAX_SYNTHETIC, SYNTHETIC_WEIGHT, synthetic_share, weighed
from argotune.synthetic.report import SyntheticReport, Trial
from argotune.synthetic.right_agents import agent_for, generalists, modalities_of, specialists
from argotune.synthetic.shared_words import is_about
from argotune.tenants.config import RoutingConfigUnified

CONFIG = RoutingConfigUnified(tenant_id="acme")


@pytest.mark.parametrize(
    ("strategy", "n_real", "ratio", "count"),
    [
        (Strategy.PURE_REAL, 60, 0.3, 0),
        (Strategy.SKIP, 10, 0.3, 0),
        (Strategy.SYNTHETIC, 0, 0.3, 20),
        (Strategy.SYNTHETIC, 13, 0.3, 7),
        (Strategy.SYNTHETIC, 30, 0.3, 0),
        (Strategy.SYNTHETIC, 13, 0.0, 0),
        (Strategy.HYBRID, 35, 0.3, 15),
        (Strategy.HYBRID, 30, 0.5, 30),
        (Strategy.HYBRID, 30, 0.0, 0),
        (Strategy.HYBRID, 30, 1.0, MAX_SYNTHETIC),
        (Strategy.HYBRID, 30, 0.999, MAX_SYNTHETIC),
    ],
)
def test_the_share_follows_strategy_and_ratio(strategy: Strategy, n_real: int, ratio: float, count: int) -> None:
    assert synthetic_share(strategy, n_real, ratio, synthetic_below=20) == count


def made(n: int, weight: float = 1.0) -> list[Example]:
    source = LabelSource.SYNTHETIC
    return [Example("routing", {"query": f"q{i}"}, {"agent": "a"}, source, weight, Split.TRAIN) for i in range(n)]


@pytest.mark.parametrize(("n_made", "weight"), [(15, 0.8), (20, 0.6), (5, 1.0)])
def test_hybrid_gives_synthetic_examples_the_asked_share_of_the_weight(n_made: int, weight: float) -> None:
    real = made(35, 0.8)
    found = weighed(made(n_made), real, Strategy.HYBRID, 0.3)
    assert [e.weight for e in found] == pytest.approx([weight] * n_made)
    if weight < 1:
        share = sum(e.weight for e in found)
        assert share / (share + sum(e.weight for e in real)) == pytest.approx(0.3)


def test_synthetic_examples_alone_have_half_weight() -> None:
    assert {e.weight for e in weighed(made(5), [], Strategy.SYNTHETIC, 0.3)} == {SYNTHETIC_WEIGHT}
    assert weighed([], made(5), Strategy.HYBRID, 0.3) == []


def test_heavier_examples_are_shown_more_often() -> None:
    import dspy

    train = [dspy.Example(query=str(n)).with_inputs("query") for n in range(4)]
    first: Counter[str] = Counter()
    for seed in range(2000):
        task = TrainingTask(None, None, train, [], None, None, seed, 1, weights=[1.0, 0.5, 0.5, 0.0])  # type: ignore[arg-type]
        pool = demo_pool(task)
        assert len(pool) == 4
        assert pool[-1].query == "3"
        first[pool[0].query] += 1
    assert first["0"] / 2000 == pytest.approx(0.5, abs=0.04)
    assert first["1"] / 2000 == pytest.approx(0.25, abs=0.04)


def test_without_weights_the_pool_is_a_shuffle_by_the_seed() -> None:
    import dspy

    train = [dspy.Example(query=str(n)).with_inputs("query") for n in range(50)]
    pools = [[e.query for e in demo_pool(TrainingTask(None, None, train, [], None, None, s, 1))] for s in (1, 1, 2)]  # type: ignore[arg-type]
    assert pools[0] == pools[1] != pools[2]
    assert sorted(pools[0]) == sorted(e.query for e in train)


@pytest.mark.parametrize(
    ("query", "text", "shared"),
    [
        ("show the printer manual", "Printing at the office", True),
        ("where is it", "where is what it is", False),
        ("find the document please", "a document to find", False),
        ("発電所の写真", "発電所の記録", True),
        ("фото моста", "Мост через реку", True),
        ("chess", "checkers", False),
        ("", "anything", False),
    ],
)
def test_a_query_is_about_a_text_that_it_shares_a_telling_word_with(query: str, text: str, shared: bool) -> None:
    assert is_about(query, text) is shared


def test_features_name_entities_and_times() -> None:
    found = features_of("Who spoke with Marta Silva at the NASA fair last week, at 10:30?")
    assert found.entities == ("Marta Silva", "NASA")
    assert found.temporal_references == ("last week", "10:30")
    assert (found.is_question, found.words) == (True, 13)
    assert features_of("").words == 0


def test_agents_are_matched_to_modalities_by_what_they_say_of_themselves() -> None:
    assert specialists(CONFIG, "video") == ["video_search_agent"]
    assert specialists(CONFIG, "text") == ["document_search_agent"]
    assert generalists(CONFIG) == ["summarizer_agent", "detailed_report_agent"]
    assert modalities_of("x", "podcasts and photos") == {"audio", "image"}


def test_no_label_is_guessed_where_nothing_says_which_is_right() -> None:
    config = RoutingConfigUnified(tenant_id="acme", agents={"billing": "bills", "travel": "flights"})
    content, chance = Content("1", "text", "a", "b"), random.Random(1)
    assert agent_for(content, config, chance) is None
    assert agent_for(Content("1", "text", "a", "b", agent="travel"), config, chance) == "travel"
    assert AGENTS[0] == agent_for(
        Content("1", "video", "a", ""),
        RoutingConfigUnified(tenant_id="acme", agents={AGENTS[0]: "", AGENTS[1]: ""}),
        chance,
    )


def test_a_sample_keeps_little_however_much_is_read() -> None:
    rows = (Content(str(n), "text", "t", "") for n in range(20_000))
    found = sample_of(rows, 5, ("text", "video"), (), 3).contents
    assert len({c.id for c in found}) == 5


def test_the_report_says_in_one_sentence_what_came_of_it() -> None:
    report = SyntheticReport(asked=10, made=4, goals=8, refused={"empty query": 2, "near-duplicate": 9})
    assert report.sentence == "4 of 10 synthetic examples made (refused: 9 x near-duplicate, 2 x empty query)"
    assert report.success_rate == 0.5
    assert SyntheticReport(why_none="no content").sentence == "no synthetic examples: no content"
    assert Trial(with_mean=0.5, without_mean=0.25, n=8).gain == 0.25


def test_the_sample_content_can_be_used_and_repeats_no_sample_query() -> None:
    lines = files("argotune.cli.demo").joinpath("content", "initech.jsonl").read_text("utf-8").splitlines()
    contents = [read_content(json.loads(line)) for line in lines]
    assert len(contents) == 40
    assert all(isinstance(c, Content) and not holds_instructions(c.words) for c in contents)
    assert len({c.id for c in contents}) == 40
    queries = [q.query.lower() for tenant in sample.TENANTS for q in sample.queries(tenant)]
    assert not [q for q in queries for c in contents if len(q) > 12 and q in c.words.lower()]
