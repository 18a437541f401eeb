"""Between traces and prompts: nothing personal gets past masking, and no test question into a version that serves."""

from __future__ import annotations

import dataclasses

import dspy
import pytest
from world import World, decision, filled, run_once, traffic

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.fields import Fields
from argotune.data.splitting import Split
from argotune.data.stream import Stream
from argotune.errors import Unavailable
from argotune.optimizers import OPTIMIZERS
from argotune.optimizers.task import bare_student
from argotune.pipeline.module_pass import Pass, Request
from argotune.pipeline.passes import run_module
from argotune.pipeline.stages.collect import collect
from argotune.promotion.contest_book import ContestBook
from argotune.runs.book import RunBook
from argotune.store.collections import Collection

PRIVATE = "anna.schmidt@example.com"


def world_with_mails(n: int = 300, **fields) -> tuple[World, object]:
    """Labelled decisions, every one of which names a mail address."""
    world = World()
    config = world.tenant(**fields)
    spans, annotations = traffic(config.tenant_id, n)
    for span in spans:
        span.attributes["routing.query"] += f" for {PRIVATE}"
        span.attributes["routing.entities"] = [PRIVATE, "alps"]
    world.traces.record(config.tenant_id, spans)
    world.traces.annotate(Stream(config.tenant_id, "routing"), annotations)
    return world, config


def stored(world: World) -> str:
    names = [name for name in vars(Collection) if name.isupper()]
    kinds = [getattr(Collection, name) for name in names]
    kinds += [f"{kind}.routing" for kind in (Collection.EXPERIENCES, Collection.EXAMPLES)]
    return "\n".join(record.text for kind in kinds for record in world.store.scan("acme", kind))


def splits_of(world: World) -> dict[str, Split]:
    return {e.span_id: e.split for e in ExperienceLog(world.store, "acme").examples("routing")}


def test_nothing_personal_is_stored_shown_to_an_lm_or_published():
    world, config = world_with_mails()
    seen: list[str] = []
    answer = world.lms.answer
    world.lms.answer = lambda inputs, labels, demos: seen.append(f"{inputs} {demos}") or answer(inputs, labels, demos)
    run = run_once(world, config)
    assert run.outcome == "promoted", run.sentence
    assert run.counts["masked: email"] == 600
    assert "<EMAIL>" in seen[-1]
    assert "<EMAIL>" in stored(world)
    for text in (*seen, stored(world), str(world.tracker.__dict__)):
        assert PRIVATE not in text


def test_a_tenant_may_switch_masking_off():
    world, config = world_with_mails(masking={"enabled": False})
    run = run_once(world, config)
    assert PRIVATE in stored(world)
    assert not [what for what in run.counts if what.startswith("masked")]


def test_stored_experiences_are_masked_once_when_the_rules_change_and_keep_their_splits():
    world, config = world_with_mails(masking={"enabled": False})
    assert run_once(world, config).outcome == "promoted"
    contests, before = ContestBook(world.store, "acme"), splits_of(world)
    opened = contests.opened("routing")
    assert opened
    world.later(hours=2)
    masking = world.tenant(masking={"enabled": True})
    (second,) = run_module(world.ports, masking, "routing", Request(is_forced=True, is_training_forced=True)).runs
    assert PRIVATE not in "".join(
        record.text
        for kind in (Collection.EXPERIENCES, Collection.EXAMPLES)
        for record in world.store.scan("acme", f"{kind}.routing")
    )
    assert splits_of(world) == before
    assert second.counts["masked: email"] == 600
    sealed = {e.id for e in ExperienceLog(world.store, "acme").examples("routing") if e.split is Split.TEST}
    assert sealed == contests.opened("routing") - opened, "opened by their new ids too"
    assert contests.contest(second.contest).sealed_ids == (), "and not fresh for that"
    world.later(hours=2)
    assert run_once(world, masking, forced=True).counts["masked: email"] == 600


