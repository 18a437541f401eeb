"""Tuning: a small task for optimizers, and what a method makes of it by a tenant's settings."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import dspy
from scripted_lm import Calls, json_answers, like_the_nearest_demo, scripted_lms, scripted_writer
from twin_embedders import EMBEDDERS

from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.programs import programs_of
from argotune.programs.entities import EntityFinder
from argotune.programs.state import dump
from argotune.tenants.config import RoutingConfigUnified

AGENTS = {"video": "finds videos and films", "text": "finds papers and texts", "audio": "finds songs and podcasts"}
ROUTING = programs_of(RoutingConfigUnified(tenant_id="acme", agents=AGENTS), "routing")[0]
WORDS = {
    "video": ("clip of a {}", "film about {}"),
    "text": ("paper on {}", "article about {}"),
    "audio": ("song for {}", "podcast on {}"),
}
THINGS = ("bees", "cats", "taxes", "jazz", "rome", "soup", "chess", "rain")
MORE = ("snow", "maps", "golf", "ants", "lego", "wine", "moss", "silk", "fish", "rust", "fern", "clay", "corn", "jade")
WRITTEN = json_answers(
    proposed_instruction="Mind the kind of content.",
    proposed_prefix_for_output_field="Agent:",
    module_advice={"answer": "Mind the noun."},
    new_instruction="Mind the kind of content, please.",
)


def examples(things: tuple[str, ...]) -> list[dspy.Example]:
    made = []
    for thing in things:
        for agent, phrases in WORDS.items():
            for phrase in phrases:
                inputs = {"query": phrase.format(thing), "entities": "", "relationships": "", "enhanced_query": ""}
                made.append(dspy.Example({**inputs, "agent": agent}).with_inputs(*inputs))
    return made


def scripted(answer: Any = like_the_nearest_demo, **failing: Any) -> LMs:
    return scripted_lms(answer, scripted_writer(WRITTEN)[0], **failing)


def task(lms: LMs, **changes: Any) -> TrainingTask:
    made = TrainingTask(
        program=ROUTING,
        student=ROUTING.build(),
        train=examples(THINGS[:4]),
        dev=examples(THINGS[4:6]),
        lms=lms,
        embedders=EMBEDDERS,
        seed=7,
        max_iterations=3,
    )
    return replace(made, **changes)


def tuned(config: RoutingConfigUnified, method: str) -> Any:
    """The program that a method makes with these settings, and what it asked of which LM."""
    guess = Random(0)  # SIMBA looks at examples that come out now right, now wrong

    def answer(inputs: Any, labels: Any, demos: Any) -> str:
        return guess.choice(labels) if guess.random() < 0.3 else like_the_nearest_demo(inputs, labels, demos)

    teacher, asked = scripted_writer(WRITTEN)
    lms = scripted_lms(answer, teacher)
    given = task(lms, settings=config.optimizers, max_iterations=config.max_training_iterations)
    return dump(OPTIMIZERS[method].compile(given)), lms.task.calls.count, _told(asked)


def taught(config: RoutingConfigUnified, method: str) -> Any:
    """The program that a method makes of a label of each kind, where an LM answers requests that nobody labelled."""
    few = [each for each in examples(THINGS[:1]) if WORDS[each.agent][0].format(THINGS[0]) == each.query]
    asked = [dspy.Example(each.inputs().toDict()).with_inputs(*each.inputs().keys()) for each in examples(THINGS[1:5])]
    lms = scripted_lms(_by_phrase, None)
    given = task(lms, train=few, dev=[], settings=config.optimizers, unlabelled=asked)
    return dump(OPTIMIZERS[method].compile(given)), lms.task.calls.count


def cascaded(config: RoutingConfigUnified) -> Any:
    """The cascade of a student and an LM that is right on a third of the questions, and what its making cost."""

    def answer(inputs: Any, labels: Any, demos: Any) -> str:
        return "audio" if len(inputs["query"]) % 3 else _by_phrase(inputs, labels, demos)

    lms = scripted_lms(answer, None)
    asked = [dspy.Example(each.inputs().toDict()).with_inputs(*each.inputs().keys()) for each in examples(MORE)]
    given = task(lms, dev=examples(THINGS[4:]), settings=config.optimizers, unlabelled=asked)
    return dump(OPTIMIZERS["cascade"].compile(given)), given.notes, lms.task.calls.count


def voting(config: RoutingConfigUnified) -> Any:
    """The ensemble of words, entities and an LM that writes and knows the half, and what its making cost."""
    model = config.optimizers.ensemble.entity_model
    program = replace(ROUTING, finder=EntityFinder(model)) if model else ROUTING
    lm, calls = scripted_writer(_knows_the_half)
    lms = LMs(task=lm, teacher=lm, adapter=dspy.JSONAdapter(), names={})
    given = task(lms, program=program, settings=config.optimizers, dev=examples(THINGS[4:]))
    return dump(OPTIMIZERS["ensemble"].compile(given)), given.notes, _told(calls)


def _knows_the_half(prompt: str) -> str:
    query = prompt.rpartition("[[ ## query ## ]]")[2].split("\n")[1]
    return json.dumps({"agent": "audio" if len(query) % 2 else _by_phrase({"query": query}, None, None)})


def _by_phrase(inputs: Any, _labels: Any, _demos: Any) -> str:
    words = {phrase.split()[0]: agent for agent, phrases in WORDS.items() for phrase in phrases}
    return words[inputs["query"].split()[0]]


def _told(asked: Calls) -> Any:
    return asked.count, asked.temperatures
