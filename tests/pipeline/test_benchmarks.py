"""The benchmarks of contests run, each at a tiny size: they print the numbers that docs/benchmarks.md quotes."""

from __future__ import annotations

import importlib
import json
import random
import re
import sys
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dspy
import pytest
from scripted_lm import ScriptedDecisions, like_the_nearest_demo
from twin_embedders import twins

from argotune import wiring
from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.errors import BudgetSpent
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.programs.cascade import FellThrough
from argotune.tenants.config import BudgetLimits

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """Load a benchmark by its name, without running it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: vars(importlib.import_module(name))


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("*.py")))
def test_every_benchmark_loads(benchmark, name: str) -> None:
    """What they import has moved before, unnoticed."""
    assert benchmark(name)


def main(loaded: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    loaded["main"]()


def clinc(folder: Path) -> Path:
    """A data set of CLINC150's form: of each of ten domains an intent, told by a word of its own."""
    from clinc150 import AGENTS

    rng = random.Random(1)
    words = [f"w{number}" for number in range(40)]
    rows = [
        [[f"{agent} {' '.join(rng.sample(words, 5))} {number}", f"{agent} intent"] for number in range(30)]
        for agent in AGENTS
    ]
    data = {name: [row for of_agent in rows for row in of_agent] for name in ("train", "val", "test")}
    (folder / "data_full.json").write_text(json.dumps(data))
    (folder / "domains.json").write_text(json.dumps({agent: [f"{agent} intent"] for agent in AGENTS}))
    return folder


@pytest.mark.slow
def test_tenant_years_are_judged_by_the_real_contest(benchmark, monkeypatch, capsys, tmp_path: Path) -> None:
    plot = tmp_path / "labels.svg"
    sizes = {"years": 2, "days": 14, "orders": 20, "processes": 1}
    flags = [f"--{name}={value}" for name, value in sizes.items()]
    main(benchmark("tenant_years"), monkeypatch, *flags, "--plot", str(plot))
    told = capsys.readouterr().out
    assert "| no change |" in told
    assert "| the release before |" in told
    assert "a contest, the year's first (level 0.0125)" in told
    assert plot.read_text().count("<polyline") == 3


def test_a_simulated_year_holds_its_bound_and_finds_gains(benchmark) -> None:
    year = benchmark("simulated_year")
    null, mixed = year["SCENARIOS"][0], year["SCENARIOS"][2]
    found = [year["year"](null, 30, seed) for seed in range(4)]
    assert sum(tally.false for tally in found) <= 1
    assert all(tally.contests >= 7 for tally in found)
    assert sum(year["year"](mixed, 60, seed).true for seed in range(2)) > 0


def test_a_verdict_on_many_answers_takes_less_than_a_second(benchmark, monkeypatch, capsys) -> None:
    main(benchmark("verdict"), monkeypatch, "--pairs", "2000", "--repeat", "1")
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.endswith(" s |")]
    assert [row[1].strip() for row in rows] == ["hits", "all differ", "scores"]
    assert all(float(row[5].split()[0]) < 1 for row in rows)


@pytest.mark.slow
def test_a_tenants_life_is_lived_by_passes_and_by_what_wins_on_dev(benchmark, monkeypatch, capsys, tmp_path) -> None:
    from argotune.adapters.llama_cpp.scorer import LabelScorer

    monkeypatch.setattr(LabelScorer, "_score", LabelScorer._score)  # the script's is put in its place
    loaded = benchmark("lifetime")
    flags = ["--scripted", "--tenants=0", "--days=2", "--held-out=10"]
    main(loaded, monkeypatch, str(clinc(tmp_path)), str(tmp_path / "memo.sqlite"), *flags)
    told = capsys.readouterr().out
    assert "| contests | " in told
    assert "| ceiling | " in told
    assert "labels=80" in told


