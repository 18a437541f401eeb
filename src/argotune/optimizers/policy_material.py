"""Policy material: what a policy is learned from and tried on, of experiences and labelled examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import dspy
import numpy as np

from argotune.data.episodes import Step, Steps, split_by_time, steps_of
from argotune.data.experience_buffer import BufferLimits, filled
from argotune.data.experiences import Experience
from argotune.errors import NothingToLearn
from argotune.optimizers.policy_learning import LoggedRows
from argotune.optimizers.policy_loss import Rows
from argotune.optimizers.policy_rows import RowMaker, choices_of, heads_of
from argotune.optimizers.student import known_values
from argotune.programs.embedder import SentenceEmbedder
from argotune.programs.program import Program, dspy_example
from argotune.programs.student import QuestionReader
from argotune.stats.wording import counted, each_counted
from argotune.tenants.policy_settings import PolicySettings

CERTAIN = 1 - 1e-6
"""A logger whose propensities are all so high never chose anything else, and tells nothing of it."""

ALIKE = 1e-9


@dataclass(frozen=True)
class PolicyTask:
    """What a policy is learned from: experiences, examples with what each counts, and dev examples that choose."""

    program: Program
    experiences: Iterable[Experience]
    examples: Sequence[dspy.Example]
    weights: Sequence[float]
    dev: Sequence[dspy.Example]
    sentences: SentenceEmbedder
    settings: PolicySettings
    seed: int


@dataclass(frozen=True)
class PolicyMaterial:
    """Rows to learn from and, of the latest experiences and the dev examples, to try what was learned on. `lack` is why
    experiences are not learned from, "" where they are; `left_out` counts those that tell nothing, by the reason."""

    maker: RowMaker
    logged: LoggedRows
    later: LoggedRows
    labelled: Rows
    dev: Rows
    left_out: Mapping[str, int]
    lack: str


def material_of(task: PolicyTask) -> PolicyMaterial:
    """Raises ConfigInvalid for a program with an answer that is no closed set, and NothingToLearn where there is no
    example, and no experience that tells one answer from another; or one answer only."""
    answers, settings = choices_of(task.program), task.settings
    found = steps_of(task.experiences, task.program.typed_fields, settings.rewards, settings.discount_factor)
    steps = [step for step in found.steps if step.experience.propensity is not None]
    lack = _lack(found, steps)
    limits = BufferLimits(settings.experience_buffer_size, settings.max_answer_share, settings.max_repeats)
    kept = () if lack else filled(steps, limits).steps
    before, after = split_by_time(kept, settings.validation_split)
    reader = QuestionReader(task.sentences, known_values(_questions(task, before)))
    maker = RowMaker(task.program, reader, answers, heads_of(before))
    counts = settings.label_weight > 0
    labelled = maker.of_examples(task.examples if counts else [], task.weights)
    dev = maker.of_examples(task.dev, [1.0] * len(task.dev))
    material = PolicyMaterial(maker, maker.of_steps(before), maker.of_steps(after), labelled, dev, found.left_out, lack)
    _refuse_nothing(task.program, material)
    return material


def _lack(known: Steps, steps: Sequence[Step]) -> str:
    """Why no experience is learned from."""
    n = counted(len(steps or known.steps), "experience")
    if not known.steps:
        return "no experience can be learned from" if known.left_out else "there is no experience"
    if not steps:
        return f"{n} without a propensity (routing.propensity) cannot tell what another answer would have brought"
    if all((step.experience.propensity or 0) >= CERTAIN for step in steps):
        return f"no decision of {n} was drawn by lot (all propensities are 1), so of other answers nothing is known"
    worths = [step.worth for step in steps]
    if max(worths) <= ALIKE:
        return f"no reward of {n} is positive"
    return f"all rewards of {n} are the same" if max(worths) - min(worths) <= ALIKE else ""


def _questions(task: PolicyTask, steps: Sequence[Step]) -> list[dspy.Example]:
    values = (task.program.typed_fields.values(step.experience.inputs) for step in steps)
    return [*task.examples, *(dspy_example(v, v) for v in values)]


def _refuse_nothing(program: Program, material: PolicyMaterial) -> None:
    if not len(material.labelled) and material.lack:
        left_out = f" ({each_counted(material.left_out)})" if material.left_out else ""
        raise NothingToLearn(f"{program.name}: no example is labelled, and {material.lack}{left_out}")
    codes = np.concatenate([material.labelled.answers, material.logged.rows.answers])
    if len(np.unique(codes)) < 2:
        only = " + ".join(material.maker.answers.choices[int(codes[0])])
        raise NothingToLearn(f"{program.name}: all examples and experiences have one answer, {only!r}")


def imitating(task: PolicyTask) -> PolicyTask:
    """The task with decisions that went well as labelled examples, each counting what it was worth, the latest part of
    them as dev examples: all that experiences teach that cannot tell what another answer would have brought."""
    settings, program = task.settings, task.program
    found = steps_of(task.experiences, program.typed_fields, settings.rewards, settings.discount_factor).steps
    good = [step for step in found if step.experience.agent_success and step.worth > 0]
    before, after = split_by_time(good, settings.validation_split)
    examples, dev = ([_as_example(program, step) for step in part] for part in (before, after))
    return replace(task, examples=examples, weights=[step.worth for step in before], dev=dev)


def _as_example(program: Program, step: Step) -> dspy.Example:
    asked = step.experience.inputs
    return dspy_example(program.typed_fields.values({**asked, **step.experience.answers}), asked)