def test_a_run_that_crashed_before_the_rules_changed_goes_on_with_the_masked_examples():
    world, config = world_with_mails(masking={"enabled": False})

    def outage():
        raise Unavailable("the LM is down")

    world.lms.on_call = outage
    with pytest.raises(Unavailable):
        run_once(world, config)
    (broken,) = RunBook(world.store, "acme").runs()
    world.lms.on_call = lambda: None
    run = run_once(world, world.tenant())
    assert (run.id, run.outcome) == (broken.id, "promoted"), run.sentence
    assert run.verdict.numbers.n == len(broken.plan.test_ids)
    assert PRIVATE not in str(world.tracker.__dict__)


def test_questions_that_masking_made_equal_stay_sealed():
    world = World()
    raw = world.tenant(masking={"enabled": False})
    names = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}x{n}@n{n * 7919}.example" for n in range(60)]
    spans = [decision("acme", f"{n:016x}", f"clips of {name}", "video", success=True) for n, name in enumerate(names)]
    world.traces.record("acme", spans)
    run_once(world, raw, forced=True)
    log = ExperienceLog(world.store, "acme")
    assert {example.split for example in log.examples("routing")} == set(Split)
    world.later(hours=2)
    run_once(world, world.tenant(), forced=True)
    assert [(e.inputs["query"], e.split) for e in log.examples("routing")] == [("clips of <EMAIL>", Split.TEST)]


def test_labels_in_free_text_are_masked_too():
    world = World()
    config = world.tenant()
    world.traces.record("acme", [decision("acme", "a" * 16, "who knows", "nobody", success=False)])
    world.traces.annotate(
        Stream("acme", "routing"), [Annotation("a" * 16, "agent", f"ask {PRIVATE}", "HUMAN", "kim", world.now)]
    )
    datasets = collect(Pass(world.ports, config, "routing"), [Fields("routing", ("query",), {"agent": None})]).datasets
    (example,) = datasets["routing"].picked()
    assert example.expected == {"agent": "ask <EMAIL>"}
    assert datasets["routing"].counts["masked in labels: email"] == 1


def memorising(world: World):
    """An optimizer that has seen the test split, as no optimizer can: it learns two questions of it by heart."""

    def compile(task) -> dspy.Module:
        examples = ExperienceLog(world.store, "acme").examples("routing")
        sealed = sorted((e for e in examples if e.split is Split.TEST), key=lambda e: e.id)[:2]
        tuned = bare_student(task).reset_copy()
        for predictor in tuned.predictors():
            predictor.demos = [dspy.Example({**e.inputs, **e.expected}) for e in sealed]
        return tuned

    return dataclasses.replace(OPTIMIZERS["labeled"], compile=compile)


def test_what_a_challenger_has_memorised_never_counts_sealed_or_drawn(monkeypatch):
    world, config = filled(preferred_optimizer="labeled")
    monkeypatch.setitem(OPTIMIZERS, "labeled", memorising(world))
    run = run_once(world, config)
    held = sorted(run.plan.test_ids)[:2]
    assert {score.example_id for score in run.comparison.scores} == {*run.plan.test_ids} - {*held}
    pages = list(ContestBook(world.store, "acme").pages(run.contest))
    spans = {e.span_id for e in ExperienceLog(world.store, "acme").examples("routing") if e.id in held}
    assert not {*held} & {pair.question for page in pages for pair in page.pairs}
    assert spans <= {span_id for page in pages for span_id in page.passed}, "the lot would have brought them back"
    assert run.outcome != "promoted"


@pytest.mark.parametrize("optimizer", ["labeled", "bootstrap", "nearest"])
def test_all_sealed_examples_judge_a_challenger_that_saw_only_training_examples(optimizer: str):
    world, config = filled(preferred_optimizer=optimizer)
    run = run_once(world, config)
    assert {score.example_id for score in run.comparison.scores} == {*run.plan.test_ids}