@pytest.mark.slow
def test_a_contest_needs_fewer_labels_than_the_release_before(benchmark, capsys) -> None:
    labels = benchmark("labels")
    make, agents = labels["Asked"], list(labels["AGENTS"])
    from clinc150 import _stratified

    from argotune.data.splitting import Split

    pool = {agent: [f"{agent} question {number}" for number in range(30)] for agent in agents}
    examples, rng = _stratified(pool, 0, 30, Split.TRAIN), random.Random(2)
    traffic = [
        make(e, *(e.expected["agent"] if rng.random() < share else rng.choice(agents) for share in (0.3, 0.6)))
        for e in examples
    ]
    labels["say"](labels["with_useless"](traffic), 10, 60)
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    medians = [float(row[2].split("/")[0]) for row in rows]
    assert medians[0] < medians[1] < medians[2]


def test_routers_are_measured_a_row_at_a_time_and_none_twice(benchmark, monkeypatch, capsys, tmp_path: Path) -> None:
    loaded, results = benchmark("routers"), tmp_path / "rows.jsonl"
    scripted = LMs(ScriptedDecisions(like_the_nearest_demo), None, dspy.JSONAdapter(), {"task": "scripted"})
    monkeypatch.setitem(loaded, "_lms", lambda *_, **__: scripted)
    monkeypatch.setitem(loaded, "_start_cpu_s", lambda *_: 0.5)
    sizes = ["--examples=40", "--methods=none,nearest", "--seeds=1", "--test=40", "--sets=domains,intents"]
    main(loaded, monkeypatch, str(clinc(tmp_path)), str(results), *sizes)
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert [(row["set"], row["method"]) for row in rows] == list(product(("domains", "intents"), ("none", "nearest")))
    assert rows[1]["hits"] > rows[0]["hits"]
    assert capsys.readouterr().out.count("\n| domains | 40 | 0.2 | nearest |") == 1
    main(loaded, monkeypatch, str(tmp_path), str(results), *sizes)
    assert len(results.read_text().splitlines()) == len(rows)


def test_a_distilled_student_knows_what_its_teacher_said_alone(benchmark, monkeypatch, tmp_path: Path) -> None:
    loaded, results = benchmark("routers"), tmp_path / "rows.jsonl"
    wrong = ScriptedDecisions(lambda inputs, labels, _: labels[labels.index(inputs["query"].split()[0]) - 1])
    scripted = LMs(wrong, None, dspy.JSONAdapter(), {"task": "scripted"})
    monkeypatch.setitem(loaded, "_lms", lambda *_, **__: scripted)
    monkeypatch.setitem(loaded, "_start_cpu_s", lambda *_: 0.5)
    monkeypatch.setattr(wiring, "open_embedders", lambda _: twins())
    sizes = ["--examples=40", "--methods=student,distilled", "--seeds=1", "--test=40", "--unlabelled=100"]
    main(loaded, monkeypatch, str(clinc(tmp_path)), str(results), *sizes)
    labelled, distilled = [json.loads(line) for line in results.read_text().splitlines()]
    assert distilled["kind"] == "student"
    assert labelled["hits"] > 20 > distilled["hits"]
    assert len(distilled["right"]) == distilled["n_test"] == 40


def test_a_cascade_tells_which_strangers_it_answers_without_asking_the_lm(benchmark) -> None:
    loaded = benchmark("routers")
    said = {"pay my bill": dspy.Prediction(agent="banking"), "hogy vagy?": FellThrough.UNFAMILIAR}
    cascade = SimpleNamespace(by_student=lambda inputs: said[inputs["query"]])
    assert loaded["_strangers"](None, cascade, list(said), None, None) == 0.5


def test_an_answer_that_two_methods_ask_for_is_computed_once_and_paid_for_by_both(benchmark, tmp_path: Path) -> None:
    loaded, path, computed = benchmark("shared_answers"), tmp_path / "answers.jsonl", list[int]()

    def ask(meter: Meter) -> dict[str, int]:
        with meter.call(10):
            computed.append(1)
        return {"answer": 42}

    meters = [Meter(BudgetLimits(max_lm_calls=1, max_lm_tokens=100)) for _ in range(2)]
    for meter in meters:
        shared = loaded["SharedAnswers"](path)
        assert shared.get({"prompt": "which?"}, meter, partial(ask, meter)) == {"answer": 42}
    assert (len(computed), [meter.spent.calls for meter in meters]) == (1, [1, 1])
    with pytest.raises(BudgetSpent):
        shared.get({"prompt": "which?"}, meters[0], partial(ask, meters[0]))


