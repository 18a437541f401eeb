"""Policy: a network that is learned from experiences with rewards and answers closed sets without an LM.

What the auto-optimization workflow describes as "GEPA (Experience-Guided Policy Adaptation)"; dspy.GEPA is another
method (optimizers/gepa.py). A bounded buffer of experiences (data/experience_buffer.py) is replayed by surprise and
confidence (optimizers/replay.py); logged propensities make up for what the logger preferred
(optimizers/policy_loss.py). Labelled examples teach beside them, and alone where no propensity was logged. The latest
experiences and the dev examples say when to stop, and at which temperature its confidence is calibrated.
"""

from __future__ import annotations

from collections.abc import Iterator

import dspy
import numpy as np

from argotune.optimizers.policy_learning import LearnedArrays, Lesson, LoggedRows, learned_arrays
from argotune.optimizers.policy_loss import Rows, as_served
from argotune.optimizers.policy_material import PolicyMaterial, PolicyTask, material_of
from argotune.optimizers.policy_trials import hits_of, served_value
from argotune.optimizers.task import TrainingTask
from argotune.programs.arrays import Floats
from argotune.programs.policy import Policy
from argotune.programs.policy_network import NetworkSize, answered
from argotune.stats.calibration import Numbers, probabilities, temperature_of
from argotune.stats.off_policy import NoSupport, self_normalised
from argotune.stats.wording import counted, each_counted, percent, percent_between
from argotune.tenants.optimizer_settings import OptimizerSettings
from argotune.tenants.policy_settings import PolicySettings

LOOKED_AT = 2
"""Experiences that are read for each that the buffer holds: of repeats and of one answer too many are left out."""

ONLY_LEARNING = ("baseline", "rewards")
"""Arrays that answer nothing."""

SAME = 1e-6


def compile(task: TrainingTask) -> dspy.Module:
    """The policy. Raises ConfigInvalid for a program with an answer that is no closed set, and NothingToLearn."""
    policy = learn_policy(
        PolicyTask(
            program=task.program,
            experiences=task.experiences,
            examples=task.train,
            weights=task.weights or [1.0] * len(task.train),
            dev=task.dev,
            sentences=task.embedders.sentences(),
            settings=task.settings.policy,
            seed=task.seed,
        )
    )
    task.notes.extend(policy.notes)
    return policy


def wanted_experiences(settings: OptimizerSettings) -> int:
    """How many experiences it has use for."""
    return LOOKED_AT * settings.policy.experience_buffer_size


def learn_policy(task: PolicyTask) -> Policy:
    """The policy of a task; its notes say what it learned from, in sentences. Raises as `compile`."""
    material = material_of(task)
    maker = material.maker
    inputs = material.labelled.rows.shape[1] if len(material.labelled) else material.logged.rows.rows.shape[1]
    size = NetworkSize(inputs, task.settings.hidden_size, len(maker.answers.choices), len(maker.heads))
    lesson = Lesson(
        logged=material.logged if len(material.logged) else None,
        labelled=material.labelled if len(material.labelled) else None,
        size=size,
        score=_Trial(material, task.settings) if len(material.dev) or len(material.later) else None,
    )
    found = learned_arrays(lesson, task.settings, task.seed)
    arrays = {name: array for name, array in found.arrays.items() if name not in ONLY_LEARNING}
    temperature = _temperature(material, arrays, task.settings)
    notes = tuple(_notes(material, found, arrays, temperature))
    return Policy(maker.reader, maker.answers, arrays, temperature, notes)


class _Trial:
    """How good arrays are on what is not learned from: the mean chance of what is right on dev, the self-normalised
    value on the latest experiences, or the mean of both."""

    def __init__(self, material: PolicyMaterial, settings: PolicySettings) -> None:
        self._material, self._settings = material, settings

    def __call__(self, arrays: dict[str, Floats]) -> float:
        later, dev, found = self._material.later, self._material.dev, []
        if len(dev):
            found.append(float(_chances_of(arrays, dev).mean()))
        if len(later):
            chances = _chances_of(arrays, later.rows, self._settings.exploration_rate)
            weights = np.minimum(chances / later.propensities, self._settings.weight_cap) * later.rows.counts
            found.append(self_normalised(later.worths.astype(np.float64), weights.astype(np.float64)) or 0.0)
        return sum(found) / len(found)


def _chances_of(arrays: dict[str, Floats], rows: Rows, by_lot: float = 0.0) -> Numbers:
    """Of what each row was answered with, where a share of the decisions is by lot."""
    chances = as_served(probabilities(answered(arrays, rows.rows).astype(np.float64)), by_lot)
    found: Numbers = chances[np.arange(len(rows)), rows.answers]
    return found


def _temperature(material: PolicyMaterial, arrays: dict[str, Floats], settings: PolicySettings) -> float:
    """By dev labels; without any by those of the latest experiences that were worth something, each counting as often
    as decisions like it would be drawn of all answers alike."""
    dev, later = material.dev, material.later
    if len(dev):
        return temperature_of(answered(arrays, dev.rows).astype(float), dev.answers, dev.counts.astype(float))
    drawn = np.minimum(1 / later.propensities, settings.weight_cap) * later.worths * later.rows.counts
    return temperature_of(answered(arrays, later.rows.rows).astype(float), later.rows.answers, drawn.astype(float))


def _notes(
    material: PolicyMaterial, found: LearnedArrays, arrays: dict[str, Floats], temperature: float
) -> Iterator[str]:
    """What it learned from, what it lacks, and what it is worth as far as that is known."""
    labelled, logged = counted(len(material.labelled), "labelled example"), counted(len(material.logged), "experience")
    if material.lack:
        yield f"learned from {labelled} alone: {material.lack}"
    else:
        yield f"learned from {logged} with propensities and {labelled}"
    if material.left_out:
        yield f"experiences left out: {each_counted(material.left_out)}"
    heads = material.maker.heads
    if len(heads) > 1:
        yield f"heads: {', '.join(heads)}"
    yield f"stopped after {counted(found.epochs, 'epoch')}, the best was {found.best_epoch}"
    if len(material.logged) and float(np.ptp(material.logged.confidences)) < SAME:
        yield "all confidences are the same: which experiences are drawn is up to their surprise alone"
    if len(material.dev):
        yield _calibration(material.dev, arrays, temperature)
    if len(material.later):
        yield _worth(material.later, arrays)


def _worth(later: LoggedRows, arrays: dict[str, Floats]) -> str:
    """What the policy as it serves would have earned in the latest experiences, beside the logger."""
    on = f"on the latest {counted(len(later), 'experience')}"
    value = served_value(later, answered(arrays, later.rows.rows).argmax(axis=1))
    if isinstance(value, NoSupport):
        return f"{on}: {value.reason}"
    earned = float(np.average(later.worths, weights=later.rows.counts))
    ends = percent_between(value.interval)
    return f"{on} it would have earned {percent(value.self_normalised)} ({ends}), the logger {percent(earned)}"


def _calibration(dev: Rows, arrays: dict[str, Floats], temperature: float) -> str:
    found = hits_of(dev, probabilities(answered(arrays, dev.rows).astype(float), temperature))
    told = f"on {counted(len(dev), 'dev example')} {percent(found.accuracy)} right"
    return f"{told}, expected calibration error {percent(found.calibration_error)}"
