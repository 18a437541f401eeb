"""Policy: answers closed sets by a network that was learned from experiences with rewards, without an LM
(optimizers/policy.py)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import dspy
import numpy as np

from argotune.programs.arrays import Floats, array_state, read_array
from argotune.programs.embedder import Embedders
from argotune.programs.policy_network import answered
from argotune.programs.states import PolicyState
from argotune.programs.student import BY_STUDENT, QuestionReader
from argotune.stats.calibration import Numbers, probabilities


@dataclass(frozen=True)
class PolicyAnswers:
    """All that the policy may answer: the names of the answers, and a choice of labels for each."""

    names: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]

    def number(self, answers: Mapping[str, object]) -> int | None:
        """The place of a choice, None where it is none of them."""
        said = tuple(str(answers.get(name)) for name in self.names)
        return self.choices.index(said) if said in self.choices else None


class Policy(dspy.Module):
    """A module without predictors. Its `confidence` is the calibrated probability of the answer; `notes` are sentences
    on what it learned from. Nothing of it changes, so threads and copies share it."""

    def __init__(
        self,
        reader: QuestionReader,
        answers: PolicyAnswers,
        arrays: Mapping[str, Floats],
        temperature: float,
        notes: tuple[str, ...],
    ) -> None:
        dspy.Module.__init__(self)
        self.reader = reader
        self.answers = answers
        self.arrays = dict(arrays)
        self.temperature = temperature
        self.notes = notes

    def forward(self, **inputs: object) -> dspy.Prediction:
        chances = self.chances(self.reader.rows([inputs]))[0]
        best = int(chances.argmax())
        said = dict(zip(self.answers.names, self.answers.choices[best], strict=True))
        return dspy.Prediction(**{"confidence": float(chances[best]), "by": BY_STUDENT, **said})

    def chances(self, rows: Floats) -> Numbers:
        """How likely each of `answers.choices` is right, for each row of numbers."""
        return probabilities(np.nan_to_num(answered(self.arrays, rows).astype(np.float64)), self.temperature)

    def __deepcopy__(self, memo: dict[int, object]) -> Policy:
        return copy.copy(self)


def policy_state(policy: Policy) -> PolicyState:
    """The state of a policy as JSON values."""
    return {
        "kind": "policy",
        **policy.reader.state,
        "names": list(policy.answers.names),
        "choices": [list(choice) for choice in policy.answers.choices],
        "arrays": {name: array_state(array) for name, array in policy.arrays.items()},
        "temperature": policy.temperature,
        "notes": list(policy.notes),
    }


def read_policy(state: PolicyState, embedders: Embedders) -> Policy:
    """The policy of a state. Raises as `QuestionReader.read`."""
    reader = QuestionReader.read(state, embedders)
    answers = PolicyAnswers(tuple(state["names"]), tuple(tuple(choice) for choice in state["choices"]))
    arrays = {str(name): read_array(array) for name, array in state["arrays"].items()}
    if arrays["bias"].shape != (len(answers.choices),):
        raise ValueError("choices and arrays do not fit each other")
    return Policy(reader, answers, arrays, float(state["temperature"]), tuple(map(str, state["notes"])))


def policy_text(state: PolicyState) -> str:
    """What people compare between versions of a policy."""
    choices = "; ".join(" + ".join(choice) for choice in state["choices"])
    lines = [
        f"A network on sentence vectors of {state['embedder']}, no LM (temperature {state['temperature']:.3g}).",
        f"It chooses {' and '.join(state['names'])}: {choices}",
        *state["notes"],
    ]
    return "\n".join(lines)