def test_embedders_are_compared_in_three_languages(benchmark, monkeypatch, capsys, tmp_path: Path) -> None:
    said = {"ALARM": ("set an alarm", "stell den Wecker", "mets un réveil"), "CALL": ("call", "ruf an", "appelle")}
    rows = [
        {
            "question": dict(zip(("en", "de", "fr"), (f"{text} {n}" for text in texts), strict=True)),
            "mr": {"slot_intent": {"en": f"[IN:CREATE_{intent} ]"}},
        }
        for intent, texts in said.items()
        for n in range(6)
    ]
    for split in ("dev", "test"):
        (tmp_path / f"{split}.json").write_text(json.dumps(rows))
    flags = [str(clinc(tmp_path)), "--mtop", str(tmp_path), "--embedder", "tiny", "--test", "50", "--draws", "2"]
    loaded = benchmark("embedders")
    monkeypatch.setattr(wiring, "open_embedders", lambda _: twins(tiny=lambda _: HashedEmbedder("tiny")))
    main(loaded, monkeypatch, *flags)
    told = capsys.readouterr().out
    assert re.search(r"\| tiny \| 256 \| [\d.]+% ± [\d.]+% \|.* / [\d.]+% / [\d.]+% \|\n", told)
    assert "| one question, p50 | p99 |" in told


def test_a_student_stands_beside_the_lm_program_that_it_replaces(benchmark, monkeypatch, capsys, tmp_path) -> None:
    from scripted_lm import like_the_nearest_demo, scripted_lms
    from twin_embedders import EMBEDDERS

    from argotune import wiring

    loaded = benchmark("student")
    monkeypatch.setitem(loaded, "_lms", lambda _meter, _answers: scripted_lms(like_the_nearest_demo, None))
    monkeypatch.setattr(wiring, "open_embedders", lambda _settings: EMBEDDERS)
    main(loaded, monkeypatch, str(clinc(tmp_path)), "--test=20", "--strangers=5")
    cells = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    rows = {each[1].strip(): each for each in cells[1:]}
    assert rows.keys() == {"nearest", "student", "cascade"}
    assert (rows["nearest"][4].strip(), rows["student"][4].strip()) == ("0%", "100%")
    assert float(rows["student"][2].split("%")[0]) > 80


@pytest.mark.slow
def test_estimates_and_policies_from_a_biased_logger_are_told_beside_the_truth(
    benchmark, monkeypatch, capsys, tmp_path
) -> None:
    loaded = benchmark("off_policy")
    small = ["--embedder=hashed", "--sizes=150", "--labels=40", "--seeds=2", "--test=50", "--epochs=2"]
    main(loaded, monkeypatch, str(clinc(tmp_path)), *small)
    told = capsys.readouterr().out
    assert "| label-trained | 150 |" in told
    assert "| (always right) | | 0.950 |" in told
    assert "| propensities, doubly_robust | 150 |" in told
    main(loaded, monkeypatch, str(clinc(tmp_path)), "--once=60", "--buffer=60", "--epochs=1")
    grown = json.loads(capsys.readouterr().out)
    assert grown["cpu_s"] > 0
    assert "experiences with propensities" in grown["learned"]


def test_a_service_visits_all_who_have_traffic_while_one_hangs(benchmark) -> None:
    found = benchmark("service")["measured"](12, 3, minutes=8, speed=60)
    assert found["busy_visited"] == 2
    assert found["hanging"] == {"visits": 0, "at_work": 1}
    assert found["spans"] == 300
    assert found["store"]["hold"] > 0
    assert found["traces"]["newest"] >= 3


def test_the_dashboards_pages_are_timed_on_each_store(benchmark, monkeypatch, capsys) -> None:
    main(benchmark("dashboard"), monkeypatch, "--tenants=12", "--runs=30", "--times=2")
    told = capsys.readouterr().out
    for store in ("SQLite", "Redis"):
        assert f"| {store}: filled with 12 tenants and 30 runs |" in told
        for page in ("fleet", "accuracy of a tenant", "decisions of a tenant"):
            assert re.search(rf"\| {store}: {page}( \| [\d.]+ s){{4}} \|", told)
