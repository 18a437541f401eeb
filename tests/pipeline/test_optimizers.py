"""Optimizers: what each makes of a task, by script and with the embedded LM, and what stops them."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import dspy
import pytest
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import LMError
from scripted_lm import json_answers, like_the_nearest_demo, scripted_lms, scripted_writer
from slow_rows import mostly_slow
from tuning import AGENTS, ROUTING, THINGS, WORDS, WRITTEN, examples, scripted, task

from argotune.adapters.llama_cpp.lm import EmbeddedLMs
from argotune.errors import ArgotuneError, BudgetSpent, ConfigInvalid, NoContent, RequestRefused, Unavailable
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.named import NamedLMs
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS
from argotune.optimizers.quiet import quiet
from argotune.programs import Program
from argotune.programs.evaluation import score
from argotune.programs.retrieval import RetrievedDemos
from argotune.programs.state import dump
from argotune.tenants.config import BudgetLimits, LMChoice
from argotune.tenants.optimizer_settings import OptimizerSettings

WRITES = [name for name, optimizer in OPTIMIZERS.items() if optimizer.needs_writer]
ASK_NOBODY = ("labeled", "nearest", "student", "cascade", "policy")
"""Methods without an LM call, where no request without a label is at hand, nor enough dev labels for a threshold."""
SEARCHES = ["random_search", "mipro", "gepa", "copro"]


def iterations(name: str, asked: int) -> int:
    return OPTIMIZERS[name].iterations(asked, OptimizerSettings())


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


def accuracy(module: dspy.Module, lms: LMs, things: tuple[str, ...] = THINGS[6:]) -> float:
    results = score(module, ROUTING, examples(things), lms, silent)
    return sum(result.score for result in results) / len(results)


# With the embedded LM


@pytest.fixture(scope="module")
def embedded() -> tuple[LMs, Meter]:
    """SmolLM2-135M scores labels and is the teacher; one thread, so that busy machines do not stall it."""
    meter = Meter(BudgetLimits(max_lm_calls=1_000))
    named = NamedLMs([EmbeddedLMs(threads=1)], "local/smollm2", "local/smollm2", lambda: datetime.now(UTC))
    return named.open(LMChoice(), meter, NothingKept()), meter


@pytest.mark.lm
@pytest.mark.parametrize("name", mostly_slow(["bootstrap", *(name for name in OPTIMIZERS if name != "bootstrap")]))
def test_optimizer_runs_on_the_embedded_lm(name: str, embedded: tuple[LMs, Meter]):
    lms, meter = embedded
    before = meter.spent.calls
    tiny = task(lms, train=examples(THINGS[:1]), dev=examples(THINGS[4:5])[::2], max_iterations=1)
    tuned = OPTIMIZERS[name].compile(tiny)
    too_few_to_race = name == "portfolio"  # which then takes the first that compiles
    assert (meter.spent.calls > before) is (name not in ASK_NOBODY and not too_few_to_race)
    results = score(tuned, ROUTING, examples(THINGS[6:7])[:2], lms, silent)
    assert all(result.is_parsed and result.answers["agent"] in AGENTS for result in results)


@pytest.mark.lm
def test_neighbours_lift_the_embedded_lm(embedded: tuple[LMs, Meter]):
    lms, _ = embedded
    tuned = OPTIMIZERS["nearest"].compile(task(lms))
    assert accuracy(tuned, lms, THINGS[6:]) > accuracy(ROUTING.build(), lms, THINGS[6:])


# What they make


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_optimizer_gives_a_program_that_is_no_worse_and_leaves_the_student_alone(name: str):
    lms = scripted()
    given = task(lms)
    before = dump(given.student)
    tuned = OPTIMIZERS[name].compile(given)
    assert accuracy(tuned, lms) >= accuracy(given.student, lms)
    assert dump(given.student) == before
    assert all(predictor.lm is None for predictor in tuned.predictors())


@pytest.mark.parametrize("name", ["bootstrap", "random_search", "mipro", "labeled", "nearest"])
def test_demonstrations_help_an_lm_that_needs_them(name: str):
    lms = scripted()
    assert accuracy(ROUTING.build(), lms) < 0.5
    assert accuracy(OPTIMIZERS[name].compile(task(lms)), lms) > 0.6


@pytest.mark.parametrize("name", ["mipro", "copro", "gepa"])
def test_written_instructions_are_kept_when_they_help(name: str):
    lms = scripted_lms(like_the_nearest_demo, scripted_writer(WRITTEN)[0])
    ask = type(lms.task).__call__
    lms.task.__class__ = type("Instructed", (type(lms.task),), {"__call__": _only_if_told(ask)})
    tuned = OPTIMIZERS[name].compile(task(lms, max_iterations=6))
    assert "Mind the kind" in tuned.predictors()[0].signature.instructions


def _only_if_told(ask: Any) -> Any:
    """An LM that is right exactly when its instructions are the written ones."""

    def call(self: Any, state: Any, questions: Any) -> Any:
        right = next(a for a, phrases in WORDS.items() if state["inputs"]["query"].split()[0] in " ".join(phrases))
        told = "Mind the kind" in state["instructions"]
        self.answer = lambda inputs, labels, demos: right if told else labels[0]
        return ask(self, state, questions)

    return call


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_same_seed_gives_the_same_program(name: str):
    first, again = (dump(OPTIMIZERS[name].compile(task(scripted()))) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_what_examples_count_changes_the_program_of_those_that_say_so_and_of_no_other(name: str):
    rising = [(number + 1) / 24 for number in range(24)]
    falling = rising[::-1]
    easy = {"cascade": {"min_labels": 1, "tolerance": 0.9}}  # so that its student, which they change, is used
    settings = OptimizerSettings.model_validate(easy)
    given = [task(scripted(), weights=weights, settings=settings) for weights in (rising, falling)]
    first, other = (dump(OPTIMIZERS[name].compile(each)) for each in given)
    for state in (first, other):  # nearest keeps all, and their order means nothing to it
        state["examples"] = sorted(state.get("examples", []), key=str)
    assert (first != other) is OPTIMIZERS[name].uses_weights


@pytest.mark.parametrize("name", ["bootstrap", "labeled"])
def test_another_seed_shows_other_examples(name: str):
    first, other = (dump(OPTIMIZERS[name].compile(task(scripted(), seed=seed))) for seed in (1, 2))
    assert first != other


def test_labeled_shows_every_label_that_exists():
    rare = examples(("wine",))[4:5]
    train = [e for e in examples(THINGS) if e.agent != "audio"] + rare
    (predictor,) = OPTIMIZERS["labeled"].compile(task(scripted(), train=train)).predictors()
    shown = Counter(demo.agent for demo in predictor.demos)
    assert shown["audio"] == 1
    assert abs(shown["video"] - shown["text"]) <= 1
    assert sum(shown.values()) == 16


def test_bootstrap_never_shows_what_was_answered_wrong():
    lms = scripted(lambda inputs, labels, demos: "video")
    (predictor,) = OPTIMIZERS["bootstrap"].compile(task(lms)).predictors()
    bootstrapped = [demo for demo in predictor.demos if demo.get("augmented")]
    assert bootstrapped
    assert all(demo.query.split()[0] in {"clip", "film"} for demo in bootstrapped)


def test_example_too_long_to_show_is_not_shown():
    train = examples(THINGS)
    train[0]["query"] = "x" * 3_000
    for name in ASK_NOBODY:
        assert "xxxx" not in str(dump(OPTIMIZERS[name].compile(task(scripted(), train=train))))


def test_nearest_keeps_instructions_and_others_unwrap_it():
    student = ROUTING.build()
    student.answer.signature = student.answer.signature.with_instructions("Be quick.")
    near = OPTIMIZERS["nearest"].compile(task(scripted(), student=student))
    assert isinstance(near, RetrievedDemos)
    assert near.program.answer.signature.instructions == "Be quick."
    again = OPTIMIZERS["labeled"].compile(task(scripted(), student=near))
    assert not isinstance(again, RetrievedDemos)
    assert again.answer.signature.instructions == "Be quick."


def test_mipro_with_more_trials_than_pairs_ends_well():
    few = OptimizerSettings.model_validate({"mipro": {"num_candidates": 2, "minibatch": True, "minibatch_size": 5}})
    assert accuracy(OPTIMIZERS["mipro"].compile(task(scripted(), settings=few, max_iterations=60)), scripted()) > 0.6


class _Measured(BaseCallback):
    """Counts the candidates that a search measures on dev."""

    def __init__(self) -> None:
        self.count = 0

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.count += len(inputs.get("devset") or instance.devset) == len(task(scripted()).dev)


@pytest.mark.parametrize("asked", [1, 24, 60])
@pytest.mark.parametrize(("name", "besides"), [("random_search", 0), ("mipro", 1), ("copro", 0)])
def test_a_search_measures_as_many_candidates_as_it_says_and_is_asked_for(name: str, besides: int, asked: int):
    """MIPRO measures the student besides its trials."""
    measured, number = _Measured(), itertools.count()
    teacher, _ = scripted_writer(
        lambda prompt: json_answers(
            proposed_instruction=f"Mind {next(number)} things.", proposed_prefix_for_output_field=f"{next(number)}:"
        )(prompt)
    )
    with dspy.context(callbacks=[measured]):
        OPTIMIZERS[name].compile(task(scripted_lms(like_the_nearest_demo, teacher), max_iterations=asked))
    assert measured.count == iterations(name, asked) + besides
    exact = {("random_search", 1): 3, ("copro", 1): 2, ("copro", 60): 56}  # at least, and rounds of seven
    assert iterations(name, asked) == exact.get((name, asked), asked)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_iterations_that_are_asked_for_cost_calls_or_the_method_says_that_it_does_not_search(name: str):
    calls = []
    for max_iterations in (1, 30, 60):
        lms = scripted()
        OPTIMIZERS[name].compile(task(lms, max_iterations=max_iterations))
        calls.append(lms.task.calls.count)
    if iterations(name, 60) == 1:
        assert calls[0] == calls[1] == calls[2]
    else:
        assert calls[0] < calls[1] < calls[2]


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_optimizer_works_without_dev_examples_at_its_smallest_size(name: str):
    few = examples(THINGS)[: OPTIMIZERS[name].min_examples]
    OPTIMIZERS[name].compile(task(scripted(), train=few, dev=[]))


# What stops them


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in ASK_NOBODY])
@pytest.mark.parametrize("error", [BudgetSpent("all calls are used"), Unavailable("LM is down")])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_failure_of_the_lm_ends_the_compilation_as_what_it_is(name: str, error: ArgotuneError, num_threads: int):
    lms = replace(scripted(fail_at=1, error=error), num_threads=num_threads)
    if name == "ensemble" and isinstance(error, BudgetSpent):
        OPTIMIZERS[name].compile(task(lms))  # it goes on without an LM
        return
    with pytest.raises(type(error), match=str(error)):
        OPTIMIZERS[name].compile(task(lms))
    assert lms.task.calls.count < (240 if name == "portfolio" else 40), "each of its candidates tries"


@pytest.mark.parametrize("name", WRITES)
def test_failure_of_the_teacher_ends_the_compilation_as_what_it_is(name: str):
    teacher, _ = scripted_writer(WRITTEN, fail_at=1, error=BudgetSpent("all calls are used"))
    guess = Random(0)  # SIMBA asks its teacher only about examples that come out now right, now wrong
    lms = scripted_lms(lambda inputs, labels, demos: guess.choice(labels), teacher)
    with pytest.raises(BudgetSpent, match="all calls are used"):
        OPTIMIZERS[name].compile(task(lms))


@pytest.mark.parametrize("num_threads", [1, 3])
def test_spent_budget_keeps_the_best_candidate_that_was_measured(num_threads: int, caplog: pytest.LogCaptureFixture):
    whole = scripted()
    OPTIMIZERS["random_search"].compile(task(whole, max_iterations=8))
    lms = replace(
        scripted(fail_at=whole.task.calls.count - 3, error=BudgetSpent("all calls are used")), num_threads=num_threads
    )
    tuned = OPTIMIZERS["random_search"].compile(task(lms, max_iterations=8))
    assert accuracy(tuned, scripted()) > 0.6
    assert "random_search stopped early, the best candidate so far is kept" in caplog.text


@pytest.mark.parametrize("calls", [400, 700, 1100])
def test_simba_ends_within_the_calls_that_are_left(calls: int):
    """It chooses at its end alone, so that a budget that is spent before pays for nothing."""
    lms = scripted(fail_at=calls + 1, error=BudgetSpent("all calls are used"))
    asked = task(lms, train=examples(THINGS) * 6, max_iterations=100)
    OPTIMIZERS["simba"].compile(replace(asked, meter=Meter(BudgetLimits(max_lm_calls=calls))))
    assert lms.task.calls.count > calls / 2


def test_dead_server_is_no_reason_to_keep_a_candidate():
    lms = scripted(fail_at=60, error=Unavailable("LM is down"))
    with pytest.raises(Unavailable):
        OPTIMIZERS["random_search"].compile(task(lms, max_iterations=8))


def test_spent_budget_without_anything_better_is_not_hidden():
    lms = scripted(lambda inputs, labels, demos: labels[0], fail_at=60, error=BudgetSpent("all calls are used"))
    with pytest.raises(BudgetSpent):
        OPTIMIZERS["random_search"].compile(task(lms, max_iterations=8))


@pytest.mark.parametrize("name", ["bootstrap", "simba", *SEARCHES])
def test_metric_that_fails_is_not_taken_for_wrong_answers(name: str):
    broken = Program(ROUTING.name, ROUTING.module, ROUTING.fields, ROUTING.build, lambda example, prediction: 1 / 0)
    with pytest.raises(ConfigInvalid, match="routing: its metric failed: ZeroDivisionError"):
        OPTIMIZERS[name].compile(task(scripted(), program=broken))


SEARCH = ["bootstrap", "simba", *SEARCHES]


def some(query: str) -> bool:
    return any(thing in query for thing in ("bees", "cats", "soup"))


@pytest.mark.parametrize("name", SEARCH)
@pytest.mark.parametrize("error", [NoContent("nothing"), RequestRefused("filtered"), KeyError("its tool")])
def test_a_question_on_which_lm_or_program_fails_is_a_miss_in_training(name: str, error: Exception):
    def answer(inputs: Any, labels: Any, demos: Any) -> str:
        if some(inputs["query"]):
            raise error
        return like_the_nearest_demo(inputs, labels, demos)

    lms = scripted(answer)
    tuned = OPTIMIZERS[name].compile(task(lms))
    assert any(some(asked["state"]["inputs"]["query"]) for asked in lms.task.calls.asked)
    assert accuracy(tuned, scripted()) >= accuracy(ROUTING.build(), scripted())


@pytest.mark.parametrize("name", SEARCH)
def test_an_answer_on_which_the_metric_fails_is_a_miss_in_training(name: str):
    def metric(example: dspy.Example, prediction: dspy.Prediction) -> float:
        return ROUTING.metric(example, prediction) / (0 if some(example.query) else 1)

    picky = Program(ROUTING.name, ROUTING.module, ROUTING.fields, ROUTING.build, metric)
    assert accuracy(OPTIMIZERS[name].compile(task(scripted(), program=picky)), scripted()) > 0


@pytest.mark.parametrize("name", ["copro", "mipro"])
@pytest.mark.parametrize("kind", [NoContent, RequestRefused])
def test_a_teacher_that_does_not_answer_is_told_as_that(name: str, kind: type[ArgotuneError]):
    teacher, _ = scripted_writer(WRITTEN, fail_at=1, error=type(kind.__name__, (kind, LMError), {})("not this"))
    with pytest.raises(kind, match="not this"):
        OPTIMIZERS[name].compile(task(scripted_lms(like_the_nearest_demo, teacher)))


def test_failure_inside_dspy_names_the_optimizer():
    teacher, _ = scripted_writer(WRITTEN, fail_at=1, error=KeyError("oops"))
    with pytest.raises(ArgotuneError, match=r"optimizer copro: .*oops"):
        OPTIMIZERS["copro"].compile(task(scripted_lms(like_the_nearest_demo, teacher)))


@pytest.mark.parametrize("name", ["copro", "mipro"])
def test_teacher_that_writes_nonsense_is_a_matter_of_config(name: str):
    lms = scripted_lms(like_the_nearest_demo, scripted_writer(lambda prompt: "blah")[0])
    with pytest.raises(ConfigInvalid, match=f"optimizer {name}: the teacher LM wrote nothing .* stronger"):
        OPTIMIZERS[name].compile(task(lms))


def test_teacher_that_writes_nonsense_leaves_gepa_with_what_there_was():
    lms = scripted_lms(like_the_nearest_demo, scripted_writer(lambda prompt: "blah")[0])
    assert dump(OPTIMIZERS["gepa"].compile(task(lms))) == dump(ROUTING.build())


def test_gepa_asks_for_as_many_proposals_as_iterations_however_bad_they_are():
    teacher, calls = scripted_writer(json_answers(new_instruction="Always say nothing."))
    kinds = {phrase.split()[0]: agent for agent, phrases in WORDS.items() for phrase in phrases}

    def wrong(inputs: Any, labels: Any, demos: Any) -> str:  # what is right already needs no proposal
        return next(label for label in labels if label != kinds[inputs["query"].split()[0]])

    OPTIMIZERS["gepa"].compile(task(scripted_lms(wrong, teacher), max_iterations=30))
    assert calls.count == iterations("gepa", 30) == 30


# Silence


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_optimizer_prints_nothing_and_writes_no_file(
    name: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    OPTIMIZERS[name].compile(task(scripted()))
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_other_threads_still_print_and_the_streams_come_back(capsys: pytest.CaptureFixture[str]):
    before = sys.stdout, sys.stderr
    with quiet():
        print("hidden")
        other = threading.Thread(target=print, args=("shown",))
        other.start()
        other.join()
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "shown\n"


def test_silence_ends_with_the_last_thread_that_is_quiet_whichever_was_first(capsys: pytest.CaptureFixture[str]):
    before, level = (sys.stdout, sys.stderr), logging.getLogger("dspy").level
    inside, first_is_over = threading.Event(), threading.Event()

    def second() -> None:
        with quiet():
            inside.set()
            first_is_over.wait(10)
            print("hidden")

    other = threading.Thread(target=second)
    with quiet():
        other.start()
        inside.wait(10)
    first_is_over.set()
    other.join()
    print("shown")
    assert ((sys.stdout, sys.stderr), logging.getLogger("dspy").level) == (before, level)
    assert capsys.readouterr().out == "shown\n"
